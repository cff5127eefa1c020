"""Which rings lie in which: for formats that nest holes in their outlines, or do not mark them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from annotary.batch import KEYPOINTS, POLYGON, RECTANGLE, AnnotationBatch, Extra
from annotary.geometry.arrays import Floats, circle, extents, rotate

Ring = list[float]


class Body:
    """The rows of one object, sorted by what they are; coordinates as plain numbers.

    ``kind`` is that of its first row, ``rings`` and ``holes`` are flat, ``points`` x, y,
    visibility of its keypoints, ``box`` its rectangle.
    """

    __slots__ = ("box", "extra", "holes", "kind", "points", "rings", "row", "tag")

    def __init__(self, batch: AnnotationBatch, first: int, end: int) -> None:
        self.row = first
        self.kind = int(batch.kind[first])
        self.tag = int(batch.tag[first])
        self.extra: Extra | None = batch.extras.get(first) if batch.extras else None
        self.rings: list[Ring] = []
        self.holes: list[Ring] = []
        self.points: list[float] | None = None
        self.box: list[float] | None = None
        for row in range(first, end):
            kind = batch.kind[row]
            if kind == POLYGON:
                (self.holes if batch.hole[row] else self.rings).append(plain(batch, row))
            elif kind == RECTANGLE:
                self.box = plain(batch, row)
            elif kind == KEYPOINTS:
                self.points = plain(batch, row)


def bodies(batch: AnnotationBatch, first: int, end: int) -> Iterator[Body]:
    """The objects in the rows ``first`` to ``end`` of a batch, which cut no object in two."""
    record = batch.record[first:end].tolist()
    begin = first
    for row in range(first + 1, end + 1):
        if row == end or record[row - first] != record[row - first - 1]:
            yield Body(batch, begin, row)
            begin = row


def plain(batch: AnnotationBatch, row: int) -> list[float]:
    """The values of one row; whole numbers as ``int``, which JSON writes without ``.0``."""
    values: list[float] = batch.values(row).tolist()
    return [int(value) if value.is_integer() else value for value in values]


def length(low: float, high: float) -> float:
    """``high - low`` as the shortest number that leads from one to the other."""
    exact = high - low
    short = round(exact, 9)
    if low + short != high:
        return exact
    return int(short) if short == int(short) else short


def points_of(flat: Sequence[float]) -> list[list[float]]:
    """A flat ring as ``[[x, y], ...]``."""
    return [[flat[i], flat[i + 1]] for i in range(0, len(flat), 2)]


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> Ring:
    """:func:`annotary.geometry.arrays.circle`, of any numbers: what is not finite is told later."""
    with np.errstate(all="ignore"):
        return circle(cx, cy, rx, ry, angle)


def turned(ring: Ring, cx: float, cy: float, degrees: float) -> Ring:
    """:func:`annotary.geometry.arrays.rotate`, of any numbers."""
    with np.errstate(all="ignore"):
        return rotate(ring, cx, cy, degrees)


def contains(ring: Sequence[float], x: float, y: float) -> bool:
    """Whether a point lies inside a ring (crossing number)."""
    inside = False
    ax, ay = ring[-2], ring[-1]
    for i in range(0, len(ring), 2):
        bx, by = ring[i], ring[i + 1]
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
        ax, ay = bx, by
    return inside


def even_odd(rings: Sequence[Ring]) -> tuple[list[Ring], list[Ring]]:
    """Outlines and holes of rings that are filled by the even-odd rule."""
    outer: list[Ring] = []
    holes: list[Ring] = []
    for i, (ring, near) in enumerate(zip(rings, _neighbours(rings, rings), strict=True)):
        depth = sum(_within(ring, rings[j]) for j in near if j != i and len(rings[j]) >= 6)
        (holes if depth % 2 else outer).append(ring)
    return outer, holes


def nested(rings: Sequence[Ring], holes: Sequence[Ring]) -> list[tuple[Ring, list[Ring]]]:
    """Each outline with the holes that lie in it; a hole in none goes to the first."""
    found: list[tuple[Ring, list[Ring]]] = [(ring, []) for ring in rings]
    for hole, near in zip(holes, _neighbours(holes, rings), strict=True):
        home = next((found[j][1] for j in near if _within(hole, rings[j])), None)
        if home is None:
            home = found[0][1] if found else None
        if home is not None:
            home.append(hole)
    return found


def _neighbours(rings: Sequence[Ring], others: Sequence[Ring]) -> Iterator[list[int]]:
    """For each ring the numbers of the others that it may lie in: those whose boxes it meets."""
    boxes, other = _boxes(rings), _boxes(others)
    for x0, y0, x1, y1 in boxes:
        meets = (
            (other[:, 0] <= x1) & (other[:, 1] <= y1) & (other[:, 2] >= x0) & (other[:, 3] >= y0)
        )
        yield np.flatnonzero(meets).tolist()


def _boxes(rings: Sequence[Ring]) -> Floats:
    """The extents [n, 4] of flat rings, NaN, which meets nothing, for an empty one."""
    start = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])]).astype(np.int64)
    flat = np.fromiter((value for ring in rings for value in ring), np.float64, int(start[-1]))
    return extents(flat, start)


def _within(ring: Ring, other: Ring) -> bool:
    """Whether most of a ring's points lie inside another: they may touch or share points."""
    if len(ring) < 6:
        return False
    votes = sum(contains(other, ring[i], ring[i + 1]) for i in range(0, len(ring), 2))
    return 2 * votes > len(ring) // 2
