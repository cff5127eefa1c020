"""Tables in text: records of cells, each with its place in the file.

RFC 4180 with what spreadsheets and scripts make of it: cells apart by a comma, ``;`` or tab,
a first line ``sep=;``, blanks after the separator, any line end, quoted cells that hold
separators, doubled quotes and line breaks, and decimal commas. Records are streamed; a broken
one is told and reading goes on with the line after it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

from annotary.problems import Location
from annotary.syntax.source import SourceError, SourceFile

SEPARATORS = ",;\t"
_BLOCK = 256 * 1024
_CELL_LIMIT = 16 * 1024 * 1024
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEP_LINE = re.compile(r'"?sep=([,;\t])"?\s*')
# one, two or four and more digits after the comma, or nothing but 0 before it: no thousands
_DECIMAL = r"[-+]?(?:0?,\d+|\d+,(?:\d{1,2}|\d{4,}))(?:[eE][-+]?\d+)?"
_DECIMAL_QUOTED = re.compile(rf'"\s*{_DECIMAL}\s*"')
_DECIMAL_BARE = re.compile(rf'(?:^|[;\t"])\s*{_DECIMAL}\s*(?:[;\t"\r\n]|$)', re.MULTILINE)
_COMMA_NUMBER = re.compile(r"\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*")


def separator_of(line: str) -> str:
    """The separator that stands most often outside quotes; a comma when none does."""
    bare = _QUOTED.sub("", line)
    return max(SEPARATORS, key=bare.count)


class Sink(Protocol):
    """Whoever is told of records that cannot be read."""

    def reject(self, code: str, at: int | Location | Callable[[], Location], **values: Any) -> None:
        """One record that cannot be read, by the code of its fault and its place."""


def first_rows(source: SourceFile, limit: int = 1) -> list[list[str]]:
    """The first records of what may be a table, cheaply; empty when it is none.

    Looks at the head of the file only. A record that the head cuts off is left out.
    """
    if source.first in (b"", b"{", b"<"):
        return []
    head = source.head
    line = head.lstrip()[:4096].split(b"\n", 1)[0].split(b"\r", 1)[0]
    if not any(s in line for s in (b",", b";", b"\t")) or source.is_binary:
        return []
    if line[:1] == b"[" and (source.json is None or source.json.error is None):
        return []
    whole = len(head) == len(source.buffer)
    if not whole:
        head = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1]
    rows: list[list[str]] = []
    try:
        table = Table(SourceFile(source.name, data=head), header=False)
        for cells in table.records():
            rows.append(cells)
            if len(rows) >= limit:
                break
    except SourceError:
        pass  # what was read until then may be enough to recognise it
    return rows


class Table:
    """A table and, while its records are read, where each of them stands.

    ``header`` holds the cells of the first record as written (empty without a header);
    ``separator`` is the character between cells. Raises :class:`SourceError` when not even the
    header can be read.
    """

    def __init__(self, source: SourceFile, *, header: bool = True) -> None:
        if csv.field_size_limit() < _CELL_LIMIT:
            csv.field_size_limit(_CELL_LIMIT)
        self.source = source
        self.line = 0
        """The line, from 1, at which the current record begins."""
        self.header: list[str] = []
        self._taken: list[str] = []
        self._first_line = self._next_line = 1
        self.separator = ","
        self._in_header = False
        self._begin()
        if header:
            self._read_header()

    def _begin(self) -> None:
        for number, line in enumerate(_lines(self.source), 1):
            if declared := _SEP_LINE.fullmatch(line):
                self.separator = declared[1]
                self._first_line = number + 1
                return
            if line.strip():
                self.separator = separator_of(line)
                return

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether the head has a number whose comma can only be a decimal one."""
        head = self.source.head.decode("utf-8", "replace")
        pattern = _DECIMAL_QUOTED if self.separator == "," else _DECIMAL_BARE
        return pattern.search(head) is not None

    def _read_header(self) -> None:
        self._in_header = True
        for cells in self._parse(None):
            self.header = cells
            self._first_line = self._next_line
            break
        self._in_header = False

    # --- records --------------------------------------------------------------------------

    def records(self, rows: Sink | None = None) -> Iterator[list[str]]:
        """The cells of every record; ``line`` and :meth:`place` speak of the one at hand.

        With a header, every record has as many cells as it; others are rejected into ``rows``,
        as are records whose quotes are broken. Without ``rows`` faults are passed over.
        Raises :class:`SourceError` (``encoding``) after the records before the fault.
        """
        expected = len(self.header)
        if not expected:
            yield from self._parse(rows)
            return
        for cells in self._parse(rows):
            if len(cells) != expected:
                if len(cells) > expected and not any(cells[expected:]):
                    del cells[expected:]  # what spreadsheets leave behind
                elif rows is not None:
                    self.wrong_count(rows, cells, expected)
                    continue
                else:
                    continue
            yield cells

    def wrong_count(self, rows: Sink, cells: Sequence[str], expected: int) -> None:
        """Reject the current record for its number of cells."""
        rows.reject(
            "value-count",
            # where it is takes long to find, and of many only the number is told
            lambda: self.place(min(len(cells), expected + 1) - 1),
            key="The row",
            count=len(cells),
            expected=expected,
            advice=f"Put cells that contain {_name(self.separator)} in double quotes."
            if len(cells) > expected
            else f"Fill in every column ({_name(self.separator)} is between them).",
        )

    def _parse(self, rows: Sink | None) -> Iterator[list[str]]:
        source = _lines(self.source)
        for _ in range(self._first_line - 1):
            next(source, None)
        again: deque[str] = deque()
        line = self._first_line
        while True:
            taken = self._taken = []
            base = line - 1
            reader = csv.reader(
                _feed(again, source, taken),
                delimiter=self.separator,
                skipinitialspace=True,
                strict=True,
            )
            try:
                for cells in reader:
                    self.line = line
                    self._next_line = line = base + reader.line_num + 1
                    if cells and (len(cells) > 1 or cells[0].strip()):
                        yield cells
                    taken.clear()
                return
            except csv.Error as error:
                self.line = line
                self._next_line = line = line + 1
                self._broken(rows, str(error))
                again.extendleft(reversed(taken[1:]))

    def _broken(self, rows: Sink | None, error: str) -> None:
        detail, advice = "the quote that opens a cell is not closed", "Close the quote."
        if "expected after" in error:
            detail = "text follows the closing quote of a cell"
            advice = 'Put the whole cell in double quotes, and write a quote inside it as "".'
            if len(self._taken) > 1:
                last = self.line + len(self._taken) - 1
                detail = f"a quote is opened here and closed only on line {last}, before more text"
        if self._in_header:
            raise SourceError("syntax", self.place(-1), kind="table", detail=detail, advice=advice)
        if rows is not None:
            rows.reject(
                "syntax", lambda: self.place(-1), kind="table", detail=detail, advice=advice
            )

    # --- places and numbers -------------------------------------------------------------------

    def place(self, cell: int | None = None) -> Location:
        """Where the current record is, or its cell with that number (-1: the last begun)."""
        if cell is None:
            return Location(self.line)
        text = "".join(self._taken)
        starts = _cell_starts(text, self.separator)
        if cell >= len(starts):
            cell = -1
        at = starts[cell]
        before = text[:at].replace("\r\n", "\n").replace("\r", "\n")
        return Location(self.line + before.count("\n"), len(before) - before.rfind("\n"))

    def number(self, text: str) -> float:
        """The number that a cell holds; raises ``ValueError``.

        A decimal comma is read as such in a table that is seen to have them.
        """
        if self.decimal_comma and _COMMA_NUMBER.fullmatch(text):
            return float(text.replace(",", "."))
        return float(text)

    def numbers(
        self, rows: Sink, cells: Sequence[str], columns: Sequence[int]
    ) -> list[float] | None:
        """The numbers in some columns, or None when one is none, which is then rejected."""
        values = []
        for column in columns:
            try:
                values.append(self.number(cells[column]))
            except ValueError:
                name = self.header[column].strip() if self.header else f"cell {column + 1}"
                rows.reject(
                    "not-a-number", partial(self.place, column), value=cells[column], key=name
                )
                return None
        return values


