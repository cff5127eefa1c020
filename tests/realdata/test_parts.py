"""Objects of several rings stay whole: from a file through the store and out again."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary import Client

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")


def by_image(document: dict[str, Any]) -> dict[tuple[str, str], list[list[list[float]]]]:
    """The rings of every object, by image and class, in the order of the file."""
    images = {one["id"]: one["file_name"] for one in document["images"]}
    names = {one["id"]: one["name"] for one in document["categories"]}
    found = defaultdict(list)
    for one in document["annotations"]:
        place = images[one["image_id"]], names[one["category_id"]]
        found[place].append(one["segmentation"])
    return found


@pytest.mark.parametrize(
    ("path", "whole"), [("lvis100/lvis_val_100.json", 977), ("taco/annotations.json", 4776)]
)
def test_parts_stay_one_object(path: str, whole: int, tmp_path: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    with Client(home=tmp_path / "store") as client:
        project = client.create_project("parts")
        with project.annotations.create_import_session(
            create_assets=True, on_error="skip"
        ) as session:
            session.add_path(DATA / path)
        operation = project.annotations.create_export({"format": "polygon_coco"})
        project.annotations.download_exported_file(operation.id, str(tmp_path / "out"))
        (file,) = (tmp_path / "out").rglob("dump.json")
    before = json.loads((DATA / path).read_bytes())
    after = json.loads(file.read_bytes())
    assert len(after["annotations"]) == whole
    sizes = {one["file_name"]: (one["height"], one["width"]) for one in before["images"]}
    taken = by_image(after)
    several = compared = 0
    for place, objects in by_image(before).items():
        rest = taken.get(place, [])
        for rings in objects:
            near = [
                other
                for other in rest
                if len(other) == len(rings)
                and all(
                    len(a) == len(b) and np.allclose(a, b, rtol=0, atol=0.51)
                    for a, b in zip(rings, other, strict=True)
                )
            ]
            if not near:
                continue  # one of those that were skipped
            compared += 1
            if len(rings) < 2:
                continue
            several += 1
            height, width = sizes[place[0]]
            best = 0.0
            for other in near:
                a, b = (mask.merge(mask.frPyObjects(r, height, width)) for r in (rings, other))
                best = max(best, float(mask.iou([a], [b], [0])[0, 0]))
            assert best == 1.0, place
    assert compared == whole
    assert several > 50
