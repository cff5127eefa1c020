"""Scanning in batches, against sorting all rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary.batch import RECTANGLE, AnnotationBatch, Extra
from annotary.model import NewAsset
from annotary.store import Store, assets, projects, tags
from annotary.store.annotations import Inserter, scan

ASSETS = 5


def batch_of(rows: list[tuple[int, int | None]], numbers: list[int], tag: int) -> AnnotationBatch:
    n = len(rows)
    image = np.array([numbers[place] for place, _ in rows], np.int32)
    return AnnotationBatch(
        np.full(n, RECTANGLE, np.uint8),
        image,
        np.full(n, tag, np.int32),
        np.arange(n + 1, dtype=np.int64) * 4,
        np.arange(n * 4, dtype=np.float64),
        np.arange(n, dtype=np.int64),
        np.zeros(n, np.bool_),
        np.zeros(n, np.int64),
        {i: Extra(properties={"row": i}) for i in range(0, n, 2)},
    )


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, ASSETS - 1), st.none() | st.integers(0, 2)), max_size=40
    ),
    order=st.permutations(range(ASSETS)),
    size=st.integers(1, 50),
)
def test_scan(rows: list[tuple[int, int | None]], order: list[int], size: int) -> None:
    """Assets in any order, the parts of objects apart, a group's name on several assets."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        with store.write() as db:
            project = projects.create(db, "scan", "ObjectDetection")
            new = [NewAsset(filename=f"{i}.png", width=9, height=9) for i in range(ASSETS)]
            numbers = assets.insert(db, project, new)
            tag = tags.create(db, project, "a")
            inserter = Inserter(db, project)
            groups = [None if group is None else bytes([group]) * 16 for _, group in rows]
            inserter.add(batch_of(rows, numbers, tag), groups)
            inserter.finish()
        with store.read() as db:
            wanted = [numbers[place] for place in order]
            found = list(scan(db, wanted, {tag: 7}, batch_rows=size))
        store.close()

    first: dict[tuple[int, int], int] = {}
    keys = []
    for i, (place, group) in enumerate(rows):
        at = i if group is None else first.setdefault((place, group), i)
        keys.append((order.index(place), at, i))
    expected = [i for _, _, i in sorted(keys)]
    values = np.concatenate([b.coords for b in found]) if found else np.zeros(0)
    assert values.reshape(-1, 4)[:, 0].tolist() == [4.0 * i for i in expected]
    assert [i for b in found for i in b.image.tolist()] == [
        order.index(rows[i][0]) for i in expected
    ]
    records = [r for b in found for r in b.record.tolist()]
    objects = [key[:2] for key in sorted(keys)]
    assert records == [sorted(set(objects)).index(each) for each in objects]
    assert all(b.tag.tolist() == [7] * len(b) for b in found)
    extras = [b.extras.get(row) for b in found for row in range(len(b))]
    assert [e and e.properties for e in extras] == [
        {"row": i} if i % 2 == 0 else None for i in expected
    ]
