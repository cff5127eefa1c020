"""Batches cut down to what a format can carry, with a count of everything that is lost.

The format's ``Carries`` row says what survives; this is the only place that acts on it, so that
the plan before an export, the message after it and its manifest cannot disagree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.batch import (
    BITMASK,
    KEYPOINTS,
    KIND_NAMES,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
    Extra,
)
from annotary.contract.dataset import ImageTable
from annotary.contract.format import Carries
from annotary.geometry import rle
from annotary.geometry.arrays import corners, extents, to_pixels
from annotary.writing.losses import Losses
from annotary.writing.objects import Objects, lose_extra, without_stray_holes

_NUMBER = {name: number for number, name in enumerate(KIND_NAMES)}


class Reducer:
    """Turns stored batches (fractions, all kinds) into what one format's writer is given."""

    def __init__(
        self, carries: Carries, images: ImageTable, normalized: bool, losses: Losses
    ) -> None:
        self._carries = carries
        self._images = images
        self._normalized = normalized
        self._losses = losses
        self._target = [
            None if written is None else _NUMBER[written]
            for written in (
                carries.rectangle,
                carries.polygon,
                carries.keypoints,
                carries.classification,
                carries.bitmask,
                carries.bitmask3d,
            )
        ]
        self._records = 0
        self._objects = None if carries.objects else Objects(carries, self._target, losses)

    def __call__(self, batch: AnnotationBatch) -> AnnotationBatch:
        """The batch as the format can hold it, in the unit it is written in."""
        batch = without_stray_holes(batch, self._losses)
        if self._objects is not None:
            batch = self._objects(batch)
        batch = self._as_kinds(self._without_holes(self._left_out(batch)))
        if self._carries.merges:
            batch = self._merged(batch)
        if batch.extras:
            self._extras(batch)
        if not self._carries.parts:
            self._split_parts(batch)
        return self._in_unit(batch)

    # --- kinds --------------------------------------------------------------------------------

    def _left_out(self, batch: AnnotationBatch) -> AnnotationBatch:
        """Without the kinds that the format has no place for."""
        keep = np.ones(len(batch), np.bool_)
        for kind in np.flatnonzero(np.bincount(batch.kind)).tolist():
            target = self._target[kind]
            if target == kind:
                continue
            rows = batch.kind == kind
            if target is None:
                objects = len(np.unique(batch.record[rows]))
                self._losses.add("left-out", objects, _PLURALS[kind])
                keep &= ~rows
        return batch if keep.all() else batch.take(keep)

    def _without_holes(self, batch: AnnotationBatch) -> AnnotationBatch:
        if self._carries.holes or not batch.hole.any():
            return batch
        self._losses.add("holes", int(batch.hole.sum()))
        return batch.take(~batch.hole)

    def _as_kinds(self, batch: AnnotationBatch) -> AnnotationBatch:
        """Every row as the kind that it is written as."""
        for kind in np.flatnonzero(np.bincount(batch.kind)).tolist():
            target = self._target[kind]
            if target is None or target == kind:
                continue
            if target == RECTANGLE:
                batch = self._as_boxes(batch, kind)
            elif target == POLYGON and kind == RECTANGLE:
                batch = self._as_rings(batch)
            elif target == POLYGON and kind == BITMASK:
                batch = self._as_outlines(batch)
            elif target == BITMASK:
                batch = self._as_masks(batch, kind)
            else:
                raise NotImplementedError(f"{KIND_NAMES[kind]} as {KIND_NAMES[target]}")
        return batch

    def _as_boxes(self, batch: AnnotationBatch, kind: int) -> AnnotationBatch:
        """One box around all parts of each object of a kind."""
        rows = np.flatnonzero(batch.kind == kind)
        outer = rows[~batch.hole[rows]]
        part = batch.take(outer)
        if kind == KEYPOINTS:
            boxes = _keypoint_boxes(part)
        elif kind == BITMASK:
            boxes = extents(part.coords, part.start)
        else:
            boxes = extents(part.coords, part.start)
        starts = part.objects()
        first = starts[:-1]
        merged = np.column_stack(
            [
                np.minimum.reduceat(boxes[:, 0], first),
                np.minimum.reduceat(boxes[:, 1], first),
                np.maximum.reduceat(boxes[:, 2], first),
                np.maximum.reduceat(boxes[:, 3], first),
            ]
        )
        self._losses.add("as-box", len(first), _PLURALS[kind])
        usable = (merged[:, 2] > merged[:, 0]) & (merged[:, 3] > merged[:, 1])
        if not usable.all():
            self._losses.add(
                "left-out", int((~usable).sum()), f"{_PLURALS[kind]} without an extent"
            )
        chosen = part.take(first[usable])
        chosen.kind = np.full(len(chosen), RECTANGLE, np.uint8)
        chosen.coords = merged[usable].ravel()
        chosen.start = np.arange(len(chosen) + 1, dtype=np.int64) * 4
        for extra in chosen.extras.values():
            extra.mask = None
        return _join(batch.take(batch.kind != kind), chosen)

    def _as_rings(self, batch: AnnotationBatch) -> AnnotationBatch:
        rows = batch.kind == RECTANGLE
        part = batch.take(rows)
        part.coords = corners(part.coords.reshape(-1, 4)).ravel()
        part.start = np.arange(len(part) + 1, dtype=np.int64) * 8
        part.kind = np.full(len(part), POLYGON, np.uint8)
        return _join(batch.take(~rows), part)

    def _as_masks(self, batch: AnnotationBatch, kind: int) -> AnnotationBatch:
        """Every object of a kind filled, holes cut out, as one mask of its image's size."""
        rows = batch.kind == kind
        part = batch.take(rows)
        widths, heights = self._images.sizes(part.image)
        starts = part.objects()
        chosen = []
        boxes = []
        masks = []
        for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            w, h = int(widths[begin]), int(heights[begin])
            if w <= 0 or h <= 0:
                self._losses.add("unknown-size", end - begin)
                continue
            filled = [
                _fill(part, row, kind, w, h) for row in range(begin, end) if not part.hole[row]
            ]
            if not filled:
                self._losses.add("left-out", 1, "holes without an outline")
                continue
            cut = [_fill(part, row, kind, w, h) for row in range(begin, end) if part.hole[row]]
            mask = rle.merge(filled) if len(filled) > 1 else filled[0]
            if cut:
                mask = rle.subtract(mask, rle.merge(cut))
            box = rle.bbox(mask)
            if box is None:
                self._losses.add("left-out", 1, f"{_PLURALS[kind]} smaller than a pixel")
                continue
            chosen.append(begin)
            boxes.append((box[0] / w, box[1] / h, box[2] / w, box[3] / h))
            masks.append(mask)
        self._losses.add("as-mask", len(chosen), _PLURALS[kind])
        part = part.take(np.array(chosen, np.int64))
        part.kind = np.full(len(part), BITMASK, np.uint8)
        part.coords = np.array(boxes, np.float64).ravel()
        part.start = np.arange(len(part) + 1, dtype=np.int64) * 4
        for row, mask in enumerate(masks):
            extra = part.extras.setdefault(row, Extra())
            extra.mask = mask
        return _join(batch.take(~rows), part)

    def _as_outlines(self, batch: AnnotationBatch) -> AnnotationBatch:
        """The outlines of masks along the edges of their pixels: rings, and holes if they may."""
        rows = batch.kind == BITMASK
        part = batch.take(rows)
        images: list[Any] = []
        tags: list[Any] = []
        values: list[Any] = []
        lengths: list[int] = []
        records: list[Any] = []
        holes: list[bool] = []
        ats: list[Any] = []
        extras: dict[int, Extra] = {}
        dropped_holes = 0
        for row in range(len(part)):
            extra = part.extras[row]
            assert extra.mask is not None
            mask = extra.mask
            scale = np.array([mask.width, mask.height], np.float64)
            extra.mask = None
            first = True
            for outer, inner in rle.contours(mask):
                rings = [(outer, False)]
                if self._carries.holes:
                    rings += [(ring, True) for ring in inner]
                else:
                    dropped_holes += len(inner)
                for ring, hole in rings:
                    if first:
                        extras[len(images)] = extra
                        first = False
                    images.append(part.image[row])
                    tags.append(part.tag[row])
                    flat = (ring / scale).ravel()
                    values.append(flat)
                    lengths.append(len(flat))
                    records.append(part.record[row])
                    holes.append(hole)
                    ats.append(part.at[row])
        self._losses.add("as-outline", len(part))
        self._losses.add("holes", dropped_holes)
        start = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=start[1:])
        traced = AnnotationBatch(
            np.full(len(images), POLYGON, np.uint8),
            np.array(images, np.int32),
            np.array(tags, np.int32),
            start,
            np.concatenate(values) if values else np.zeros(0),
            np.array(records, np.int64),
            np.array(holes, np.bool_),
            np.array(ats, np.int64),
            extras,
        )
        return _join(batch.take(~rows), traced)

    # --- the rest -----------------------------------------------------------------------------

    def _merged(self, batch: AnnotationBatch) -> AnnotationBatch:
        """One object for every kind and class of an image: the first, with all their pixels."""
        kinds = {_NUMBER[kind] for kind in self._carries.merges}
        first: dict[tuple[int, int, int], int] = {}
        keys = zip(batch.image.tolist(), batch.tag.tolist(), batch.kind.tolist(), strict=True)
        keep = np.ones(len(batch), np.bool_)
        others: dict[int, list[int]] = {}
        for row, key in enumerate(keys):
            kept = first.setdefault(key, row) if key[2] in kinds else row
            if kept != row:
                keep[row] = False
                others.setdefault(kept, []).append(row)
        if not others:
            return batch
        gone = np.setdiff1d(batch.record[~keep], batch.record[keep])
        self._losses.add("merged", len(gone))
        for kept, rows in others.items():
            masks = [
                extra.mask
                for row in (kept, *rows)
                if (extra := batch.extras.get(row)) is not None and extra.mask is not None
            ]
            for row in rows:
                if row in batch.extras:
                    lose_extra(batch.extras[row], self._losses)
            if len(masks) > 1:
                batch.extras[kept].mask = rle.merge(masks)
                begin, end = int(batch.start[kept]), int(batch.start[kept + 1])
                boxes = np.stack([batch.values(row) for row in (kept, *rows)])
                batch.coords[begin:end] = [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]
        return batch.take(keep)

    def _extras(self, batch: AnnotationBatch) -> None:
        carries = self._carries
        kept = carries.properties
        bare = {_NUMBER[kind] for kind in carries.bare}
        for row, extra in batch.extras.items():
            if int(batch.kind[row]) in bare:
                lose_extra(Extra(extra.attributes, extra.properties), self._losses)
                extra.attributes = extra.properties = None
            if extra.attributes and not carries.attributes:
                self._losses.add("attributes", len(extra.attributes))
                extra.attributes = None
            if extra.attributes and not carries.attribute_types:
                self._losses.add("attribute-types", sum(map(_is_odd, extra.attributes.values())))
            if extra.properties and kept is not True:
                names = set(extra.properties)
                lost = names if kept is False else names - kept
                for name in lost:
                    self._losses.add("properties", 1, name)
                extra.properties = {
                    n: v for n, v in extra.properties.items() if n not in lost
                } or None
            if extra.frame is not None and not carries.frames:
                self._losses.add("frames", 1)
                extra.frame = None

    def _split_parts(self, batch: AnnotationBatch) -> None:
        """Let every part be an object; shapes of different kinds stay together."""
        starts = batch.objects()
        several = np.diff(starts) > 1
        if not several.any():
            return
        begins = np.zeros(len(batch), np.bool_)
        begins[starts[:-1]] = True
        for at in np.flatnonzero(several).tolist():
            seen: set[int] = set()
            split = False
            for row in range(int(starts[at]), int(starts[at + 1])):
                kind = int(batch.kind[row])
                if kind in seen and not batch.hole[row]:
                    begins[row] = split = True
                seen = {kind} if begins[row] else seen | {kind}
            record = int(batch.record[starts[at]])
            counted = self._objects is not None and record in self._objects.split
            self._losses.add("parts", int(split and not counted))
        batch.record = np.cumsum(begins) + self._records
        self._records += len(batch)

    def _in_unit(self, batch: AnnotationBatch) -> AnnotationBatch:
        if self._normalized or not len(batch):
            return batch
        widths, heights = self._images.sizes(batch.image)
        lengths = np.diff(batch.start)
        unknown = ((widths <= 0) | (heights <= 0)) & (lengths > 0)
        if unknown.any():
            self._losses.add("unknown-size", int(unknown.sum()))
            batch = batch.take(~unknown)
            widths, heights = self._images.sizes(batch.image)
        batch.coords = to_pixels(batch.coords, batch.scales(widths, heights))
        return batch


