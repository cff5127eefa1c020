"""TFRecord with keypoints: the Object Detection API's keys.

``<part>.tfrecord`` and ``label_map.pbtxt`` as in :mod:`tfrecord <annotary.formats.tfrecord>`;
each object also has K keypoints, object by object, where K is the largest number in the whole
export, for the API expects one number; missing ones are filled up with 0, 0, visibility 0:

===================================  ==========  ================================================
key                                  type        content
===================================  ==========  ================================================
image/object/keypoint/x, y           float32     fractions of the image
image/object/keypoint/visibility     int64       0 not labelled, 1 hidden, 2 visible
image/object/keypoint/num            int64       per object, its number of labelled keypoints
image/object/keypoint/text           bytes       the keypoints' names, empty where they have none
image/object/keypoint/count          int64       per object, its number of keypoints without those
                                                 filled up: an own addition
===================================  ==========  ================================================

An object's box is its own or its outline's, else the extent of its labelled keypoints.

**Written.** Keypoints with the box of the same object; boxes, polygons and masks without
keypoints as boxes. The lines between keypoints are not written. Option ``encoded`` as in
``tfrecord``. **Read** by ``tfrecord``: a box that is just the extent of the labelled keypoints
is taken for derived and not kept; without ``count``, an object with no labelled keypoint is its
box.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np

from annotary.batch import KEYPOINTS, AnnotationBatch
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.tfrecord.write import (
    FAMILY,
    FLOAT32,
    Features,
    Objects,
    Options,
    write_images,
)


class KeypointsTFRecord(Format):
    """See the module."""

    name = "keypoints_tfrecord"
    title = "TFRecord with keypoints"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("Keypoint",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Rectangle",
        parts=True,
        with_keypoints=frozenset({"Rectangle"}),
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
        most = _most(data)
        names = [[name.encode() for name in entry.keypoints] for entry in data.classes]

        def add(batch: AnnotationBatch, objects: Objects, _: tuple[int, int]) -> Features:
            return _keypoints(batch, objects, most, names)

        write_images(data, out, add)


def _most(data: Dataset) -> int:
    """The most keypoints that a skeleton or an object has."""
    most = max((len(entry.keypoints) for entry in data.classes), default=0)
    for part in data.parts:
        for batch in part.batches():
            counts = np.where(batch.kind == KEYPOINTS, np.diff(batch.start), 0)
            sums = np.add.reduceat(counts, batch.objects()[:-1])
            most = max(most, int(sums.max()) // 3)
    return most


def _keypoints(
    batch: AnnotationBatch, objects: Objects, most: int, names: list[list[bytes]]
) -> Features:
    values = np.zeros((len(objects.rows), most, 3))
    counts = np.zeros(len(objects.rows), np.int64)
    texts: list[bytes] = []
    for i, rows in enumerate(objects.rows):
        of = [batch.values(row) for row in rows if batch.kind[row] == KEYPOINTS]
        points = np.concatenate([np.zeros(0), *of]).reshape(-1, 3)
        values[i, : len(points)] = points
        counts[i] = len(points)
        known = names[objects.tags[i]] if len(points) else []
        texts += [*known, *[b""] * most][:most]
    flat = values.reshape(-1, 3)
    return {
        "image/object/keypoint/x": flat[:, 0].astype(np.float32),
        "image/object/keypoint/y": flat[:, 1].astype(np.float32),
        "image/object/keypoint/visibility": flat[:, 2].astype(np.int64),
        "image/object/keypoint/num": (values[:, :, 2] > 0).sum(axis=1).astype(np.int64),
        "image/object/keypoint/text": texts,
        "image/object/keypoint/count": counts,
    }


FORMAT = KeypointsTFRecord()
