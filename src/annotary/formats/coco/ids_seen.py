"""Sets of millions of integer ids, in eight bytes each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class IdSet:
    """Ids seen so far, to find repeated ones batch by batch.

    Sorted runs of growing length are merged as they meet their like, so that adding n ids costs
    O(n log n) in all and a look-up a handful of binary searches.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    def add(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Add ids; answers for each whether it was there already, also earlier in ``ids``."""
        seen = np.zeros(len(ids), np.bool_)
        for run in self._runs:
            if len(run) and len(ids) and (run[0] <= ids.max() and run[-1] >= ids.min()):
                at = np.searchsorted(run, ids)
                at[at == len(run)] = 0
                seen |= run[at] == ids
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        repeated = np.zeros(len(ids), np.bool_)
        repeated[order[1:]] = ordered[1:] == ordered[:-1]
        seen |= repeated
        run = ordered[~seen[order]]
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            # runs share no id; a stable sort merges what is sorted already
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)
        return seen


class IdIndex:
    """Integer ids in the order they were given, found again by value."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def find(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """The first position of each id, -1 where it is not there."""
        if not len(self._sorted):
            return np.full(len(ids), -1, np.int64)
        at = np.searchsorted(self._sorted, ids)
        at[at == len(self._sorted)] = 0
        return np.where(self._sorted[at] == ids, self._order[at], -1)
