"""Which object of one side is which of the other: by key, by content, by overlap.

Pairs of overlapping objects are taken greedily from the highest intersection over union, ties by
their numbers, which is what evaluation of detectors does and needs no solver. Candidates are found
by sorting the left edges: an object that overlaps enough cannot begin much further left or right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary.batch import BITMASK, POLYGON, RECTANGLE
from annotary.difference.objects import AREA, IMAGE, POINTS, VOLUME, Objects
from annotary.geometry import rle
from annotary.geometry.arrays import Floats, Ints

SAME_TAG, OTHER_TAG = 0.5, 0.8
"""The least overlap of what is taken for one object."""
_PAIRS_AT_ONCE = 2_000_000
_RASTER = 512
_REACH = 0.05
"""How far points may have moved, as a part of the image, to be the same points still."""
UNPAIRED, BY_KEY, BY_CONTENT, BY_OVERLAP, BY_PLACE = range(5)
RULES = ("", "key", "content", "overlap", "place")


class Pairs(NamedTuple):
    """What was found, for each object of the left side.

    other  int64 [n]    the object of the right side, -1 for none
    iou    float64 [n]  how much both overlap; 1 for equal content, NaN where nothing is measured
    rule   uint8 [n]    how the pair was found: an index into RULES
    """

    other: Ints
    iou: Floats
    rule: NDArray[np.uint8]


def pair(left: Objects, right: Objects, sides: Floats, *, near: bool = True) -> Pairs:
    """Pair the objects of two sides; ``sides`` [images, 2] are widths and heights, 0 if unknown.

    Without ``near`` only those of equal key or content.
    """
    found = Pairs(
        np.full(len(left), -1, np.int64),
        np.full(len(left), np.nan),
        np.zeros(len(left), np.uint8),
    )
    taken = np.zeros(len(right), np.bool_)

    def take(i: Ints, j: Ints, iou: Any, rule: int) -> None:
        found.other[i], found.iou[i], found.rule[i] = j, iou, rule
        taken[j] = True

    def open_() -> tuple[Ints, Ints]:
        return np.flatnonzero(found.other < 0), np.flatnonzero(~taken)

    a, b = open_()
    a, b = a[left.key[a] > 0], b[right.key[b] > 0]
    i, j = _equal([left.image[a], left.key[a]], [right.image[b], right.key[b]])
    take(a[i], b[j], np.nan, BY_KEY)
    a, b = open_()
    i, j = _equal([left.image[a], *left.content[a].T], [right.image[b], *right.content[b].T])
    take(a[i], b[j], 1.0, BY_CONTENT)
    if not near:
        return found
    for least, same_tag in ((SAME_TAG, True), (OTHER_TAG, False)):
        for family, likeness in ((AREA, _areas), (POINTS, _points)):
            a, b = open_()
            a, b = a[left.family[a] == family], b[right.family[b] == family]
            i, j, iou = likeness(left, right, a, b, sides, least, same_tag)
            i, j, iou = greedy(i, j, iou)
            take(i, j, iou, BY_OVERLAP)
    # what has no place in the image: the k-th one of a tag with the k-th, then without regard to it
    for tagged in (True, False):
        a, b = open_()
        a, b = _placeless(left, a), _placeless(right, b)
        i, j = _equal(_key(left, a, tagged), _key(right, b, tagged))
        take(a[i], b[j], np.nan, BY_PLACE)
    return found


def _placeless(side: Objects, numbers: Ints) -> Ints:
    found: Ints = numbers[np.isin(side.family[numbers], (IMAGE, VOLUME))]
    return found


def _key(side: Objects, numbers: Ints, tagged: bool) -> list[NDArray[Any]]:
    key: list[NDArray[Any]] = [side.image[numbers], side.family[numbers]]
    return [*key, side.tag[numbers]] if tagged else key


def _equal(left: list[NDArray[Any]], right: list[NDArray[Any]]) -> tuple[Ints, Ints]:
    """Places of equal keys: the k-th one of the left with the k-th one of the right."""
    n, m = len(left[0]), len(right[0])
    if not n or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = [np.concatenate([a, b]) for a, b in zip(left, right, strict=True)]
    order = np.lexsort(columns[::-1])  # stable: within a key, the left side's come first
    new = np.ones(n + m, np.bool_)
    for column in columns:
        ordered = column[order]
        if column is columns[0]:
            new[1:] = False
        new[1:] |= ordered[1:] != ordered[:-1]
    group = np.cumsum(new) - 1
    from_right = order >= n
    starts = np.flatnonzero(new)
    lefts = np.add.reduceat(~from_right, starts).astype(np.int64)
    sizes = np.diff(np.append(starts, n + m))
    both = np.minimum(lefts, sizes - lefts)
    rank = np.arange(n + m) - starts[group]
    rank[from_right] -= lefts[group[from_right]]
    kept = rank < both[group]
    return order[kept & ~from_right], order[kept & from_right] - n


def greedy(i: Ints, j: Ints, score: Floats) -> tuple[Ints, Ints, Floats]:
    """Pairs taken from the highest score, each object once; ties by the numbers.

    A pair that is the best one left of both its objects is taken, until none is left: the same
    pairs as one after the other, in a few rounds over all.
    """
    # of two pairs that are alike here no object is shared, so swapping the sides changes nothing
    order = np.lexsort((np.maximum(i, j), np.minimum(i, j), -score))
    i, j, score = i[order], j[order], score[order]
    chosen: list[Ints] = []
    rest: Ints = np.arange(len(i))
    while len(rest):
        first_i = np.zeros(len(rest), np.bool_)
        first_j = first_i.copy()
        first_i[np.unique(i[rest], return_index=True)[1]] = True
        first_j[np.unique(j[rest], return_index=True)[1]] = True
        best = rest[first_i & first_j]
        chosen.append(best)
        rest = rest[~np.isin(i[rest], i[best]) & ~np.isin(j[rest], j[best])]
    taken = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    return i[taken], j[taken], score[taken]


def _near(
    group_a: Ints,
    low_a: Floats,
    reach_left: Floats,
    reach_right: Floats,
    group_b: Ints,
    low_b: Floats,
) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of one group whose left edges are near: places in a and b, some millions at once."""
    order = np.lexsort((low_b, group_b))
    # one axis for all groups: each has its own stretch, wider than any coordinate
    widest = 4.0 + 2 * max(float(np.abs(low_a).max(initial=0)), float(np.abs(low_b).max(initial=0)))
    axis = group_b[order] * widest + low_b[order]
    begin = np.searchsorted(axis, group_a * widest + np.maximum(low_a - reach_left, -widest / 2))
    end = np.searchsorted(
        axis, group_a * widest + np.minimum(low_a + reach_right, widest / 2), side="right"
    )
    counts = np.maximum(end - begin, 0)
    total = np.cumsum(counts)
    at = 0
    while at < len(counts):
        done = int(total[at - 1]) if at else 0
        upto = max(int(np.searchsorted(total, done + _PAIRS_AT_ONCE, side="right")), at + 1)
        n = counts[at:upto]
        a = np.repeat(np.arange(at, upto), n)
        b = np.arange(int(n.sum())) + np.repeat(begin[at:upto] - np.cumsum(n) + n, n)
        yield a, order[b]
        at = upto


