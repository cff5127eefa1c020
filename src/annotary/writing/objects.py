"""Objects of several rows, brought to what a format can hold as one object.

The store holds any rows as one object: keypoints with a mask, two boxes, a ring with attributes
of its own. Most formats hold less. What comes out of here is, unless the format takes any rows
(``Carries.objects``):

- one class, and one kind: rings with their holes, the chunks of a volume, or one row of the rest;
  keypoints may have companions (``Carries.with_keypoints``), which follow them;
- holes after the rings they are cut out of;
- attributes, properties and a frame on the first row alone, where writers look for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary.batch import (
    BITMASK,
    BITMASK3D,
    CLASSIFICATION,
    KEYPOINTS,
    KIND_NAMES,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
    Extra,
)
from annotary.contract.format import Carries
from annotary.geometry.arrays import Ints
from annotary.writing.losses import Losses

_RANK = {POLYGON: 0, BITMASK: 1, RECTANGLE: 2, KEYPOINTS: 3, CLASSIFICATION: 4, BITMASK3D: 5}
"""Which kind says most of an object's shape."""


def without_stray_holes(batch: AnnotationBatch, losses: Losses) -> AnnotationBatch:
    """Leave out holes whose object has no ring that they could be cut out of."""
    if not batch.hole.any():
        return batch
    of = _objects_of(batch)
    outlined = np.zeros(int(of[-1]) + 1, np.bool_)
    outlined[of[(batch.kind == POLYGON) & ~batch.hole]] = True
    stray = batch.hole & ~outlined[of]
    if not stray.any():
        return batch
    alone = np.ones(len(outlined), np.bool_)
    alone[of[~stray]] = False
    losses.add("left-out", int(alone.sum()), "holes without an outline")
    losses.add("holes", int((stray & ~alone[of]).sum()))
    for row in np.flatnonzero(stray & alone[of]).tolist():
        if row in batch.extras:
            lose_extra(batch.extras[row], losses)
    return batch.take(~stray)


def lose_extra(extra: Extra, losses: Losses) -> None:
    """Count what a row has that is left out with it."""
    if extra.attributes:
        losses.add("attributes", len(extra.attributes))
    for name in extra.properties or ():
        losses.add("properties", 1, name)
    if extra.frame is not None:
        losses.add("frames", 1)


