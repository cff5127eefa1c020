"""Typed decoding of JSON records that keeps the fields nobody declared."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from types import GenericAlias
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, Struct

T = TypeVar("T", bound=Struct)

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)` - at `\$\[\d+\]`", re.S)
_NO_FIELD_NAME = re.compile(r'[\x00-\x1f"\\]')  # msgspec's own rule
_REST = "json_rest"  # the attribute for fields beyond the limit


class OpenStruct(Generic[T]):
    """A struct type that grows a field for each unknown key that the records turn out to have.

    The type starts as ``base`` with unknown fields forbidden. The decoder's complaint about one
    teaches the name; the type is made anew with an optional field for it, and stays so for the
    rest of the file. Thus a file costs one more attempt per unknown name, not per record.

    ``extra_fields`` maps the attribute that holds such a field to its JSON name; the attribute
    is ``msgspec.UNSET`` where a record has no such field. After ``limit`` names the remaining
    ones are kept per record, in a dict; :meth:`extras` reads both.
    """

    def __init__(self, base: type[T], limit: int = 64) -> None:
        self.base = base
        self.extra_fields: dict[str, str] = {}
        self._limit = limit
        self._full = False
        self._prepare()

    def _prepare(self) -> None:
        fields: list[Any] = [(name, Any, UNSET) for name in self.extra_fields]
        if self._full:
            fields.append((_REST, Any, UNSET))  # set by _attach alone, whatever its key holds
        self.type = cast(
            "type[T]",
            msgspec.defstruct(
                self.base.__name__,
                fields,
                bases=(self.base,),
                module=self.base.__module__,
                rename={**self.extra_fields, _REST: _REST},
                forbid_unknown_fields=not self._full,
            ),
        )
        self._one = msgspec.json.Decoder(self.type)
        self._many: msgspec.json.Decoder[list[T]] = msgspec.json.Decoder(
            GenericAlias(list, (self.type,))
        )
        self._names = frozenset(self.type.__struct_encode_fields__) - (
            {_REST} if self._full else frozenset()
        )
        tag = self.type.__struct_config__
        if tag.tag_field is not None:
            self._names |= {tag.tag_field}

    def extras(self, record: Struct) -> dict[str, Any]:
        """Return a record's undeclared fields by their JSON names."""
        found = {
            json_name: value
            for name, json_name in self.extra_fields.items()
            if (value := getattr(record, name, UNSET)) is not UNSET
        }
        rest = getattr(record, _REST, UNSET)
        return found if rest is UNSET else {**found, **rest}

    def decode(self, text: bytes) -> T:
        """Decode one record. Raises what msgspec raises."""
        try:
            item = self._one.decode(text)
        except msgspec.ValidationError:
            with suppress(msgspec.DecodeError):
                self._learned(lambda: self._many.decode(b"[" + text + b"]"))
            item = self._one.decode(text)  # raises what is wrong without the list
        if self._full:
            self._attach(item, msgspec.json.decode(text, type=dict[str, Raw]))
        return item

    def decode_list(self, text: bytes) -> list[T]:
        """Decode an array of records. Raises what msgspec raises."""
        items = self._learned(lambda: self._many.decode(text))
        if self._full:
            rows = msgspec.json.decode(text, type=list[dict[str, Raw]])
            for item, row in zip(items, rows, strict=True):
                self._attach(item, row)
        return items

    def convert(self, record: Any) -> T:
        """Make the struct from a decoded record. Raises ``msgspec.ValidationError``."""
        with suppress(msgspec.ValidationError):
            self._learned(lambda: msgspec.convert([record], type=GenericAlias(list, (self.type,))))
        item = msgspec.convert(record, type=self.type)
        if self._full:
            self._attach(item, record)
        return item

    def _learned(self, attempt: Callable[[], list[T]]) -> list[T]:
        """Try to decode a list until no record in it has an unknown field.

        It has to be a list: only then does the message tell apart a field's name and its
        place, whatever the name is.
        """
        while True:
            try:
                return attempt()
            except msgspec.ValidationError as error:
                match = _UNKNOWN.fullmatch(str(error))
                if not match:
                    raise
                self._learn(match[1])

    def _attach(self, item: T, row: dict[str, Any]) -> None:
        rest = {
            key: msgspec.json.decode(value) if isinstance(value, Raw) else value
            for key, value in row.items()
            if key not in self._names
        }
        msgspec.structs.force_setattr(item, _REST, rest or UNSET)

    def _learn(self, json_name: str) -> None:
        number = len(self.extra_fields)
        if number < self._limit and not _NO_FIELD_NAME.search(json_name):
            while hasattr(self.base, name := f"extra_{number}") or name in self.extra_fields:
                number += 1
            self.extra_fields[name] = json_name
        else:
            self._full = True
        self._prepare()
