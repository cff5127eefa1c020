"""The difference of two states, image by image: memory holds some images at a time.

What differs is told of objects: an object of several annotations (rings, an outline with its
keypoints) is one. Swapping the sides swaps added with removed, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary import matching
from annotary.batch import NO_ASSET, AnnotationBatch
from annotary.difference.objects import Objects
from annotary.difference.pairs import pair
from annotary.geometry.arrays import Floats, Ints

UNCHANGED, ADDED, REMOVED, MOVED, ROUNDED, RETAGGED, ATTRIBUTES = range(7)
KINDS = ("unchanged", "added", "removed", "moved", "rounded", "retagged", "attributes")
ROUNDING = 0.999
"""From this overlap on a shape was moved by rounding its numbers."""
_IMAGES_AT_ONCE = 2_000


class State(Protocol):
    """One unchanging state of a project or of files; see ``annotary.writing.exporting.Origin``."""

    names: list[str]
    """File names of all images."""
    widths: Any
    heights: Any

    @property
    def tags(self) -> Sequence[Any]:
        """The tags, each with a ``name``."""

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images with these places in ``names``, in that order."""


class Changes(msgspec.Struct):
    """What differs on some images: one row for each object, unchanged ones included.

    kind   uint8 [n]    an index into KINDS
    image  int32 [n]    the image, an index into ``images``
    left   int64 [n]    the object of the left side, -1 for none
    right  int64 [n]    the object of the right side, -1 for none
    iou    float64 [n]  overlap of a pair; NaN where nothing was measured
    rule   uint8 [n]    how a pair was found: an index into ``pairs.RULES``
    """

    images: list[str]
    sides: Floats
    before: Objects
    after: Objects
    kind: NDArray[np.uint8]
    image: NDArray[np.int32]
    left: Ints
    right: Ints
    iou: Floats
    rule: NDArray[np.uint8]


class Difference:
    """Two states that are compared; iterate for what differs, some images at a time."""

    def __init__(self, before: State, after: State) -> None:
        self.before = before
        self.after = after
        self.tags: list[str] = list(
            dict.fromkeys(tag.name for side in (before, after) for tag in side.tags)
        )
        self.images, self._left, self._right = _shared(before.names, after.names)

    def __iter__(self) -> Iterator[Changes]:
        for begin in range(0, len(self.images), _IMAGES_AT_ONCE):
            yield self._some(begin, min(begin + _IMAGES_AT_ONCE, len(self.images)))

    def _some(self, begin: int, end: int) -> Changes:
        left = self._objects(self.before, self._left[begin:end])
        right = self._objects(self.after, self._right[begin:end])
        sides = _sides(self.before, self._left[begin:end])
        other = _sides(self.after, self._right[begin:end])
        return changes(self.images[begin:end], np.maximum(sides, other), left, right)

    def _objects(self, side: State, images: Ints) -> Objects:
        """The objects of some images; an image that the side lacks has none."""
        there = np.flatnonzero(images >= 0)
        batches = []
        for batch in side.scan(images[there].tolist()):
            batch.image = there[batch.image].astype(np.int32)
            batches.append(batch)
        numbers = {name: number for number, name in enumerate(self.tags)}
        names = [tag.name for tag in side.tags]
        tags = np.array([numbers[name] for name in names], np.int32)
        return Objects(joined(batches), names, tags)


