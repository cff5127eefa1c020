"""Ultralytics YOLO, pose: a box and its keypoints per line, with a ``data.yaml``.

Source: https://docs.ultralytics.com/datasets/pose/.

What it looks like
------------------

``labels/dump/image.txt``, ``class x_centre y_centre width height`` and ``x y visibility`` for each
of K keypoints; fractions of the image's size, visibility 0 (not labelled), 1 (hidden) or 2::

    1 0.2125 0.325 0.125 0.25 0.15 0.2 2 0.275 0.45 1

``data.yaml`` is that of ``yolo_ultralytics`` with the shape of the keypoints::

    kpt_shape: [2, 3]
    kpt_names:
      1: ["nose", "tail"]

Written
-------

One line per object: its keypoints, and the box of the object, or the extent of its labelled
keypoints when it has none (at least a thousandth of the image wide and high). K is one number for
the whole dataset: classes with fewer keypoints are filled up with ``0 0 0``. A box without
keypoints has ``0 0 0`` in every place, and so have polygons and masks, which are written as their
boxes. Edges of the skeleton are lost.

Read: by ``yolo_darknet``, with this ``data.yaml`` beside it. A line all of ``0 0 0`` is a box
again; a box that is just the extent of the keypoints is left out again, and so are the places
that were filled up where ``kpt_names`` tells how many keypoints the class has.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from annotary.batch import KEYPOINTS, AnnotationBatch
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.yolo_darknet.write import (
    box_texts,
    data_yaml,
    flow_names,
    labels_folder,
    pose_box,
    write_labels,
)
from annotary.geometry.arrays import extents


class YoloPose(Format):
    """Keypoints for Ultralytics."""

    name = "yolo_pose"
    title = "YOLO Ultralytics, pose"
    family = "yolo"
    extensions = (".txt", ".yaml", ".yml")
    writes = True
    read_by = "yolo_darknet"
    project_types: ClassVar[tuple[str, ...]] = ("Keypoint",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        keypoints="Keypoints",
        bitmask="Rectangle",
        with_keypoints=frozenset({"Rectangle"}),
        class_numbers="dense",
        unit="normalized",
        natural="normalized",
    )

    def write(self, data: Dataset, out: Output) -> None:
        numbers = data.numbers
        count = _keypoint_count(data)

        def lines(_: Part, batch: AnnotationBatch) -> list[str]:
            return _lines(batch, numbers[batch.tag].tolist(), count)

        write_labels(data, out, lines, labels_folder)
        names = "".join(
            f"  {entry.number}: {flow_names(entry.keypoints)}\n"
            for entry in data.classes
            if entry.keypoints
        )
        shape = f"kpt_shape: [{count}, 3]\n" + (f"kpt_names:\n{names}" if names else "")
        with out.file("data.yaml") as file:
            file.write(data_yaml(data, shape))


def _keypoint_count(data: Dataset) -> int:
    """K: the most keypoints that a skeleton or an annotation has; at least 1."""
    most = max((len(entry.keypoints) for entry in data.classes), default=0)
    for part in data.parts:
        for batch in part.batches():
            rows = batch.kind == KEYPOINTS
            if rows.any():
                most = max(most, int(np.diff(batch.start)[rows].max()) // 3)
    return max(most, 1)


def _lines(batch: AnnotationBatch, tags: list[int], count: int) -> list[str]:
    """One line in the place of each object's first row, nothing for its others."""
    if not len(batch):
        return []
    points = batch.kind == KEYPOINTS
    boxes = np.empty((len(batch), 4))
    others = batch.take(~points)
    boxes[~points] = extents(others.coords, others.start)
    for row in np.flatnonzero(points).tolist():
        boxes[row] = pose_box(batch.values(row).tolist())
    firsts = batch.objects().tolist()
    objects = np.empty((len(firsts) - 1, 4))
    poses = [""] * len(objects)
    blank = " 0 0 0"
    for i, (begin, end) in enumerate(pairwise(firsts)):
        shapes = [row for row in range(begin, end) if not points[row]]
        of = boxes[shapes or range(begin, end)]
        objects[i] = (*of[:, :2].min(0), *of[:, 2:].max(0))
        rows = [row for row in range(begin, end) if points[row]]
        values = [v for row in rows for v in _pose(batch.values(row))][:count]
        poses[i] = "".join(values) + blank * (count - len(values))
    lines = [""] * len(batch)
    for first, box, pose in zip(firsts, box_texts(objects), poses, strict=False):
        lines[first] = f"{tags[first]} {box}{pose}\n"
    return lines


def _pose(values: NDArray[np.float64]) -> list[str]:
    xyv = values.reshape(-1, 3)
    return [
        f" {x!r} {y!r} {int(v)}"
        for (x, y), v in zip(np.clip(xyv[:, :2], 0, 1).tolist(), xyv[:, 2].tolist(), strict=True)
    ]


FORMAT = YoloPose()
