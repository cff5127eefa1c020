"""Ultralytics YOLO, detection: YOLO label files with a ``data.yaml``.

Source: https://docs.ultralytics.com/datasets/detect/.

What it looks like
------------------

::

    data.yaml                     images/dump/image.png  (not written: labels only)
    labels/dump/image.txt

``data.yaml``::

    train: images/dump
    val: images/dump
    names:
      0: "boat"
      1: "dog"

``labels/dump/image.txt``, ``class x_centre y_centre width height``::

    1 0.2 0.3 0.2 0.4

Written
-------

``labels/<part>/<image>.txt`` for every image (empty without objects) and ``data.yaml``, whose
paths count from its own folder: put the images into ``images/<part>``. Without a split, ``train``
and ``val`` are the same images, for the trainer asks for both. Polygons and masks are written as
their boxes; keypoints, classes of whole images, attributes and flags are left out, counted and
said. For the numbers see ``yolo_darknet``: no line decodes outside the image.

Where two images differ in nothing but their ending, each keeps it: ``a.jpg.txt``. The trainer
does not find such a file; rename one of the images.

Read: by ``yolo_darknet``, which knows the label files of all YOLO formats.
"""

from __future__ import annotations

from typing import ClassVar

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.yolo_darknet import box_lines
from annotary.formats.yolo_darknet.write import data_yaml, labels_folder, write_labels


class YoloUltralytics(Format):
    """Boxes for Ultralytics."""

    name = "yolo_ultralytics"
    title = "YOLO Ultralytics, detection"
    family = "yolo"
    extensions = (".txt", ".yaml", ".yml")
    writes = True
    read_by = "yolo_darknet"
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        class_numbers="dense",
        unit="normalized",
        natural="normalized",
    )

    def write(self, data: Dataset, out: Output) -> None:
        write_labels(data, out, box_lines(data), labels_folder)
        with out.file("data.yaml") as file:
            file.write(data_yaml(data))


FORMAT = YoloUltralytics()
