"""COCO with masks: every object is filled, and written as run lengths in COCO's text.

::

    {"id": 1, "image_id": 1, "category_id": 2, "segmentation": {"size": [200, 400],
     "counts": "dj7`2h3000..."}, "bbox": [40.0, 20.0, 80.0, 80.0], "area": 6400.0, "iscrowd": 0}

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this;
the runs are those of :mod:`annotary.geometry.rle`.

Written: one annotation per object, holes cut out, ``iscrowd`` 0 unless the object is a crowd;
``bbox`` and ``area`` are those of the pixels. Masks are written as they are; outlines and boxes are
filled as the COCO API fills them, so that only whole pixels are left. The size of every image must
be known. Keypoints and classifications are left out.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.coco import write


class RleCoco(Format):
    name = "rle_coco"
    title = "COCO (run-length masks)"
    family = "coco"
    extensions = (".json",)
    writes = True
    read_by = "coco"
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Bitmask",
        polygon="Bitmask",
        bitmask="Bitmask",
        parts=True,
        holes=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="pixels",
        decimals="whole pixels",
    )

    def write(self, data: Dataset, out: Output) -> None:
        write.write(data, out, write.objects)


FORMAT = RleCoco()
