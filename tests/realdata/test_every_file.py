"""Every file of the real data: it is imported, or refused with an explanation that is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from annotary.problems import RULES
from tests.realdata.table import PAGE, Line, page, read

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")

REFUSED = {
    "coco_results/": "results-file",
    "coco_keypoints/": "results-file",
    "labelstudio/data/test_export_csv/csv_test2_result.csv": "export-only",
    "labelstudio/data/test_export_json_min/label_config_repeater.json": "unknown-format",
    "labelstudio/pathtrack/": "unknown-format",
    "lvis100/coco_to_synset.json": "unknown-format",
    "masks/": "unknown-format",
}
"""Files that are no annotations of an image, by how their names begin."""


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """What became of every file."""
    return read(DATA)


def committed(lines: Sequence[Line], begin: str) -> int:
    return sum(line.report.committed for line in lines if line.file.startswith(begin))


def test_all_files_are_there_and_add_up(lines: list[Line]) -> None:
    assert len(lines) == len({line.file for line in lines})
    for line in lines:
        r = line.report
        assert r.records == r.committed + r.skipped + r.rejected, line.file
        # what is not committed is explained
        assert r.skipped == 0 or line.problems, line.file
        assert r.rejected == 0 or line.problems, line.file
        assert set(line.problems) <= set(RULES)


def test_what_is_refused_is_refused_for_a_reason(lines: list[Line]) -> None:
    for line in lines:
        if line.report.role != "failed":
            continue
        (reason,) = [code for begin, code in REFUSED.items() if line.file.startswith(begin)]
        assert line.problems[reason] == 1, line.file


@pytest.mark.parametrize(
    "folder",
    ["coco_format_v1", "coco_format_v2", "cvat_format", "imagenet_format", "labelme_format",
     "openimages_format", "pascalvoc_format", "tfrecord_format", "yolo_format"],
)  # fmt: skip
def test_same100_has_273_boxes(lines: list[Line], folder: str) -> None:
    assert committed(lines, f"same100/gts/{folder}/") == 273


def test_counts_of_the_collection(lines: list[Line]) -> None:
    assert committed(lines, "lvis100/lvis_val_100.json") == 977
    assert committed(lines, "taco/annotations.json") == 4776  # of 4,784
    assert committed(lines, "coco_keypoints/") == 14 + 26 + 10
    assert committed(lines, "playing_cards/t") == 2 * 670
    assert committed(lines, "ibm/") == 197
    assert committed(lines, "coco_results/") == 0


def test_the_page_is_current(lines: list[Line]) -> None:
    assert PAGE.read_text("utf-8") == page(lines), "run python tests/realdata/table.py"
