"""Other programs read what the platforms' writers write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary import formats
from annotary.batch import Extra
from annotary.contract.dataset import ClassEntry
from annotary.geometry import rle
from tests.formats.yolo_writing import Memory, Row, part, write

WIDTH, HEIGHT = 40, 30
IMAGES = {"a.png": (WIDTH, HEIGHT), "b.jpg": (WIDTH, HEIGHT), "c.jpg": (WIDTH, HEIGHT)}
CLASSES = [
    ClassEntry("boat", 0),
    ClassEntry("dog", 1),
    ClassEntry("person", 2, ["nose", "tail", "paw"], [(0, 1), (1, 2)]),
]


def mask() -> rle.Rle:
    dense = np.zeros((HEIGHT, WIDTH), bool)
    dense[5:10, 5:12] = True
    dense[7, 3] = True
    return rle.from_dense(dense)


def exported(name: str, w: float, h: float) -> Memory:
    """One object of each kind; ``w`` and ``h`` are the image's sides in the format's unit."""
    described = Extra({"colour": "red", "age": 3.5}, {"score": 0.5})
    extent = [3 / 40 * w, 5 / 30 * h, 12 / 40 * w, 10 / 30 * h]
    points = [0.1 * w, 0.1 * h, 2, 0.2 * w, 0.3 * h, 1, 0, 0, 0]
    rows: list[Row] = [
        ("rectangle", 0, 1, 0.1 * w, 0.1 * h, 0.3 * w, 0.5 * h, {"extra": described}),
        ("polygon", 0, 0, [[0.1 * w, 0.1 * h, 0.2 * w, 0.1 * h, 0.2 * w, 0.2 * h]]),
        ("bitmask", 0, 1, mask(), {"extent": extent}),
        ("keypoints", 1, 2, points, {"box": [0.05 * w, 0.05 * h, 0.5 * w, 0.5 * h]}),
        ("classification", 1, 0),
    ]
    options = formats.get(name).Options()
    return write(name, CLASSES, [part("train", IMAGES, rows)], normalized=w == 1, options=options)


def stored(out: Memory, folder: Path) -> Path:
    for member, data in out.members.items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_datumaro(tmp_path: Path) -> None:
    datumaro: Any = pytest.importorskip("datumaro", exc_type=ImportError)
    root = stored(exported("datumaro", WIDTH, HEIGHT), tmp_path)
    dataset = datumaro.Dataset.import_from(str(root), "datumaro")
    labels = dataset.categories()[datumaro.AnnotationType.label]
    assert [label.name for label in labels] == ["boat", "dog", "person"]
    items = {item.id: list(item.annotations) for item in dataset}
    assert {key: [a.type.name for a in found] for key, found in items.items()} == {
        "a": ["bbox", "polygon", "mask"],
        "b": ["points", "bbox", "label"],
        "c": [],
    }
    box, polygon, bitmap = items["a"]
    assert box.points == [4.0, 3.0, 12.0, 15.0]
    assert box.attributes == {"colour": "red", "age": 3.5, "score": 0.5}
    assert polygon.points == [4.0, 3.0, 8.0, 3.0, 8.0, 6.0]
    assert np.array_equal(bitmap.image, rle.to_dense(mask()))
    assert [v.value for v in items["b"][0].visibility] == [2, 1, 0]
    assert items["b"][0].group == items["b"][1].group != 0


@pytest.mark.filterwarnings("ignore")
def test_label_studio() -> None:
    pytest.importorskip("label_studio_sdk", exc_type=ImportError)
    from label_studio_sdk.converter import brush
    from label_studio_sdk.label_interface import LabelInterface

    out = exported("label_studio", 1, 1)
    interface: Any = LabelInterface(out.members["label_config.xml"].decode())
    interface.validate()
    tasks = json.loads(out.members["train.json"])
    assert len(tasks) == len(IMAGES)
    for task in tasks:
        for annotation in task["annotations"]:
            assert interface.validate_annotation(annotation) is True
            assert all(interface.validate_region(result) for result in annotation["result"])
    (painted,) = [r for r in tasks[0]["annotations"][0]["result"] if r["type"] == "brushlabels"]
    pixels = np.reshape(brush.decode_rle(painted["value"]["rle"]), (HEIGHT, WIDTH, 4))
    assert np.array_equal(pixels[:, :, 3] > 0, rle.to_dense(mask()))
