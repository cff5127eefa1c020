"""What other programs make of our XML and per-image JSON files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary import formats
from annotary.geometry import rle
from tests.formats.yolo_writing import Memory, Row, part, write

IMAGES = {"a.jpg": (640, 480), "b & c.jpg": (1333, 777), "empty.jpg": (100, 100), "z.png": (31, 17)}
CLASSES = ["boat", "big <dog>"]


def rows() -> list[Row]:
    random = np.random.default_rng(7)
    found: list[Row] = []
    for image in (0, 1, 3):
        width, height = list(IMAGES.values())[image]
        for i in range(20):
            x, y = (np.sort(random.random(2)) * side for side in (width, height))
            if i % 2:
                x, y = np.floor(x) + np.arange(2), np.floor(y) + np.arange(2)
            found.append(("rectangle", image, i % 2, x[0], y[0], x[1], y[1]))
    return found


Box = tuple[str, str, float, float, float, float]


def expected() -> list[Box]:
    names = list(IMAGES)
    return sorted((names[r[1]], CLASSES[r[2]], *map(float, r[3:7])) for r in rows())


def written(name: str, folder: Path, **given: Any) -> Memory:
    given.setdefault("normalized", False)
    memory = write(name, CLASSES, [part("dump", IMAGES, given.pop("rows", rows()))], **given)
    for member, data in memory.members.items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return memory


def globox_boxes(found: Any) -> list[Box]:
    return sorted((a.image_id, b.label, *map(float, b.ltrb)) for a in found for b in a.boxes)


@pytest.mark.parametrize("name", ["pascal_voc", "polygon_single", "cvat"])
def test_globox(name: str, tmp_path: Path) -> None:
    globox = pytest.importorskip("globox")
    written(name, tmp_path)
    if name == "pascal_voc":
        found = globox.AnnotationSet.from_pascal_voc(tmp_path / "dump")
    elif name == "polygon_single":
        found = globox.AnnotationSet.from_labelme(tmp_path / "dump")
    else:
        found = globox.AnnotationSet.from_cvat(tmp_path / "dump.xml")
    assert globox_boxes(found) == expected()
    assert sorted(a.image_id for a in found) == sorted(IMAGES)
    assert {a.image_id: tuple(a.image_size) for a in found} == IMAGES


def test_labelformat_voc(tmp_path: Path) -> None:
    labelformat = pytest.importorskip("labelformat.formats")
    written("pascal_voc", tmp_path)
    source = labelformat.PascalVOCObjectDetectionInput(tmp_path / "dump", ",".join(CLASSES))
    found = sorted(
        (
            label.image.filename,
            each.category.name,
            each.box.xmin,
            each.box.ymin,
            each.box.xmax,
            each.box.ymax,
        )
        for label in source.get_labels()
        for each in label.objects
    )
    assert found == expected()
    assert sorted(image.filename for image in source.get_images()) == sorted(IMAGES)


def test_labelformat_cvat(tmp_path: Path) -> None:
    labelformat = pytest.importorskip("labelformat.formats")
    written("cvat", tmp_path)
    source = labelformat.CVATObjectDetectionInput(tmp_path / "dump.xml")
    found = sorted(
        (
            label.image.filename,
            each.category.name,
            each.box.xmin,
            each.box.ymin,
            each.box.xmax,
            each.box.ymax,
        )
        for label in source.get_labels()
        for each in label.objects
    )
    assert found == expected()
    assert sorted(c.name for c in source.get_categories()) == sorted(CLASSES)


def test_voc_for_readers_that_call_int(tmp_path: Path) -> None:
    """The devkit's way: whole numbers from 1, the last pixel included."""
    options = formats.get("pascal_voc").Options(base=1, integers=True)
    written("pascal_voc", tmp_path, options=options)
    count = 0
    for path in (tmp_path / "dump").rglob("*.xml"):
        root = ET.parse(path).getroot()
        width, height = (int(root.findtext(f"size/{n}", "")) for n in ("width", "height"))
        for box in root.iter("bndbox"):
            x0, y0, x1, y1 = (int(box.findtext(n, "")) for n in ("xmin", "ymin", "xmax", "ymax"))
            assert 1 <= x0 <= x1 <= width
            assert 1 <= y0 <= y1 <= height
            count += 1
    assert count == len(rows())


def test_cvat_masks_decode_by_the_documented_rule(tmp_path: Path) -> None:
    """Runs along the rows of the box, zeros first: decoded here without our code."""
    random = np.random.default_rng(3)
    dense = random.random((17, 31)) < 0.3
    mask = rle.from_dense(dense)
    box = [float(v) for v in rle.bbox(mask) or ()]
    written("cvat", tmp_path, rows=[("bitmask", 3, 0, mask, box)])
    element = ET.parse(tmp_path / "dump.xml").getroot().find("image/mask")
    assert element is not None
    left, top, width, height = (int(element.get(n, "")) for n in ("left", "top", "width", "height"))
    flat: list[int] = []
    for i, run in enumerate(element.get("rle", "").split(",")):
        flat += [i % 2] * int(run)
    found = np.zeros_like(dense)
    found[top : top + height, left : left + width] = np.reshape(flat, (height, width))
    assert (found == dense).all()


def test_labelme_masks_as_labelme_reads_them(tmp_path: Path) -> None:
    """LabelMe takes the PNG as booleans and puts it at the first corner; the last is inside."""
    import base64
    import io

    from PIL import Image

    dense = np.zeros((17, 31), bool)
    dense[3:9, 4:20] = np.random.default_rng(5).random((6, 16)) < 0.5
    mask = rle.from_dense(dense)
    box = [float(v) for v in rle.bbox(mask) or ()]
    written("polygon_single", tmp_path, rows=[("bitmask", 3, 0, mask, box)])
    (shape,) = json.loads((tmp_path / "dump/z.json").read_text())["shapes"]
    patch = np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))).astype(bool)
    (x0, y0), (x1, y1) = np.array(shape["points"], int)
    assert patch.shape == (y1 - y0 + 1, x1 - x0 + 1)
    found = np.zeros_like(dense)
    found[y0 : y1 + 1, x0 : x1 + 1] = patch
    assert (found == dense).all()
