"""TFRecord with outlines: the Object Detection API's keys, masks, and the polygons themselves.

``<part>.tfrecord`` and ``label_map.pbtxt`` as in :mod:`tfrecord <annotary.formats.tfrecord>`;
each object also has

=============================  ==========  ====================================================
key                            type        content
=============================  ==========  ====================================================
image/object/mask              bytes       per object a grey PNG of the image's size, 0 and 1
                                           (the API's own; left out where the size is not known)
image/object/polygon/x, y      float32     the points of all rings, one after the other,
                                           fractions of the image
image/object/polygon/count     int64       per ring, its number of points
image/object/polygon/rings     int64       per object, its number of rings; left out where every
                                           object has one
image/object/polygon/hole      int64       per ring, 1 if it is cut out; left out without holes
=============================  ==========  ====================================================

The API has no key for polygons: ``polygon/...`` are an own definition, which other readers pass
over. Masks are drawn as pycocotools draws polygons.

**Written.** Rectangles as their four corners, masks as their outlines; keypoints are left out.
Option ``encoded`` as in ``tfrecord``. **Read** by ``tfrecord``: the polygons where they are
there, else the masks.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.tfrecord.write import (
    FAMILY,
    FLOAT32,
    Features,
    Objects,
    Options,
    rings,
    write_images,
)
from annotary.geometry import rle


class PolygonTFRecord(Format):
    """See the module."""

    name = "polygon_tfrecord"
    title = "TFRecord with polygons"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Polygon",
        polygon="Polygon",
        classification="Classification",
        bitmask="Polygon",
        parts=True,
        holes=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="normalized",
        natural="normalized",
        decimals=FLOAT32,
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def write(self, data: Dataset, out: Output) -> None:
        write_images(data, out, _outlines)


def _outlines(batch: AnnotationBatch, objects: Objects, size: tuple[int, int]) -> Features:
    points: list[Any] = []
    counts: list[int] = []
    holes: list[bool] = []
    for rows in objects.rows:
        for ring, hole in rings(batch, rows):
            points.append(ring)
            counts.append(len(ring))
            holes.append(hole)
    xy = np.concatenate(points)
    features: Features = {
        "image/object/polygon/x": xy[:, 0].astype(np.float32),
        "image/object/polygon/y": xy[:, 1].astype(np.float32),
        "image/object/polygon/count": np.array(counts, np.int64),
    }
    if any(len(rows) != 1 for rows in objects.rows):
        numbers = [len(rows) for rows in objects.rows]
        features["image/object/polygon/rings"] = np.array(numbers, np.int64)
    if any(holes):
        features["image/object/polygon/hole"] = np.array(holes, np.int64)
    if min(size) > 0:
        features["image/object/mask"] = [_mask(batch, rows, size) for rows in objects.rows]
    return features


def _mask(batch: AnnotationBatch, rows: list[int], size: tuple[int, int]) -> bytes:
    width, height = size
    found = list(rings(batch, rows))
    mask = rle.from_polygon([r * (width, height) for r, hole in found if not hole], height, width)
    cut = [ring * (width, height) for ring, hole in found if hole]
    return rle.to_png(rle.subtract(mask, rle.from_polygon(cut, height, width)) if cut else mask)


FORMAT = PolygonTFRecord()
