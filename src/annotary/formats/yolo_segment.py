"""Ultralytics YOLO, segmentation: one outline per line, with a ``data.yaml``.

Source: https://docs.ultralytics.com/datasets/segment/.

What it looks like
------------------

``labels/dump/image.txt``, ``class x1 y1 x2 y2 x3 y3 ...``, fractions of the image's size, at
least three points, the first not repeated::

    1 0.1 0.1 0.1 0.5 0.3 0.5 0.3 0.1

``data.yaml`` and the folders are those of ``yolo_ultralytics``.

Written
-------

One line for every ring, so that an object of several parts becomes several objects, and a hole
is lost: both are counted and said. Boxes are written as their four corners, because a file may
not mix boxes and outlines (the trainer would take a box's numbers for points). Masks are written
as their outlines. Points are clipped to the image; numbers are the shortest that read back as the
same floats.

Read: by ``yolo_darknet``; a box comes back as a polygon of four points.
"""

from __future__ import annotations

from typing import ClassVar

from annotary.batch import RECTANGLE, AnnotationBatch
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.yolo_darknet.write import data_yaml, labels_folder, point_texts, write_labels


class YoloSegment(Format):
    """Outlines for Ultralytics."""

    name = "yolo_segment"
    title = "YOLO Ultralytics, segmentation"
    family = "yolo"
    extensions = (".txt", ".yaml", ".yml")
    writes = True
    read_by = "yolo_darknet"
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    carries = Carries(
        rectangle="Polygon",
        polygon="Polygon",
        bitmask="Polygon",
        class_numbers="dense",
        unit="normalized",
        natural="normalized",
    )

    def write(self, data: Dataset, out: Output) -> None:
        numbers = data.numbers

        def lines(_: Part, batch: AnnotationBatch) -> list[str]:
            assert not (batch.kind == RECTANGLE).any(), "boxes were to come as polygons"
            tags = numbers[batch.tag].tolist()
            return [f"{t} {text}\n" for t, text in zip(tags, point_texts(batch), strict=True)]

        write_labels(data, out, lines, labels_folder)
        with out.file("data.yaml") as file:
            file.write(data_yaml(data))


FORMAT = YoloSegment()
