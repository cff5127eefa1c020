"""Sets of ids against Python's own, and areas of rings against the textbook."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from annotary.formats.coco.ids_seen import IdIndex, IdSet
from annotary.geometry.arrays import ring_areas

IDS = st.lists(st.integers(-50, 50) | st.integers(-(2**62), 2**62), max_size=40)


@given(st.lists(IDS, max_size=12))
def test_repeated_ids_are_found(batches: list[list[int]]) -> None:
    ids = IdSet()
    seen: set[int] = set()
    for batch in batches:
        expected = []
        for id in batch:
            expected.append(id in seen)
            seen.add(id)
        assert ids.add(np.array(batch, np.int64)).tolist() == expected


@given(IDS, IDS)
def test_the_first_position_of_an_id_is_found(ids: list[int], wanted: list[int]) -> None:
    wanted = wanted + ids[:3]
    found = IdIndex(np.array(ids, np.int64)).find(np.array(wanted, np.int64))
    assert found.tolist() == [ids.index(id) if id in ids else -1 for id in wanted]


NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), max_size=6))
def test_areas_of_rings(rings: list[list[tuple[float, float]]]) -> None:
    coords = np.array([value for ring in rings for point in ring for value in point], np.float64)
    start = np.cumsum([0, *(2 * len(ring) for ring in rings)])
    expected = []
    for ring in rings:
        pairs = zip(ring, ring[1:] + ring[:1], strict=True)
        expected.append(abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2)
    np.testing.assert_allclose(ring_areas(coords, start), expected, rtol=1e-6, atol=0.01)


def test_a_ring_that_is_not_finite_spoils_no_other() -> None:
    triangle = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    coords = np.array([*triangle, np.inf, *triangle[1:], *triangle])
    areas = ring_areas(coords, np.array([0, 6, 12, 18]))
    assert areas[[0, 2]].tolist() == [0.5, 0.5]
    assert not np.isfinite(areas[1])
