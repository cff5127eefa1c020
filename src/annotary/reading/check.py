"""The only semantic validation of geometry: a batch against the sizes of its images.

It runs in the file's own unit, before anything is converted, so that messages quote what was
written. All rules are whole-array; only faulty rows are ever looked at one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.batch import (
    BITMASK,
    KEYPOINTS,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
)
from annotary.geometry.arrays import Floats, extents, ring_areas, spread
from annotary.geometry.rle import check as mask_fault

PIXEL_TOLERANCE = 0.5
"""How far, in pixels, a coordinate may overshoot the image: it is moved to the edge, counted."""
FRACTION_TOLERANCE = 1e-6

Bools = NDArray[np.bool_]


class Checked:
    """What a check found: ``faulty`` [n] rows, ``clamped`` rows, and the faults one by one."""

    def __init__(self, rows: int) -> None:
        self.faulty: Bools = np.zeros(rows, np.bool_)
        self.moved = 0
        """Rows of which a coordinate was moved to the edge by more than a float is short of."""
        self.faults: list[tuple[int, str, dict[str, Any]]] = []
        """(row, rule code, values for its texts)"""

    def add(self, row: int, code: str, **values: Any) -> None:
        self.faulty[row] = True
        self.faults.append((row, code, values))


def check(batch: AnnotationBatch, widths: Floats, heights: Floats, *, normalized: bool) -> Checked:
    """Check every row against its image's size (pixels, [n]; 0 where it is not known).

    Coordinates that overshoot by no more than the tolerance are moved to the edge, in place.
    """
    found = Checked(len(batch))
    if not len(batch):
        return found
    finite = _finite(batch, found)
    _bounds(batch, widths, heights, normalized, finite, found)
    _visibility(batch, finite, found)
    _shapes(batch, finite, normalized, found)
    _masks(batch, widths, heights, found)
    found.faults.sort(key=lambda fault: fault[0])
    return found


def _finite(batch: AnnotationBatch, found: Checked) -> Bools:
    good = np.isfinite(batch.coords)
    rows = np.ones(len(batch), np.bool_)
    if not good.all():
        for row in np.unique(_rows_of(batch, np.flatnonzero(~good))).tolist():
            rows[row] = False
            values = batch.values(row)
            bad = values[~np.isfinite(values)][0]
            found.add(row, "not-finite", value=str(float(bad)))
    return rows


def _bounds(
    batch: AnnotationBatch,
    widths: Floats,
    heights: Floats,
    normalized: bool,
    finite: Bools,
    found: Checked,
) -> None:
    if _all_inside(batch, widths, heights, normalized):
        return
    lengths = batch.start[1:] - batch.start[:-1]
    limit_x, limit_y = (
        (np.ones(len(batch)), np.ones(len(batch))) if normalized else (widths, heights)
    )
    is_points = np.repeat(batch.kind == KEYPOINTS, lengths)
    # x, y, x, y ... within each row; keypoints have a visibility after every pair
    place = np.arange(len(batch.coords)) - np.repeat(batch.start[:-1], lengths)
    axis = np.where(is_points, place % 3, place % 2)
    limit = np.where(axis == 0, spread(limit_x, batch.start), spread(limit_y, batch.start))
    if normalized:
        size = np.where(axis == 0, spread(widths, batch.start), spread(heights, batch.start))
        with np.errstate(divide="ignore"):
            tolerance = np.where(size > 0, PIXEL_TOLERANCE / size, FRACTION_TOLERANCE)
        tolerance = np.maximum(tolerance, FRACTION_TOLERANCE)
    else:
        tolerance = np.full(len(batch.coords), PIXEL_TOLERANCE)
    coords = batch.coords
    with np.errstate(invalid="ignore"):
        low, high = coords < 0, coords > limit
        beyond = low | high
        if is_points.any():
            # a point that is not labelled (visibility 0) has no place
            seen = np.ones(len(coords), np.bool_)
            at = np.flatnonzero(is_points & (axis < 2))
            seen[at] = coords[at + np.where(axis[at] == 0, 2, 1)] > 0
            beyond &= seen & (axis < 2)
        if not beyond.any():
            return
        far = beyond & ((coords < -tolerance) | (coords > limit + tolerance))
    known = np.repeat(finite & ~found.faulty, lengths)
    far &= known
    near = beyond & ~far & known
    if near.any():
        noise = FRACTION_TOLERANCE * (1.0 if normalized else np.maximum(limit, 1.0))
        seen = near & ((coords < -noise) | (coords > limit + noise))
        coords[near] = np.clip(coords[near], 0.0, limit[near])
        found.moved += len(np.unique(_rows_of(batch, np.flatnonzero(seen))))
    if far.any():
        indexes = np.flatnonzero(far)
        rows = _rows_of(batch, indexes)
        for row, first in zip(*np.unique(rows, return_index=True), strict=True):
            index = int(indexes[first])
            back = int(axis[index])
            x, y = coords[index - back], coords[index - back + 1]
            if normalized and widths[row] <= 0:
                found.add(int(row), "out-of-bounds", x=_number(x), y=_number(y), width=1, height=1)
            else:
                found.add(
                    int(row),
                    "out-of-bounds",
                    x=_number(x),
                    y=_number(y),
                    width=int(widths[row]),
                    height=int(heights[row]),
                )


def slacks(widths: Floats, heights: Floats, *, normalized: bool) -> Floats:
    """How far [n, 2] a coordinate may overshoot its image in x and y, in the file's own unit."""
    if not normalized:
        return np.full((len(widths), 2), PIXEL_TOLERANCE)
    sizes = np.column_stack([widths, heights])
    with np.errstate(divide="ignore"):
        return np.where(sizes > 0, PIXEL_TOLERANCE / sizes, FRACTION_TOLERANCE)


