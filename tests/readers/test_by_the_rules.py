"""Formats without a reader to install: read with the standard library, as their makers say.

One box (40, 20, 120, 100) of a dog and one triangle of a boat on an image of 400 x 200 pixels,
exported in the ordinary way.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from annotary import formats
from annotary.model import ExportOptions, Skeleton
from annotary.writing.exporting import ExportTag
from tests.laws.law import write
from tests.laws.projects import Project, Thing

SIZES = {"a b.png": (400, 200), "empty.png": (64, 48)}
BOX = (40.0, 20.0, 120.0, 100.0)
TRIANGLE = [(40.0, 20.0), (120.0, 20.0), (120.0, 100.0)]
Box = tuple[str, str, float, float, float, float]


def exported(name: str, *kinds: str, **options: bool) -> dict[str, str]:
    """The texts of an export of the kinds given."""
    things = {
        "box": Thing("rectangle", 0, 1, [0.1, 0.1, 0.3, 0.5]),
        "ring": Thing("polygon", 0, 0, [[[0.1, 0.1, 0.3, 0.1, 0.3, 0.5]]]),
        "points": Thing("keypoints", 0, 0, [[0.1, 0.1, 2, 0.3, 0.5, 1]]),
        "class": Thing("classification", 0, 1, []),
    }
    tags = [ExportTag("boat", {}, Skeleton(keypoints=["nose", "tail"])), ExportTag("dog")]
    project = Project(dict(SIZES), tags, [things[kind] for kind in kinds])
    written = write(project, formats.get(name), ExportOptions(**options))  # type: ignore[arg-type]
    return {path: data.decode() for path, data in written.members.items()}


def createml(files: dict[str, str]) -> list[Box]:
    """Apple: the centre of the box, its width and height, in pixels."""
    found = []
    for image in json.loads(files["dump.json"]):
        for one in image["annotations"]:
            c = one["coordinates"]
            x, y, w, h = c["x"], c["y"], c["width"], c["height"]
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            found.append((image["image"], one["label"], *box))
    return found


def ibm(files: dict[str, str]) -> list[Box]:
    """Cloud Annotations: two corners, in fractions."""
    found = []
    for image, records in json.loads(files["dump.json"])["annotations"].items():
        width, height = SIZES[image]
        for one in records:
            box = (one["x"] * width, one["y"] * height, one["x2"] * width, one["y2"] * height)
            found.append((image, one["label"], *box))
    return found


def vott(files: dict[str, str]) -> list[Box]:
    """VoTT: ``boundingBox`` of each region, in pixels."""
    found = []
    for asset in json.loads(files["dump.json"])["assets"].values():
        for region in asset["regions"]:
            b = region["boundingBox"]
            box = (b["left"], b["top"], b["left"] + b["width"], b["top"] + b["height"])
            found.append((asset["asset"]["name"], region["tags"][0], *box))
    return found


def edge_impulse(files: dict[str, str]) -> list[Box]:
    """Edge Impulse: the corner and the size, in pixels, by file name."""
    (text,) = files.values()
    document = json.loads(text)
    assert document["version"] == 1
    assert document["type"] == "bounding-box-labels"
    return [
        (image, b["label"], b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"])
        for image, boxes in document["boundingBoxes"].items()
        for b in boxes
    ]


def via(files: dict[str, str]) -> list[Box]:
    """VIA 2: ``rect`` with its corner and size, in pixels."""
    found = []
    for entry in json.loads(files["dump.json"]).values():
        for region in entry["regions"]:
            s = region["shape_attributes"]
            assert s["name"] == "rect"
            box = (s["x"], s["y"], s["x"] + s["width"], s["y"] + s["height"])
            found.append((entry["filename"], *region["region_attributes"].values(), *box))
    return found


def supervisely(files: dict[str, str]) -> list[Box]:
    """Supervisely: the first and the last pixel of a rectangle, both inside."""
    found = []
    for path, text in files.items():
        if path.endswith("meta.json"):
            continue
        name = path.rpartition("/ann/")[2].removesuffix(".json")
        for one in json.loads(text)["objects"]:
            (x0, y0), (x1, y1) = one["points"]["exterior"]
            found.append((name, one["classTitle"], x0, y0, x1 + 1, y1 + 1))
    return found


def darwin(files: dict[str, str]) -> list[Box]:
    """Darwin JSON 2.0: ``bounding_box`` with x, y, w and h, in pixels."""
    found = []
    for text in files.values():
        document = json.loads(text)
        for one in document["annotations"]:
            b = one["bounding_box"]
            box = (b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"])
            found.append((document["item"]["name"], one["name"], *box))
    return found


def datumaro(files: dict[str, str]) -> list[Box]:
    """Datumaro: ``bbox`` with x, y, w and h, in pixels; labels by their place."""
    document = json.loads(files["annotations/dump.json"])
    labels = document["categories"]["label"]["labels"]
    found = []
    for item in document["items"]:
        for one in item["annotations"]:
            assert one["type"] == "bbox"
            x, y, w, h = one["bbox"]
            label = labels[one["label_id"]]["name"]
            found.append((item["image"]["path"], label, x, y, x + w, y + h))
    return found


def label_studio(files: dict[str, str]) -> list[Box]:
    """Label Studio: the corner and the size, in percent of the image."""
    found = []
    for task in json.loads(files["dump.json"]):
        for one in task["annotations"][0]["result"]:
            v, width, height = one["value"], one["original_width"], one["original_height"]
            x, y = v["x"] * width / 100, v["y"] * height / 100
            box = (x, y, x + v["width"] * width / 100, y + v["height"] * height / 100)
            found.append((task["data"]["image"], *v["rectanglelabels"], *box))
    return found


def yolo_keras_pytorch(files: dict[str, str]) -> list[Box]:
    """keras-yolo3: a path and its boxes ``x,y,x,y,class``, as ``split`` parts them.

    That reader takes no white space in paths; here the path ends where the boxes begin.
    """
    classes = files["classes.txt"].split("\n")
    found = []
    for line in files["dump.txt"].splitlines():
        boxes = re.findall(r" (\S+,\S+,\S+,\S+,\d+)", line)
        name = line.split(" " + boxes[0])[0] if boxes else line
        for box in boxes:
            *corners, number = box.split(",")
            x0, y0, x1, y1 = map(float, corners)
            found.append((name, classes[int(number)], x0, y0, x1, y1))
    return found


def dota(files: dict[str, str]) -> list[Box]:
    """DOTA: ``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``, a file for each image."""
    found = []
    for name, text in files.items():
        for line in text.splitlines():
            *corners, label, difficult = line.split(" ")
            assert difficult in ("0", "1")
            xs, ys = [float(v) for v in corners[::2]], [float(v) for v in corners[1::2]]
            image = name.rpartition("/")[2].removesuffix(".txt") + ".png"
            found.append((image, label, min(xs), min(ys), max(xs), max(ys)))
    return found


def csv_automl(files: dict[str, str]) -> list[Box]:
    """AutoML Vision: set, path, label, then corners in fractions, of which two may be empty."""
    found = []
    for word, image, label, *corners in csv.reader(files["dump.csv"].splitlines()):
        assert word == "UNASSIGNED"
        assert len(corners) == 8
        if not label:
            assert (image, set(corners)) == ("empty.png", {""})
            continue
        assert corners[2:4] == corners[6:] == ["", ""]
        width, height = SIZES[image]
        x0, y0, x1, y1 = (float(cell) for cell in corners if cell)
        found.append((image, label, x0 * width, y0 * height, x1 * width, y1 * height))
    return found


READERS: tuple[Callable[[dict[str, str]], list[Box]], ...] = (
    dota,
    createml,
    ibm,
    vott,
    edge_impulse,
    via,
    supervisely,
    darwin,
    datumaro,
    label_studio,
    yolo_keras_pytorch,
    csv_automl,
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_boxes(reader: Callable[[dict[str, str]], list[Box]]) -> None:
    ((image, label, *box),) = reader(exported(reader.__name__, "box"))
    assert (image, label) == ("a b.png", "dog")
    assert box == pytest.approx(BOX)


def test_keypoints_datature_raw() -> None:
    document = json.loads(exported("keypoints_datature_raw", "points")["dump.json"])
    ((one,), none) = (asset["annotations"] for asset in document["assets"])
    assert none == []
    assert [p["name"] for p in one["keypoints"]] == ["nose", "tail"]
    scale = (1, 1) if document["normalized"] is False else SIZES["a b.png"]
    points = [(p["x"] * scale[0], p["y"] * scale[1]) for p in one["keypoints"]]
    assert [v for point in points for v in point] == pytest.approx([40, 20, 120, 100])


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("box_openai_positional_encoding", "box", [BOX[:2], BOX[2:]]),
        ("polygon_openai_positional_encoding", "ring", TRIANGLE),
        ("bitmask_openai_positional_encoding", "ring", TRIANGLE),
    ],
)
def test_location_tokens(name: str, kind: str, expected: list[tuple[float, float]]) -> None:
    first, second = exported(name, kind)["dump.jsonl"].splitlines()
    messages = {m["role"]: m["content"] for m in json.loads(first)["messages"]}
    tokens = [int(t) for t in re.findall(r"<loc(\d{4})>", messages["assistant"])]
    points = [
        (x / 1023 * 400, y / 1023 * 200) for y, x in zip(tokens[::2], tokens[1::2], strict=True)
    ]
    flat = [v for point in points for v in point]
    assert flat == pytest.approx([v for point in expected for v in point], abs=0.5 * 400 / 1023)
    assert messages["assistant"].endswith("dog" if kind == "box" else "boat")
    assert json.loads(second)["messages"][-1] == {"role": "assistant", "content": ""}


def test_csv_classification() -> None:
    rows = list(csv.DictReader(exported("csv_classification", "class")["dump.csv"].splitlines()))
    assert rows == [{"filename": "a b.png", "label": "dog"}]


def test_roboflow_classes_csv() -> None:
    (text,) = exported("roboflow_classes_csv", "class").values()
    rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    assert rows == [
        {"filename": "a b.png", "boat": "0", "dog": "1"},
        {"filename": "empty.png", "boat": "0", "dog": "0"},
    ]


def records(name: str, *things: Thing) -> list[dict[str, Any]]:
    """The Examples of an export, as protobuf reads them."""
    pytest.importorskip("google.protobuf")
    from tests.formats.yolo_writing import Memory
    from tests.readers.test_records import examples

    memory = Memory()
    project = Project(dict(SIZES), [ExportTag("boat"), ExportTag("dog")], list(things))
    memory.members = write(project, formats.get(name), ExportOptions()).members
    return examples(memory)


def test_classification_tfrecord() -> None:
    first, second = records("classification_tfrecord", Thing("classification", 0, 1, []))
    assert first["image/filename"] == [b"a b.png"]
    assert first["image/class/text"] == [b"dog"]
    assert first["image/class/label"] == [2]
    assert not second.get("image/class/label")


def test_bitmask_tfrecord() -> None:
    image = pytest.importorskip("PIL.Image")
    first, second = records("bitmask_tfrecord", Thing("rectangle", 0, 1, [0.1, 0.1, 0.3, 0.5]))
    assert first["image/object/class/text"] == [b"dog"]
    (png,) = first["image/object/mask"]
    with image.open(io.BytesIO(png)) as opened:
        assert opened.size == (400, 200)
        assert opened.point(bool).getbbox() == tuple(map(int, BOX))
    assert not second.get("image/object/mask")
