"""The streaming JSON reader against the standard library's, on whole and on broken texts."""

from __future__ import annotations

import gc
import json
import math
import mmap
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary.syntax.json.text import (
    Fault,
    JsonSyntaxError,
    JsonText,
    Member,
    OpenStruct,
    Span,
    pointer,
)

TEXT = st.text(alphabet=st.sampled_from('ab"\\[]{},: \n\té漢😀/0'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-999, 999) | st.floats(-9, 9) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.lists(VALUES, max_size=8) | st.dictionaries(TEXT, VALUES, max_size=5)
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\r\n\t "])
BLOCKS = st.sampled_from([1, 2, 3, 7, 16, 64, 1 << 18])


class Box(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    bbox: list[float]


def whole(text: bytes, block: int = 1 << 18, elements: int = 10_000) -> JsonText:
    return JsonText(text, block=block, chunk_elements=elements)


def read(document: JsonText, member: Member, type: Any = object) -> list[Any]:
    items: list[Any] = []
    for chunk in document.elements(member, type):
        counted = [item for item in items if not isinstance(item, Fault) or item.counts]
        assert chunk.first_index == len(counted)
        items += chunk.items
    return items


@st.composite
def written(draw: Any) -> tuple[Any, str, dict[tuple[Any, ...], tuple[int, int]]]:
    """A value, its text with blanks anywhere, and the character span of each value in it."""
    value = draw(DOCUMENTS)
    ascii_only = draw(st.booleans())
    blanks = draw(st.lists(BLANKS, min_size=1, max_size=7))
    parts: list[str] = []
    spans: dict[tuple[Any, ...], tuple[int, int]] = {}
    size = 0

    def put(text: str) -> None:
        nonlocal size
        for part in (text, blanks[len(parts) % len(blanks)]):
            parts.append(part)
            size += len(part)

    def write(node: Any, path: tuple[Any, ...]) -> None:
        start = size
        if isinstance(node, dict | list):
            named = isinstance(node, dict)
            put("{" if named else "[")
            for number, key in enumerate(node if named else range(len(node))):
                if number:
                    put(",")
                if named:
                    put(json.dumps(key, ensure_ascii=ascii_only))
                    put(":")
                write(node[key], (*path, key))
            put("}" if named else "]")
        else:
            put(json.dumps(node, ensure_ascii=ascii_only))
        spans[path] = (start, size - len(parts[-1]))

    put("")
    write(value, ())
    return value, "".join(parts), spans


@settings(max_examples=60, deadline=None)
@given(written(), BLOCKS, st.integers(1, 4), st.booleans())
def test_agrees_with_the_standard_library(
    case: tuple[Any, str, dict[tuple[Any, ...], tuple[int, int]]],
    block: int,
    elements: int,
    mark: bool,
) -> None:
    value, text, spans = case
    lead = "\ufeff" if mark else ""
    raw = (lead + text).encode()
    document = whole(raw, block, elements)

    def span(path: tuple[Any, ...]) -> Span:
        return Span(*(len((lead + text[:at]).encode()) for at in spans[path]))

    assert document.error is None
    assert document.root.span == span(())
    assert document.duplicates == []
    if isinstance(value, list):
        arrays: list[tuple[tuple[Any, ...], Member, Any]] = [((), document.root, value)]
    else:
        assert list(document.members) == list(value)
        for key, member in document.members.items():
            assert (member.key, member.span) == (key, span((key,)))
            assert document.decode(member.span, object) == value[key]
        arrays = [((key,), document.members[key], node) for key, node in value.items()
                  if isinstance(node, list)]  # fmt: skip
    for path, member, array in arrays:
        assert (member.kind, member.count, member.closed) == ("array", len(array), True)
        assert read(document, member) == array
        for index in range(len(array)):
            assert document.locate(member, index) == span((*path, index))
        with pytest.raises(IndexError):
            document.locate(member, len(array))

    def descend(path: tuple[Any, ...], node: Any) -> None:
        children = list(document.children(span(path)))
        keys = list(node) if isinstance(node, dict) else range(
            len(node) if isinstance(node, list) else 0
        )  # fmt: skip
        assert children == [(key, span((*path, key))) for key in keys]
        for key in keys:
            descend((*path, key), node[key])

    descend((), value)
    for at in {place for pair in spans.values() for place in pair}:
        line, column = document.position(len((lead + text[:at]).encode()))
        assert line == text.count("\n", 0, at) + 1
        assert column == at - (text.rfind("\n", 0, at) + 1) + 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXT, TEXT, max_size=2),
        max_size=4,
    ),
    st.sampled_from([5, 16, 1 << 18]),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_truncation_gives_a_prefix(
    array: list[Any], block: int, elements: int, root: bool
) -> None:
    raw = json.dumps(array if root else {"a": 1, "list": array, "z": 2}).encode()
    for end in range(len(raw)):
        document = whole(raw[:end], block, elements)
        assert document.error is not None
        member = document.root if root else document.members.get("list")
        if member is None or member.kind != "array":
            continue
        items = read(document, member)
        assert len(items) == member.count
        good = items[:-1] if items and isinstance(items[-1], Fault) else items
        assert good == array[: len(good)]
        assert len(array) >= len(items)
        for fault in items[len(good) :]:
            assert fault.kind == "syntax"
            assert fault.index == len(good)
            assert document.locate(member, fault.index) == fault.span