def changes(
    images: list[str], sides: Floats, left: Objects, right: Objects, *, near: bool = True
) -> Changes:
    """What differs between the objects of two sides on some images.

    Without ``near`` only equal objects are paired: what has moved is removed and added.
    """
    found = pair(left, right, sides, near=near)
    i = np.flatnonzero(found.other >= 0)
    j = found.other[i]
    same = (left.content[i] == right.content[j]).all(axis=1)
    shape = (left.shape[i] == right.shape[j]).all(axis=1)
    tag = left.tag[i] == right.tag[j]
    with np.errstate(invalid="ignore"):
        rounded = found.iou[i] >= ROUNDING
    kind = np.select(
        [same, ~tag, shape, rounded],
        [UNCHANGED, RETAGGED, ATTRIBUTES, ROUNDED],
        MOVED,
    ).astype(np.uint8)
    gone = np.flatnonzero(found.other < 0)
    new = np.setdiff1d(np.arange(len(right)), j)
    none_l, none_r = np.full(len(new), NO_ASSET), np.full(len(gone), NO_ASSET)
    kinds = [kind, np.full(len(gone), REMOVED, np.uint8), np.full(len(new), ADDED, np.uint8)]
    image = np.concatenate([left.image[i], left.image[gone], right.image[new]])
    order = np.argsort(image, kind="stable")
    nothing = np.full(len(gone) + len(new), np.nan)
    return Changes(
        images,
        sides,
        left,
        right,
        np.concatenate(kinds)[order],
        image[order],
        np.concatenate([i, gone, none_l])[order],
        np.concatenate([j, none_r, new])[order],
        np.concatenate([found.iou[i], nothing])[order],
        np.concatenate([found.rule[i], np.zeros(len(nothing), np.uint8)])[order],
    )


def joined(batches: Sequence[AnnotationBatch]) -> AnnotationBatch:
    """Several batches as one; their objects stay apart."""
    if len(batches) == 1:
        return batches[0]
    starts, records, extras = [np.zeros(1, np.int64)], [], {}
    values = rows = objects = 0
    for batch in batches:
        starts.append(batch.start[1:] - batch.start[0] + values)
        begin = batch.objects()
        records.append(np.repeat(np.arange(len(begin) - 1), np.diff(begin)) + objects)
        extras.update({row + rows: extra for row, extra in batch.extras.items()})
        values += int(batch.start[-1] - batch.start[0])
        rows += len(batch)
        objects += len(begin) - 1

    def column(name: str, dtype: Any) -> Any:
        parts = [getattr(batch, name) for batch in batches]
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    return AnnotationBatch(
        column("kind", np.uint8),
        column("image", np.int32),
        column("tag", np.int32),
        np.concatenate(starts),
        column("coords", np.float64),
        np.concatenate(records) if records else np.zeros(0, np.int64),
        column("hole", np.bool_),
        column("at", np.int64),
        extras,
    )


def _sides(side: State, images: Ints) -> Floats:
    out = np.zeros((len(images), 2))
    there = np.flatnonzero(images >= 0)
    out[there, 0] = np.asarray(side.widths)[images[there]]
    out[there, 1] = np.asarray(side.heights)[images[there]]
    return out


def _shared(left: Sequence[str], right: Sequence[str]) -> tuple[list[str], Ints, Ints]:
    """Images of both sides under one name: as written, else by stem where only one fits."""
    at = {name: number for number, name in enumerate(right)}
    partner = {number: at[name] for number, name in enumerate(left) if name in at}
    open_left = [n for n in range(len(left)) if n not in partner]
    used = set(partner.values())
    open_right = [n for n in range(len(right)) if n not in used]
    keys: dict[str, tuple[list[int], list[int]]] = {}
    for side, names, numbers in ((0, left, open_left), (1, right, open_right)):
        for number in numbers:
            keys.setdefault(matching.key(names[number]), ([], []))[side].append(number)
    for mine, theirs in keys.values():
        if len(mine) == len(theirs) == 1:
            partner[mine[0]] = theirs[0]
    used = set(partner.values())
    named = [(name, number, partner.get(number, -1)) for number, name in enumerate(left)]
    named += [(name, -1, number) for number, name in enumerate(right) if number not in used]
    named.sort()
    return (
        [name for name, _, _ in named],
        np.array([number for _, number, _ in named], np.int64),
        np.array([number for _, _, number in named], np.int64),
    )
