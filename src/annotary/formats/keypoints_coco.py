"""COCO with keypoints: those of an object in one record with its outline, mask or box.

::

    "categories": [{"id": 2, "name": "dog", "supercategory": "",
                    "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}]
    {"id": 1, "image_id": 1, "category_id": 2, "segmentation": [],
     "bbox": [60.0, 40.0, 50.0, 50.0], "area": 2500.0, "iscrowd": 0,
     "keypoints": [60.0, 40.0, 2, 110.0, 90.0, 1], "num_keypoints": 2}

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this;
the keys are those of https://cocodataset.org/#format-data (keypoint detection).

Written: ``keypoints`` with the visibility as it is, ``num_keypoints`` those with a visibility
above 0; ``skeleton`` counts from 1. ``bbox`` is the extent of the object's rings or mask, else its
box, else the extent of its labelled keypoints. Objects without keypoints whose class has a
skeleton get keypoints of 0, as COCO does it; they are read as if they had none. The body parts of
COCO-WholeBody are written as one list of 133. Holes and classifications are left out.
"""

from __future__ import annotations

from functools import partial

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.coco import write


class KeypointsCoco(Format):
    name = "keypoints_coco"
    title = "COCO (keypoints)"
    family = "coco"
    extensions = (".json",)
    writes = True
    read_by = "coco"
    project_types = ("Keypoint",)
    carries = Carries(
        fractions="unusual",
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        edges=True,
        bitmask="Bitmask",
        parts=True,
        with_keypoints=frozenset({"Rectangle", "Polygon", "Bitmask"}),
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
    )

    def write(self, data: Dataset, out: Output) -> None:
        write.write(data, out, partial(write.objects, keypoints=True), keypoints=True)


FORMAT = KeypointsCoco()
