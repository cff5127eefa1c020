"""IBM Cloud Annotations: one ``_annotations.json`` for all images, boxes in fractions.

Defined by the tool's documentation (https://github.com/cloud-annotations/cloud-annotations)::

    {"version": "1.0", "type": "localization", "labels": ["boat", "dog"],
     "annotations": {"image.png": [{"x": 0.1, "y": 0.1, "x2": 0.3, "y2": 0.5, "label": "dog"}]}}

``x``, ``y`` is the top-left corner, ``x2``, ``y2`` the bottom-right one, as fractions of the
image's width and height. With ``type`` ``classification`` a record is just a ``label``.

**Read.** ``labels`` in their order, also those that nothing uses; images with an empty list.
A record without any coordinate classifies its image; with some, all four are needed. ``id`` is
the tool's own and is not kept; other keys become properties.

**Written.** One file per part. ``type`` is ``classification`` when there is nothing but image
classes. Boxes keep no attributes or flags; polygons and masks become their boxes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.batch import RECTANGLE, Extra
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.imagemap import ImageMap, told
from annotary.formats.kit.json import RefusedError
from annotary.syntax.source import FileSet, SourceFile

CORNERS = ("x", "y", "x2", "y2")
KINDS = ("localization", "classification")


class Ibm(Format):
    """IBM Cloud Annotations."""

    name = "ibm"
    title = "IBM Cloud Annotations"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("ObjectDetection", "Classification")
    record_paths = ("/annotations/*/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        classification="Classification",
        bitmask="Rectangle",
        unit="normalized",
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """A ``type`` of the two, a list of labels, and annotations as an object."""
        if not {"type", "labels", "annotations"} <= source.json_keys:
            return False
        assert source.json is not None
        members = source.json.members
        return (
            members["labels"].kind == "array"
            and members["annotations"].kind == "object"
            and doc.member_value(source, "type") in KINDS
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read image by image."""
        images = ImageMap(source, self.title, "annotations")
        rows.normalized = True
        rows.locate = images.locate
        labels = doc.member_value(source, "labels")
        for label in labels if isinstance(labels, list) else ():
            if isinstance(label, str):
                rows.tag(label)
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
                    _record(rows, image, record, at)
                except RefusedError as refused:
                    rows.reject(refused.code, at, **refused.values)

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per part, image by image."""
        names = data.names
        for part in data.parts:
            with out.file(f"{part.name}.json") as file:
                head = {"version": "1.0", "type": KINDS[not _has_boxes(part)], "labels": names}
                file.write(msgspec.json.encode(head)[:-1] + b',"annotations":{')
                comma = b""
                for image, batch, begin, end in part.by_image():
                    records: list[dict[str, Any]] = []
                    for row in range(begin, end) if batch is not None else ():
                        assert batch is not None
                        label = {"label": names[batch.tag[row]]}
                        if batch.kind[row] == RECTANGLE:
                            box = dict(zip(CORNERS, batch.values(row).tolist(), strict=True))
                            records.append(box | label)
                        else:
                            records.append(label)
                    name = msgspec.json.encode(part.images.names[image])
                    file.write(comma + name + b":" + msgspec.json.encode(records))
                    comma = b","
                file.write(b"}}")


def _has_boxes(part: Part) -> bool:
    """Whether there is a box, or nothing at all."""
    empty = True
    for batch in part.batches():
        if (batch.kind == RECTANGLE).any():
            return True
        empty = empty and not len(batch)
    return empty


def _record(rows: RowSink, image: int, record: Any, at: int) -> None:
    found = doc.mapping(record, "The record", "an object")
    label = doc.text(doc.need(found, "label", "record", "label"), "label")
    said = {k: v for k, v in found.items() if k not in (*CORNERS, "label", "id") and v is not None}
    extra = Extra(properties=said) if said else None
    if not any(corner in found for corner in CORNERS):
        rows.classification(image, rows.tag(label), at, extra)
        return
    xmin, ymin, xmax, ymax = [
        doc.number(doc.need(found, corner, "box", corner), corner) for corner in CORNERS
    ]
    rows.rectangle(image, rows.tag(label), xmin, ymin, xmax, ymax, at, extra)


FORMAT = Ibm()
