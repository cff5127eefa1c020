"""TFRecord with masks: the Object Detection API's keys, and one PNG per object.

``<part>.tfrecord`` and ``label_map.pbtxt`` as in :mod:`tfrecord <annotary.formats.tfrecord>`;
``image/object/mask`` (bytes) has for each object a grey PNG of the image's size with the values
0 and 1, the API's default mode (``PNG_MASKS``).

**Written.** Masks pixel for pixel; rectangles and polygons filled as pycocotools fills them, holes
cut out; keypoints are left out. Option ``encoded`` as in ``tfrecord``. **Read** by ``tfrecord``.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from annotary.batch import AnnotationBatch
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.tfrecord.write import FAMILY, Features, Objects, Options, write_images
from annotary.geometry import rle


class BitmaskTFRecord(Format):
    """See the module."""

    name = "bitmask_tfrecord"
    title = "TFRecord with masks"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Bitmask",
        polygon="Bitmask",
        classification="Classification",
        bitmask="Bitmask",
        holes=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="normalized",
        natural="normalized",
        decimals="whole pixels",
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def write(self, data: Dataset, out: Output) -> None:
        write_images(data, out, _masks)


def _masks(batch: AnnotationBatch, objects: Objects, size: tuple[int, int]) -> Features:
    masks = [extra.mask if extra is not None else None for extra in objects.extras]
    empty = rle.from_runs([size[0] * size[1]], size[1], size[0])
    return {"image/object/mask": [rle.to_png(mask or empty) for mask in masks]}


FORMAT = BitmaskTFRecord()
