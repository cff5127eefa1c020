"""Turned boxes: rectangles with an angle, as four corners, and the angle as a property.

The corners say all; the property ``rotation`` (degrees, clockwise on screen, about the centre)
says which of the four is the top left one before the box was turned, and in which direction
its width lies. Formats that have turned boxes write one where both agree, see :func:`box_of`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from annotary.geometry.arrays import rotate

ROTATION = "rotation"
_SLACK = 1e-6


class TurnedBox(NamedTuple):
    """Centre, sides and angle in degrees, clockwise on screen, in the unit of its corners."""

    cx: float
    cy: float
    width: float
    height: float
    degrees: float


def turned_box(cx: float, cy: float, width: float, height: float, degrees: float) -> list[float]:
    """The corners, flat: top left, bottom left, bottom right, top right before it was turned."""
    x0, y0, x1, y1 = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    # numbers that are not finite give corners that are not, which the checks tell
    with np.errstate(all="ignore"):
        return rotate([x0, y0, x0, y1, x1, y1, x1, y0], cx, cy, degrees)


def box_of(ring: Sequence[float], properties: dict[str, Any] | None) -> TurnedBox | None:
    """The turned box that a ring [8] in pixels is, or None: other corners, or no angle.

    Lengths are rounded to nine decimals where that leads to the same corners.
    """
    degrees = (properties or {}).get(ROTATION)
    if len(ring) != 8 or isinstance(degrees, bool) or not isinstance(degrees, int | float):
        return None
    if not math.isfinite(degrees):
        return None
    xs, ys = ring[0::2], ring[1::2]
    cx, cy = sum(xs) / 4, sum(ys) / 4
    back = rotate(list(ring), cx, cy, -degrees)
    width, height = max(back[0::2]) - min(back[0::2]), max(back[1::2]) - min(back[1::2])
    tidy = TurnedBox(round(cx, 9), round(cy, 9), round(width, 9), round(height, 9), degrees)
    slack = _SLACK * max(1.0, width, height)
    made = turned_box(*tidy)
    starts = (made[i:] + made[:i] for i in range(0, 8, 2))
    same = any(all(abs(a - b) <= slack for a, b in zip(ring, each, strict=True)) for each in starts)
    if not same:
        flipped = [v for i in range(6, -1, -2) for v in made[i : i + 2]]
        starts = (flipped[i:] + flipped[:i] for i in range(0, 8, 2))
        same = any(
            all(abs(a - b) <= slack for a, b in zip(ring, each, strict=True)) for each in starts
        )
    return tidy if same else None
