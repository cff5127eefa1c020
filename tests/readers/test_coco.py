"""What pycocotools, the reference reader of COCO, makes of our files."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary.syntax.source import SourceFile
from tests.formats.exported import exported
from tests.formats.harness import Collected, read, read_folder

coco_api = pytest.importorskip("pycocotools.coco")
mask_api = pytest.importorskip("pycocotools.mask")

# pycocotools' masks have not learnt numpy 2's copy keyword
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SAMPLE = Path(__file__).parents[1] / "formats/coco/sample"


def sample() -> Collected:
    return read_folder(SAMPLE)


def opened(path: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return coco_api.COCO(str(path))


@pytest.mark.parametrize(
    ("format", "count"),
    [
        ("coco", 8),
        ("polygon_coco", 8),
        ("keypoints_coco", 9),
        ("rle_coco", 8),
        ("bitmask_rle_coco", 8),
        ("rle_semantic_coco", 4),
        ("bitmask_rle_semantic_coco", 4),
    ],
)
def test_pycocotools_reads_it(format: str, count: int, tmp_path: Path) -> None:
    found = sample()
    _, path = exported(found, tmp_path, format)
    api = opened(path)
    assert len(api.getImgIds()) == 5
    assert {c["name"]: c["id"] for c in api.loadCats(api.getCatIds())} == found.classes
    annotations = api.loadAnns(api.getAnnIds())
    assert len(annotations) == count
    for one in annotations:
        if not one["segmentation"] or one["area"] == 1000.5:  # an area that the sample states
            continue
        image = api.imgs[one["image_id"]]
        mask = api.annToMask(one)
        assert mask.shape == (image["height"], image["width"])
        if isinstance(one["segmentation"], dict):
            rle = one["segmentation"]
            assert mask_api.toBbox(rle).tolist() == one["bbox"]
            assert mask_api.area(rle) == one["area"]
        else:
            # rasterising moves an outline by less than a pixel on every side
            assert abs(int(mask.sum()) - one["area"]) <= 2 * (one["bbox"][2] + one["bbox"][3]) + 4


def test_masks_are_those_of_the_reference(tmp_path: Path) -> None:
    polygons = [
        [[10.5, 3.25, 80.75, 9.5, 60.0, 44.0]],
        [[5, 5, 30, 5, 30, 20], [40, 20, 70, 20, 60, 40]],
    ]
    made = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 50}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "segmentation": rings, "bbox": [0, 0, 1, 1]}
            for i, rings in enumerate(polygons)
        ],
    }
    found = read([SourceFile("a.json", data=json.dumps(made).encode())])
    _, path = exported(found, tmp_path, "rle_coco")
    for rings, one in zip(polygons, json.loads(path.read_bytes())["annotations"], strict=True):
        expected = mask_api.merge(mask_api.frPyObjects(rings, 50, 100))
        assert one["segmentation"] == {"size": [50, 100], "counts": expected["counts"].decode()}


def test_a_perfect_score_against_ourselves(tmp_path: Path) -> None:
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    _, path = exported(sample(), tmp_path, "keypoints_coco")
    truth = opened(path)
    results = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0}
        for one in truth.dataset["annotations"]
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert np.isclose(judge.stats[0], 1.0)


def test_supervision_reads_it(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    _, path = exported(sample(), tmp_path, "polygon_coco")
    loaded = supervision.DetectionDataset.from_coco(str(tmp_path), str(path))
    assert sum(map(len, loaded.annotations.values())) == 8
