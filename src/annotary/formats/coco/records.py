"""COCO files as records: their structs, their ids, their places and faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import UNSET, Struct, UnsetType

from annotary.geometry.arrays import Ints
from annotary.problems import Location
from annotary.syntax.json.text import Fault, JsonText, Member, pointer
from annotary.syntax.source import SourceError, SourceFile

Id = int | float | str
"""Ids are whole numbers; some tools write them as text."""

BODY_PARTS = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
"""COCO-WholeBody's further keypoints in the order in which they follow the 17 of the body."""

_FEET = ("left_big_toe", "left_small_toe", "left_heel")
BODY_NAMES = [
    *_FEET,
    *(name.replace("left", "right") for name in _FEET),
    *(f"face_{i}" for i in range(1, 69)),
    *(f"left_hand_{i}" for i in range(1, 22)),
    *(f"right_hand_{i}" for i in range(1, 22)),
]


class RunLengths(Struct, gc=False):
    """A mask: height and width, and its runs as text (compressed) or as numbers."""

    size: tuple[int, int]
    counts: str | list[int]


class Annotation(Struct, gc=False):
    """What is known of a record of ``annotations``; other fields are kept as they are."""

    image_id: Id
    category_id: Id
    id: Id | UnsetType | None = UNSET
    bbox: list[float] | UnsetType | None = UNSET
    segmentation: list[list[float]] | RunLengths | UnsetType | None = UNSET
    area: Any = None
    iscrowd: Any = 0
    keypoints: list[float] | UnsetType | None = UNSET
    num_keypoints: Any = None
    attributes: Any = None


class Image(Struct, gc=False):
    """What is read of a record of ``images``."""

    id: Id | None = None
    file_name: str | None = None
    width: int | float | None = 0
    height: int | float | None = 0
    coco_url: str | None = None

    @property
    def name(self) -> str | None:
        """The file's name; LVIS gives only an address, that ends in folder and name."""
        if self.file_name or not self.coco_url:
            return self.file_name
        return "/".join(self.coco_url.rsplit("/", 2)[-2:])


class Category(Struct, gc=False):
    """What is read of a record of ``categories``; ``skeleton`` counts from 1."""

    id: Id
    name: str | int | float
    supercategory: Any = None
    keypoints: Any = None
    skeleton: Any = None


class Numbers:
    """Ids of any kind as int64: whole numbers are themselves, others are numbered far below."""

    _FLOOR = -(2**62)

    def __init__(self) -> None:
        self._odd: dict[str, int] = {}

    def of(self, ids: Sequence[Any] | Ints) -> Ints:
        """One number for every id [n]."""
        numbers = np.array(ids) if len(ids) else np.zeros(0, np.int64)
        if numbers.dtype == np.int64 and numbers.ndim == 1:
            return numbers
        return np.array([self._one(id) for id in ids], np.int64)

    def _one(self, id: Any) -> int:
        try:
            number = int(id)
            if (isinstance(id, str) or number == id) and abs(number) < 2**61:
                return number
        except (ValueError, OverflowError):
            pass
        return self._FLOOR + self._odd.setdefault(str(id), len(self._odd))


