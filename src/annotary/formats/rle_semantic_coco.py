"""COCO with one mask for each class of an image: which pixels are of the class.

::

    {"id": 1, "image_id": 1, "category_id": 2, "segmentation": {"size": [200, 400],
     "counts": "dj7`2h3000..."}, "bbox": [40.0, 20.0, 80.0, 80.0], "area": 6400.0, "iscrowd": 1}

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this;
the runs are those of :mod:`annotary.geometry.rle`.

This is our own definition, made of COCO's parts: for each image and class one annotation, the
union of all objects of the class, filled as in :mod:`annotary.formats.rle_coco`, with
``iscrowd`` 1, which is COCO's mark of a group. Masks of different classes may overlap. Objects that
were merged cannot be told apart again; their attributes and properties are left out.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.coco import write


class RleSemanticCoco(Format):
    name = "rle_semantic_coco"
    title = "COCO (semantic run-length masks)"
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
        merges=frozenset({"Bitmask"}),
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="pixels",
        decimals="whole pixels",
    )

    def write(self, data: Dataset, out: Output) -> None:
        write.write(data, out, write.classes_of_images)


FORMAT = RleSemanticCoco()
