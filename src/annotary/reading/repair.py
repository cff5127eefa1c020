"""Shapes that leave their image, cut off at its edges: only where the caller asked for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.batch import KEYPOINTS, POLYGON, RECTANGLE, AnnotationBatch
from annotary.geometry.arrays import Floats, extents

_NEAR = 1e-9


def clip(
    batch: AnnotationBatch, widths: Floats, heights: Floats, slack: Floats, *, normalized: bool
) -> tuple[AnnotationBatch, NDArray[Any]]:
    """The batch with its shapes cut off at the edges of their images, and which rows were [n].

    Boxes and outlines keep the part that lies inside; a shape that lies outside altogether, or
    on an image whose size is not known, is left as it is, to be told. Keypoints outside become
    points that are not labelled. ``slack`` [n, 2] is how far in x and y is no overhang at all.
    """
    n = len(batch)
    limits = np.ones((n, 2)) if normalized else np.column_stack([widths, heights])
    cut = np.zeros(n, np.bool_)
    shapes: dict[int, Floats] = {}
    points = batch.kind == KEYPOINTS
    flat = np.flatnonzero((batch.kind == RECTANGLE) | (batch.kind == POLYGON))
    only = batch if len(flat) == n else batch.take(flat)
    limit, free = limits[flat], slack[flat]
    with np.errstate(invalid="ignore"):
        boxes = extents(only.coords, only.start)
        over = (boxes[:, :2] < -free).any(1) | (boxes[:, 2:] > limit + free).any(1)
        inside = (boxes[:, :2] < limit).all(1) & (boxes[:, 2:] > 0).all(1)
    good = over & inside & np.isfinite(boxes).all(1) & (limit > 0).all(1)
    for row in flat[good].tolist():
        values = batch.values(row)
        if batch.kind[row] == RECTANGLE:
            shapes[row] = np.clip(values, 0.0, np.tile(limits[row], 2))
        else:
            ring = _inside(values.reshape(-1, 2), limits[row])
            if len(ring) >= 3:
                shapes[row] = ring.ravel()
    for row in np.flatnonzero(points & (limits > 0).all(1)).tolist():
        values = batch.values(row).reshape(-1, 3)
        xy = values[:, :2]
        with np.errstate(invalid="ignore"):
            out = ((xy < -slack[row]) | (xy > limits[row] + slack[row])).any(1) & (values[:, 2] > 0)
        if out.any() and np.isfinite(xy).all():
            kept = values.copy()
            kept[out] = 0.0
            shapes[row] = kept.ravel()
    if not shapes:
        return batch, cut
    cut[list(shapes)] = True
    pieces = [shapes.get(row, batch.values(row)) for row in range(n)]
    start = np.zeros(n + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=start[1:])
    made = AnnotationBatch(
        batch.kind,
        batch.image,
        batch.tag,
        start,
        np.concatenate(pieces),
        batch.record,
        batch.hole,
        batch.at,
        batch.extras,
    )
    return made, cut


def _inside(ring: Floats, limit: Floats) -> Floats:
    """The part of a ring [k, 2] within 0..limit (Sutherland and Hodgman, 1974)."""
    for axis in (0, 1):
        for edge, sign in ((0.0, 1.0), (float(limit[axis]), -1.0)):
            if not len(ring):
                return ring
            depth = sign * (ring[:, axis] - edge)
            after, depth_after = np.roll(ring, -1, axis=0), np.roll(depth, -1)
            crosses = (depth < 0) != (depth_after < 0)
            share = np.divide(depth, depth - depth_after, out=np.zeros(len(ring)), where=crosses)
            crossing = ring + (after - ring) * share[:, None]
            crossing[:, axis] = edge
            both = np.stack([ring, crossing], axis=1).reshape(-1, 2)
            keep = np.stack([depth >= 0, crosses], axis=1).ravel()
            ring = both[keep]
    step = np.abs(ring - np.roll(ring, 1, axis=0)).max(axis=1, initial=0.0)
    return ring[step > _NEAR] if len(ring) else ring
