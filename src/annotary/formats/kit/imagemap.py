"""JSON files in which an object maps images to their records: reading it, and finding places."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.geometry.arrays import Floats
from annotary.problems import Location
from annotary.syntax.json.text import Fault, JsonSyntaxError, JsonText, Span, pointer
from annotary.syntax.source import SourceError, SourceFile

_RECORD = 32


class Entry(NamedTuple):
    """One image: its number, its key in the object, and what the key stands for."""

    number: int
    key: str
    value: Any


def told(rows: RowSink, record: Any, at: int) -> bool:
    """Reject a record that is no JSON; whether it was one."""
    if isinstance(record, Fault):
        rows.reject("syntax", at, kind="JSON", detail=record.message, advice=doc.BROKEN)
        return True
    return False


def expect(source: SourceFile, title: str, key: str = "", kind: str = "") -> JsonText:
    """The file as JSON with the member ``key`` of the given kind (``array``, ``object``).

    Raises :class:`SourceError`: ``syntax`` where the text broke before it, else ``wrong-format``.
    """
    json = source.json
    if json is None:
        raise SourceError("wrong-format", format=title, detail="it does not begin like JSON")
    member = json.members.get(key) if key else json.root
    if member is not None and (not kind or member.kind == kind):
        return json
    if json.error is not None:
        raise doc.broken(source)
    what = {"array": "a list", "object": "an object"}.get(kind, "")
    detail = f"it has no {key!r} that is {what}" if key else f"it is not {what}"
    raise SourceError("wrong-format", format=title, detail=detail)


class ImageMap:
    """The member ``name`` of the root object: image keys and their values, one at a time.

    ``inner`` are the keys that lead from a value to its list of records. A place (``at``) is an
    image's number, or one of its records'.
    """

    def __init__(
        self, source: SourceFile, title: str, name: str, inner: tuple[str, ...] = ()
    ) -> None:
        """Raises :class:`SourceError` when the file has no such object."""
        self._source = source
        self._json = expect(source, title, name, "object")
        self._name = name
        self._inner = inner
        self._begins = array("q")
        self._ends = array("q")
        self._keys: list[str] = []

    def entries(self, rows: RowSink) -> Iterator[Entry]:
        """Every image in order; a value that cannot be decoded is rejected as one record.

        Ends with ``SourceError`` (``syntax``) where the text breaks.
        """
        self._begins, self._ends, self._keys = array("q"), array("q"), []
        member = self._json.members[self._name]
        try:
            for key, span in self._json.children(member.span):
                number = len(self._keys)
                self._keys.append(str(key))
                self._begins.append(span.start)
                self._ends.append(span.end)
                value = self._decoded(span)
                if isinstance(value, Fault):
                    if self._json.error is not None and span.end >= self._json.error.offset:
                        rows.records += 1
                        rows.rejected += 1
                        raise doc.broken(self._source)
                    place = Location(*self._json.position(span.start), pointer(self._name, key))
                    rows.reject(
                        "syntax", place, kind="JSON", detail=value.message, advice=doc.BROKEN
                    )
                    continue
                yield Entry(number, str(key), value)
        except JsonSyntaxError as error:
            if self._json.error is None:
                self._json.error = error
            raise doc.broken(self._source) from None
        if self._json.error is not None:
            raise doc.broken(self._source)

    def _decoded(self, span: Span) -> Any:
        """A value; where it is a list that cannot be read, its elements one by one."""
        value = self._json.decode(span, object)
        if (
            not isinstance(value, Fault)
            or bytes(self._source.buffer[span.start : span.start + 1]) != b"["
        ):
            return value
        try:
            return [self._json.decode(each, object) for _, each in self._json.children(span)]
        except JsonSyntaxError:
            return value

    @staticmethod
    def at(number: int, record: int | None = None) -> int:
        """The place of an image, or of one of its records."""
        return number << _RECORD | (0 if record is None else record + 1)

    def locate(self, at: int) -> Location:
        """Line, column and pointer."""
        number, record = at >> _RECORD, (at & ((1 << _RECORD) - 1)) - 1
        if not 0 <= number < len(self._keys):
            return doc.placed(self._source, self._name)
        span = Span(self._begins[number], self._ends[number])
        path: list[str | int] = [self._name, self._keys[number]]
        steps: list[str | int] = [*self._inner, record] if record >= 0 else []
        for step in steps:
            found = self._step(span, step)
            if found is None:
                break
            span = found
            path.append(step)
        return Location(*self._json.position(span.start), pointer(*path))

    def _step(self, span: Span, step: str | int) -> Span | None:
        try:
            return next((child for key, child in self._json.children(span) if key == step), None)
        except JsonSyntaxError:
            return None


def plain_numbers(table: Floats, fractions: bool = False) -> list[list[float]]:
    """The rows of a table; whole numbers as integers, unless they are fractions of an image."""
    rows: list[list[float]] = table.tolist()
    if fractions:
        return rows
    return [[int(value) if value.is_integer() else value for value in row] for row in rows]


def fractions(values: Iterator[float]) -> bool:
    """Whether all numbers lie within 0..1 and some were written with decimals.

    Stops at the first that does not.
    """
    decimals = False
    for value in values:
        if not -1e-6 <= value <= 1 + 1e-6:
            return False
        decimals = decimals or isinstance(value, float)
    return decimals