class CocoText:
    """A COCO file's JSON, and its places and faults in the words of the log."""

    def __init__(self, source: SourceFile) -> None:
        if source.json is None:
            raise SourceError("wrong-format", format="COCO", detail="it does not begin like JSON")
        self.source = source
        self.json: JsonText = source.json
        self._told: set[int] = set()

    def array(self, key: str) -> Member | None:
        """The root's array ``key``, or None. Raises :class:`SourceError` for another kind."""
        member = self.json.members.get(key)
        if member is not None and member.kind != "array":
            raise SourceError(
                "wrong-type",
                self.place(member.span.start, pointer(key)),
                key=key,
                detail=f"it is no list but {member.kind}",
                expected="a list",
            )
        return member

    def value(self, key: str) -> Any:
        """The decoded value of a small member of the root, None if missing or broken."""
        member = self.json.members.get(key)
        if member is None:
            return None
        found = self.json.decode(member.span, Any)
        return None if isinstance(found, Fault) else found

    def place(self, offset: int, where: str = "") -> Location:
        """The place of a byte."""
        return Location(*self.json.position(offset), where or None)

    def element(self, member: Member, index: int) -> Location:
        """The place of an element."""
        try:
            start = self.json.locate(member, index).start
        except IndexError:
            start = member.span.end
        return self.place(start, pointer(member.key, index))

    def cut(self, fault: Fault) -> bool:
        """Whether the fault is the one at which the document ends; that is told at the end."""
        error = self.json.error
        return error is not None and fault.kind == "syntax" and fault.offset >= error.offset

    def fault(self, fault: Fault, record: str) -> tuple[str, dict[str, Any]]:
        """A fault as a rule's code and values. Raises for text that is not UTF-8."""
        if fault.kind == "syntax":
            if "UTF-8" in fault.message:
                self.source.check_utf8()
            self._told.add(fault.offset)
            advice = "Mend the punctuation there, or export the file again."
            return "syntax", {"kind": "JSON", "detail": fault.message, "advice": advice}
        key = fault.path.removeprefix("$").removeprefix(".") or f"The {record}"
        if fault.kind == "missing":
            return "missing-key", {"key": fault.field, "record": record}
        if "Expected `float" in fault.message or "Expected `int" in fault.message:
            value = self._value_at(fault)
            if value is not None and not isinstance(value, list | dict):
                return "not-a-number", {"value": value, "key": key}
        expected = _EXPECTED.get(key.split("[")[0].split(".")[0], "an object with COCO's keys")
        detail = fault.message[:1].lower() + fault.message[1:]
        return "wrong-type", {"key": key, "detail": detail, "expected": expected}

    def fault_place(self, member: Member, fault: Fault) -> Location:
        """Where a fault is: its record, or the byte that breaks the syntax."""
        offset = fault.offset if fault.kind == "syntax" else fault.span.start
        return self.place(offset, pointer(member.key, fault.index))

    def _value_at(self, fault: Fault) -> Any:
        value: Any = self.json.decode(fault.span, Any)
        for step in fault.path.replace("[", ".").replace("]", "").split(".")[1:]:
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (KeyError, IndexError, ValueError, TypeError):
                return None
        return value

    def tell_duplicates(self) -> None:
        """Raise if a list of the root stands twice: one of them would be lost."""
        for member in self.json.duplicates:
            if member.kind == "array" and member.count:
                raise SourceError(
                    "syntax",
                    self.place(member.span.start, pointer(member.key)),
                    kind="JSON",
                    detail=f"{member.key} stands twice in the file",
                    advice="Join both lists into one, or import them as two files.",
                )

    def unreadable(self, *keys: str) -> bool:
        """Whether the document breaks before these lists have ended."""
        members = [self.json.members.get(key) for key in keys]
        return self.json.error is not None and not all(one and one.closed for one in members)

    def finish(self) -> None:
        """Raise what broke the document, if anything did and it was not told yet."""
        error = self.json.error
        if error is None or error.offset in self._told:
            return
        where = ""
        for member in self.json.members.values():
            if member.kind == "array" and not member.closed:
                where = pointer(member.key, max(member.count - 1, 0))
        raise SourceError(
            "syntax",
            self.place(error.offset, where),
            kind="JSON",
            detail=error.detail,
            advice="The file seems to be cut off or damaged there: fetch or export it again.",
        )


_EXPECTED = {
    "bbox": "four numbers: x, y, width, height",
    "segmentation": "a list of rings [[x, y, x, y, ...], ...], or {size, counts} of a mask",
    "keypoints": "a flat list of numbers: x, y, visibility, ...",
    "id": "a whole number",
    "image_id": "the id of an image",
    "category_id": "the id of a category",
    "file_name": "the image's name",
    "width": "a number of pixels",
    "height": "a number of pixels",
    "name": "text",
}