class Objects:
    """Brings the objects of batches to what one format can hold."""

    def __init__(self, carries: Carries, target: Sequence[int | None], losses: Losses) -> None:
        self._with_keypoints = {
            kind
            for kind, written in enumerate(target)
            if written is not None and KIND_NAMES[written] in carries.with_keypoints
        }
        self._several = carries.companions == "all"
        merged = {KIND_NAMES.index(written) for written in carries.merges}
        self._alone = {
            kind
            for kind, written in enumerate(target)
            if written == kind and kind not in merged and kind not in (POLYGON, BITMASK3D)
        }
        """Kinds of which an object has one row; of the others, the rows are put together."""
        self._target = target
        self._losses = losses
        self.split: set[int] = set()
        """Records of the last batch that were one object before."""

    def __call__(self, batch: AnnotationBatch) -> AnnotationBatch:
        """The batch with its objects as the format holds them; ``record`` tells them apart."""
        self.split = set()
        starts = batch.objects()
        odd = self._odd(batch, starts)
        if not odd.any():
            return batch
        of = _objects_of(batch)
        several: list[int] = []
        part = np.zeros(len(batch), np.int64)
        place = np.arange(len(batch))
        keep = np.ones(len(batch), np.bool_)
        for at in np.flatnonzero(odd).tolist():
            rows = list(range(int(starts[at]), int(starts[at + 1])))
            parts = self._parts(batch, rows)
            several += [rows[0]] if len(parts) > 1 else []
            keep[rows] = False
            for number, kept in enumerate(parts):
                keep[kept] = True
                part[kept] = number
                place[kept] = np.arange(len(kept)) + rows[0]
        order = np.lexsort((place, part, of))
        order = order[keep[order]]
        found = batch.take(order)
        changes = (np.diff(of[order]) != 0) | (np.diff(part[order]) != 0)
        found.record = np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)
        self.split = set(found.record[np.isin(of[order], of[several])].tolist())
        return found

    def _odd(self, batch: AnnotationBatch, starts: Ints) -> NDArray[np.bool_]:
        """Which objects are not what every format with rings can hold: these are looked at."""
        odd = np.zeros(len(starts) - 1, np.bool_)
        several = np.diff(starts) > 1
        if not several.any():
            return odd
        first = starts[:-1]
        for column in (batch.kind, batch.tag):
            odd |= np.minimum.reduceat(column, first) != np.maximum.reduceat(column, first)
        odd |= several & ~np.isin(batch.kind[first], (POLYGON, BITMASK3D))
        of = _objects_of(batch)
        hole = batch.hole
        later = np.zeros(len(batch), np.bool_)
        later[1:] = hole[:-1] & ~hole[1:] & (of[1:] == of[:-1])
        odd[of[later]] = True
        for row in batch.extras:
            if row != starts[of[row]]:
                odd[of[row]] = True
        return odd

    def _parts(self, batch: AnnotationBatch, rows: list[int]) -> list[list[int]]:
        """The objects that one object becomes, each as its rows in order."""
        by_tag: dict[int, list[int]] = {}
        for row in rows:
            by_tag.setdefault(int(batch.tag[row]), []).append(row)
        kept = {
            tag: self._kinds({int(kind) for kind in batch.kind[same]})
            for tag, same in by_tag.items()
        }
        if written := [tag for tag in by_tag if self._is_written(kept[tag])]:
            lost = [row for row in rows if int(batch.kind[row]) not in kept[int(batch.tag[row])]]
            lost += [row for tag in by_tag if tag not in written for row in by_tag[tag]]
            self._losses.add("members", int(bool(lost)))
        else:
            # nothing of it is written: it is counted once, as what its first row is
            return [[row for row in rows if batch.kind[row] == batch.kind[rows[0]]]]
        parts = [part for tag in written for part in self._split(batch, by_tag[tag], kept[tag])]
        self._losses.add("parts", int(len(parts) > 1))
        return parts

    def _is_written(self, kinds: set[int]) -> bool:
        return any(self._target[kind] is not None for kind in kinds)

    def _split(self, batch: AnnotationBatch, rows: list[int], kinds: set[int]) -> list[list[int]]:
        """Rows of one class as objects: kinds that the format writes one by one stand alone."""
        found: list[list[int]] = [[]]
        seen: dict[int, int] = {}
        dropped = []
        for row in rows:
            kind = int(batch.kind[row])
            if kind not in kinds or (kind == CLASSIFICATION and seen):
                dropped.append(row)  # a class that is said twice is said
                continue
            number = seen[kind] = seen.get(kind, -1) + 1
            if kind not in self._alone:
                number = 0
            while len(found) <= number:
                found.append([])
            found[number].append(row)
        for number, part in enumerate(found):
            part.sort(key=lambda row: (batch.kind[row] != KEYPOINTS, bool(batch.hole[row])))
            self._unite(batch, part, dropped if number == 0 else [])
        return found

    def _kinds(self, present: set[int]) -> set[int]:
        """The kinds of an object that are written together."""
        target = self._target

        def rank(kind: int) -> tuple[bool, bool, int]:
            # what is written as itself first, then what is written at all, an outline before
            # a box before points
            return target[kind] != kind, target[kind] is None, _RANK[kind]

        companions = present & self._with_keypoints
        if KEYPOINTS in present and companions and target[KEYPOINTS] == KEYPOINTS:
            if self._several:
                # one of each kind that is written: an outline and a box
                best = {target[kind]: kind for kind in sorted(companions, key=rank, reverse=True)}
                return {KEYPOINTS, *best.values()}
            return {KEYPOINTS, min(companions, key=rank)}
        return {min(present, key=rank)}

    def _unite(self, batch: AnnotationBatch, part: list[int], dropped: list[int]) -> None:
        """Move what the rows of an object say onto its first one."""
        rows = [row for row in sorted([*part, *dropped]) if row in batch.extras]
        if not rows or rows == part[:1]:
            return
        all_of = Extra()
        for row in rows:
            extra = batch.extras[row]
            self._add(all_of, extra)
            batch.extras[row] = msgspec.structs.replace(
                extra, attributes=None, properties=None, frame=None
            )
        first = batch.extras.get(part[0]) or Extra()
        batch.extras[part[0]] = msgspec.structs.replace(
            first,
            attributes=all_of.attributes,
            properties=all_of.properties,
            frame=all_of.frame,
        )

    def _add(self, to: Extra, more: Extra) -> None:
        """Add what a row says; where an earlier one says something else, that is a loss."""
        if more.attributes:
            known = to.attributes = dict(to.attributes or {})
            for name, value in more.attributes.items():
                self._losses.add("attributes", int(known.setdefault(name, value) != value))
        if more.properties:
            known = to.properties = dict(to.properties or {})
            for name, value in more.properties.items():
                if known.setdefault(name, value) != value:
                    self._losses.add("properties", 1, name)
        if more.frame is not None:
            if to.frame is None:
                to.frame = more.frame
            self._losses.add("frames", int(to.frame != more.frame))


def _objects_of(batch: AnnotationBatch) -> Ints:
    """The number of each row's object [n], from 0."""
    found: Ints = np.zeros(len(batch), np.int64)
    np.cumsum(np.diff(batch.record) != 0, out=found[1:])
    return found
