"""Label Studio files that others wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from annotary.syntax.source import SourceFile
from tests.formats.harness import Collected, read

DATA = Path(__file__).parents[3] / "shared" / "data"
LABEL_STUDIO = DATA / "labelstudio" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is absent")


def read_files(*names: str) -> Collected:
    found = read([SourceFile(name, path=LABEL_STUDIO / name) for name in names])
    formats = {r.format for r in found.reading.reports if r.role != "companion"}
    assert formats == {"label_studio"}
    return found


def kinds(found: Collected) -> Counter[tuple[str, ...]]:
    return Counter(tuple(part["kind"] for part in o["parts"]) for o in found.objects)


def test_boxes() -> None:
    found = read_files("test_export_yolo/data.json", "test_export_yolo/label_config.xml")
    assert kinds(found) == {("Rectangle",): 6}
    assert found.images.names == ["image1", "image2"]
    assert list(found.classes) == ["parasites", "white"]
    (left, top), (right, bottom) = found.objects[0]["parts"][0]["points"]
    assert (left, top) == pytest.approx((0.3715846994535519, 0.7067395264116576))
    assert (right - left, bottom - top) == pytest.approx((0.04189435336976321, 0.04735883424408015))
    assert [text.split(": ", 1)[1] for text in found.log if "several" in text or "set" in text]


def test_turned_boxes_are_four_sided_polygons_of_the_same_area() -> None:
    found = read_files("test_export_yolo/data_obb.json")
    assert found.log == []
    assert set(kinds(found)) == {("Polygon",)}
    first = found.objects[0]
    assert first["properties"] == {"rotation": 328.33240366032834}
    ring = np.array(first["parts"][0]["points"]) * (597, 768)
    assert ring[0] == pytest.approx(
        (0.10537066764905694 * 597, 0.79557677690059092 * 768), abs=1e-5
    )
    sides = np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1)
    width, height = 0.19045470024656687 * 597, 0.08132522043893882 * 768
    assert sides == pytest.approx((width, height, width, height), abs=1e-4)


def test_keypoints_come_together_with_the_box_of_their_person() -> None:
    for config in ((), ("test_export_yolo/label_config_keypoints.xml",)):
        found = read_files("test_export_yolo/data_keypoints.json", *config)
        assert kinds(found) == {("Keypoints", "Rectangle"): 1}
        points = found.objects[0]["parts"][0]["points"]
        assert len(points) == (17 if config else 3)
        assert points[0] == [0.644444444, 0.392907801, 2.0]
        assert [text.split("\n")[0].split(": ", 1)[1] for text in found.log] == [
            "A relation was skipped: only objects are stored. (5 records.)"
        ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_export_yolo/data_polygons.json", {("Polygon",): 1}),
        (
            "test_export_coco/data.json",
            {("Rectangle",): 1, ("Polygon",): 1, ("Keypoints",): 2},
        ),
        ("test_export_json_min/data.json", {("Polygon",): 1}),
    ],
)
def test_shapes(name: str, expected: dict[tuple[str, ...], int]) -> None:
    found = read_files(name)
    assert found.log == []
    assert kinds(found) == expected


def test_predictions_are_counted_where_there_are_annotations() -> None:
    found = read_files("test_export_csv/csv_test.json")
    report = found.reading.reports[0]
    assert report.records == len(found.objects) + report.skipped + report.rejected
    assert [text.split(": ")[1].split(" is ")[0] for text in found.log if "Point" in text] == [
        "Point 1.0043, 1.0157"  # 92.93 and 7.5 percent, 57.39 and 44.18 percent
    ]
    assert any("A result of a prediction was skipped" in text for text in found.log)
    assert all(o["tag"] == "Car" and o["parts"][0]["kind"] == "Rectangle" for o in found.objects)


@pytest.mark.parametrize(
    "name",
    [
        "test_export_csv/csv_test2.json",
        "test_export_csv/csv_test_history.json",
        "test_export_csv/csv_test_colliding_keys.json",
        "test_export_json_min/chat_data.json",
    ],
)
def test_tasks_without_an_image_are_skipped_and_said(name: str) -> None:
    found = read_files(name)
    report = found.reading.reports[0]
    assert found.objects == []
    assert report.records == report.skipped > 0
    assert len(found.log) == 1
    assert "its task names no image" in found.log[0]


def test_pages_of_a_document_are_images_of_their_own() -> None:
    found = read_files("test_export_json_min/data_repeater.json")
    assert [(o["image"], o["attributes"]) for o in found.objects] == [
        ("example1.jpeg", {"categories_0": ["Archaea"]})
    ]
    assert found.images.names == ["example1.jpeg", "example2.jpeg", "example3.jpeg"]


def test_documents() -> None:
    found = read_files("test_export_doclang/data.json")
    assert [(o["image"], o["tag"]) for o in found.objects] == [
        ("page-1.png", "Section-header"),
        ("page-2.png", "Text"),
    ]
    assert found.images.names == ["page-1.png", "page-2.png", "page-3.png"]