_PLURALS = ("rectangles", "polygons", "keypoint sets", "classifications", "masks", "3D masks")


def _is_odd(value: Any) -> bool:
    """Whether an attribute's value, written as text, can be taken for another type of value."""
    if isinstance(value, list):
        return len(value) < 2
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _keypoint_boxes(part: AnnotationBatch) -> NDArray[np.float64]:
    boxes = np.full((len(part), 4), np.nan)
    for row in range(len(part)):
        points = part.values(row).reshape(-1, 3)
        seen = points[points[:, 2] > 0]
        if len(seen):
            boxes[row] = (*seen[:, :2].min(axis=0), *seen[:, :2].max(axis=0))
    return boxes


def _fill(part: AnnotationBatch, row: int, kind: int, width: int, height: int) -> rle.Rle:
    values = part.values(row)
    if kind == RECTANGLE:
        x0, y0, x1, y1 = (values * (width, height, width, height)).tolist()
        return rle.from_box((x0, y0, x1, y1), height, width)
    return rle.from_polygon([values.reshape(-1, 2) * (width, height)], height, width)


def _join(a: AnnotationBatch, b: AnnotationBatch) -> AnnotationBatch:
    """The rows of both, in the order of their objects."""
    if not len(a):
        return b
    if not len(b):
        return a
    offset = len(a)
    both = AnnotationBatch(
        np.concatenate([a.kind, b.kind]),
        np.concatenate([a.image, b.image]),
        np.concatenate([a.tag, b.tag]),
        np.concatenate([a.start, b.start[1:] + a.start[-1]]),
        np.concatenate([a.coords, b.coords]),
        np.concatenate([a.record, b.record]),
        np.concatenate([a.hole, b.hole]),
        np.concatenate([a.at, b.at]),
        a.extras | {row + offset: extra for row, extra in b.extras.items()},
    )
    order: NDArray[Any] = np.argsort(both.record, kind="stable")
    return both.take(order)