def _all_inside(batch: AnnotationBatch, widths: Floats, heights: Floats, normalized: bool) -> bool:
    """Whether no row leaves its image: nearly always so, and quickly seen."""
    if (batch.kind == KEYPOINTS).any():
        return False
    filled = batch.start[1:] > batch.start[:-1]
    boxes = extents(batch.coords, batch.start)[filled]
    right, bottom = (1.0, 1.0) if normalized else (widths[filled], heights[filled])
    inside = (boxes[:, 0] >= 0) & (boxes[:, 1] >= 0) & (boxes[:, 2] <= right)
    return bool((inside & (boxes[:, 3] <= bottom)).all())


def _visibility(batch: AnnotationBatch, finite: Bools, found: Checked) -> None:
    for row in np.flatnonzero((batch.kind == KEYPOINTS) & finite).tolist():
        values = batch.values(row)[2::3]
        wrong = values[(values < 0) | (values > 2)]
        if len(wrong):
            detail = f"it is {_number(wrong[0])}"
            found.add(row, "wrong-type", key="visibility", detail=detail, expected="0, 1 or 2")


def _shapes(batch: AnnotationBatch, finite: Bools, normalized: bool, found: Checked) -> None:
    boxes = np.flatnonzero((batch.kind == RECTANGLE) & finite)
    if len(boxes):
        first = batch.start[boxes]
        w = batch.coords[first + 2] - batch.coords[first]
        h = batch.coords[first + 3] - batch.coords[first + 1]
        unit = "" if normalized else " pixels"
        for i in np.flatnonzero((w <= 0) | (h <= 0)).tolist():
            code = "negative-size" if w[i] < 0 or h[i] < 0 else "zero-area"
            detail = f"{_number(w[i])} x {_number(h[i])}{unit}"
            found.add(int(boxes[i]), code, shape="box", detail=detail)
    rings = np.flatnonzero((batch.kind == POLYGON) & finite)
    if not len(rings):
        return
    counts = (batch.start[rings + 1] - batch.start[rings]) // 2
    for i in np.flatnonzero(counts < 3).tolist():
        found.add(int(rings[i]), "too-few-points", count=int(counts[i]))
    polygons = batch.kind == POLYGON
    only = batch if polygons.all() else batch.take(rings)
    numbers = np.arange(len(batch)) if only is batch else rings
    areas = ring_areas(only.coords, only.start)
    suspects = np.flatnonzero(areas <= 0)
    if len(suspects):
        boxes_of = extents(only.coords, only.start)
        for i in suspects.tolist():
            row = int(numbers[i])
            ring = only.values(i).reshape(-1, 2)
            if found.faulty[row] or not finite[row] or len(ring) < 3:
                continue
            # a ring that crosses itself may enclose as much as it cuts out: that is a shape
            if np.linalg.matrix_rank(ring - ring[0]) < 2:
                xmin, ymin, xmax, ymax = (_number(v) for v in boxes_of[i])
                detail = f"all points lie on one line, from {xmin}, {ymin} to {xmax}, {ymax}"
                found.add(row, "zero-area", shape="polygon", detail=detail)


def _masks(batch: AnnotationBatch, widths: Floats, heights: Floats, found: Checked) -> None:
    for row in np.flatnonzero(batch.kind == BITMASK).tolist():
        extra = batch.extras.get(row)
        if extra is None or extra.mask is None:
            continue
        mask = extra.mask
        reason = mask_fault(mask)
        if reason is not None:
            found.add(row, "wrong-type", key="the mask", detail=reason, expected="COCO run lengths")
        elif widths[row] > 0 and (mask.width, mask.height) != (widths[row], heights[row]):
            found.add(
                row,
                "size-mismatch",
                name="the mask",
                width=mask.width,
                height=mask.height,
                asset_width=int(widths[row]),
                asset_height=int(heights[row]),
                advice="A mask must have the size of its image.",
            )
        elif batch.start[row + 1] == batch.start[row]:
            found.add(row, "zero-area", shape="mask", detail="no pixel is set")


def _rows_of(batch: AnnotationBatch, indexes: NDArray[Any]) -> NDArray[np.int64]:
    """The rows that the given positions in ``coords`` belong to."""
    return np.searchsorted(batch.start, indexes, side="right") - 1


def _number(value: float) -> str:
    return repr(round(float(value), 6))
