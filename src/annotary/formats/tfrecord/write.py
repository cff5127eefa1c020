"""What the writers of TFRecord files share: one ``tf.train.Example`` per image, and its keys.

The keys are those of TensorFlow's Object Detection API (models/research/object_detection:
``core/standard_fields.py``, ``data_decoders/tf_example_decoder.py``); see
:mod:`annotary.formats.tfrecord` for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple, cast

import msgspec
import numpy as np

from annotary.batch import CLASSIFICATION, KEYPOINTS, RECTANGLE, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, ImageTable
from annotary.contract.output import Output
from annotary.formats.tfrecord.label_map import write_label_map
from annotary.geometry.arrays import Floats
from annotary.syntax.tfrecord import encode_example, write_record

FAMILY = "tfrecord"
LABEL_MAP = "label_map.pbtxt"
FLAGS = {
    "difficult": "difficult",
    "truncated": "truncated",
    "iscrowd": "is_crowd",
    "group_of": "group_of",
    "occluded": "occluded",
}
"""Properties that have a key of their own below ``image/object/``, as 0 or 1."""
FLOAT32 = "32-bit floats, seven digits"

_MAGIC = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"))
_ENDINGS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".gif": "gif", ".bmp": "bmp"}

_SIDES = [f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax")]

Features = dict[str, Any]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``encoded``: put the images' files into the records, where they are at hand."""

    encoded: bool = True


class Objects(NamedTuple):
    """The objects of one image: rows of each, boxes [n, 4], class numbers' indexes, extras."""

    rows: list[list[int]]
    boxes: Floats
    tags: list[int]
    extras: list[Extra | None]


Adds = Callable[[AnnotationBatch, Objects, tuple[int, int]], Features]
"""What a format adds for the objects of an image of (width, height) pixels."""


def write_images(data: Dataset, out: Output, adds: Adds | None) -> None:
    """``<part>.tfrecord`` with an Example for every image, and the label map.

    Without ``adds``, images have no objects, only classes.
    """
    for part in data.parts:
        with out.file(f"{part.name}.tfrecord") as file:
            for image, batch, begin, end in part.by_image():
                features = _image(data, part.images, image)
                features |= _classes(data, batch, begin, end)
                if adds is not None:
                    size = (int(part.images.widths[image]), int(part.images.heights[image]))
                    features |= _objects(data, batch, begin, end, size, adds)
                write_record(cast(IO[bytes], file), encode_example(features))
    with out.file(LABEL_MAP) as file:
        file.write(write_label_map({c.number: c.name for c in data.classes}).encode())


def labels(data: Dataset, prefix: str, tags: list[int]) -> Features:
    """Names and numbers of classes."""
    return {
        f"{prefix}/text": [data.classes[tag].name.encode() for tag in tags],
        f"{prefix}/label": np.array([data.classes[tag].number for tag in tags], np.int64),
    }


def texts(value: str | bytes) -> list[bytes]:
    """One text as a feature."""
    return [value if isinstance(value, bytes) else value.encode()]


def _image(data: Dataset, images: ImageTable, image: int) -> Features:
    name = images.names[image]
    content = (images.read(image) if (data.options or Options()).encoded else None) or b""
    return {
        "image/filename": texts(name),
        "image/source_id": texts(name),
        "image/height": images.heights[image : image + 1],
        "image/width": images.widths[image : image + 1],
        "image/encoded": [content],
        "image/format": texts(_format(name, content)),
        "image/key/sha256": texts(hashlib.sha256(content).hexdigest() if content else ""),
    }


def _format(name: str, content: bytes) -> str:
    for magic, title in _MAGIC:
        if content.startswith(magic):
            return title
    return _ENDINGS.get(PurePosixPath(name).suffix.lower(), "")


def _classes(data: Dataset, batch: AnnotationBatch | None, begin: int, end: int) -> Features:
    if batch is None:
        return {}
    rows = [row for row in range(begin, end) if batch.kind[row] == CLASSIFICATION]
    if not rows:
        return {}
    extras = [batch.extras.get(row) for row in rows]
    return labels(data, "image/class", batch.tag[rows].tolist()) | _said("image/class", extras)


