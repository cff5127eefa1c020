"""What other programs make of our YOLO files: the trainer's checks, and independent readers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml

from annotary.contract.dataset import ClassEntry
from tests.formats import harness
from tests.formats.yolo_writing import Memory, Row, part, write

IMAGES = {
    "a.jpg": (640, 480),
    "deep/b.c.jpg": (1333, 777),
    "empty.jpg": (100, 100),
    "last.png": (31, 17),
    "臉書 ü.jpg": (400, 200),
}
CLASSES = ["boat", "dog", 'big dog, "wet": yes', "no", "臉書"]


def boxes(count: int = 400) -> list[Row]:
    """Boxes of whole and broken pixels, a third of them on an edge of the image."""
    random = np.random.default_rng(7)
    rows: list[Row] = []
    for image in (0, 1, 3, 4):
        width, height = list(IMAGES.values())[image]
        for i in range(count):
            x, y = (np.sort(random.random(2)) * side for side in (width, height))
            if i % 3 == 0:
                x[i % 2], y[1 - i % 2] = (0, width)[i % 2], (height, 0)[i % 2]
            if i % 2:
                x, y = x.round(), y.round()
            if x[0] < x[1] and y[0] < y[1]:
                box = (x[0] / width, y[0] / height, x[1] / width, y[1] / height)
                rows.append(("rectangle", image, i % len(CLASSES), *box))
    return rows


def polygons() -> list[Row]:
    random = np.random.default_rng(8)
    return [
        ("polygon", image, 1, [random.random(2 * n).tolist()])
        for image in (0, 1, 4)
        for n in (3, 4, 5, 40)
    ] + [("polygon", 4, 0, [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]])]


def poses() -> list[Row]:
    return [
        (
            "keypoints",
            0,
            1,
            [0.5, 0.25, 2, 0.75, 0.5, 1, 0, 0, 0],
            {"box": [0.25, 0.125, 1.0, 0.5]},
        ),
        ("keypoints", 0, 0, [0.5, 0.25, 2, 0.75, 0.5, 1]),
        ("rectangle", 1, 0, 0.1, 0.2, 0.3, 0.4),
        ("keypoints", 4, 1, [0, 0, 0, 0, 0, 0, 1.0, 1.0, 2], {"box": [0.5, 0.5, 1.0, 1.0]}),
    ]


def skeletons() -> list[ClassEntry | str]:
    entries = [ClassEntry(name, i) for i, name in enumerate(CLASSES)]
    entries[1].keypoints = ["nose", "left ear", 'tail "tip"']
    return list(entries)


def verified(out: Memory, images: list[str], task: str) -> list[list[list[np.float32]]]:
    """The trainer's rules on a dataset's labels, written down anew; answers every file's rows.

    Rows of one width, whole numbers for classes below their count, coordinates in 0..1. (The
    trainer forgives 1 percent; we do not need that.) Each image has a label file.
    """
    data = yaml.safe_load(out.members["data.yaml"])
    assert set(data) >= {"train", "val", "names"}
    assert list(data["names"]) == list(range(len(data["names"])))
    width = {"detect": 5, "obb": 9}.get(task)
    if task == "pose":
        count, size = data["kpt_shape"]
        width = 5 + count * size
    tables = []
    for image in images:
        folder = data["train"].replace("images", "labels", 1)
        text = out.members[f"{folder}/{PurePosixPath(image).with_suffix('.txt')}"].decode()
        assert text == "" or text.endswith("\n")
        rows = [[np.float32(value) for value in line.split()] for line in text.splitlines()]
        for line in rows:
            assert len(line) == width if width else len(line) >= 7 and len(line) % 2
            assert float(line[0]).is_integer()
            assert 0 <= line[0] < len(data["names"])
            points = np.array(line[1:])
            if task == "pose":
                assert set(points[6::3].tolist()) <= {0, 1, 2}
                points = np.concatenate([points[:4], points[4::3], points[5::3]])
            assert points.min() >= 0
            assert points.max() <= 1
        tables.append(rows)
    return tables


@pytest.mark.parametrize(
    ("name", "task", "rows"),
    [
        ("yolo_ultralytics", "detect", boxes),
        ("yolo_segment", "segment", polygons),
        ("yolo_obb", "obb", polygons),
        ("yolo_pose", "pose", poses),
    ],
)
def test_the_trainer_accepts_every_label(
    name: str, task: str, rows: Callable[[], list[Row]]
) -> None:
    made = rows()
    classes = skeletons() if task == "pose" else CLASSES
    out = write(name, classes, [part("dump", IMAGES, made, cut=50)])
    tables = verified(out, list(IMAGES), task)
    assert sum(map(len, tables)) == len(made)
    assert [len(table) for table in tables] == [
        sum(row[1] == image for row in made) for image in range(len(IMAGES))
    ]
    for table in tables:
        assert len({tuple(line) for line in table}) == len(table), "equal in float32"
    data = yaml.safe_load(out.members["data.yaml"])
    assert list(data["names"].values()) == CLASSES
    if task == "pose":
        assert data["kpt_shape"] == [3, 3]
        assert data["kpt_names"] == {1: ["nose", "left ear", 'tail "tip"']}


def test_split_parts_are_named_for_the_trainer() -> None:
    images = {"a.jpg": (10, 10)}
    parts = [part("train", images, []), part("validate", {"b.jpg": (10, 10)}, [])]
    out = write("yolo_ultralytics", CLASSES, parts)
    data = yaml.safe_load(out.members["data.yaml"])
    assert (data["train"], data["val"]) == ("images/train", "images/validate")
    assert out.members["labels/train/a.txt"] == b""
    assert out.members["labels/validate/b.txt"] == b""


@pytest.mark.parametrize(
    "name", ["yolo_darknet", "yolo_ultralytics", "yolo_keras_pytorch", "kitti"]
)
def test_boxes_come_back(name: str) -> None:
    made = boxes()
    pixels = name in ("yolo_keras_pytorch", "kitti")
    rows = made
    if pixels:
        rows = [
            (m, i, t, *(v * s for v, s in zip(box, list(IMAGES.values())[i] * 2, strict=True)))
            for m, i, t, *box in made
        ]
    out = write(name, CLASSES, [part("dump", IMAGES, rows, cut=50)], normalized=not pixels)
    sizes = dict(IMAGES)
    found = harness.read(out.sources(), sizes)
    assert found.log == []
    read = {
        (obj["image"], obj["tag"], *itertools.chain(*obj["parts"][0]["points"]))
        for obj in found.objects
    }
    names = list(IMAGES)
    wanted = {
        (names[i], CLASSES[t], *(float(v) for v in np.round(box, 9))) for _, i, t, *box in made
    }
    assert len(found.objects) == len(made)
    assert read == wanted


def test_writing_again_gives_the_same_bytes() -> None:
    first = write("yolo_darknet", CLASSES, [part("dump", IMAGES, boxes())])
    found = harness.read(first.sources(), IMAGES)
    names = list(IMAGES)
    rows: list[Row] = []
    for batch in found.batches:
        for row in range(len(batch)):
            image = found.images.names[batch.image[row]]
            rows.append(("rectangle", names.index(image), batch.tag[row], *batch.values(row)))
    rows.sort(key=lambda row: row[1])
    second = write("yolo_darknet", CLASSES, [part("dump", IMAGES, rows)])
    assert second.members == first.members


def test_poses_come_back() -> None:
    out = write("yolo_pose", skeletons(), [part("dump", IMAGES, poses())])
    found = harness.read(out.sources(), IMAGES)
    assert found.log == []
    kinds = [[p["kind"] for p in obj["parts"]] for obj in found.objects]
    # the box of the second is the extent of its keypoints, which it was written for
    assert kinds == [
        ["Keypoints", "Rectangle"],
        ["Keypoints"],
        ["Rectangle"],
        ["Keypoints", "Rectangle"],
    ]
    assert found.objects[0]["parts"][0]["points"] == [[0.5, 0.25, 2], [0.75, 0.5, 1], [0, 0, 0]]


def test_polygons_come_back() -> None:
    out = write("yolo_segment", CLASSES, [part("dump", IMAGES, polygons())])
    found = harness.read(out.sources(), IMAGES)
    assert found.log == []
    read = {
        (obj["image"], obj["tag"], *itertools.chain(*obj["parts"][0]["points"]))
        for obj in found.objects
    }
    names = list(IMAGES)
    assert read == {
        (names[i], CLASSES[t], *np.round(rings[0], 9).tolist()) for _, i, t, rings in polygons()
    }


def test_classes_with_gaps_keep_their_numbers() -> None:
    entries: list[ClassEntry | str] = [ClassEntry("boat", 3), ClassEntry("dog", 7)]
    rows: list[Row] = [("rectangle", 0, 1, 0.0, 0.0, 0.5, 0.5)]
    out = write("yolo_darknet", entries, [part("dump", {"a.jpg": (10, 10)}, rows)])
    found = harness.read(out.sources(), {"a.jpg": (10, 10)})
    assert [obj["tag"] for obj in found.objects] == ["dog"]
    assert found.classes == {"boat": 3, "dog": 7}


def test_images_of_one_stem_keep_their_own_files() -> None:
    images = {"a.jpg": (10, 10), "a.png": (10, 10)}
    rows: list[Row] = [("rectangle", 1, 0, 0.0, 0.0, 0.5, 0.5)]
    out = write("yolo_darknet", ["dog"], [part("dump", images, rows)])
    assert set(out.members) == {"dump/a.jpg.txt", "dump/a.png.txt", "classes.txt"}
    found = harness.read(out.sources(), images)
    assert [obj["image"] for obj in found.objects] == ["a.png"]


def test_kitti_keeps_its_fields_and_names() -> None:
    from annotary.batch import Extra

    kept = {
        "truncated": 0.25,
        "occluded": 2,
        "alpha": -1.5,
        "dimensions": [1.0, 2.0, 3.5],
        "location": [-1.0, 0.5, 20.0],
        "rotation_y": 0.125,
        "score": 0.5,
    }
    rows: list[Row] = [
        ("rectangle", 0, 0, 1.0, 2.0, 3.5, 4.0, {"extra": Extra(properties=dict(kept))}),
        ("rectangle", 0, 1, 0.1, 2.0, 3.5, 4.0),
        ("rectangle", 0, 2, 0.2, 2.0, 3.5, 4.0),
    ]
    names = ["traffic light", "traffic_light", "traffic\tlight"]
    parts = [part("dump", {"a.jpg": (10, 10)}, rows)]
    out = write("kitti", names, parts, normalized=False)
    assert all(
        len(line.split()) in (15, 16) for line in out.members["dump/label_2/a.txt"].splitlines()
    )
    found = harness.read(out.sources(), {"a.jpg": (10, 10)})
    assert found.log == []
    assert [obj["tag"] for obj in found.objects] == names
    assert found.objects[0]["properties"] == kept


def test_smallest_rectangle_around_points() -> None:
    from annotary.formats.yolo_obb import smallest_rectangle

    turned = np.array([[2.0, 0.0], [4.0, 2.0], [2.0, 4.0], [0.0, 2.0], [2.0, 2.0], [1.0, 1.0]])
    found = {tuple(point) for point in smallest_rectangle(turned).round(9)}
    assert found == {(2.0, 0.0), (4.0, 2.0), (2.0, 4.0), (0.0, 2.0)}
    assert smallest_rectangle(np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [[1.0, 2.0]] * 4


SHIPPED = {"a.jpg": (640, 480), "empty.jpg": (100, 100), "last.jpg": (31, 17)}
SHIPPED_ROWS: list[Row] = [
    ("rectangle", 0, 1, 0.1, 0.2, 0.30000001, 1.0),
    ("rectangle", 2, 0, 0.0, 0.0, 1.0, 1 / 3),
]
SHIPPED_BOXES = {
    ("a", "dog"): [64, 96, 192.0000064, 480],
    ("last", "boat"): [0, 0, 31, 17 / 3],
}


def shipped(out: Memory, folder: Path, images: str) -> None:
    """The members on disk, and grey images for them."""
    image = pytest.importorskip("PIL.Image")
    for name, content in out.members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / images).mkdir(parents=True, exist_ok=True)
    for name, size in SHIPPED.items():
        image.new("RGB", size).save(folder / images / name)


def test_supervision_reads_the_boxes(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    out = write("yolo_ultralytics", CLASSES, [part("dump", SHIPPED, SHIPPED_ROWS)])
    shipped(out, tmp_path, "images/dump")
    dataset = supervision.DetectionDataset.from_yolo(
        str(tmp_path / "images/dump"), str(tmp_path / "labels/dump"), str(tmp_path / "data.yaml")
    )
    found = {Path(path).stem: made for path, made in dataset.annotations.items()}
    assert len(found.pop("empty")) == 0
    for (stem, tag), box in SHIPPED_BOXES.items():
        assert found[stem].xyxy.tolist() == [pytest.approx(box, abs=1e-3)]
        assert dataset.classes[found[stem].class_id[0]] == tag


def test_globox_reads_the_boxes(tmp_path: Path) -> None:
    globox = pytest.importorskip("globox")
    out = write("yolo_darknet", CLASSES, [part("dump", SHIPPED, SHIPPED_ROWS)])
    shipped(out, tmp_path, "dump")
    found = globox.AnnotationSet.from_yolo_darknet(
        tmp_path / "dump", image_folder=tmp_path / "dump"
    )
    read = {
        (Path(annotation.image_id).stem, CLASSES[int(box.label)]): [*box.ltrb]
        for annotation in found
        for box in annotation.boxes
    }
    assert read == {key: pytest.approx(box, abs=1e-9) for key, box in SHIPPED_BOXES.items()}


@pytest.mark.parametrize("name", ["yolo_ultralytics", "kitti"])
def test_labelformat_reads_the_boxes(name: str, tmp_path: Path) -> None:
    formats = pytest.importorskip("labelformat.formats")
    rows = SHIPPED_ROWS
    if name == "kitti":
        sizes = list(SHIPPED.values())
        rows = [
            (m, i, t, *(v * s for v, s in zip(box, sizes[i] * 2, strict=True)))
            for m, i, t, *box in rows
        ]
    parts = [part("dump", SHIPPED, rows)]
    out = write(name, CLASSES[:2], parts, normalized=name != "kitti")
    if name == "kitti":
        shipped(out, tmp_path, "dump/image_2")
        labels = formats.KittiObjectDetectionInput(
            tmp_path / "dump/label_2", "boat,dog", "../image_2"
        )
    else:
        shipped(out, tmp_path, "images/dump")
        labels = formats.YOLOv8ObjectDetectionInput(tmp_path / "data.yaml", "train")
    read = {
        (Path(label.image.filename).stem, obj.category.name): [
            obj.box.xmin,
            obj.box.ymin,
            obj.box.xmax,
            obj.box.ymax,
        ]
        for label in labels.get_labels()
        for obj in label.objects
    }
    assert read == {key: pytest.approx(box, abs=1e-9) for key, box in SHIPPED_BOXES.items()}
