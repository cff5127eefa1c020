"""Boxes, rings and units: pure functions over arrays.

Coordinates are float64. A *ragged* set of rows is ``coords`` (all values in one array) and
``start`` (n + 1 offsets): row i is ``coords[start[i]:start[i + 1]]``. All edges are continuous:
x = 0 is the left edge of the left-most pixel column, x = width the right edge of the last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def extents(coords: Floats, start: Ints, step: int = 2) -> Floats:
    """The axis-aligned extent [n, 4] (xmin, ymin, xmax, ymax) of ragged rows of points.

    ``step`` is the number of values per point; x and y are the first two. Rows without points
    give NaN.
    """
    n = len(start) - 1
    out = np.full((n, 4), np.nan)
    filled = np.flatnonzero(start[1:] > start[:-1])
    if not len(filled):
        return out
    first, last = int(start[0]), int(start[-1])
    xs = coords[first:last:step]
    ys = coords[first + 1 : last : step]
    at = (start[filled] - first) // step
    out[filled, 0] = np.minimum.reduceat(xs, at)
    out[filled, 1] = np.minimum.reduceat(ys, at)
    out[filled, 2] = np.maximum.reduceat(xs, at)
    out[filled, 3] = np.maximum.reduceat(ys, at)
    return out


def ring_areas(coords: Floats, start: Ints) -> Floats:
    """The area [n] enclosed by each ragged row taken as a ring (shoelace formula)."""
    n = len(start) - 1
    out = np.zeros(n)
    counts = (start[1:] - start[:-1]) // 2
    filled = np.flatnonzero(counts > 0)
    if not len(filled):
        return out
    first, last = int(start[0]), int(start[-1])
    xs = coords[first:last:2]
    ys = coords[first + 1 : last : 2]
    at = (start[filled] - first) // 2
    # distances from the ring's first point: large offsets would cost precision, and the edge
    # that closes the ring adds nothing
    with np.errstate(invalid="ignore", over="ignore"):
        x = xs - np.repeat(xs[at], counts[filled])
        y = ys - np.repeat(ys[at], counts[filled])
        cross = np.zeros(len(x))
        cross[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
        cross[at + counts[filled] - 1] = 0.0
        out[filled] = np.abs(np.add.reduceat(cross, at)) / 2.0
    return out


def take_rows(coords: Floats, start: Ints, rows: NDArray[Any]) -> tuple[Floats, Ints]:
    """The ragged rows with the given numbers, in that order."""
    lengths = start[rows + 1] - start[rows]
    out_start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=out_start[1:])
    index = np.arange(out_start[-1]) + np.repeat(start[rows] - out_start[:-1], lengths)
    return coords[index], out_start


def spread(values: NDArray[Any], start: Ints) -> NDArray[Any]:
    """One value per row, repeated for every value of its ragged row."""
    return np.repeat(values, start[1:] - start[:-1])


def to_pixels(fractions: Floats, size: Floats) -> Floats:
    """Fractions of ``size`` as pixels: the shortest decimal that divides back to the fraction.

    Dividing by the size and multiplying again may differ from the number that was read in the
    last bit; a pixel value with up to nine decimals comes back as it was written.
    """
    exact = fractions * size
    for decimals in (2, 9):
        short = np.round(exact, decimals)
        same = short / size == fractions
        exact = np.where(same, short, exact)
        if same.all():
            break
    return exact


def extent_lengths(low: Floats, high: Floats) -> Floats:
    """``high - low`` as the shortest decimal that leads from one to the other."""
    exact = high - low
    short = np.round(exact, 9)
    return np.where(np.abs(low + short - high) <= np.spacing(np.abs(high)), short, exact)


def corners(boxes: Floats) -> Floats:
    """Boxes [n, 4] (xmin, ymin, xmax, ymax) as rings [n, 8].

    The order is the one of the API: (xmin,ymin) (xmin,ymax) (xmax,ymax) (xmax,ymin).
    """
    return boxes[:, [0, 1, 0, 3, 2, 3, 2, 1]]


def circle(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> list[float]:
    """An ellipse as a ring of 32 points, flat; ``angle`` in radians, clockwise on screen."""
    t = np.arange(32) * (2 * np.pi / 32)
    # numbers that are not finite give points that are not, which the checks tell
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = rx * np.cos(t), ry * np.sin(t)
        c, s = np.cos(angle), np.sin(angle)
        points = np.column_stack([cx + x * c - y * s, cy + x * s + y * c])
    flat: list[float] = points.ravel().tolist()
    return flat


def rotate(points: list[float], cx: float, cy: float, degrees: float) -> list[float]:
    """Flat points turned clockwise on screen (y down) about (cx, cy)."""
    with np.errstate(invalid="ignore", over="ignore"):
        angle = np.deg2rad(degrees)
        c, s = np.cos(angle), np.sin(angle)
        x, y = (np.asarray(points, np.float64).reshape(-1, 2) - (cx, cy)).T
        turned = np.column_stack([cx + x * c - y * s, cy + x * s + y * c])
    flat: list[float] = turned.ravel().tolist()
    return flat
