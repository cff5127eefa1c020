"""COCO files as records: their structs, their ids, their images and their categories."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from msgspec import UNSET, Struct, UnsetType

from annotary.batch import RowSink
from annotary.geometry import Ints
from annotary.idset import IdIndex, IdSet
from annotary.jsontext import Fault, JsonText, Member, pointer
from annotary.problems import Location
from annotary.source import SourceError, SourceFile

R = TypeVar("R", bound=Struct)

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
    keypoints: list[str] | None = None
    skeleton: list[tuple[int, int]] | None = None


class Numbers:
    """Ids of any kind as int64: whole numbers are themselves, others are numbered far below."""

    _FLOOR = -(2**62)

    def __init__(self) -> None:
        self._odd: dict[str, int] = {}

    def of(self, ids: Sequence[Any]) -> Ints:
        """One number for every id [n]."""
        numbers = np.array(ids) if ids else np.zeros(0, np.int64)
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


@contextmanager
def no_collection() -> Iterator[None]:
    """Decoded records hold no cycles: looking for some doubles the time they take."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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


def records(
    text: CocoText, rows: RowSink, key: str, type: type[R], record: str
) -> Iterator[tuple[list[int], list[R]]]:
    """Chunks of a list that is not the annotations: indexes and records; faults are told."""
    member = text.array(key)
    if member is None:
        return
    chunks = text.json.elements(member, type)
    while True:
        with no_collection():
            chunk = next(chunks, None)
            if chunk is None:
                return
            indexes, good = [], []
            for index, item in enumerate(chunk.items, chunk.first_index):
                if not isinstance(item, Fault):
                    indexes.append(index)
                    good.append(item)
                elif not text.cut(item):
                    code, values = text.fault(item, record)
                    rows.problem(code, text.fault_place(member, item), **values)
            yield indexes, good
            del chunk, good


class Images:
    """The file's images by id: sixteen bytes for each, whatever their number."""

    def __init__(self, text: CocoText, rows: RowSink) -> None:
        self._ids = Numbers()
        ids: list[Ints] = []
        images: list[Ints] = []
        repeated: list[tuple[int, Id]] = []
        seen = IdSet()
        for indexes, chunk in records(text, rows, "images", Image, "image"):
            known: list[tuple[int, Id]] = []
            numbers: list[int] = []
            for index, one in zip(indexes, chunk, strict=True):
                name, id, at = one.name, one.id, -1 - index
                if id is None or not name:
                    key = "id" if id is None else "file_name"
                    rows.problem("missing-key", at, key=key, record="image")
                image = rows.image(name, _size(one.width), _size(one.height), at) if name else -1
                if id is not None:
                    known.append((at, id))
                    numbers.append(image)
            ids.append(self._ids.of([id for _, id in known]))
            images.append(np.array(numbers, np.int64))
            again = np.flatnonzero(seen.add(ids[-1]))
            repeated += [known[i] for i in again.tolist()]
        self._positions = IdIndex(np.concatenate([np.zeros(0, np.int64), *ids]))
        self._images = np.concatenate([*images, np.array([-1])])
        for at, id in repeated:
            first = int(self.find([id])[0])
            name = rows.image_names[first] if first >= 0 else "an image without a name"
            rows.problem("duplicate-image-id", at, id=id, first=name)

    def find(self, ids: Sequence[Any]) -> Ints:
        """The number of the image of each id [n], -1 for none."""
        # a position of -1 is the -1 at the end
        found: Ints = self._images[self._positions.find(self._ids.of(ids))]
        return found


def _size(value: float | None) -> int:
    if value.__class__ is int:
        return value
    return int(value) if value and math.isfinite(value) else 0


class Categories:
    """The file's categories by id, as the sink's tags; their skeletons.

    Roboflow puts a category 0 in front that no annotation uses and that is the supercategory of
    all others: it becomes a tag only if an annotation uses it after all.
    """

    def __init__(self, text: CocoText, rows: RowSink) -> None:
        self._ids = Numbers()
        self._rows = rows
        self.words: list[str] = []
        self.skeletons: dict[int, list[str]] = {}
        """Tag -> the names of its keypoints."""
        found: list[tuple[int, Category]] = []
        for indexes, chunk in records(text, rows, "categories", Category, "category"):
            found += zip(indexes, chunk, strict=True)
        ids = self._ids.of([one.id for _, one in found])
        again = IdSet().add(ids).tolist()
        self._positions = IdIndex(ids)
        self._tags = np.full(len(found) + 1, -1)
        self._umbrella = _umbrella([one for _, one in found], ids)
        names: dict[str, Id] = {}
        member = text.array("categories")
        for i, (index, one) in enumerate(found):
            assert member is not None
            name = str(one.name)
            if again[i]:
                place = text.element(member, index)
                rows.problem("duplicate-category-id", place, id=one.id, name=name)
                continue
            if name in names:
                place = text.element(member, index)
                rows.problem(
                    "duplicate-category-name", place, name=name, id=one.id, first=names[name]
                )
            names.setdefault(name, one.id)
            self.words.append(str(one.id))
            if i == self._umbrella:
                self._name = name
                continue
            tag = self._tags[i] = rows.tag(name, _number(ids[i]))
            if one.keypoints:
                self._skeleton(text, text.element(member, index), int(tag), one)

    def _skeleton(self, text: CocoText, place: Location, tag: int, category: Category) -> None:
        names = list(category.keypoints or ())
        joined = category.skeleton or []
        # edges count from 1; an edge to 0 shows that this file counts from 0
        base = 0 if any(0 in edge for edge in joined) else 1
        edges = [(a - base, b - base) for a, b in joined]
        inside = [edge for edge in edges if min(edge) >= 0 and max(edge) < len(names)]
        if len(inside) < len(edges):
            self._rows.problem(
                "ignored",
                place,
                what=f"{len(edges) - len(inside)} of the skeleton's {len(edges)} edges",
                why=f"they lead to keypoints beyond the {len(names)} that have names",
                advice="Mend the skeleton of the category, or draw it in the project.",
            )
        self.skeletons[tag] = names
        self._rows.skeletons[self._rows.tag_names[tag]] = (names, inside)

    def find(self, ids: Sequence[Any]) -> Ints:
        """The tag of each category id [n], -1 for none."""
        positions = self._positions.find(self._ids.of(ids))
        if self._umbrella >= 0 and (positions == self._umbrella).any():
            self._tags[self._umbrella] = self._rows.tag(self._name, 0)
            self._umbrella = -1
        found: Ints = self._tags[positions]
        return found


def _umbrella(categories: Sequence[Category], ids: Ints) -> int:
    """The position of the category 0 that all others name as their supercategory, or -1."""
    zero = np.flatnonzero(ids == 0)
    if len(zero) != 1 or len(categories) < 2:
        return -1
    name = categories[zero[0]].name
    others = (one for i, one in enumerate(categories) if i != zero[0])
    return int(zero[0]) if all(one.supercategory == name for one in others) else -1


def _number(id: Any) -> int | None:
    return int(id) if abs(int(id)) < 2**61 else None