_Found = tuple[Ints, Ints, Floats]


def _groups(left: Objects, right: Objects, a: Ints, b: Ints, same_tag: bool) -> tuple[Ints, Ints]:
    """A number for each object: equal where two may be one object."""
    one, two = left.image[a].astype(np.int64), right.image[b].astype(np.int64)
    if same_tag:
        tags = 1 + max(int(left.tag.max(initial=0)), int(right.tag.max(initial=0)))
        one, two = one * tags + left.tag[a], two * tags + right.tag[b]
    # small numbers, so that they and a coordinate fit one float without loss
    known, where = np.unique(np.concatenate([one, two]), return_inverse=True)
    del known
    return where[: len(one)], where[len(one) :]


def _areas(
    left: Objects, right: Objects, a: Ints, b: Ints, sides: Floats, least: float, same_tag: bool
) -> _Found:
    a = a[~np.isnan(left.extent[a]).any(axis=1)]
    b = b[~np.isnan(right.extent[b]).any(axis=1)]
    one, two = _groups(left, right, a, b, same_tag)
    box_a, box_b = left.extent[a], right.extent[b]
    width = box_a[:, 2] - box_a[:, 0]
    # an overlap of t: the edges are apart by at most (1 - t) of the wider one, 1/t of this one
    slack = 1e-9 + width * (1 - least)
    found: list[_Found] = []
    for i, j in _near(one, box_a[:, 0], slack / least, slack, two, box_b[:, 0]):
        score = overlap(box_a[i], box_b[j])
        enough = score >= least
        found.append((a[i[enough]], b[j[enough]], score[enough]))
    if not found:
        return a[:0], b[:0], np.zeros(0)
    i, j, score = (np.concatenate([part[k] for part in found]) for k in range(3))
    return _contested(left, right, i, j, score, sides, least)


