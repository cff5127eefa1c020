"""COCO as some tools write it although it is none, where it can be read in one way only.

A ring that is not in a list of rings, numbers as text, and lists that are objects with a key for
each record. What was read so is counted: :func:`tell`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, TypeVar

import msgspec

from annotary.contract.rows import RowSink
from annotary.syntax.json.growing import OpenStruct
from annotary.syntax.json.text import JsonSyntaxError, JsonText, Member
from annotary.syntax.source import SourceFile

T = TypeVar("T", bound=msgspec.Struct)

LISTS = ("images", "annotations", "categories")
FLAT = "a ring that is not in a list of rings"
TEXT = "numbers written as text"
_NUMBERS = ("bbox", "area", "width", "height", "keypoints", "iscrowd", "num_keypoints")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*", re.A)
_ADVICE = {
    FLAT: "Put each ring into one more pair of brackets: [[x, y, x, y, ...]].",
    TEXT: "Write numbers without quotes.",
}


class LenientRecords(OpenStruct[T]):
    """Decodes records with their unknown fields, and mends those that would be refused."""

    def __init__(self, base: type[T], limit: int = 64) -> None:
        super().__init__(base, limit)
        self.mended: Counter[str] = Counter()

    def decode(self, text: bytes) -> T:
        try:
            return super().decode(text)
        except msgspec.ValidationError:
            record, what = _mended(text)
            if not what:
                raise
            made = super().decode(msgspec.json.encode(record))
            self.mended.update(what)
            return made


def tell(rows: RowSink, mended: Counter[str], noun: str) -> None:
    """Say how many records were read although they are written otherwise."""
    for what, count in sorted(mended.items()):
        have = f"{count:,} {noun} has" if count == 1 else f"{count:,} {noun}s have"
        rows.problem("dialect", what=f"{have} {what}", advice=_ADVICE[what])


def _mended(text: bytes) -> tuple[Any, set[str]]:
    """A record as it is meant, and what was changed in it; nothing if it cannot be told."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None, set()
    found: set[str] = set()
    if not isinstance(record, dict):
        return None, found
    for name in _NUMBERS:
        if name in record:
            record[name] = _number(record[name], found)
    outline = record.get("segmentation")
    if isinstance(outline, list) and outline:
        outline = _number(outline, found)
        if all(type(value) in (int, float) for value in outline):
            outline = [outline]
            found.add(FLAT)
        record["segmentation"] = outline
    elif isinstance(outline, dict):
        for name in ("size", "counts"):
            if isinstance(outline.get(name), list):
                outline[name] = _number(outline[name], found)
    return record, found


def _number(value: Any, found: set[str]) -> Any:
    if isinstance(value, list):
        return [_number(each, found) for each in value]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        found.add(TEXT)
        number = float(value)
        return int(number) if number.is_integer() else number
    return value


def keyed(document: JsonText) -> list[Member]:
    """Lists of the file that are objects: a key for each record."""
    return [
        member
        for name in LISTS
        if (member := document.members.get(name)) is not None and member.kind == "object"
    ]


def with_lists(source: SourceFile) -> SourceFile:
    """The file with its keyed lists as lists, byte for byte where they were: places stay true."""
    document = source.json
    if document is None or not keyed(document):
        return source
    data = bytearray(source.buffer)
    for member in keyed(document):
        end = member.span.start + 1
        try:
            for _, span in document.children(member.span):
                gap = bytes(data[end : span.start])
                # the comma and line ends stay; the key goes
                comma = b"," if gap.lstrip()[:1] == b"," else b" "
                blank = re.sub(rb"[^\r\n]", b" ", gap)
                data[end : span.start] = comma + blank[1:] if gap[:1] not in b"\r\n" else blank
                if comma == b"," and gap[:1] in b"\r\n":
                    at = end + gap.index(b",")
                    data[at : at + 1] = b","
                end = span.end
        except JsonSyntaxError:
            return source  # told as what it is
        data[member.span.start] = ord("[")
        data[member.span.end - 1] = ord("]")
    return SourceFile(source.name, data=bytes(data), found=source.found, prefix=source.prefix)
