"""Ultralytics YOLO, oriented boxes: four corners per line, with a ``data.yaml``.

Source: https://docs.ultralytics.com/datasets/obb/.

What it looks like
------------------

``labels/dump/image.txt``, ``class x1 y1 x2 y2 x3 y3 x4 y4``, fractions of the image's size::

    1 0.1 0.1 0.1 0.5 0.3 0.5 0.3 0.1

``data.yaml`` and the folders are those of ``yolo_ultralytics``.

Written
-------

A polygon of four points as it is, a box as its four corners, and any other polygon or mask as the
smallest rectangle in any direction that encloses it, measured in pixels where the image's size is
known. Corners are clipped to the image; numbers are the shortest that read back as the same
floats.

The property ``rotation`` of a turned box is not written and not lost: its corners say it.

Read: by ``yolo_darknet``; every object comes back as a polygon of four points.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from annotary.batch import AnnotationBatch
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.kit.turned import ROTATION
from annotary.formats.yolo_darknet.write import data_yaml, labels_folder, write_labels
from annotary.geometry.arrays import Floats


class YoloObb(Format):
    """Oriented boxes for Ultralytics."""

    name = "yolo_obb"
    title = "YOLO Ultralytics, oriented boxes"
    family = "yolo"
    extensions = (".txt", ".yaml", ".yml")
    writes = True
    read_by = "yolo_darknet"
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    carries = Carries(
        rectangle="Polygon",
        polygon="Polygon",
        bitmask="Polygon",
        properties=frozenset({ROTATION}),
        class_numbers="dense",
        unit="normalized",
        natural="normalized",
        decimals="exact for boxes and polygons of four points, other outlines are written as "
        "the smallest rectangle around them",
    )

    def write(self, data: Dataset, out: Output) -> None:
        numbers = data.numbers

        def lines(part: Part, batch: AnnotationBatch) -> list[str]:
            tags = numbers[batch.tag].tolist()
            return [
                f"{t} {text}\n" for t, text in zip(tags, _corner_texts(part, batch), strict=True)
            ]

        write_labels(data, out, lines, labels_folder)
        with out.file("data.yaml") as file:
            file.write(data_yaml(data))


def _corner_texts(part: Part, batch: AnnotationBatch) -> list[str]:
    quads = np.clip(quadrangles(part, batch, normalized=True), 0.0, 1.0)
    return [" ".join(map(repr, quad)) for quad in quads.tolist()]


def quadrangles(part: Part, batch: AnnotationBatch, *, normalized: bool = False) -> Floats:
    """Every row as four corners [n, 8]: four points as they are, else the smallest rectangle.

    Of coordinates in fractions (``normalized``) it is the smallest in pixels, where the image's
    size is known.
    """
    lengths = np.diff(batch.start)
    quads = np.empty((len(batch), 8))
    four = np.flatnonzero(lengths == 8)
    quads[four] = batch.coords[batch.start[four, None] + np.arange(8)]
    for row in np.flatnonzero(lengths != 8).tolist():
        image = batch.image[row]
        size = np.array([part.images.widths[image], part.images.heights[image]], np.float64)
        if not normalized or not size.all():
            size[:] = 1.0
        points = batch.values(row).reshape(-1, 2) * size
        quads[row] = (smallest_rectangle(points) / size).ravel()
    return quads


def smallest_rectangle(points: Floats) -> Floats:
    """The corners [4, 2] of the rectangle of least area around ``points`` [n, 2].

    One of its sides lies along an edge of the convex hull (Freeman and Shapira, 1975).
    """
    hull = _hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    edges = edges[lengths > 0] / lengths[lengths > 0, None]
    if not len(edges):
        return np.repeat(hull[:1], 4, axis=0)
    along = edges @ hull.T
    across = np.column_stack([-edges[:, 1], edges[:, 0]]) @ hull.T
    low_u, high_u, low_v, high_v = along.min(1), along.max(1), across.min(1), across.max(1)
    best = int(np.argmin((high_u - low_u) * (high_v - low_v)))
    u, v = edges[best], np.array([-edges[best, 1], edges[best, 0]])
    sides = [(low_u, low_v), (low_u, high_v), (high_u, high_v), (high_u, low_v)]
    corners: Floats = np.array([a[best] * u + b[best] * v for a, b in sides])
    return corners


def _hull(points: Floats) -> Floats:
    """The convex hull [k, 2], in order (Andrew's monotone chain)."""
    ordered = sorted(set(map(tuple, points.tolist())))
    if len(ordered) < 3:
        return np.array(ordered)
    chains: list[list[tuple[float, ...]]] = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, ...]] = []
        for x, y in sequence:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])


FORMAT = YoloObb()