def _contested(
    left: Objects, right: Objects, i: Ints, j: Ints, score: Floats, sides: Floats, least: float
) -> _Found:
    """Where extents leave a choice between outlines or masks, their true overlap decides."""
    more = (np.bincount(i, minlength=len(left))[i] > 1) | (
        np.bincount(j, minlength=len(right))[j] > 1
    )
    boxes = (left.batch.kind[left.begin[i]] == RECTANGLE) & (
        right.batch.kind[right.begin[j]] == RECTANGLE
    )
    cache: dict[tuple[int, int], rle.Rle] = {}
    for at in np.flatnonzero(more & ~boxes).tolist():
        size = sides[left.image[i[at]]]
        one = _mask(left, int(i[at]), size, cache, 0)
        two = _mask(right, int(j[at]), size, cache, 1)
        if (
            one is not None
            and two is not None
            and (one.height, one.width) == (two.height, two.width)
        ):
            score[at] = rle.iou(one, two)
    enough = score >= least
    return i[enough], j[enough], score[enough]


def true_overlap(left: Objects, i: int, right: Objects, j: int, size: Floats) -> float:
    """Intersection over union of two objects by their outlines or masks; NaN if there are none."""
    cache: dict[tuple[int, int], rle.Rle] = {}
    one, two = _mask(left, i, size, cache, 0), _mask(right, j, size, cache, 1)
    if one is None or two is None or (one.height, one.width) != (two.height, two.width):
        return float("nan")
    return rle.iou(one, two)


def _mask(
    side: Objects, number: int, size: Floats, cache: dict[tuple[int, int], rle.Rle], which: int
) -> rle.Rle | None:
    """An object as a mask of the image's size, or of a raster where that is not known."""
    known = cache.get((which, number))
    if known is not None:
        return known
    width, height = (int(size[0]), int(size[1])) if size.all() else (_RASTER, _RASTER)
    rings, masks = [], []
    for row in side.rows(number):
        kind, values = side.batch.kind[row], side.batch.values(row)
        if kind == POLYGON:
            rings.append(values.reshape(-1, 2) * (width, height))
        elif kind == RECTANGLE:
            x0, y0, x1, y1 = (values * (width, height, width, height)).tolist()
            masks.append(rle.from_box((x0, y0, x1, y1), height, width))
        elif kind == BITMASK:
            extra = side.batch.extras.get(row)
            if extra is not None and extra.mask is not None:
                masks.append(extra.mask)
    if rings:
        masks = [rle.from_polygon(rings, height, width)]
    if not masks:
        return None
    cache[which, number] = masks[0]
    return masks[0]


def _points(
    left: Objects, right: Objects, a: Ints, b: Ints, sides: Floats, least: float, same_tag: bool
) -> _Found:
    """Keypoints that are near each other: 1 less their mean distance, against how far is far."""
    a = a[~np.isnan(left.extent[a]).any(axis=1)]
    b = b[~np.isnan(right.extent[b]).any(axis=1)]
    one, two = _groups(left, right, a, b, same_tag)
    low_a, low_b = left.extent[a, 0], right.extent[b, 0]
    reach = np.full(len(a), _REACH * 4)
    found: list[_Found] = []
    for i, j in _near(one, low_a, reach, reach, two, low_b):
        near = (np.abs(left.extent[a[i]] - right.extent[b[j]]) <= _REACH * 4).all(axis=1)
        i, j = i[near], j[near]
        score = np.array(
            [
                _likeness(left, p, right, q)
                for p, q in zip(a[i].tolist(), b[j].tolist(), strict=True)
            ]
        )
        enough = score >= least if len(score) else np.zeros(0, np.bool_)
        found.append((a[i[enough]], b[j[enough]], score[enough] if len(score) else np.zeros(0)))
    if not found:
        return a[:0], b[:0], np.zeros(0)
    i, j, score = (np.concatenate([part[k] for part in found]) for k in range(3))
    return i, j, score


def _likeness(left: Objects, i: int, right: Objects, j: int) -> float:
    one, two = (
        side.batch.values(int(side.begin[number])).reshape(-1, 3)
        for side, number in ((left, i), (right, j))
    )
    if len(one) != len(two):
        return 0.0
    seen = (one[:, 2] > 0) & (two[:, 2] > 0)
    if not seen.any():
        return 0.0
    apart = np.hypot(*(one[seen, :2] - two[seen, :2]).T).mean()
    areas = (np.prod(s.extent[n, 2:] - s.extent[n, :2]) for s, n in ((left, i), (right, j)))
    side = np.sqrt(max(map(float, areas)))
    # a large skeleton may move further than a small one
    return float(max(0.0, 1.0 - apart / (2 * max(_REACH * side, _REACH / 5))))


def overlap(one: Floats, two: Floats) -> Floats:
    """Intersection over union [n] of boxes [n, 4] with boxes [n, 4]; equal points count as 1."""
    low = np.maximum(one[:, :2], two[:, :2])
    high = np.minimum(one[:, 2:], two[:, 2:])
    inter = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(one[:, 2:] - one[:, :2], axis=1) + np.prod(two[:, 2:] - two[:, :2], axis=1)
    union = areas - inter
    equal = (one == two).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = inter / union
    found: Floats = np.where(equal, 1.0, np.where(union > 0, score, 0.0))
    return found
