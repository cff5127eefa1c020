"""Tables in text: every record, every cell's place, every fault."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.contract.rows import RowSink
from annotary.problems import Location
from annotary.syntax import csv as csvtext
from annotary.syntax.csv import Table, first_rows, quoted
from annotary.syntax.source import SourceError, SourceFile


def source(text: str | bytes, name: str = "t.csv") -> SourceFile:
    return SourceFile(name, data=text.encode() if isinstance(text, str) else text)


def sink() -> RowSink:
    return RowSink("t.csv", lambda rows, batch: None)


def read(text: str | bytes, header: bool = False) -> tuple[list[list[str]], RowSink]:
    rows = sink()
    return list(Table(source(text), header=header).records(rows)), rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_line_ends(separator: str, end: str) -> None:
    text = end.join([separator.join("abc"), separator.join("123"), ""])
    assert read(text)[0] == [["a", "b", "c"], ["1", "2", "3"]]


def test_byte_order_mark_blank_lines_and_declared_separator() -> None:
    assert read("\ufeffsep=;\r\n\r\na;b,c\r\n")[0] == [["a", "b,c"]]


def test_blanks_after_the_separator_and_quotes() -> None:
    assert read('a, "b, ""c""",d\n')[0] == [["a", 'b, "c"', "d"]]


def test_lines_count_through_cells_of_several_lines() -> None:
    table = Table(source('a,b\r\n"x\r\ny",1\r\n\r\nz,2\r\n'))
    assert [(table.line, cells) for cells in table.records()] == [
        (2, ["x\r\ny", "1"]),
        (5, ["z", "2"]),
    ]


@pytest.mark.parametrize(
    ("text", "cell", "place"),
    [
        ("a,b,c\n", 0, Location(1, 1)),
        ("a,b,c\n", 2, Location(1, 5)),
        ("a,  b,c\n", 1, Location(1, 5)),
        ('"x,y","é",c\n', 2, Location(1, 11)),
        ('"x\r\ny",b,c\n', 1, Location(2, 4)),
        ('"x\n\ny", "p\nq",c\n', 2, Location(4, 4)),
        ('"say ""x,y""",b\n', 1, Location(1, 15)),
    ],
)
def test_place_of_a_cell(text: str, cell: int, place: Location) -> None:
    table = Table(source(text), header=False)
    for _ in table.records():
        assert table.place(cell) == place


def test_wrong_counts_are_told_and_the_rest_is_read() -> None:
    found, rows = read("a,b\n1\n1,2\n1,2,3\n1,2,,\n3,4\n", header=True)
    assert found == [["1", "2"], ["1", "2"], ["3", "4"]]
    assert [(p.code, p.location.line, p.values["count"]) for p in rows.problems] == [
        ("value-count", 2, 1),
        ("value-count", 4, 3),
    ]
    assert rows.records == rows.rejected == 2


def test_a_quote_that_is_never_closed_costs_one_record() -> None:
    found, rows = read('a,b\n1,"2\n3,4\n5,6\n', header=True)
    assert found == [["3", "4"], ["5", "6"]]
    assert [p.location for p in rows.problems] == [Location(2, 3)]
    assert "not closed" in rows.problems[0].message


def test_text_after_a_quote_costs_one_record() -> None:
    found, rows = read('a,b\n"1"x,2\n3,4\n"5" y,"6\n7,8\n', header=True)
    assert found == [["3", "4"], ["7", "8"]]
    assert [p.location for p in rows.problems] == [Location(2, 1), Location(4, 1)]


def test_without_a_header_the_first_record_may_be_broken() -> None:
    found, rows = read('"a"x,b\n1,2\n')
    assert found == [["1", "2"]]
    assert [p.location for p in rows.problems] == [Location(1, 1)]


def test_a_broken_header_is_the_end() -> None:
    with pytest.raises(SourceError) as caught:
        Table(source('a,"b\n1,2\n'))
    assert caught.value.location == Location(1, 3)


def test_records_before_a_wrong_byte_are_read() -> None:
    table = Table(source(b"a,b\n1,2\n3,\xff\n5,6\n"))
    found: list[list[str]] = []
    with pytest.raises(SourceError) as caught:
        found.extend(table.records())
    assert found == [["1", "2"]]
    assert (caught.value.code, caught.value.location) == ("encoding", Location(3, 3))


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a,b\n" + "".join(f'"é{i}\n",{i}\n' for i in range(50))
    expected = read(text)
    for size in range(1, 20):
        monkeypatch.setattr(csvtext, "_BLOCK", size)
        assert read(text)[0] == expected[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('x,y\n"0,25","1"\n', 0.25),
        ("x;y\n0,25;1\n", 0.25),
        ("x;y\n-1,5e2;1\n", -150.0),
        ("x;y\n1,250;0,5\n", 1.25),
        ("x\ty\n0,5\t1\n", 0.5),
        ("x;y\n0.25;1\n", 0.25),
    ],
)
def test_decimal_commas(text: str, value: float) -> None:
    table = Table(source(text))
    (cells,) = table.records()
    assert table.number(cells[0]) == value


@pytest.mark.parametrize("text", ['x,y\n"1,250",1\n', "x;y\n1,250;1\n", "x;y\n1.2,5;0,5\n"])
def test_what_may_be_thousands_is_no_number(text: str) -> None:
    table, rows = Table(source(text)), sink()
    (cells,) = table.records()
    assert table.numbers(rows, cells, [0]) is None
    assert rows.problems[0].values == {"value": cells[0], "key": "x"}
    assert rows.problems[0].location == Location(2, 1)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1,2]", "<a>,</a>", "cat\ndog\n", "1 0.5 0.5 0.1 0.1\n"]
)
def test_what_is_no_table(text: str) -> None:
    assert first_rows(source(text)) == []


def test_first_rows_of_a_large_table() -> None:
    text = "a,b\n" + "x,1\n" * 100_000
    assert first_rows(source(text), 2) == [["a", "b"], ["x", "1"]]
    assert len(first_rows(source(text), 10**9)) == 64 * 1024 // 4


CELL = st.text(st.sampled_from('ab,;"\n\r\té '), max_size=6)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1))
def test_what_quoted_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    lines = ["x,y,z"] + [",".join(quoted(cell) for cell in row) for row in rows]
    found, faults = read("\n".join(lines) + "\n", header=True)
    assert found == [list(row) for row in rows]
    assert not faults.problems


@given(st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1))
def test_reads_what_the_standard_library_writes(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c", "d"], *rows])
    found, faults = read(stream.getvalue(), header=False)
    assert found[1:] == rows
    assert not faults.problems


@given(st.text(st.sampled_from('a,"\n\r '), max_size=60))
def test_no_text_stops_the_reading(text: str) -> None:
    found, rows = read("h,i\n" + text, header=True)
    assert rows.rejected == rows.records == len(rows.problems)
    plain = sum(line.count(",") == 1 and '"' not in line for line in text.splitlines())
    assert len(found) + rows.rejected >= (plain > 0)
    for problem in rows.problems:
        assert problem.location.line and problem.location.line >= 2
        assert problem.location.column and problem.location.column >= 1