@settings(max_examples=120, deadline=None)
@given(st.data(), DOCUMENTS, BLOCKS, st.integers(1, 3))
def test_mutations_never_crash_and_never_pass_unnoticed(
    data: st.DataObject, value: Any, block: int, elements: int
) -> None:
    raw = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 1))] = data.draw(
            st.sampled_from([b"", b"x", b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"\xff"])
        )
        if not raw:
            return
    document = whole(bytes(raw), block, elements)
    noticed = document.error is not None or document.kind == "broken"
    members = [document.root, *document.members.values(), *document.duplicates]
    for member in members:
        if member.kind == "array":
            items = read(document, member)
            counted = [item for item in items if not isinstance(item, Fault) or item.counts]
            assert len(counted) == member.count
            for index in range(member.count):
                assert document.locate(member, index).start >= member.span.start
        elif member is not document.root:
            items = [document.decode(member.span, object)]
        else:
            items = []
        for fault in items:
            if isinstance(fault, Fault):
                noticed = True
                assert fault.span.end <= len(raw)
                document.position(fault.offset)
    try:
        json.loads(bytes(raw).decode())
    except ValueError:
        assert noticed
    else:
        assert not noticed or b"\\u" in raw  # msgspec refuses lone surrogates, json does not


@pytest.mark.parametrize("block", [1, 5, 1 << 18])
@pytest.mark.parametrize("elements", [1, 2, 100])
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ('[{"id":1} {"id":2}]', [1, ("syntax", False, " "), 2]),
        ('[{"id":1}{"id":2}]', [1, ("syntax", False, ""), 2]),
        ('[{"id":1},,{"id":2}]', [1, ("syntax", False, ","), 2]),
        ('[,{"id":1}]', [("syntax", False, ","), 1]),
        ('[{"id":1},]', [1, ("syntax", False, ",")]),
        ('[{"id":1}, oops, {"id":2}]', [1, ("syntax", True, "oops"), 2]),
        ('[{"id":1} oops, {"id":2}]', [1, ("syntax", False, "oops"), 2]),
        ('[{"id":1}, {"id" 7}, {"id":2}]', [1, ("syntax", True, '{"id" 7}'), 2]),
        ('[{"id":1}, 5, "[", [], {"id":2}]',
         [1, ("type", True, "5"), ("type", True, '"["'), ("type", True, "[]"), 2]),
        ('[{"id":1}, {"id":"x"}, {}]',
         [1, ("type", True, '{"id":"x"}'), ("missing", True, "{}")]),
    ],
)  # fmt: skip
def test_faults_between_and_in_elements(
    array: str, expected: list[Any], block: int, elements: int
) -> None:
    class Item(msgspec.Struct):
        id: int

    raw = f'{{"list": {array}, "after": 1}}'.encode()
    document = whole(raw, block, elements)
    assert document.error is None
    assert list(document.members) == ["list", "after"]
    items = read(document, document.members["list"], Item)
    seen = [
        (item.kind, item.counts, raw[slice(*item.span)].decode())
        if isinstance(item, Fault)
        else item.id
        for item in items
    ]
    assert seen == expected


def test_fault_says_what_and_where() -> None:
    raw = b'[\n {"id": 1, "bbox": [1, "2"]},\n {"id": 2},\n {"id": 3, "bbox": [1 2]}\n]'
    document = whole(raw)
    wrong_type, missing, syntax = read(document, document.root, Box)
    assert (wrong_type.message, wrong_type.path) == ("Expected `float`, got `str`", "$.bbox[1]")
    assert (missing.kind, missing.field, missing.path) == ("missing", "bbox", "$")
    assert document.position(missing.span.start) == (3, 2)
    assert raw[syntax.offset :].startswith(b"2]}")
    assert document.position(syntax.offset) == (4, 23)
    assert [fault.index for fault in (wrong_type, missing, syntax)] == [0, 1, 2]


def test_numbers_that_only_python_writes() -> None:
    raw = b'[{"id":1,"bbox":[NaN,Infinity,-Infinity],"x":"NaN"},{"id":2,"bbox":[]}]'
    document = whole(raw)
    kind = OpenStruct(Box)
    first, second = read(document, document.root, kind)
    assert math.isnan(first.bbox[0])
    assert first.bbox[1:] == [math.inf, -math.inf]
    assert kind.extras(first) == {"x": "NaN"}
    assert second.bbox == []


