"""The ids of assets by their numbers, for bulk work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.store.database import Database, rows

_READ_AT_ONCE = 10_000


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
        if not len(self._ids):
            self._first = low
        end = self._first + len(self._ids)
        before, after = self._read(low, self._first), self._read(end, high)
        if len(before) or len(after):
            self._ids = np.concatenate([before, self._ids, after])
            self._first -= len(before)
        found: list[bytes] = self._ids[numbers - self._first].tolist()
        return found

    def _read(self, low: int, high: int) -> NDArray[Any]:
        ids = np.zeros(max(high - low, 0), "V16")
        sql = "SELECT no, id FROM assets WHERE no >= ? AND no < ?"
        for begin in range(low, high, _READ_AT_ONCE):
            found = rows(self._db, sql, (begin, min(begin + _READ_AT_ONCE, high)))
            numbers = np.array([no for no, _ in found], np.int64)
            ids[numbers - low] = np.frombuffer(b"".join([id_ for _, id_ in found]), "V16")
        return ids
