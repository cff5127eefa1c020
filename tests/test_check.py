"""Rules of geometry that no format's fixture shows."""

from __future__ import annotations

import numpy as np
import pytest

from annotary.batch import AnnotationBatch
from annotary.contract.rows import RowSink
from annotary.reading.check import check


def checked(values: list[float]) -> list[tuple[int, str, dict[str, object]]]:
    batches: list[AnnotationBatch] = []
    rows = RowSink("a", lambda _, batch: batches.append(batch))
    rows.keypoints(rows.image("a.png"), rows.tag("dog"), values)
    rows.flush()
    size = np.array([100.0])
    return check(batches[0], size, size, normalized=False).faults


@pytest.mark.parametrize("visibility", [-1.0, 3.0, 1e300])
def test_a_visibility_that_is_none_is_told(visibility: float) -> None:
    (fault,) = checked([10, 10, 2, 20, 20, visibility])
    assert fault[1] == "wrong-type"
    assert fault[2]["expected"] == "0, 1 or 2"


@pytest.mark.parametrize("visibility", [0.0, 1.0, 2.0])
def test_the_three_that_there_are_pass(visibility: float) -> None:
    assert checked([10, 10, 2, 20, 20, visibility]) == []
