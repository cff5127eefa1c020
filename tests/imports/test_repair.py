"""What is mended because the caller asked for it: counted, told, and never more than that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import BadRequestError, ImportFailedError
from annotary.client.project import Project
from annotary.contract.rows import RowSink
from annotary.geometry.arrays import extents, ring_areas
from annotary.reading.repair import clip
from tests.samples import coco, register

WIDTH, HEIGHT = 400, 200
FAULTS = coco(
    [("a.png", WIDTH, HEIGHT)],
    [
        (0, "inside", (10, 10, 20, 20)),
        (0, "over", (-50, 10, 100, 300)),
        (0, "outside", (500, 10, 600, 20)),
        (0, "empty", (10, 10, 10, 20)),
        (0, "near", (-0.4, 0, 10, 10)),
    ],
)


def run(project: Project, **given: Any) -> Any:
    register(project, "a.png")
    with project.annotations.create_import_session(**given) as session:
        session.add_bytes(FAULTS, "a.json")
    return session


def test_nothing_is_mended_unasked(project: Project) -> None:
    with pytest.raises(ImportFailedError):
        run(project)


def test_moves_of_half_a_pixel_are_counted_and_told(project: Project) -> None:
    session = run(project, on_error="skip")
    assert (session.report.committed, session.report.moved, session.report.clipped) == (2, 1, 0)
    assert "1 shape was moved" in " ".join(item.message for item in session.get_logs().logs)


def test_repairs_are_counted_and_told(project: Project) -> None:
    session = run(project, repair=["clip", "drop-empty"], on_fault={"out-of-bounds": "clip"},
                  on_error="skip")  # fmt: skip
    report = session.report
    assert (report.committed, report.skipped, report.clipped, report.moved) == (3, 2, 1, 1)
    boxes = {a.tag: a.bound for a in project.annotations.list()}
    xs, ys = zip(*boxes["over"], strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == (0, 0.05, 0.25, 1)
    codes = {item.code for item in session.get_logs().logs}
    assert codes == {"out-of-bounds", "clipped", "moved", "left-out"}


def test_all_faults_can_be_left_out(project: Project) -> None:
    session = run(project, repair=["drop-empty", "drop-outside"])
    assert (session.report.committed, session.report.skipped) == (2, 3)
    assert session.report.errors == 0


@pytest.mark.parametrize(
    "given", [{"repair": ["mend"]}, {"on_fault": {"out-of-bounds": "ask"}},
              {"on_fault": {"no-such": "skip"}}, {"options": {"tagg": "x"}}]
)  # fmt: skip
def test_what_nothing_knows_is_told_with_what_there_is(
    project: Project, given: dict[str, Any]
) -> None:
    with pytest.raises(BadRequestError) as caught:
        run(project, **given)
    assert "Known: " in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 19), st.integers(-9, 19)), min_size=3, max_size=7))
def test_a_clipped_ring_is_the_part_inside(points: list[tuple[int, int]]) -> None:
    batches = []
    sink = RowSink("a", lambda _, batch: batches.append(batch))
    sink.polygon(0, 0, [[float(v) for point in points for v in point]])
    sink.flush()
    (batch,) = batches
    ten = np.array([10.0])
    made, cut = clip(batch, ten, ten, np.zeros((1, 2)), normalized=False)
    box = extents(made.coords, made.start)[0]
    if cut[0]:
        assert box.min() >= 0
        assert box.max() <= 10
        assert len(made.coords) >= 6
    elif extents(batch.coords, batch.start)[0].min() >= 0:
        assert made.coords.tolist() == batch.coords.tolist()
    whole, part = (ring_areas(b.coords, b.start)[0] for b in (batch, made))
    assert part <= whole + 100  # a ring that crosses itself may enclose less than its parts
