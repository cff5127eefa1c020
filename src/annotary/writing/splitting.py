"""Which image goes to which part: a pure function of names, tags, groups and a seed.

All sums are whole numbers: a tie of floating point would be decided by chance, and has left parts
empty in other tools. The same images give the same parts in whatever order they come.

Images that belong together (frames of one video, patches of one slide) are one *unit*, which no
part shares with another. Units are taken in the order of how few units have their rarest tag, then
the larger first, then by SHA-256 of seed and name. Each goes where, of all its tags and of images,
most is lacking of what the parts' weights promise up to here; what is rare weighs more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_SCALE = 1 << 20
"""Shares of a tag are counted in so many steps."""


class TagCounts(NamedTuple):
    """How many annotations of each tag an image has, one row for each that it has."""

    image: Numbers
    tag: Numbers
    number: Numbers


def digest(seed: int, name: str) -> bytes:
    """What chance decides by."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def by_name(units: Sequence[str], weights: Sequence[int], seed: int) -> list[int]:
    """The part of every unit by its name alone: none moves when others come or go.

    Sizes are right on the average only, and a part of few units may be empty.
    """
    bounds = np.cumsum(weights).tolist()
    found = []
    for unit in units:
        at = int.from_bytes(digest(seed, unit)[:8], "big") * bounds[-1] >> 64
        found.append(next(part for part, bound in enumerate(bounds) if at < bound))
    return found


def stratified(
    names: Sequence[str],
    units: Sequence[str],
    counts: TagCounts,
    weights: Sequence[int],
    seed: int,
    given: Mapping[int, int] | None = None,
) -> list[int]:
    """The part of every image, so that parts have their share of images and of every tag.

    ``units`` [n]: what each image belongs to. ``given``: parts of images that have one already;
    their units stay with them, and the others are placed around them.
    """
    number = {unit: place for place, unit in enumerate(dict.fromkeys(units))}
    unit_of = np.array([number[unit] for unit in units], np.int64)
    sizes = np.bincount(unit_of, minlength=len(number))
    tags = _by_unit(unit_of, counts, len(number))
    keys = [digest(seed, unit) for unit in number]
    spread = np.bincount(tags.tag, minlength=1)
    rarest = np.full(len(number), np.iinfo(np.int64).max)
    np.minimum.at(rarest, tags.image, spread[tags.tag])
    order = sorted(
        range(len(number)), key=lambda unit: (int(rarest[unit]), -int(sizes[unit]), keys[unit])
    )
    fixed: dict[int, int] = {}
    for image, part in sorted((given or {}).items()):
        fixed.setdefault(int(unit_of[image]), part)
    placed = _Placing(weights, tags, sizes, spread)
    for unit in order:
        if unit in fixed:
            placed.put(unit, fixed[unit])
    free = [unit for unit in order if unit not in fixed]
    for left, unit in zip(range(len(free), 0, -1), free, strict=True):
        placed.choose(unit, left)
    return [placed.part[unit] for unit in unit_of.tolist()]


def _by_unit(unit_of: Numbers, counts: TagCounts, units: int) -> TagCounts:
    """How many annotations of each tag every unit has, sorted by unit."""
    if not len(counts.image):
        none = np.zeros(0, np.int64)
        return TagCounts(none, none, none)
    width = int(counts.tag.max()) + 1
    keys, at = np.unique(unit_of[counts.image] * width + counts.tag, return_inverse=True)
    sums = np.bincount(at, weights=counts.number).astype(np.int64)
    return TagCounts(keys // width, keys % width, sums)


class _Placing:
    """What every part has so far, of images and of every tag, beside what it should have.

    A tag counts twice: by the units that have it and by its annotations. ``have[d][p]`` is what
    part ``p`` has of dimension ``d`` times the sum of the weights, less what it should have.
    """

    def __init__(
        self, weights: Sequence[int], tags: TagCounts, sizes: Numbers, spread: Numbers
    ) -> None:
        self._weights = list(weights)
        self._sum = sum(weights)
        self._parts = range(len(weights))
        bounds = np.searchsorted(tags.image, np.arange(len(sizes) + 1)).tolist()
        self._bounds = bounds
        # a tag that fewer units have than there are parts can be served by none
        served = (spread >= len(weights)).tolist()
        totals = np.bincount(tags.tag, weights=tags.number, minlength=len(spread)).astype(np.int64)
        self._tags = tags.tag.tolist()
        self._counts = tags.number.tolist()
        self._sizes = sizes.tolist()
        images = 2 * len(spread)
        self._images = images
        self._have = [[0] * len(weights) for _ in range(images + 1)]
        # what one more of a dimension is of all of it, in steps
        self._step = [
            *(_SCALE // max(int(n), 1) if ok else 0 for n, ok in zip(spread, served, strict=True)),
            *(_SCALE // max(int(n), 1) if ok else 0 for n, ok in zip(totals, served, strict=True)),
            _SCALE // max(int(sizes.sum()), 1),
        ]
        self.part = [0] * len(sizes)
        self._units = [0] * len(weights)

    def choose(self, unit: int, left: int) -> None:
        """Put a unit where most is lacking; ``left`` units are without a part, this one too."""
        weights, have, step = self._weights, self._have, self._step
        lacks = [0] * len(weights)
        found = self._of(unit)
        for dimension, count in found:
            one = step[dimension]
            if one:
                factor = one * one * count
                for part, had in enumerate(have[dimension]):
                    lacks[part] += (weights[part] * count - had) * factor
        # no part stays empty where there are units enough
        empty = [part for part, units in enumerate(self._units) if not units]
        open_ = empty if left <= len(empty) else self._parts
        best = max(open_, key=lambda part: (lacks[part], weights[part], -part))
        self._put(unit, best, found)

    def put(self, unit: int, part: int) -> None:
        """Put a unit into a part."""
        self._put(unit, part, self._of(unit))

    def _put(self, unit: int, part: int, found: list[tuple[int, int]]) -> None:
        self.part[unit] = part
        self._units[part] += 1
        weights = self._weights
        for dimension, count in found:
            row = self._have[dimension]
            for each, weight in enumerate(weights):
                row[each] -= weight * count
            row[part] += self._sum * count

    def _of(self, unit: int) -> list[tuple[int, int]]:
        """What a unit has: (dimension, how much)."""
        begin, end = self._bounds[unit], self._bounds[unit + 1]
        tags = self._tags[begin:end]
        half = self._images // 2
        return [
            *((tag, 1) for tag in tags),
            *zip([half + tag for tag in tags], self._counts[begin:end], strict=True),
            (self._images, self._sizes[unit]),
        ]
