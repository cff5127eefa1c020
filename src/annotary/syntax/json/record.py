"""Decoding one JSON record, or saying what is wrong with it and where."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from annotary.syntax.json.scan import Span

T = TypeVar("T")

_PATH = re.compile(r"(.*) - at `((?:key` in `)?\$[^`]*)`", re.S)
_FIELD = re.compile(r".* field `(.*)`", re.S)
_BYTE = re.compile(r"\(byte (\d+)\)")


class Decodes(Protocol[T]):
    """What decodes records: a :class:`Plain` type or an ``OpenStruct``. Raises as msgspec does."""

    def decode(self, text: bytes) -> T:
        """Decode one record."""

    def decode_list(self, text: bytes) -> list[T]:
        """Decode an array of records."""

    def convert(self, record: Any) -> T:
        """Make the record from decoded JSON."""


class Plain(Generic[T]):
    """Decodes as a type that is taken as it is."""

    def __init__(self, type: type[T]) -> None:
        self._type: Any = Any if type is object else type
        self._one: msgspec.json.Decoder[T] = msgspec.json.Decoder(self._type)
        self._many: msgspec.json.Decoder[list[T]] = msgspec.json.Decoder(
            GenericAlias(list, (self._type,))
        )

    def decode(self, text: bytes) -> T:
        return self._one.decode(text)

    def decode_list(self, text: bytes) -> list[T]:
        return self._many.decode(text)

    def convert(self, record: Any) -> T:
        result: T = msgspec.convert(record, type=self._type)
        return result


@dataclass(slots=True, frozen=True)
class Fault:
    """An array element that could not be decoded, or a fault of punctuation between elements.

    ``path`` is msgspec's path inside the element (``$`` is the element itself), ``field`` the
    name of the missing or unknown field, ``offset`` the byte where the fault was noticed.
    ``counts`` is false for punctuation: there ``index`` is that of the next element.
    """

    index: int
    span: Span
    message: str
    path: str
    kind: Literal["syntax", "type", "missing", "unknown"]
    offset: int
    field: str | None = None
    counts: bool = True


def decode_record(text: bytes, decoder: Decodes[T], index: int, span: Span) -> T | Fault:
    """Decode one record, also with the numbers that Python's ``json`` writes but JSON lacks.

    ``index`` and ``span`` are the record's place, for the fault.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        return _fault(error, index, span)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fault = _fault(error, index, span)
        if b"NaN" not in text and b"Infinity" not in text:
            return fault
    try:
        record = json.loads(text)
        json.dumps(record, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError):
        return fault
    try:
        return decoder.convert(record)
    except msgspec.ValidationError as error:
        return _fault(error, index, span)


def _fault(error: Exception, index: int, span: Span) -> Fault:
    """Take msgspec's message apart: what is wrong, and where inside the element."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        match = _PATH.fullmatch(text)
        message, path = (match[1], match[2]) if match else (text, "$")
        name = _FIELD.fullmatch(message)
        if name and message.startswith("Object missing required field"):
            return Fault(index, span, message, path, "missing", span.start, name[1])
        if name and message.startswith("Object contains unknown field"):
            return Fault(index, span, message, path, "unknown", span.start, name[1])
        return Fault(index, span, message, path, "type", span.start)
    offset = span.start
    if isinstance(error, UnicodeDecodeError):
        text = "The text is not valid UTF-8"
    elif isinstance(error, RecursionError):
        text = "Too many containers inside each other"
    elif "truncated" in text:
        offset = span.end
    elif byte := _BYTE.search(text):
        offset += int(byte[1])
        text = text[: byte.start()].rstrip()
    return Fault(index, span, text, "$", "syntax", offset)
