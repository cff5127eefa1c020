"""COCO files that nobody here wrote."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary.syntax.source import SourceFile
from tests.formats.exported import exported
from tests.formats.harness import Collected, read

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")

WHOLE = {
    "same100/gts/coco_format_v1/instances_default.json": (100, 273),
    "same100/gts/coco_format_v2/instances_v2.json": (100, 273),
    "lvis100/lvis_val_100.json": (100, 977),
    "coco_keypoints/example_coco_val.json": (4, 14),
    "coco_keypoints/example_wholebody_val.json": (5, 26),
    "discolight/coco/annotations.coco.json": (3, 76),
    "same4/coco1.0/annotations/instances_default.json": (4, 23),
    "labelstudio/data/test_import_coco/coco_import_input.json": (2, 2),
}


def load(name: str) -> Collected:
    return read([SourceFile(Path(name).name, path=DATA / name)])


def comparable(found: Collected) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in found.objects)


def stated(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((DATA / name).read_text("utf-8"))
    return made


@pytest.mark.parametrize("name", WHOLE)
def test_everything_is_read(name: str) -> None:
    found, made = load(name), stated(name)
    assert {problem.code for problem in found.reading.log} <= {"fields-not-kept"}
    assert (len(found.images.names), len(found.objects)) == WHOLE[name]
    names = {category["id"]: category["name"] for category in made["categories"]}
    assert found.classes == {names[id]: id for id in names}
    expected = Counter(names[one["category_id"]] for one in made["annotations"])
    assert Counter(one["tag"] for one in found.objects) == expected


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_written_is_the_same_again(name: str, tmp_path: Path) -> None:
    found = load(name)
    manifest, path = exported(found, tmp_path, "keypoints_coco")
    assert manifest.losses == []
    again = read([SourceFile("again.json", path=path)])
    assert again.log == []
    assert comparable(again) == comparable(found)


def test_boxes_come_back_as_they_were_written(tmp_path: Path) -> None:
    name = "same100/gts/coco_format_v1/instances_default.json"
    made = stated(name)
    _, path = exported(load(name), tmp_path, "coco")
    written = json.loads(path.read_bytes())
    before = {image["id"]: image["file_name"] for image in made["images"]}
    after = {image["id"]: image["file_name"] for image in written["images"]}
    assert sorted((before[a["image_id"]], *a["bbox"]) for a in made["annotations"]) == sorted(
        (after[a["image_id"]], *a["bbox"]) for a in written["annotations"]
    )


def test_taco_is_whole_but_for_what_is_told() -> None:
    made = stated("taco/annotations.json")
    found = load("taco/annotations.json")
    report = found.reading.reports[0]
    assert (report.records, len(found.objects), report.rejected) == (4784, 4776, 8)
    assert "supercategory of 60 categories" in found.log[0]
    told = {line.split("(")[1].split(")")[0] for line in found.log[1:]}
    assert len(told) == 8
    assert {"/annotations/309", "/annotations/4040"} <= told
    good = [
        len(one["segmentation"])
        for index, one in enumerate(made["annotations"])
        if f"/annotations/{index}" not in told
    ]
    assert [len(one["parts"]) for one in found.objects] == good
    assert max(good) > 1


def test_every_infinite_box_of_the_unofficial_taco_is_located() -> None:
    made = stated("taco/annotations_unofficial.json")
    infinite = {
        f"/annotations/{index}"
        for index, one in enumerate(made["annotations"])
        if not one["segmentation"] and not np.isfinite(one["bbox"]).all()
    }
    assert len(infinite) == 15
    found = load("taco/annotations_unofficial.json")
    told = {
        line.split("(")[1].split(")")[0] for line in found.log if "is not a finite number" in line
    }
    assert told == infinite
    report = found.reading.reports[0]
    assert report.records == 8334 == len(found.objects) + report.rejected + report.skipped


def test_whole_bodies_have_all_their_points() -> None:
    found = load("coco_keypoints/example_wholebody_val.json")
    names, edges = found.skeletons["person"]
    assert (len(names), len(set(names)), len(edges)) == (133, 133, 19)
    first = stated("coco_keypoints/example_wholebody_val.json")["annotations"][0]
    order = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    expected = np.array([value for key in order for value in first[key]]).reshape(133, 3)
    image = found.images.pool[found.images.names.index(found.objects[0]["image"])]
    points = found.objects[0]["parts"][0]["points"] * np.array([image.width, image.height, 1])
    np.testing.assert_allclose(points, expected, atol=1e-5)


def test_a_skeleton_beyond_its_points_is_told() -> None:
    found = load("coco_keypoints/example_crowdpose_val.json")
    (line,) = [line for line in found.log if "Not kept" not in line]
    assert "3 of the skeleton's 12 edges" in line
    assert len(found.objects) == 10


@pytest.mark.parametrize(
    "name", [path.as_posix() for path in sorted(DATA.glob("coco_results/*.json"))]
)
def test_results_are_refused(name: str) -> None:
    found = load(name)
    (line,) = found.log
    assert "COCO results file" in line
    assert found.objects == []


def test_masks_and_attributes_of_cvat() -> None:
    found = load("same4/coco1.0/annotations/instances_default.json")
    kinds = Counter(one["parts"][0]["kind"] for one in found.objects)
    assert kinds == {"Rectangle": 18, "Polygon": 3, "Bitmask": 2}
