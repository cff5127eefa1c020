"""Records that were not kept, written out again as files of their own format, to be mended.

What a file's records are, and what stands around them, its format says: ``header_lines`` for
text of one record a line, ``record_paths`` for JSON and XML. Everything around the records
(images, classes, headers) is kept as it is; of the records, those that were not kept.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from annotary.contract.format import Format
from annotary.contract.output import Output
from annotary.problems import Location
from annotary.syntax.json.text import JsonText
from annotary.syntax.source import SourceFile

_STEP = re.compile(r"^(?P<name>.*?)(?:\[(?P<number>\d+)\])?$")


def write_rejects(
    source: SourceFile, format_: Format, places: Sequence[Location], out: Output
) -> None:
    """Write the records of ``source`` that stand at ``places`` into a file of the same name.

    A file whose structure is broken, or whose records cannot be told apart (binary formats), is
    copied whole.
    """
    parts = [p for p in source.name.split("/") if p not in ("", ".", "..")]
    with out.file("/".join(parts)) as target:
        for piece in _excerpt(source, format_, places):
            target.write(piece)


def _excerpt(source: SourceFile, format_: Format, places: Sequence[Location]) -> Iterator[bytes]:
    pointers = [tuple(p.pointer.split("/")[1:]) for p in places if p.pointer]
    lines = sorted({p.line for p in places if p.line is not None})
    if format_.record_paths and pointers:
        patterns = [tuple(path.split("/")[1:]) for path in format_.record_paths]
        if source.first == b"<":
            yield _xml(source, patterns, pointers)
            return
        found = _json(source, patterns, pointers)
        if found is not None:
            yield from found
            return
    elif format_.header_lines is not None and lines:
        yield from _lines(source, format_.header_lines, lines)
        return
    yield bytes(source.buffer)


def _lines(source: SourceFile, header: int, wanted: Sequence[int]) -> Iterator[bytes]:
    chosen = set(wanted)
    keep = False
    quotes = 0
    # bytes, not text: what cannot be decoded must come out as it went in
    for number, line in enumerate(io.BytesIO(bytes(source.buffer)), 1):
        # a quoted cell may go on over several lines: they are one record
        if quotes % 2 == 0:
            keep = number <= header or number in chosen
        quotes += line.count(b'"')
        if keep:
            yield line


def _json(
    source: SourceFile, patterns: Sequence[tuple[str, ...]], pointers: Sequence[tuple[str, ...]]
) -> Iterator[bytes] | None:
    for pattern in patterns:
        records = {p[: len(pattern)] for p in pointers if _matches(p, pattern)}
        if not records:
            continue
        if len(pattern) == 2 and pattern[1] == "*" and source.json is not None:
            return _member(source.json, source, pattern[0], sorted(int(p[1]) for p in records))
        try:
            document = json.loads(bytes(source.buffer))
        except ValueError:
            return None
        kept = _filtered(document, pattern, [[_unescape(t) for t in p] for p in records])
        return iter([json.dumps(kept, ensure_ascii=False, indent=1).encode() + b"\n"])
    return None


def _matches(pointer: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(pointer) >= len(pattern) and all(
        p in ("*", t) for t, p in zip(pointer, pattern, strict=False)
    )


def _member(
    text: JsonText, source: SourceFile, name: str, numbers: Sequence[int]
) -> Iterator[bytes]:
    """A root object with one of its arrays cut down; all else is copied byte by byte."""
    buffer = source.buffer
    separator = b"{\n"
    for key, member in text.members.items():
        yield separator + json.dumps(key, ensure_ascii=False).encode() + b": "
        separator = b",\n"
        if key != name:
            yield bytes(buffer[member.span.start : member.span.end])
            continue
        comma = b"[\n"
        for number in numbers:
            span = text.locate(member, number)
            yield comma + bytes(buffer[span.start : span.end])
            comma = b",\n"
        yield b"\n]" if numbers else b"[]"
    yield b"\n}\n"


def _filtered(value: Any, pattern: tuple[str, ...], wanted: list[list[str]]) -> Any:
    """The value with only the wanted children at every ``*`` of the pattern."""
    if not pattern:
        return value
    step, rest = pattern[0], pattern[1:]
    below: dict[str, list[list[str]]] = {}
    for path in wanted:
        below.setdefault(path[0], []).append(path[1:])
    if isinstance(value, list):
        return [
            _filtered(child, rest, below[str(i)])
            for i, child in enumerate(value)
            if str(i) in below
        ]
    if isinstance(value, dict):
        return {
            key: _filtered(child, rest, below[key]) if key in below else child
            for key, child in value.items()
            if key in below or step != "*"
        }
    return value


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _xml(
    source: SourceFile, patterns: Sequence[tuple[str, ...]], pointers: Sequence[tuple[str, ...]]
) -> bytes:
    try:
        # the reader has been through this text: it has no entities to expand
        root = ElementTree.fromstring(bytes(source.buffer))  # noqa: S314
    except ElementTree.ParseError:
        return bytes(source.buffer)
    wanted = {_steps(p) for p in pointers}
    for pattern in patterns:
        _prune(root, (), pattern[1:], wanted)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _steps(pointer: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """``annotation/object[2]/name`` as names and numbers below the root."""
    steps = []
    for each in pointer[1:]:
        found = _STEP.match(each)
        assert found is not None
        steps.append((found["name"], int(found["number"] or 1)))
    return tuple(steps)


def _prune(
    element: Any,
    here: tuple[tuple[str, int], ...],
    pattern: tuple[str, ...],
    wanted: set[tuple[tuple[str, int], ...]],
) -> None:
    if not pattern:
        return
    counts: dict[str, int] = {}
    for child in list(element):
        counts[child.tag] = counts.get(child.tag, 0) + 1
        if pattern[0] not in ("*", child.tag):
            continue
        path = (*here, (child.tag, counts[child.tag]))
        if len(pattern) > 1:
            _prune(child, path, pattern[1:], wanted)
        elif not any(each[: len(path)] == path for each in wanted):
            element.remove(child)
