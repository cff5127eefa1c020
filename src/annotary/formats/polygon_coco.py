"""COCO with outlines: ``segmentation`` has the rings of every object.

::

    {"id": 1, "image_id": 1, "category_id": 2, "segmentation": [[40.0, 20.0, 40.0, 100.0,
     120.0, 100.0, 120.0, 20.0]], "bbox": [40.0, 20.0, 80.0, 80.0], "area": 6400.0, "iscrowd": 0}

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this.

Written: one annotation per object with all its rings, not closed, in the order and direction they
have; ``bbox`` is their extent, ``area`` the sum of their areas. COCO has no holes in rings: they
are left out, and counted. Boxes are written as their four corners (and come back as polygons),
masks as the outlines of their pixels; keypoints and classifications are left out.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.coco import write


class PolygonCoco(Format):
    name = "polygon_coco"
    title = "COCO (polygons)"
    family = "coco"
    extensions = (".json",)
    writes = True
    read_by = "coco"
    project_types = ("ObjectDetection",)
    carries = Carries(
        fractions="unusual",
        rectangle="Polygon",
        polygon="Polygon",
        bitmask="Polygon",
        parts=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
    )

    def write(self, data: Dataset, out: Output) -> None:
        write.write(data, out, write.objects)


FORMAT = PolygonCoco()
