"""The published table of round-trip errors is true, and says 0.0 where a format is exact."""

from __future__ import annotations

import numpy as np
import pytest

from annotary import formats
from tests.laws.error_table import (
    EXACT,
    PAGE,
    Error,
    page,
    random_set,
    running_examples,
    trips,
    write,
)

# measured once, not once a worker
pytestmark = pytest.mark.xdist_group("error-table")


@pytest.fixture(scope="module")
def errors() -> dict[str, dict[str, Error]]:
    """All pairs, measured once."""
    return trips()


def test_every_shape_comes_back(errors: dict[str, dict[str, Error]]) -> None:
    for name, sets in errors.items():
        for title, error in sets.items():
            assert error.back == error.total == error.count, (name, title)


def test_exact_formats_are_exact(errors: dict[str, dict[str, Error]]) -> None:
    exact = [name for name in errors if formats.get(name).carries.decimals.startswith("exact")]
    assert len(exact) > 20
    for name in exact:
        assert max(error.worst for error in errors[name].values()) <= EXACT, name


def test_the_page_is_current(errors: dict[str, dict[str, Error]]) -> None:
    assert PAGE.read_text("utf-8") == page(errors), "run make docs"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("yolo_darknet", "box"),
        ("yolo_ultralytics", "box"),
        ("yolo_pose", "box"),
        ("yolo_segment", "polygon"),
        ("yolo_obb", "polygon"),
    ],
)
@pytest.mark.parametrize("make", [running_examples, random_set])
def test_no_line_leaves_the_image(name: str, kind: str, make: object) -> None:
    lines = 0
    for source in write(make(kind), name):  # type: ignore[operator]
        if not source.name.endswith(".txt") or source.name.endswith("classes.txt"):
            continue
        for line in bytes(source.buffer).decode().splitlines():
            values = np.array(line.split()[1:], float)
            lines += 1
            if kind == "box":
                x, y, w, h = values[:4]
                assert w > 0 and h > 0
                edges = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
            else:
                edges = values
            assert edges.min() >= 0 and edges.max() <= 1, line
    assert lines > 5