# --- objects --------------------------------------------------------------------------------


def _objects(
    data: Dataset,
    batch: AnnotationBatch | None,
    begin: int,
    end: int,
    size: tuple[int, int],
    adds: Adds,
) -> Features:
    found = _gathered(batch, begin, end)
    features = labels(data, "image/object/class", found.tags)
    sides = found.boxes.astype(np.float32).T
    for key, side in zip(_SIDES, sides, strict=True):
        features[key] = side
    if batch is not None and found.rows:
        features |= adds(batch, found, size) | _said("image/object", found.extras)
    return features


def _gathered(batch: AnnotationBatch | None, begin: int, end: int) -> Objects:
    rows: list[list[int]] = []
    if batch is None:
        return Objects(rows, np.zeros((0, 4)), [], [])
    kinds = batch.kind[begin:end].tolist()
    records = batch.record[begin:end].tolist()
    last = -1
    for row, (kind, record) in enumerate(zip(kinds, records, strict=True), begin):
        if kind == CLASSIFICATION:
            continue
        if record == last:
            rows[-1].append(row)
        else:
            rows.append([row])
            last = record
    first, final = int(batch.start[begin]), int(batch.start[end])
    if set(kinds) == {RECTANGLE} and len(rows) == len(kinds):
        boxes = batch.coords[first:final].reshape(-1, 4)
    else:
        boxes = np.array([_box(batch, of) for of in rows], np.float64).reshape(-1, 4)
    known = batch.extras
    extras = [next((known[r] for r in of if r in known), None) if known else None for of in rows]
    return Objects(rows, boxes, [int(batch.tag[of[0]]) for of in rows], extras)


def _box(batch: AnnotationBatch, rows: list[int]) -> list[float]:
    """The box of an object: its own, or else the extent of its outline or labelled points."""
    own = [row for row in rows if batch.kind[row] == RECTANGLE]
    shapes = own or [row for row in rows if batch.kind[row] != KEYPOINTS and not batch.hole[row]]
    if shapes:
        points = np.concatenate([batch.values(row) for row in shapes]).reshape(-1, 2)
    else:
        of = [batch.values(row) for row in rows if batch.kind[row] == KEYPOINTS]
        points = np.concatenate([np.zeros(0), *of]).reshape(-1, 3)
        points = points[points[:, 2] > 0, :2]
    if not len(points):
        return [0.0, 0.0, 0.0, 0.0]
    return [*points.min(0).tolist(), *points.max(0).tolist()]


def points_extent(values: Floats) -> Floats:
    """The extent [1, 4] of the labelled points; NaN without any."""
    points = values.reshape(-1, 3)
    seen = points[points[:, 2] > 0, :2]
    if not len(seen):
        return np.full((1, 4), np.nan)
    return np.concatenate([seen.min(0), seen.max(0)])[None]


def _said(prefix: str, extras: list[Extra | None]) -> Features:
    """Flags, and as JSON what has no key: only what at least one object has."""
    if not any(extras):
        return {}
    features: Features = {}
    rest = [(extra.properties if extra else None) or {} for extra in extras]
    if prefix == "image/object":
        for name, key in FLAGS.items():
            values = [bool(of.get(name)) for of in rest]
            if any(values):
                features[f"{prefix}/{key}"] = np.array(values, np.int64)
        rest = [
            {n: v for n, v in of.items() if not (n in FLAGS and type(v) is int and v == 1)}
            for of in rest
        ]
    attributes = [(extra.attributes if extra else None) or {} for extra in extras]
    for name, found in (("properties", rest), ("attributes", attributes)):
        if any(found):
            features[f"{prefix}/{name}"] = [
                msgspec.json.encode(of, order="sorted") if of else b"" for of in found
            ]
    return features


def rings(batch: AnnotationBatch, rows: list[int]) -> Iterator[tuple[Floats, bool]]:
    """The rings of an object, [n, 2] as fractions, and whether each is a hole."""
    for row in rows:
        yield batch.values(row).reshape(-1, 2), bool(batch.hole[row])
