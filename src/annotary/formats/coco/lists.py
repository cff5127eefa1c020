"""COCO's lists of images and categories: by id, as the sink's images and tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from annotary.contract.rows import RowSink
from annotary.formats.coco.dialect import LenientRecords, tell
from annotary.formats.coco.extras import is_blank
from annotary.formats.coco.ids_seen import IdIndex, IdSet
from annotary.formats.coco.records import Category, CocoText, Id, Image, Numbers
from annotary.geometry.arrays import Ints
from annotary.problems import Location
from annotary.processes.without_gc import no_collection
from annotary.syntax.json.text import Fault

R = TypeVar("R", bound=msgspec.Struct)

_DECLARED_AND_LOST = {"image": "coco_url", "category": "supercategory"}
"""What is looked at while reading, but not kept."""


def records(
    text: CocoText, rows: RowSink, key: str, type: type[R], record: str
) -> Iterator[tuple[list[int], list[R]]]:
    """Chunks of a list that is not the annotations: indexes and records; faults are told.

    Fields that say something and are not kept are counted.
    """
    member = text.array(key)
    if member is None:
        return
    lenient = LenientRecords(type)
    lost = _DECLARED_AND_LOST[record]
    chunks = text.json.elements(member, lenient)
    while True:
        with no_collection():
            chunk = next(chunks, None)
            if chunk is None:
                tell(rows, lenient.mended, record)
                return
            indexes, good = [], []
            for index, item in enumerate(chunk.items, chunk.first_index):
                if not isinstance(item, Fault):
                    indexes.append(index)
                    good.append(item)
                    fields = lenient.extras(item) if lenient.extra_fields else {}
                    fields[lost] = getattr(item, lost)
                    for field, value in fields.items():
                        if not is_blank(value):
                            rows.dropped(record, field)
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

    def find(self, ids: Sequence[Any] | Ints) -> Ints:
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
        try:
            names = msgspec.convert(category.keypoints, list[str])
            joined = msgspec.convert(category.skeleton or [], list[tuple[int, int]])
        except msgspec.ValidationError as error:
            expected = "a list of names, and skeleton pairs of their numbers from 1"
            self._rows.problem(
                "wrong-type", place, key="keypoints", detail=str(error), expected=expected
            )
            return
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