NAMES = st.text(max_size=8) | st.sampled_from(["class", "id ", "a`b", "` - at `$[0]", "extra_1"])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, st.integers() | st.none(), max_size=6), max_size=8),
    st.integers(0, 5),
    st.sampled_from(["1", "NaN"]),
)
def test_unknown_fields_are_kept(rows: list[dict[str, Any]], limit: int, number: str) -> None:
    rows = [{k: v for k, v in row.items() if k not in {"id", "bbox"}} for row in rows]
    records = [{"id": index, "bbox": [2.0], **row} for index, row in enumerate(rows)]
    raw = json.dumps(records).replace("[2.0]", f"[{number}]").encode()
    kind = OpenStruct(Box, limit)
    document = whole(raw, elements=3)
    items = read(document, document.root, kind)
    assert [kind.extras(item) for item in items] == rows
    assert len(kind.extra_fields) <= limit
    assert all(isinstance(item, Box) and item.id == i for i, item in enumerate(items))


def test_unknown_field_of_a_nested_struct_is_a_fault() -> None:
    class Outer(msgspec.Struct):
        box: Box

    document = whole(b'[{"box":{"id":1,"bbox":[],"z":1}}]')
    (fault,) = read(document, document.root, OpenStruct(Outer))
    assert (fault.kind, fault.field, fault.path) == ("unknown", "z", "$.box")


@pytest.mark.parametrize(
    ("raw", "offset", "members"),
    [
        (b"", 0, []),
        (b" \n", 2, []),
        (b"oops", 0, []),
        (b'{"a":[1]} x', 10, ["a"]),
        (b'{"a":[1]}{"b":2}', 9, ["a"]),
        (b'{"a":[{"b":1]}, "c":2}', 12, ["a"]),
        (b'{"a":[1] "c":2}', 9, ["a", "c"]),
        (b'{"a" [1], "c":2}', 5, ["c"]),
        (b'{"a":1,}', 7, ["a"]),
        (b'{"a":[1],"b":[{"c', 17, ["a", "b"]),
        (b'{"a":[1],"b":12', 15, ["a"]),
    ],
)
def test_faults_of_the_document(raw: bytes, offset: int, members: list[str]) -> None:
    for block in (1, 4, 1 << 18):
        document = whole(raw, block)
        assert document.error is not None
        assert document.error.offset == offset
        assert list(document.members) == members


def test_a_wrong_bracket_keeps_the_records_before_it() -> None:
    document = whole(b'[{"id":1,"bbox":[]},{"id":2,"bbox":[1},{"id":3,"bbox":[]}]', 8, 1)
    first, fault = read(document, document.root, Box)
    assert first.id == 1
    assert (fault.kind, fault.offset, fault.message) == ("syntax", 37, "} closes what [ has opened")


def test_duplicate_keys_keep_the_last() -> None:
    document = whole(b'{"a":[1],"b":2,"a":[3,4]}')
    assert read(document, document.members["a"]) == [3, 4]
    assert [(member.key, member.count) for member in document.duplicates] == [("a", 1)]


def test_deep_nesting_is_a_fault() -> None:
    document = whole(b"[1," + b"[" * 50_000 + b"]" * 50_000 + b",2]")
    assert document.error is not None
    first, fault = read(document, document.root)
    assert first == 1
    assert fault.kind == "syntax"
    document = whole(b"[1," + b"[" * 9_000 + b"]" * 9_000 + b",2]")
    first, fault, last = read(document, document.root)
    assert (first, fault.kind, last) == (1, "syntax", 2)


def test_children_stop_at_a_fault() -> None:
    document = whole(b'{"a":{"x":[1],"y" [2]},"b":[1 2]}')
    for key in "ab":
        with pytest.raises(JsonSyntaxError):
            list(document.children(document.members[key].span))


def test_pointer() -> None:
    assert pointer("a/b", 0, "~", "") == "/a~1b/0/~0/"
    assert pointer() == ""


def test_memory_is_that_of_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    record = json.dumps({"id": 1, "bbox": [1.25, 2.5, 3.75, 4.125], "name": "n" * 20})
    with path.open("w") as file:
        file.write('{"list": [' + ",\n".join([record] * 200_000) + "]}")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        gc.collect()
        tracemalloc.start()
        document = JsonText(mapped, chunk_elements=1_000)
        held, peak = tracemalloc.get_traced_memory()
        assert held < 100_000
        assert peak < 8_000_000
        count = sum(
            len(chunk.items)
            for chunk in document.elements(document.members["list"], OpenStruct(Box))
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 200_000
        assert peak < 8_000_000 < path.stat().st_size
        document.close()
