"""Rules of good practice: off unless asked for, warnings then, errors if the caller is strict."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from annotary import ImportFailedError
from annotary.client.project import Project
from annotary.reading.lint import crosses_itself

RING = [[10, 10, 50, 50, 50, 10, 10, 45]]
OBJECTS: list[tuple[int, list[float], Any]] = [
    (1, [10, 10, 30, 30], []),
    (1, [10, 10, 30, 30], []),
    (2, [10, 10, 30, 30], []),
    (1, [70, 70, 1, 30], []),
    (2, [0, 0, 100, 100], []),
    (1, [10, 10, 40, 40], RING),
    (1, [20, 20, 30, 30], []),
]
FILE = json.dumps({
    "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
    "categories": [{"id": 1, "name": "traffic light"}, {"id": 2, "name": "Traffic_Light"}],
    "annotations": [
        {"id": i, "image_id": 1, "category_id": tag, "bbox": box, "segmentation": rings}
        for i, (tag, box, rings) in enumerate(OBJECTS)
    ],
}).encode()  # fmt: skip
FOUND = {"duplicate-shape": 1, "clashing-classes": 1, "tiny-shape": 1, "whole-image": 1,
         "self-crossing": 1, "similar-classes": 1}  # fmt: skip


def run(project: Project, **given: Any) -> Any:
    session = project.annotations.create_import_session(create_assets=True, **given)
    with session:
        session.add_bytes(FILE, "a.json")
    return session


def test_nothing_is_said_unasked(project: Project) -> None:
    assert run(project).get_logs().logs == []


def test_each_rule_warns_once(project: Project) -> None:
    session = run(project, lint="warn")
    assert session.report.committed == len(OBJECTS)
    assert Counter(item.code for item in session.get_logs().logs) == FOUND
    assert {item.level for item in session.get_logs().logs} == {"Warning"}


def test_the_strict_are_refused(project: Project) -> None:
    with pytest.raises(ImportFailedError):
        run(project, lint="error")
    assert len(project.annotations.list()) == 0


@pytest.mark.parametrize(
    ("ring", "crosses"),
    [([0, 0, 2, 0, 2, 2, 0, 2], False), ([0, 0, 2, 2, 2, 0, 0, 2], True),
     ([0, 0, 4, 0, 4, 4, 2, 1, 0, 4], False), ([0, 0, 4, 0, 4, 4, 2, -1, 0, 4], True)],
)  # fmt: skip
def test_crossings_are_seen(ring: list[float], crosses: bool) -> None:
    assert crosses_itself(np.array(ring, np.float64)) is crosses
