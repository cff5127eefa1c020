"""What one filters by, as columns in memory: a row for each annotation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary.drawing.overlay import points_of
from annotary.geometry.arrays import Floats
from annotary.model import Annotation, Asset

PROBLEMS = {
    "tiny": "Smaller than 4 px",
    "sliver": "Longer than 20 times its width",
    "whole": "Fills the image",
    "outside": "Beyond the image",
    "duplicate": "Exact duplicates",
    "clash": "Same box, other tag",
}
"""Each problem's code, and what it is called; the place of a code is its bit."""
_BIT = {code: 1 << at for at, code in enumerate(PROBLEMS)}
_SAME = 0.95
_BLOCK = 512
SORTS = ("order", "most", "fewest")

Mask = NDArray[np.bool_]


class Query(NamedTuple):
    """What is wanted; empty means all."""

    tag: str = ""
    problem: str = ""
    kind: str = ""
    name: str = ""
    sort: str = "order"


class View(NamedTuple):
    """The images that a query means, in its order, and what would be left by each choice."""

    assets: NDArray[Any]
    objects: int
    facets: dict[str, dict[str, int]]


class Facts:
    """The columns of one project, as they were when it was read."""

    def __init__(
        self, assets: Sequence[Asset], annotations: Iterable[Annotation], tags: Sequence[str]
    ) -> None:
        self.assets = assets
        self.tags = list(tags)
        place = {asset.id: at for at, asset in enumerate(assets)}
        number = {tag: at for at, tag in enumerate(self.tags)}
        self.kinds: list[str] = []
        rows, boxes, groups = [], [], []
        for each in annotations:
            if each.asset_id not in place:  # it has come since
                continue
            if each.bound_type not in self.kinds:
                self.kinds.append(each.bound_type)
            asset = assets[place[each.asset_id]]
            kind = self.kinds.index(each.bound_type)
            rows.append((place[each.asset_id], number.get(each.tag, -1), kind))
            boxes.append(_box(each, asset.metadata.width, asset.metadata.height))
            groups.append(hash(each.group or each.id))
        columns = np.array(rows, np.int32).reshape(-1, 3)
        order = np.argsort(columns[:, 0], kind="stable")
        self.asset, self.tag, self.kind = columns[order].T
        box = np.array(boxes, np.float64).reshape(-1, 4)[order]
        self.problems = self._find(box, np.array(groups, np.int64)[order])
        self.names = [asset.filename.casefold() for asset in assets]
        self.view = lru_cache(maxsize=32)(self._view)

    def _view(self, query: Query) -> View:
        """The images that a query means."""
        choices = {
            "tag": self._is(self.tag, self.tags, query.tag),
            "kind": self._is(self.kind, self.kinds, query.kind),
            "problem": self._has(query.problem),
        }
        named = np.ones(len(self.assets), bool)
        if query.name:
            named = np.array([query.name.casefold() in name for name in self.names], bool)
        meant = named[self.asset] & choices["tag"] & choices["kind"] & choices["problem"]
        counts = np.bincount(self.asset[meant], minlength=len(self.assets))
        chosen = query.tag or query.kind or query.problem
        found = np.flatnonzero(named & (counts > 0) if chosen else named)
        if query.sort == "most":
            found = found[np.argsort(-counts[found], kind="stable")]
        elif query.sort == "fewest":
            found = found[np.argsort(counts[found], kind="stable")]
        return View(found, int(meant.sum()), self._facets(choices, named[self.asset]))

    def _facets(self, choices: dict[str, Mask], named: Mask) -> dict[str, dict[str, int]]:
        """Each facet counts what would be left, without its own choice."""

        def others(own: str) -> Mask:
            left = named.copy()
            for name, mask in choices.items():
                if name != own:
                    left &= mask
            return left

        tags = self.tag[others("tag")]
        kinds = np.bincount(self.kind[others("kind")], minlength=len(self.kinds))
        bits = self.problems[others("problem")]
        counts = np.bincount(tags[tags >= 0], minlength=len(self.tags))
        return {
            "tag": dict(zip(self.tags, counts.tolist(), strict=True)),
            "kind": dict(zip(self.kinds, kinds.tolist(), strict=True)),
            "problem": {code: int(((bits & bit) > 0).sum()) for code, bit in _BIT.items()},
        }

    def _is(self, column: NDArray[np.int32], names: list[str], wanted: str) -> Mask:
        if not wanted:
            return np.ones(len(column), bool)
        same: Mask = column == (names.index(wanted) if wanted in names else -2)
        return same

    def _has(self, problem: str) -> Mask:
        if not problem:
            return np.ones(len(self.problems), bool)
        return (self.problems & _BIT.get(problem, 0)) > 0

    # --- problems ---------------------------------------------------------------------------

    def _find(self, box: Floats, group: NDArray[np.int64]) -> NDArray[np.uint8]:
        sizes = np.array(
            [(asset.metadata.width, asset.metadata.height) for asset in self.assets], np.float64
        ).reshape(-1, 2)
        size = sizes[self.asset]
        found = np.zeros(len(box), np.uint8)
        with np.errstate(invalid="ignore", divide="ignore"):
            wide, high = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
            short, long = np.minimum(wide, high), np.maximum(wide, high)
            found[short < 4] |= _BIT["tiny"]
            found[(long > 20 * short) & (short > 0)] |= _BIT["sliver"]
            found[wide * high > 0.97 * size[:, 0] * size[:, 1]] |= _BIT["whole"]
            outside = (box[:, :2] < -1).any(1) | (box[:, 2:] > size + 1).any(1)
            found[outside] |= _BIT["outside"]
        cuts = np.searchsorted(self.asset, np.arange(len(self.assets) + 1))
        for first, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            for at in range(first, end, _BLOCK):
                self._pairs(box, group, found, at, min(at + _BLOCK, end), end)
        return found

    def _pairs(
        self,
        box: Floats,
        group: NDArray[np.int64],
        found: NDArray[np.uint8],
        first: int,
        last: int,
        end: int,
    ) -> None:
        """Mark pairs of one image that cover each other: rows first..last with first..end."""
        one, other = box[first:last, None], box[None, first:end]
        with np.errstate(invalid="ignore", divide="ignore"):
            met = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(
                one[..., :2], other[..., :2]
            )
            area = np.clip(met, 0, None).prod(-1)
            both = (one[..., 2:] - one[..., :2]).prod(-1) + (other[..., 2:] - other[..., :2]).prod(
                -1
            )
            same = area >= _SAME * (both - area)
            same &= area > 0
        a, b = np.nonzero(same)
        a, b = a + first, b + first
        apart = (a < b) & (group[a] != group[b])
        a, b = a[apart], b[apart]
        doubled = (self.tag[a] == self.tag[b]) & (self.kind[a] == self.kind[b])
        clash = self.tag[a] != self.tag[b]
        for rows, code in ((doubled, "duplicate"), (clash, "clash")):
            found[a[rows]] |= np.uint8(_BIT[code])
            found[b[rows]] |= np.uint8(_BIT[code])


def _box(annotation: Annotation, width: int, height: int) -> tuple[float, float, float, float]:
    """Its extent in pixels (xmin, ymin, xmax, ymax); NaN where it has none."""
    points = points_of(annotation)
    if not points:
        return (float("nan"),) * 4
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height
