"""Edge Impulse ``bounding_boxes.labels``: JSON, whatever its ending says; boxes in pixels.

Defined by Edge Impulse's documentation (data annotation, object detection)::

    {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {
      "image.png": [{"label": "dog", "x": 40, "y": 20, "width": 80, "height": 80}]}}

``x``, ``y`` is the top-left corner. The file stands in the folder of its images.

**Read.** Also images with an empty list; unknown keys of a box become properties
(``confidence`` is called ``score``).

**Written.** ``<part>/bounding_boxes.labels``, boxes only (polygons and masks as their boxes).
Coordinates keep their decimals (Edge Impulse itself draws whole pixels); the last bit of the far
corner may differ from what was stored. Classes that nothing uses
are not listed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.imagemap import ImageMap, plain_numbers, told
from annotary.formats.kit.json import RefusedError
from annotary.geometry.arrays import extent_lengths
from annotary.syntax.source import FileSet, SourceFile

SIDES = ("x", "y", "width", "height")


class EdgeImpulse(Format):
    """Edge Impulse bounding boxes."""

    name = "edge_impulse"
    title = "Edge Impulse bounding_boxes.labels"
    extensions = (".labels", ".json")
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    record_paths = ("/boundingBoxes/*/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        classes=False,
        unit="pixels",
        decimals="exact to the last bit (corner and size)",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """An object with ``boundingBoxes``, itself an object."""
        if "boundingBoxes" not in source.json_keys:
            return False
        assert source.json is not None
        return source.json.members["boundingBoxes"].kind == "object"

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read image by image."""
        images = ImageMap(source, self.title, "boundingBoxes")
        rows.locate = images.locate
        for number, name, records in images.entries(rows):
            image = rows.image(name, 0, 0, images.at(number))
            if not isinstance(records, list):
                detail = f"it is {doc.kind_of(records)}"
                rows.reject(
                    "wrong-type", images.at(number), key=name, detail=detail, expected="a list"
                )
                continue
            for index, record in enumerate(records):
                at = images.at(number, index)
                if told(rows, record, at):
                    continue
                try:
                    _box(rows, image, record, at)
                except RefusedError as refused:
                    rows.reject(refused.code, at, **refused.values)

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per part, image by image."""
        names = data.names
        for part in data.parts:
            with out.file(f"{part.name}/bounding_boxes.labels") as file:
                file.write(b'{"version":1,"type":"bounding-box-labels","boundingBoxes":{')
                comma = b""
                known: AnnotationBatch | None = None
                boxes: list[dict[str, Any]] = []
                for image, batch, begin, end in part.by_image():
                    if batch is not None and batch is not known:
                        known, boxes = batch, _boxes(batch, names)
                    name = msgspec.json.encode(part.images.names[image])
                    file.write(comma + name + b":" + msgspec.json.encode(boxes[begin:end]))
                    comma = b","
                file.write(b"}}")


def _box(rows: RowSink, image: int, record: Any, at: int) -> None:
    found = doc.mapping(record, "The box", "an object")
    label = doc.text(doc.need(found, "label", "box", "label"), "label")
    x, y, width, height = [doc.number(doc.need(found, side, "box", side), side) for side in SIDES]
    said = {
        "score" if key == "confidence" else key: value
        for key, value in found.items()
        if key not in (*SIDES, "label") and value is not None
    }
    extra = Extra(properties=said) if said else None
    rows.rectangle(image, rows.tag(label), x, y, x + width, y + height, at, extra)


def _boxes(batch: AnnotationBatch, names: list[str]) -> list[dict[str, Any]]:
    table = batch.coords.reshape(-1, 4).copy()
    table[:, 2:] = extent_lengths(table[:, :2], table[:, 2:])
    return [
        {"label": names[tag], "x": x, "y": y, "width": width, "height": height}
        for tag, (x, y, width, height) in zip(batch.tag.tolist(), plain_numbers(table), strict=True)
    ]


FORMAT = EdgeImpulse()
