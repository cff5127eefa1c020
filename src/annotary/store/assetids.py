"""The ids of assets by their numbers, for bulk work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.store.database import Database

_READ_AT_ONCE = 10_000
_SPARSE = 1000
"""A range is read unless it grows by more than so many assets for each that is asked for."""


class AssetIds:
    """Ids of a range of numbers that grows with what is asked for: 16 bytes each.

    Each part of the range is read once and in order, however the questions jump about.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._first = 0
        self._ids: NDArray[Any] = np.zeros(0, "V16")

    def find(self, numbers: NDArray[np.integer[Any]]) -> list[bytes]:
        """The id of each asset; all must exist."""
        low, high = int(numbers.min()), int(numbers.max()) + 1
        first, end = (self._first, self._first + len(self._ids)) if len(self._ids) else (low, low)
        if max(first - low, 0) + max(high - end, 0) > _SPARSE * len(numbers):
            return self._each(numbers)
        if low < first or high > end:
            parts = [self._read(low, first), self._ids, self._read(end, high)]
            self._ids, self._first = np.concatenate(parts), min(low, first)
        wanted = self._ids[numbers - self._first]
        # assets may have been added since their part of the range was read
        if not wanted.view("<u8").reshape(-1, 2)[:, 0].all():
            return self._each(numbers)
        found: list[bytes] = wanted.tolist()
        return found

    def _each(self, numbers: NDArray[np.integer[Any]]) -> list[bytes]:
        """A few assets that lie far apart, one by one."""
        known: dict[int, bytes] = {}
        wanted = np.unique(numbers).tolist()
        for begin in range(0, len(wanted), 500):
            part = wanted[begin : begin + 500]
            marks = ",".join("?" * len(part))
            known.update(self._db.rows(f"SELECT no, id FROM assets WHERE no IN ({marks})", part))
        return [known[number] for number in numbers.tolist()]

    def _read(self, low: int, high: int) -> NDArray[Any]:
        ids = np.zeros(max(high - low, 0), "V16")
        sql = "SELECT no, id FROM assets WHERE no >= ? AND no < ?"
        for begin in range(low, high, _READ_AT_ONCE):
            found = self._db.rows(sql, (begin, min(begin + _READ_AT_ONCE, high)))
            numbers = np.array([no for no, _ in found], np.int64)
            ids[numbers - low] = np.frombuffer(b"".join([id_ for _, id_ in found]), "V16")
        return ids
