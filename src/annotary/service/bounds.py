"""Bounds as callers give and get them, and as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from annotary.batch import (
    BITMASK,
    CLASSIFICATION,
    KEYPOINTS,
    KIND_NAMES,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
    Extra,
)
from annotary.errors import ValidationError
from annotary.geometry import rle
from annotary.model import Bound, MaskBound
from annotary.problems import Problem
from annotary.reading.check import check
from annotary.store.annotations import AnnotationRow

_KINDS = {name: number for number, name in enumerate(KIND_NAMES)}


def parse(
    bound_type: str, bound: Bound, width: int, height: int
) -> tuple[int, Any, rle.Rle | None]:
    """A caller's bound as (kind, values as float64, mask). Raises :class:`ValidationError`.

    A Rectangle is taken from any four corners of an upright box, or from two opposite ones.
    """
    kind = _KINDS[bound_type]
    if kind == BITMASK:
        if not isinstance(bound, MaskBound):
            raise ValidationError(
                "The bound of a Bitmask is a mask.",
                hint='Give {"size": [height, width], "counts": "..."}: COCO run lengths.',
            )
        mask = rle.Rle(bound.size[0], bound.size[1], bound.counts.encode())
        fault = rle.check(mask)
        if fault:
            raise ValidationError(f"The mask is not valid: {fault}.")
        box = rle.bbox(mask)
        if box is None:
            raise ValidationError("The mask is empty: no pixel is set.")
        if width and (mask.width, mask.height) != (width, height):
            raise ValidationError(
                f"The mask is {mask.height} x {mask.width} pixels, its image {height} x {width} "
                "(height x width)."
            )
        values = np.array(box, np.float64) / (mask.width, mask.height, mask.width, mask.height)
        return kind, values, mask
    if isinstance(bound, MaskBound):
        raise ValidationError(f"The bound of a {bound_type} is a list of points, not a mask.")
    step = 3 if kind == KEYPOINTS else 2
    for point in bound:
        if len(point) != step:
            what = "[x, y, visibility]" if step == 3 else "[x, y]"
            raise ValidationError(
                f"The point {point} has {len(point)} values.", hint=f"A point is {what}."
            )
    if kind in (CLASSIFICATION, _KINDS["Bitmask3d"]):
        if bound and kind == CLASSIFICATION:
            raise ValidationError("A Classification has no points: its bound is [].")
        return kind, np.zeros(0), None
    points = np.array(bound, np.float64).reshape(-1, step)
    if kind == RECTANGLE:
        if len(points) not in (2, 4):
            raise ValidationError(
                f"A Rectangle has four corners, {len(points)} points were given.",
                hint="Give (xmin,ymin) (xmin,ymax) (xmax,ymax) (xmax,ymin), in fractions.",
            )
        xs, ys = set(points[:, 0].tolist()), set(points[:, 1].tolist())
        if np.isfinite(points).all() and len(points) == 4 and (len(xs), len(ys)) != (2, 2):
            raise ValidationError(
                "The four points are not the corners of an upright box.",
                hint="Use a Polygon for boxes that are turned.",
            )
        return kind, np.array([*points.min(axis=0), *points.max(axis=0)]), None
    if kind == KEYPOINTS:
        if not len(points):
            raise ValidationError("Keypoints need at least one point.")
        if not np.isin(points[:, 2], (0, 1, 2)).all():
            raise ValidationError("A keypoint's visibility is 0, 1 or 2.")
    return kind, points.ravel(), None


def check_values(kind: int, values: Any, mask: rle.Rle | None, width: int, height: int) -> None:
    """Raise :class:`ValidationError` for a bound that breaks a rule of ``reading.check``."""
    extras = {0: Extra(mask=mask)} if mask is not None else {}
    batch = AnnotationBatch(
        np.array([kind], np.uint8),
        np.zeros(1, np.int32),
        np.zeros(1, np.int32),
        np.array([0, len(values)], np.int64),
        values,
        np.zeros(1, np.int64),
        np.zeros(1, np.bool_),
        np.zeros(1, np.int64),
        extras,
    )
    found = check(batch, np.array([float(width)]), np.array([float(height)]), normalized=True)
    if found.faults:
        _, code, given = found.faults[0]
        problem = Problem(code, "", values=given)
        hint = problem.hint
        points = values.reshape(-1, 3)[:, :2] if kind == KEYPOINTS else values.reshape(-1, 2)
        # further out than any slip: it is not the image that is too small
        if code == "out-of-bounds" and points.max(initial=0) > 2:
            hint = f"Bounds are fractions, 0..1, and these look like pixels: divide x by {width} "
            hint += f"and y by {height}."
        raise ValidationError(problem.message, hint=hint, problem=problem)


def show(found: Sequence[AnnotationRow]) -> list[Bound]:
    """The bounds of stored annotations as callers see them; boxes are made all at once."""
    boxes = [at for at, each in enumerate(found) if each.kind == RECTANGLE]
    values = np.frombuffer(b"".join([found[at].geometry or b"" for at in boxes]), "<f8")
    corners: list[Any] = values.reshape(-1, 4)[:, _CORNERS].reshape(-1, 4, 2).tolist()
    if len(boxes) == len(found):
        return corners
    shown: list[Bound] = [_shown(each) for each in found]
    for at, box in zip(boxes, corners, strict=True):
        shown[at] = box
    return shown


_CORNERS = (0, 1, 0, 3, 2, 3, 2, 1)
"""Of xmin, ymin, xmax, ymax: the corners in the order of ``annotary.model.Annotation``."""


def _shown(found: AnnotationRow) -> Bound:
    kind, geometry = found.kind, found.geometry
    if kind == POLYGON and geometry is not None:
        ring: Bound = np.frombuffer(geometry, "<f8").reshape(-1, 2).tolist()
        return ring
    if kind == KEYPOINTS and geometry is not None:
        points = np.frombuffer(geometry, "<f8").reshape(-1, 3).tolist()
        return [[x, y, int(v)] for x, y, v in points]
    mask = found.extra.mask if found.extra else None
    if kind == BITMASK and mask is not None:
        return MaskBound(size=(mask.height, mask.width), counts=mask.counts.decode())
    return []
