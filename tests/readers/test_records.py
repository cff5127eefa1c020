"""What we write, read by programs that are not ours: protobuf, tfrecord, Pillow, nibabel."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary.batch import Extra
from annotary.contract.dataset import ClassEntry
from annotary.geometry.rle import from_polygon, to_dense
from tests.formats.binary_samples import example_class
from tests.formats.test_records_and_volumes import AFFINE, VOLUMES, volume_rows
from tests.formats.yolo_writing import Memory, part, write

IMAGES = {"a.png": (40, 20), "臉書 ü.jpg": (64, 48), "empty.png": (16, 12)}
CLASSES = [ClassEntry("boat", 1), ClassEntry("dog ü", 7, ["nose", "tail"], [(0, 1)])]
RING = [0.1, 0.1, 0.9, 0.1, 0.9, 0.8]
HOLE = [0.6, 0.2, 0.8, 0.2, 0.8, 0.4]


def examples(memory: Memory) -> list[dict[str, list[Any]]]:
    """Every Example as protobuf reads it; the frames are cut by hand, by their lengths alone."""
    pytest.importorskip("google.protobuf")
    data, at, found = memory.members["dump.tfrecord"], 0, []
    kind = example_class()
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        read = kind.FromString(data[at + 12 : at + 12 + length])
        found.append(
            {
                key: list(getattr(value, value.WhichOneof("kind")).value)
                for key, value in read.features.feature.items()
            }
        )
        at += length + 16
    return found


def test_boxes() -> None:
    flags = Extra(properties={"difficult": 1, "truncated": 0.25})
    rows = [
        ("rectangle", 0, 1, 0.1, 0.2, 0.5, 0.75, {"extra": flags}),
        ("rectangle", 0, 0, 0.0, 0.0, 1.0, 1.0),
        ("classification", 1, 1),
    ]
    memory = write("tfrecord", CLASSES, [part("dump", IMAGES, rows)])
    first, second, third = examples(memory)
    assert first["image/filename"] == [b"a.png"]
    assert (first["image/width"], first["image/height"]) == ([40], [20])
    assert first["image/object/bbox/xmin"] == pytest.approx([0.1, 0.0])
    assert first["image/object/bbox/ymax"] == pytest.approx([0.75, 1.0])
    assert first["image/object/class/text"] == ["dog ü".encode(), b"boat"]
    assert first["image/object/class/label"] == [7, 1]
    assert first["image/object/difficult"] == [1, 0]
    assert first["image/object/truncated"] == [1, 0]
    assert [json.loads(p) if p else None for p in first["image/object/properties"]] == [
        {"truncated": 0.25},
        None,
    ]
    assert second["image/class/label"] == [7]
    assert second["image/object/bbox/xmin"] == []
    assert third["image/filename"] == [b"empty.png"]
    label_map = memory.members["label_map.pbtxt"].decode()
    assert "id: 7\n  name: 'dog ü'" in label_map


def test_masks() -> None:
    image = pytest.importorskip("PIL.Image")
    rows = [("polygon", 0, 1, [RING], {"holes": [HOLE]}), ("polygon", 0, 0, [RING, HOLE])]
    first, *_ = examples(write("polygon_tfrecord", CLASSES, [part("dump", IMAGES, rows)]))
    pngs = [np.asarray(image.open(io.BytesIO(p))) for p in first["image/object/mask"]]
    assert {p.shape for p in pngs} == {(20, 40)}
    rings = [np.array(r).reshape(-1, 2) * (40, 20) for r in (RING, HOLE)]
    whole, hole = (to_dense(from_polygon([r], 20, 40)) for r in rings)
    assert (pngs[0] == (whole & ~hole)).all()
    assert (pngs[1] == (whole | hole)).all()
    assert first["image/object/polygon/count"] == [3, 3, 3, 3]
    assert first["image/object/polygon/rings"] == [2, 2]
    assert first["image/object/polygon/hole"] == [0, 1, 0, 0]


def test_keypoints() -> None:
    rows = [
        ("keypoints", 0, 1, [0.5, 0.5, 2.0, 0.25, 0.25, 1.0]),
        ("keypoints", 1, 0, [0.5, 0.5, 2.0, 0.25, 0.25, 0.0, 0.75, 0.1, 1.0]),
        ("rectangle", 1, 0, 0.0, 0.0, 0.5, 1.0),
    ]
    first, second, _ = examples(write("keypoints_tfrecord", CLASSES, [part("dump", IMAGES, rows)]))
    key = "image/object/keypoint"
    assert first[f"{key}/x"] == [0.5, 0.25, 0.0]
    assert first[f"{key}/visibility"] == [2, 1, 0]
    assert first[f"{key}/text"] == [b"nose", b"tail", b""]
    assert first[f"{key}/num"] == [2]
    assert first["image/object/bbox/xmin"] == [0.25]
    assert len(second[f"{key}/x"]) == 6
    assert second[f"{key}/num"] == [2, 0]
    assert second["image/object/bbox/xmax"] == [0.75, 0.5]


def test_frames_and_checksums(tmp_path: Path) -> None:
    """The package tfrecord, which is not ours, iterates the files."""
    reader = pytest.importorskip("tfrecord.reader")
    rows = [("rectangle", 0, 1, 0.1, 0.2, 0.5, 0.75)]
    path = tmp_path / "a.tfrecord"
    path.write_bytes(
        write("tfrecord", CLASSES, [part("dump", IMAGES, rows)]).members["dump.tfrecord"]
    )
    description = {
        "image/filename": "byte",
        "image/width": "int",
        "image/object/bbox/xmin": "float",
    }
    found = list(reader.tfrecord_loader(str(path), None, description))
    assert [bytes(each["image/filename"]).decode() for each in found] == list(IMAGES)
    assert [int(each["image/width"][0]) for each in found] == [40, 64, 16]
    assert found[0]["image/object/bbox/xmin"] == pytest.approx([0.1])


def volume() -> Any:
    values = np.zeros((3, 4, 5), np.uint8)
    values[0, 1:3, 2] = 1
    values[2, 3, 4] = 2
    return values


@pytest.mark.parametrize("name", VOLUMES[:2])
def test_nifti(name: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    rows = volume_rows(volume(), 0, 2, "a")
    classes = [ClassEntry("k1", 1), ClassEntry("k2", 2)]
    memory = write(name, classes, [part("dump", {"scan.nii.gz": (5, 4)}, rows)])
    import gzip

    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(memory.members["dump/scan.nii.gz"]))
    values = np.asarray(image.dataobj)
    assert (image.affine == AFFINE).all()
    if "one_hot" in name:
        assert values.shape == (2, 5, 4, 3)
        values = values[0] + 2 * values[1]
    assert (values == volume().transpose(2, 1, 0)).all()
    assert json.loads(memory.members["labels.json"]) == [
        {"id": 1, "name": "k1"},
        {"id": 2, "name": "k2"},
    ]


def test_volumes_in_records() -> None:
    rows = volume_rows(volume(), 0, 2, "a")
    classes = [ClassEntry("k1", 1), ClassEntry("k2", 2)]
    images = {"scan.nii.gz": (5, 4), "other.nii": (9, 9)}
    first, second = examples(write(VOLUMES[2], classes, [part("dump", images, rows)]))
    assert first["volume/shape"] == [3, 4, 5]
    assert first["volume/spacing"] == [2.0, 0.5, 1.5]
    raw = np.frombuffer(first["volume/mask/raw"][0], np.uint8).reshape(3, 4, 5)
    assert (raw == volume()).all()
    assert first["volume/mask/classes"] == [b"k1", b"k2"]
    assert "volume/mask/raw" not in second
    assert (second["volume/width"], second["volume/filename"]) == ([9], [b"other.nii"])
