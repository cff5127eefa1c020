"""What readers of annotation platforms' JSON share: records, their faults, and their places."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from annotary.batch import digits
from annotary.contract.rows import RowSink
from annotary.problems import NOWHERE, Location, Problem
from annotary.syntax.json.text import Fault, JsonSyntaxError, JsonText, Member, Span, pointer
from annotary.syntax.source import SourceError, SourceFile

Step = str | int
BROKEN = "Export it again, or mend the text at that place."


class RefusedError(Exception):
    """A record that cannot be read: the rule's code, and the values that its texts quote."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


class UnsupportedError(Exception):
    """A well-formed record that cannot be kept: the rule's code and values."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


# --- values -----------------------------------------------------------------------------------


def need(record: dict[str, Any], key: str, kind: str, what: str) -> Any:
    """``record[key]``; ``kind`` names the record for the hint (``object``, ``task``)."""
    try:
        return record[key]
    except KeyError:
        raise RefusedError("missing-key", key=what, record=kind) from None


def number(value: Any, key: str) -> float:
    """A JSON number as a float; ``key`` is its name for the message."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise RefusedError("not-a-number", value=value, key=key)


def whole(value: Any, key: str) -> int:
    """A number of pixels or the like as an int: whole, and neither below 0 nor beyond 2**31."""
    found = number(value, key)
    if not 0 <= found < 2**31 or not found.is_integer():
        raise RefusedError(
            "wrong-type", key=key, detail=f"it has {found}", expected="whole numbers of pixels"
        )
    return int(found)


def frame(value: Any, key: str, base: int = 0) -> int:
    """A frame's number from 0, of one that counts from ``base``; text of digits is read, too."""
    found = whole(float(value) if isinstance(value, str) and value.isdigit() else value, key)
    return max(found - base, 0)


def text(value: Any, key: str) -> str:
    """A string; ``key`` is its name for the message."""
    if isinstance(value, str):
        return value
    raise RefusedError("wrong-type", key=key, detail=f"it is {kind_of(value)}", expected="text")


def listed(value: Any, key: str, expected: str = "a list") -> list[Any]:
    """A list; ``key`` is its name for the message."""
    if isinstance(value, list):
        return value
    raise RefusedError("wrong-type", key=key, detail=f"it is {kind_of(value)}", expected=expected)


def mapping(value: Any, key: str, expected: str = "an object") -> dict[str, Any]:
    """A JSON object; ``key`` is its name for the message."""
    if isinstance(value, dict):
        return value
    raise RefusedError("wrong-type", key=key, detail=f"it is {kind_of(value)}", expected=expected)


_FLOAT = {float}
"""What most lists of numbers hold: these need no further look."""


def numbers(value: Any, key: str, count: int = 0) -> list[float]:
    """A list of numbers, ``count`` of them unless that is 0."""
    items = listed(value, key, "a list of numbers")
    if count and len(items) != count:
        raise RefusedError(
            "value-count", key=key, count=len(items), expected=count,
            advice=f"Write {count} numbers.",
        )  # fmt: skip
    if set(map(type, items)) == _FLOAT:
        return items
    return [number(item, key) for item in items]


def pairs(value: Any, key: str) -> list[float]:
    """``[[x, y], ...]`` as a flat list."""
    flat: list[float] = []
    with suppress(TypeError, ValueError):  # told below
        flat = [v for x, y in value for v in (x, y)]
    if set(map(type, flat)) == _FLOAT:
        return flat
    flat = []
    for item in listed(value, key, "a list of [x, y]"):
        flat += numbers(item, key, 2)
    return flat


def xy_objects(value: Any, key: str) -> list[float]:
    """``[{"x": .., "y": ..}, ...]`` as a flat list."""
    flat: list[float] = []
    with suppress(TypeError, KeyError):  # told below
        flat = [v for point in value for v in (point["x"], point["y"])]
    if set(map(type, flat)) == _FLOAT:
        return flat
    flat = []
    for item in listed(value, key, "a list of points"):
        flat += xy(item, key)
    return flat


def xy(value: Any, key: str) -> tuple[float, float]:
    """``{"x": .., "y": ..}`` as two numbers."""
    point = mapping(value, key, "a point with x and y")
    return (
        number(need(point, "x", "point", f"{key}.x"), f"{key}.x"),
        number(need(point, "y", "point", f"{key}.y"), f"{key}.y"),
    )


def pixels(value: Any) -> int:
    """A width or height as stated; 0 for anything that is none, which means not known."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value < 2**31 else 0


def optional_list(value: Any) -> list[Any]:
    """A list, or an empty one for anything else: where a format may leave it out."""
    return value if isinstance(value, list) else []


def optional_map(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def kind_of(value: Any) -> str:
    """What a decoded JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def ring_ends(ring: list[float]) -> list[float]:
    """A ring without its first point repeated at the end."""
    return ring[:-2] if len(ring) >= 8 and ring[:2] == ring[-2:] else ring


