"""YOLO and KITTI files that nobody here wrote."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from annotary.syntax.source import SourceFile
from tests.formats import harness

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")


def read(
    folder: str,
    pattern: str = "**/*",
    sizes: dict[str, tuple[int, int]] | None = None,
    **given: object,
) -> harness.Collected:
    base = DATA / folder
    files = [
        SourceFile(path.relative_to(base).as_posix(), path=path)
        for path in sorted(base.glob(pattern))
        if path.is_file()
    ]
    assert files, f"{folder} has no {pattern}"
    return harness.read(files, sizes, **given)  # type: ignore[arg-type]


def tags(found: harness.Collected) -> Counter[str]:
    return Counter(obj["tag"] for obj in found.objects)


def roles(found: harness.Collected) -> Counter[str]:
    return Counter(f"{report.role} {report.format}" for report in found.reading.reports)


def voc_sizes() -> dict[str, tuple[int, int]]:
    """The photographs' sizes, from the VOC files beside the YOLO ones."""
    sizes = {}
    for path in sorted((DATA / "same100/gts/pascalvoc_format").rglob("*.xml")):
        text = path.read_text("utf-8")
        width = re.search(r"<width>(\d+)", text)
        height = re.search(r"<height>(\d+)", text)
        assert width
        assert height
        sizes[f"{path.stem}.jpg"] = (int(width[1]), int(height[1]))
    return sizes


def voc_boxes() -> set[tuple[str, str, int, int, int, int]]:
    """Every box of the VOC files, in pixels rounded to a thousandth."""
    found = set()
    for path in sorted((DATA / "same100/gts/pascalvoc_format").rglob("*.xml")):
        for obj in re.findall(r"<object>.*?</object>", path.read_text("utf-8"), re.S):
            name = re.search(r"<name>(.*?)</name>", obj)
            corners = [
                re.search(rf"<{k}>(.*?)</{k}>", obj) for k in ("xmin", "ymin", "xmax", "ymax")
            ]
            assert name
            values = [round(float(c[1]) / 0.5) for c in corners if c]
            found.add((path.stem, name[1], *values))
    return found  # type: ignore[return-value]


def test_same100_all_boxes_agree_with_voc() -> None:
    sizes = voc_sizes()
    found = read("same100/gts/yolo_format", sizes=sizes)
    assert found.log == []
    assert len(found.objects) == 273
    assert roles(found) == {
        "annotations yolo_darknet": 100,
        "companion darknet-data": 1,
        "companion image-list": 1,
        "companion yolo-names": 1,
    }
    read_boxes = set()
    for obj in found.objects:
        width, height = sizes[obj["image"]]
        (x0, y0), (x1, y1) = obj["parts"][0]["points"]
        values = (x0 * width, y0 * height, x1 * width, y1 * height)
        stem = obj["image"].removesuffix(".jpg")
        read_boxes.add((stem, obj["tag"], *(round(v / 0.5) for v in values)))
    assert read_boxes == voc_boxes()


@pytest.mark.parametrize(
    ("folder", "likely"),
    [
        ("abs_xywh", "class confidence and four values in pixels"),
        ("abs_xyx2y2", "class confidence and four values in pixels"),
        ("rel_xywh", "class confidence x_centre y_centre width height"),
    ],
)
def test_detections_with_the_confidence_second_are_refused_and_explained(
    folder: str, likely: str
) -> None:
    base = DATA / "same100"
    files = [SourceFile("voc.names", path=base / "voc.names")] + [
        SourceFile(path.name, path=path) for path in sorted((base / "dets" / folder).glob("*.txt"))
    ]
    found = harness.read(files, voc_sizes())
    assert found.reading.log.errors > 0
    told = [text for text in found.log if "lines leave the image; none would" in text]
    assert sum(f"none would as {likely}." in text for text in told) > len(told) * 0.9
    if folder != "rel_xywh":
        assert found.objects == []


def test_same4() -> None:
    found = read("same4/yolo")
    assert found.log == []
    assert roles(found) == {"annotations yolo_darknet": 4, "companion yolo-names": 1}
    texts = [path.read_text() for path in (DATA / "same4/yolo").glob("*.txt")]
    lines = [line for text in texts for line in text.splitlines() if " " in line]
    assert len(found.objects) == len(lines) == 25
    found = read("same4/yolo1.1")
    assert found.log == []
    assert roles(found)["annotations yolo_darknet"] == 4
    assert {obj["image"] for obj in found.objects} == {
        "obj_train_data/shapes",
        "obj_train_data/strawberry",
    }
    found = read("same4/phones", "**/*.txt")
    assert found.log == []
    assert set(tags(found)) == {"logo", "camera", "led"}
    assert {obj["image"].split("/")[0] for obj in found.objects} == {"images"}


def test_discolight_darknet_is_in_corners_and_says_so() -> None:
    found = read("discolight/yolodarknet", "*.txt", tags=["background", "wheat"])
    told = [text for text in found.log if "none would as class x_min y_min width height" in text]
    # every line of the third fits into the image either way
    assert [text.split(":")[0] for text in told] == ["At wheat1.txt", "At wheat2.txt"]
    assert any("order" in text for text in found.log)
    assert found.reading.log.errors > 0


def test_discolight_keras() -> None:
    found = read(
        "discolight/yolokeras",
        "*.txt",
        {f"wheat{i}.jpg": (1024, 1024) for i in (1, 2, 3)},
        tags=["background", "wheat"],
    )
    assert found.reading.log.errors == 0
    assert len(found.objects) == 76
    assert set(tags(found)) == {"wheat"}


@pytest.mark.parametrize("folder", ["test_import_yolo_data", "test_import_yolo_data_unif_dims"])
def test_label_studio_inputs(folder: str) -> None:
    found = read(f"labelstudio/data/{folder}", "**/*.txt")
    assert found.log == []
    assert set(found.classes) == {"closed_door", "opened_door", "bus", "number"}
    count = sum(
        len(path.read_text().split("\n")) - path.read_text().endswith("\n")
        for path in (DATA / f"labelstudio/data/{folder}/labels").glob("*.txt")
    )
    assert len(found.objects) == count


def test_what_is_no_label_file_is_not_taken_for_one() -> None:
    found = read("labelimg_unicode/data", "*.txt")
    assert roles(found) == {"companion yolo-names": 1}
    found = read("labelstudio/pathtrack/gt", "*.txt")
    assert found.objects == []
    assert found.reading.log.errors == 1
    for path in sorted((DATA / "same4/voc1.1/ImageSets").rglob("*.txt")):
        found = harness.read([SourceFile(path.name, path=path)])
        assert found.objects == []
