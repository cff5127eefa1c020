"""The law of YOLO's text: no line decodes outside the image, and boxes come back as they were."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary.formats.yolo_darknet.write import box_texts, centre_size

ENDS = st.floats(0.0, 1.0, width=64, allow_subnormal=False)
DECIMALS = st.integers(0, 10**6).map(lambda n: n / 10**6)
PIXELS = st.tuples(st.integers(1, 8000), st.integers(0, 8000)).map(lambda t: min(t[1], t[0]) / t[0])
EDGES = st.sampled_from([0.0, 1.0, 1 - 2**-53, 2**-53, 0.5, 1 / 3])
VALUES = st.one_of(ENDS, DECIMALS, PIXELS, EDGES).filter(lambda v: v == 0 or v > 1e-30)
INTERVALS = st.tuples(VALUES, VALUES).map(sorted).filter(lambda ends: ends[0] < ends[1])


@settings(max_examples=300)
@given(st.lists(INTERVALS, min_size=1, max_size=20), st.integers(1, 10_000))
def test_no_line_decodes_outside_the_image(intervals: list[list[float]], side: int) -> None:
    ends = np.array(intervals)
    boxes = np.column_stack([ends[:, 0], ends[:, 0], ends[:, 1], ends[:, 1]])
    for text in box_texts(boxes):
        for kind in (np.float64, np.float32):
            cx, cy, w, h = (kind(value) for value in text.split())
            two, length, one = kind(2), kind(side), kind(1)
            for centre, size in ((cx, w), (cy, h)):
                low, high = centre - size / two, centre + size / two
                assert low >= 0
                assert high <= 1
                assert low * length >= 0
                assert high * length <= length
                assert 0 <= centre <= one
                assert 0 < size <= one


@given(st.lists(INTERVALS, min_size=1, max_size=20))
def test_decoding_gives_the_interval_or_its_neighbour(intervals: list[list[float]]) -> None:
    ends = np.array(intervals)
    centre, size = centre_size(ends[:, 0], ends[:, 1])
    assert np.abs(centre - size / 2 - ends[:, 0]).max() <= 2**-53
    assert np.abs(centre + size / 2 - ends[:, 1]).max() <= 2**-53


@given(st.lists(INTERVALS, min_size=1, max_size=20))
def test_writing_what_was_read_gives_the_same_text(intervals: list[list[float]]) -> None:
    ends = np.array(intervals)
    centre, size = centre_size(ends[:, 0], ends[:, 1])
    again = centre_size(centre - size / 2, centre + size / 2)
    assert again[0].tolist() == centre.tolist()
    assert again[1].tolist() == size.tolist()


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6 - 1), st.integers(1, 10**6)).filter(
            lambda t: t[1] <= 2 * min(t[0], 10**6 - t[0])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_six_decimals_come_back_as_the_same_text(pairs: list[tuple[int, int]]) -> None:
    centre = np.array([c / 10**6 for c, _ in pairs])
    size = np.array([s / 10**6 for _, s in pairs])
    again = centre_size(centre - size / 2, centre + size / 2)
    # by a rounding of the last bit, a line on the edge may end outside: there it is moved
    inside = (centre - size / 2 >= 0) & (centre + size / 2 <= 1)
    assert again[0][inside].tolist() == centre[inside].tolist()
    assert again[1][inside].tolist() == size[inside].tolist()


def test_values_outside_are_moved_to_the_edge() -> None:
    centre, size = centre_size(np.array([-1e-9, 0.5]), np.array([0.5, 1 + 1e-9]))
    assert centre.tolist() == [0.25, 0.75]
    assert size.tolist() == [0.5, 0.5]


def test_boxes_of_whole_pixels_come_back_exactly_where_floats_can() -> None:
    random = np.random.default_rng(1)
    sides = random.integers(100, 4000, 20_000)
    ends = np.sort(random.random((20_000, 2)) * sides[:, None], axis=1).round(2)
    ends = np.minimum(ends, sides[:, None])[ends[:, 0] < ends[:, 1]]
    sides = sides[: len(ends)]
    low, high = ends[:, 0] / sides, np.minimum(ends[:, 1] / sides, 1.0)
    keep = low < high
    centre, size = centre_size(low[keep], high[keep])
    error = np.maximum(
        np.abs(centre - size / 2 - low[keep]), np.abs(centre + size / 2 - high[keep])
    )
    assert error.max() <= 2**-53
    assert (error == 0).mean() > 0.4
