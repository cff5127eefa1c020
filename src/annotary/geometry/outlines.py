"""Between outlines and pixels: where a ring crosses the columns, and the rings of a mask.

Both directions are pure array functions on integers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def column_crossings(ring: Ints, width: int) -> Ints:
    """Where a closed ring crosses the pixel columns, int64 ``[m, 2]``: column, first row inside.

    ``ring`` is int ``[n, 2]``, x and y in fifths of a pixel. The COCO API's rule (``rleFrPoly``):
    each edge is a digital line along its longer axis, rounded half up towards zero, and counts
    for column c where it steps between 5c + 2 and 5c + 3. Rows are not clipped to the image.
    Here only those steps are computed, so that an edge costs its columns inside the image.
    """
    start, end = ring, np.roll(ring, -1, axis=0)
    extent = np.abs(end - start)
    flat = extent[:, 0] >= extent[:, 1]
    # The reference walks every edge upwards along its longer axis.
    swap = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(swap, end, start), np.where(swap, start, end)

    low = np.minimum(start[:, 0], end[:, 0])
    high = np.maximum(start[:, 0], end[:, 0])
    first = np.maximum(-((2 - low) // 5), 0)  # 5c + 2 >= low
    last = np.minimum((high - 3) // 5, width - 1)  # 5c + 3 <= high
    times = np.maximum(last - first + 1, 0)
    edge = np.repeat(np.arange(len(ring)), times)
    offset = np.arange(edge.size) - np.repeat(np.cumsum(times) - times, times)
    column = first[edge] + offset
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    row = np.where(
        flat[edge],
        _flat_rows(x0, y0, x1, y1, column),
        _steep_rows(x0, y0, x1, y1, column),
    )
    # (row + 0.5) / 5 - 0.5, rounded up: the first pixel whose centre is past the step.
    return np.stack((column, np.ceil((row + 0.5) / 5 - 0.5).astype(np.int64)), axis=1)


def _flat_rows(x0: Ints, y0: Ints, x1: Ints, y1: Ints, column: Ints) -> Ints:
    """The lower y of the two samples at 5c + 2 and 5c + 3, along x."""
    slope = (y1 - y0) / np.maximum(x1 - x0, 1)
    step = 5 * column + 2 - x0
    here = np.trunc(y0 + slope * step + 0.5)
    there = np.trunc(y0 + slope * (step + 1) + 0.5)
    rows: Ints = np.minimum(here, there).astype(np.int64)
    return rows


def _steep_rows(x0: Ints, y0: Ints, x1: Ints, y1: Ints, column: Ints) -> Ints:
    """The y just before x passes from one side of 5c + 2.5 to the other, along y."""
    slope = (x1 - x0) / np.maximum(y1 - y0, 1)
    rising = slope > 0

    def passed(step: Ints) -> Mask:
        x = np.trunc(x0 + slope * step + 0.5)
        beyond: Mask = np.where(rising, x >= 5 * column + 3, x <= 5 * column + 2)
        return beyond

    # Solve, then mend the rounding: the first step that is past the line.
    with np.errstate(divide="ignore", invalid="ignore"):
        guess = (5 * column + 2.5 - x0) / slope
    guess = np.clip(np.nan_to_num(guess), 1, np.maximum(y1 - y0, 1))
    step = np.ceil(guess).astype(np.int64)
    usable = x0 != x1
    while (early := usable & (step > 1) & passed(step - 1)).any():
        step -= early
    while (late := usable & (step < y1 - y0) & ~passed(step)).any():
        step += late
    rows: Ints = y0 + step - 1
    return rows


def trace(mask: Mask) -> list[tuple[Ints, list[Ints]]]:
    """The exact outlines of a mask, bool ``[h, w]``: per region its outer ring and its holes.

    Regions are 4-connected (pixels that touch at a corner alone are apart), so holes are
    8-connected. Vertices are pixel corners, int64 ``[n, 2]`` x, y: pixel (x, y) covers x..x+1,
    y..y+1. Rings are not closed and have no collinear vertices; with y down, outer rings go
    clockwise and holes counter-clockwise. A ring may touch itself at a vertex but never
    crosses itself, so that filling the outer ring less its holes (even-odd, by pixel centres)
    gives exactly the mask. Regions come by the row, then the column of their topmost pixels.

    Cost: the pixels once, in numpy, then steps for each vertex.
    """
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), dtype=np.bool_)
    padded[1:-1, 1:-1] = mask
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    # A corner is where an odd number of the four pixels is set, or two diagonal ones: then
    # it stands twice, once for each of the two pixels, which keeps them apart.
    falling = nw & se & ~ne & ~sw
    rising = ne & sw & ~nw & ~se
    times = (nw ^ ne ^ sw ^ se).astype(np.int8) + 2 * (falling | rising)
    y, x = np.nonzero(times)
    count = times[y, x]
    corner = np.repeat(np.arange(y.size), count)
    second = np.zeros(corner.size, dtype=np.bool_)
    second[1:] = corner[1:] == corner[:-1]
    crossed = rising[y, x][corner]
    y, x = y[corner].astype(np.int64), x[corner].astype(np.int64)
    if not x.size:
        return []

    # Along a row, and along a column, corners pair up into the sides of the outline. Of a
    # double corner the first ends the side on the left; it ends the upper side in a falling
    # diagonal and begins the lower one in a rising diagonal.
    sides = np.arange(x.size).reshape(-1, 2)  # corners are sorted by row already
    columns = np.lexsort((second ^ crossed, y, x)).reshape(-1, 2)
    below = padded[y[sides[:, 0]] + 1, x[sides[:, 0]] + 1]
    # A side with the region below it goes right, one with the region above it goes left.
    tail = np.where(below, sides[:, 0], sides[:, 1])
    head = np.where(below, sides[:, 1], sides[:, 0])
    across = np.empty(x.size, dtype=np.int64)
    across[columns[:, 0]] = columns[:, 1]
    across[columns[:, 1]] = columns[:, 0]
    side_of = np.empty(x.size, dtype=np.int64)
    side_of[sides] = np.arange(len(sides))[:, None]
    order, bounds, ring_of = _cycles(side_of[across[head]])

    points = np.stack((tail, head), axis=1)[order].reshape(-1)
    vertices = np.stack((x, y), axis=1)[points]
    rings = [vertices[2 * a : 2 * b] for a, b in pairwise(bounds.tolist())]
    # The first side of a ring is its topmost: with the region below it, the ring is an outer.
    outer = below[order[bounds[:-1]]].tolist()

    posts = _Posts(columns, x, y, ring_of[side_of[columns[:, 0]]])
    owner: list[int] = []
    found: dict[int, tuple[Ints, list[Ints]]] = {}
    for index, ring in enumerate(rings):  # by their topmost rows, so an owner comes first
        if outer[index]:
            owner.append(index)
            found[index] = (ring, [])
            continue
        # The pixel above a hole's topmost side is of the region; follow its row to the left.
        column, row = int(ring[:, 0][ring[:, 1] == ring[0, 1]].min()), int(ring[0, 1]) - 1
        clear = np.flatnonzero(~mask[row, :column])
        owner.append(owner[posts.ring_at(int(clear[-1]) + 1 if clear.size else 0, row)])
        found[owner[index]][1].append(ring)
    return list(found.values())


def _cycles(follower: Ints) -> tuple[Ints, Ints, Ints]:
    """The cycles of a permutation: members in order, where each cycle starts, cycle of each.

    A cycle starts with its lowest member, and cycles come by those.
    """
    following: list[int] = follower.tolist()
    cycle = [-1] * len(following)
    order: list[int] = []
    bounds = [0]
    for first in range(len(following)):
        at = first
        while cycle[at] < 0:
            cycle[at] = len(bounds) - 1
            order.append(at)
            at = following[at]
        if len(order) > bounds[-1]:
            bounds.append(len(order))
    return np.array(order), np.array(bounds), np.array(cycle)


class _Posts:
    """The vertical sides of an outline, to be asked which ring passes at a place."""

    def __init__(self, pairs: Ints, x: Ints, y: Ints, rings: Ints) -> None:
        self._span = int(y.max()) + 1
        self._keys = x[pairs[:, 0]] * self._span + y[pairs[:, 0]]  # sorted, as the pairs are
        self._rings = rings

    def ring_at(self, x: int, row: int) -> int:
        """The ring whose side stands on the line x along this row of pixels."""
        return int(self._rings[np.searchsorted(self._keys, x * self._span + row, "right") - 1])
