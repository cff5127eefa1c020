"""Ids of assets by number: dense ranges are read whole, a few far apart one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotary.store import Store, assetids, assets, projects
from annotary.store.assetids import AssetIds
from annotary.store.assets import NewAsset

COUNT = 300


@pytest.mark.parametrize("sparse", [0, 3, 1000])
def test_ids_are_those_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: int
) -> None:
    monkeypatch.setattr(assetids, "_SPARSE", sparse)
    monkeypatch.setattr(assetids, "_READ_AT_ONCE", 7)
    store = Store(tmp_path / "home")
    with store.write() as db:
        project = projects.create(db, "x", "ObjectDetection")
        new = [NewAsset(filename=f"{i}.png", width=9, height=9) for i in range(COUNT)]
        numbers = assets.insert(db, project, new)
        db.execute("DELETE FROM assets WHERE no = ?", (numbers[100],))
    rng = np.random.default_rng(1)
    there = np.delete(np.array(numbers), 100)
    with store.read() as db:
        known = dict(db.execute("SELECT no, id FROM assets").fetchall())
        book = AssetIds(db)
        for size in (1, 2, 3, 50, 2, 1, 299, 5):
            asked = rng.choice(there, size).astype(np.int32)
            assert book.find(asked) == [known[number] for number in asked.tolist()]
        kept = len(book._ids)
    store.close()
    assert kept == 0 if sparse == 0 else kept > 250