def attribute(value: Any) -> str | float | list[str]:
    """Any JSON value as the value of an attribute."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        found = number(value, "attribute")
        return found if math.isfinite(found) or isinstance(value, float) else digits(value)
    if isinstance(value, list):
        return [item if isinstance(item, str) else _word(item) for item in value]
    return value if isinstance(value, str) else _word(value)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def file_name(address: str) -> str:
    """The image's name in a path or web address: without host, percent-decoded.

    Label Studio's ``/data/upload/<project>/<file>`` and ``/data/local-files/?d=<path>`` are
    known; of other addresses the path's last part is taken, of plain paths the whole.
    """
    if address.startswith("data:"):
        return ""
    parts = urlsplit(address) if "://" in address or address.startswith("/data/") else None
    if parts is None:
        return address.replace("\\", "/").removeprefix("./").lstrip("/")
    path = parts.path
    if path.rstrip("/").endswith("/local-files"):
        local = parse_qs(parts.query).get("d", [""])[0]
        return local.replace("\\", "/").lstrip("/")
    if parts.scheme in ("", "http", "https"):
        return unquote(PurePosixPath(path).name)
    return unquote(path).lstrip("/")  # s3://bucket/folder/file


# --- records ----------------------------------------------------------------------------------


class Tally:
    """Records that are skipped for one reason each, told once with their number."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], tuple[int, int | Location]] = {}

    def add(self, what: str, why: str, advice: str, at: int | Location, count: int = 1) -> None:
        """Count ``count`` records; the place of the first is the one that is told."""
        if count:
            seen, first = self._found.get((what, why, advice), (0, at))
            self._found[what, why, advice] = (seen + count, first)

    def tell(self, rows: RowSink) -> None:
        """Add what was counted to the sink's records and problems."""
        for (what, why, advice), (count, at) in self._found.items():
            rows.records += count
            rows.skipped += count
            values = {"what": what, "why": why, "advice": advice}
            problem = Problem("skipped-record", rows.file, rows.place(at), values, count)
            rows.problems.append(problem)


def array(source: SourceFile, key: str) -> Member:
    """The member ``key`` of the root object, which must be an array. Raises ``SourceError``."""
    document = source.json
    if document is None or key not in document.members:
        if document is None or document.error is not None:
            raise broken(source)
        raise SourceError("missing-key", key=key, record="file")
    member = document.members[key]
    if member.kind != "array":
        at = Location(*document.position(member.span.start), pointer(key))
        what = "an object" if member.kind == "object" else "a single value"
        raise SourceError("wrong-type", at, key=key, detail=f"it is {what}", expected="a list")
    return member


def records(
    source: SourceFile, member: Member, rows: RowSink, kind: str, base: tuple[Step, ...] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an array with their indexes; what is none is rejected.

    Ends with ``SourceError`` (``syntax``) where the text breaks off.
    """
    document = source.json
    assert document is not None
    for chunk in document.elements(member, dict[str, Any]):
        index = chunk.first_index
        for item in chunk.items:
            if not isinstance(item, Fault):
                yield index, item
                index += 1
                continue
            index += item.counts
            at = Location(*document.position(item.offset), pointer(*base, item.index))
            if item.kind == "syntax":
                if document.error is not None and item.offset >= document.error.offset:
                    if item.counts:
                        rows.records += 1
                        rows.rejected += 1
                    raise broken(source)
                told = {"kind": "JSON", "detail": item.message, "advice": BROKEN}
                if item.counts:
                    rows.reject("syntax", at, **told)
                else:
                    rows.problem("syntax", at, **told)
            else:
                found = document.decode(item.span, object)
                what = item.message if isinstance(found, Fault) else f"it is {kind_of(found)}"
                rows.reject("wrong-type", at, key=f"The {kind}", detail=what, expected="an object")
    if document.error is not None:
        raise broken(source)


def lines(source: SourceFile, rows: RowSink) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines with their line numbers; a line that is none is rejected."""
    for number, line in source.lines():
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            rows.reject("syntax", Location(number), kind="JSON", detail=str(error), advice=BROKEN)
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            rows.reject(
                "wrong-type", Location(number), key="The row", detail=f"it is {kind_of(row)}",
                expected="an object",
            )  # fmt: skip


def broken(source: SourceFile) -> SourceError:
    """The fault of a document that is no JSON from some place on."""
    document = source.json
    if document is None or document.error is None:
        # the index passes over what it need not understand
        try:
            json.loads(bytes(source.buffer))
        except json.JSONDecodeError as error:
            at = Location(error.lineno, error.colno)
            return SourceError("syntax", at, kind="JSON", detail=error.msg, advice=BROKEN)
        except (ValueError, RecursionError):
            pass
        return SourceError("syntax", kind="JSON", detail="it cannot be read", advice=BROKEN)
    at = Location(*document.position(document.error.offset))
    return SourceError("syntax", at, kind="JSON", detail=document.error.detail, advice=BROKEN)


def member_value(source: SourceFile, key: str) -> Any:
    """A member of the root object, decoded, or None where it is missing or broken."""
    document = source.json
    if document is None or key not in document.members:
        return None
    value = document.decode(document.members[key].span, object)
    return None if isinstance(value, Fault) else value


def place(document: JsonText, *path: Step) -> Location:
    """Line, column and pointer of the value at ``path``, or of the nearest value round it."""
    span, known = document.root.span, 0
    start: Member | None = document.root
    try:
        for step in path:
            if known == 0 and isinstance(step, str):
                start = document.members[step]
                span = start.span
            elif start is not None and start.kind == "array" and isinstance(step, int):
                span, start = document.locate(start, step), None
            else:
                span, start = _child(document, span, step), None
            known += 1
    except (KeyError, IndexError):
        pass
    return Location(*document.position(span.start), pointer(*path) or None)


def _child(document: JsonText, span: Span, step: Step) -> Span:
    found: Span | None = None
    try:
        for key, child in document.children(span):
            if key == step:
                found = child
    except JsonSyntaxError:
        pass
    if found is None:
        raise KeyError(step)
    return found


def placed(source: SourceFile, *path: Step) -> Location:
    """:func:`place` in a source's document."""
    return NOWHERE if source.json is None else place(source.json, *path)