def _lines(source: SourceFile) -> Iterator[str]:
    """Lines with their ends, decoded by blocks; ``\\n``, ``\\r\\n`` and ``\\r`` all end one."""
    buffer = source.buffer
    size = len(buffer)
    begin = 0
    while begin < size:
        end = min(begin + _BLOCK, size)
        if end < size:
            cut = buffer.rfind(b"\n", begin, end)
            if cut < 0:
                cut = buffer.find(b"\n", end)
            end = cut + 1 if cut >= 0 else size
        piece = bytes(buffer[begin:end])
        try:
            text = piece.decode("utf-8")
        except UnicodeDecodeError as error:
            good = piece.rfind(b"\n", 0, error.start) + 1
            yield from io.StringIO(piece[:good].decode("utf-8"), newline="")
            source.check_utf8()
            raise  # unreachable: the check finds the same fault
        yield from io.StringIO(text, newline="")
        begin = end


def _feed(again: deque[str], source: Iterator[str], taken: list[str]) -> Iterator[str]:
    while again:
        line = again.popleft()
        taken.append(line)
        yield line
    for line in source:
        taken.append(line)
        yield line


def _cell_starts(text: str, separator: str) -> list[int]:
    """Where the cells of one record begin, as far as it can be followed."""
    starts: list[int] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] == " ":
            at += 1
        starts.append(at)
        if at < end and text[at] == '"':
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                return starts
            at = quoted.end()
            if at < end and text[at] not in (separator, "\r", "\n"):
                return starts
        following = text.find(separator, at)
        if following < 0:
            return starts
        at = following + 1


def _name(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}[separator]


# --- writing ------------------------------------------------------------------------------------

_NEEDS_QUOTES = re.compile(r'[,"\r\n;\t]|^[\s#]|\s$|^$')


def quoted(text: str) -> str:
    """A cell, in quotes where RFC 4180 or a lenient reader needs them."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
