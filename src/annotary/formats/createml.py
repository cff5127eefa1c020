"""Create ML JSON: a list of images, boxes by their centre, in pixels.

Defined by Apple (Create ML, ``MLObjectDetector``; Turi Create's user guide), with labelImg's and
Roboflow's habits::

    [{"image": "image.png",
      "annotations": [{"label": "dog",
                       "coordinates": {"x": 80, "y": 60, "width": 80, "height": 80}}]}]

``x``, ``y`` is the box's **centre**. Pixels, origin top-left: Apple's defaults. A file in which all
numbers lie within 0..1, and some have decimals, is taken for fractions.

**Read.** ``imagefilename`` and ``annotation`` too; images with an empty list. A record with a
label and no coordinates, or a word in place of the list, classifies the image. Other keys of a
record become properties (``confidence`` is called ``score``); ``verified`` of an image is
not kept.

**Written.** One file per part. Polygons and masks become their boxes. Corners are the centre less
and plus half the size: the last bit of a coordinate may differ from what was stored. Classes that
nothing uses and the sizes of images are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from annotary.batch import RECTANGLE, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.imagemap import expect, fractions, plain_numbers
from annotary.formats.kit.json import RefusedError
from annotary.geometry.arrays import extent_lengths
from annotary.problems import Location
from annotary.syntax.json.text import Fault, Span
from annotary.syntax.source import FileSet, SourceFile

SIDES = ("x", "y", "width", "height")
IMAGE_KEYS = ("image", "imagefilename")
LIST_KEYS = ("annotations", "annotation")
_RECORD = 24


class CreateMl(Format):
    """Create ML JSON."""

    name = "createml"
    title = "Create ML JSON"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("ObjectDetection", "Classification")
    record_paths = ("/*/annotations/*", "/*/annotation/*")
    carries = Carries(
        fractions="unusual",
        rectangle="Rectangle",
        polygon="Rectangle",
        classification="Classification",
        bitmask="Rectangle",
        classes=False,
        decimals="exact to the last bit (centre and size)",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """A list whose first object has an image, annotations, and not what others have."""
        first = _first(source)
        if first is None or not any(isinstance(first.get(key), str) for key in IMAGE_KEYS):
            return False
        found = next((first[key] for key in LIST_KEYS if key in first), None)
        if isinstance(found, list):
            records = [each for each in found if isinstance(each, dict)]
            return not found or any(
                "coordinates" in each or ("label" in each and "bbox" not in each)
                for each in records
            )
        return isinstance(found, str | dict)

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read image by image."""
        json = expect(source, self.title, kind="array")
        rows.normalized = fractions(_numbers(source))
        rows.locate = lambda at: _place(source, at)
        for index, entry in doc.records(source, json.root, rows, "image"):
            _image(rows, index, entry, _key(entry, LIST_KEYS))

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per part, image by image."""
        names = data.names
        for part in data.parts:
            with out.file(f"{part.name}.json") as file:
                file.write(b"[")
                comma = b""
                known: AnnotationBatch | None = None
                records: list[dict[str, Any]] = []
                for image, batch, begin, end in part.by_image():
                    if batch is not None and batch is not known:
                        known, records = batch, _records(batch, names, data.normalized)
                    found = {
                        "image": part.images.names[image],
                        "annotations": records[begin:end] if batch is not None else [],
                    }
                    file.write(comma + msgspec.json.encode(found))
                    comma = b",\n"
                file.write(b"]\n")


# --- reading ----------------------------------------------------------------------------------


def _first(source: SourceFile) -> dict[str, Any] | None:
    """The first element of a list, if it is an object."""
    json = source.json
    if json is None or json.kind != "array" or not json.root.count:
        return None
    found = json.decode(Span(*json.locate(json.root, 0)), object)
    return found if isinstance(found, dict) else None


def _key(entry: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if key in entry), keys[0])


def _numbers(source: SourceFile) -> Iterator[float]:
    """Every coordinate of the file, as far as it can be read."""
    assert source.json is not None
    for chunk in source.json.elements(source.json.root, dict[str, Any]):
        for entry in chunk.items:
            if isinstance(entry, Fault):
                continue
            records = entry.get(_key(entry, LIST_KEYS))
            for record in records if isinstance(records, list) else [records]:
                box = record.get("coordinates") if isinstance(record, dict) else None
                for number in box.values() if isinstance(box, dict) else ():
                    if isinstance(number, int | float):
                        yield number


def _place(source: SourceFile, at: int) -> Location:
    index, record = at >> _RECORD, (at & ((1 << _RECORD) - 1)) - 1
    if record < 0 or source.json is None:
        return doc.placed(source, index)
    entry = source.json.decode(Span(*source.json.locate(source.json.root, index)), object)
    key = _key(entry, LIST_KEYS) if isinstance(entry, dict) else LIST_KEYS[0]
    return doc.placed(source, index, key, record)


def _image(rows: RowSink, index: int, entry: dict[str, Any], key: str) -> None:
    at = index << _RECORD
    name = entry.get(_key(entry, IMAGE_KEYS))
    if not isinstance(name, str) or not name:
        rows.reject("missing-key", at, key="image", record="image")
        return
    image = rows.image(name, 0, 0, at)
    records = entry.get(key)
    if isinstance(records, str):
        rows.classification(image, rows.tag(records), at)
        return
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list):
        if records is None and key not in entry:
            rows.reject("missing-key", at, key="annotations", record="image")
        else:
            detail = f"it is {doc.kind_of(records)}"
            rows.reject("wrong-type", at, key=key, detail=detail, expected="a list")
        return
    for number, record in enumerate(records):
        place = at | (number + 1)
        try:
            _record(rows, image, record, place)
        except RefusedError as refused:
            rows.reject(refused.code, place, **refused.values)


def _record(rows: RowSink, image: int, record: Any, at: int) -> None:
    found = doc.mapping(record, "The annotation", "an object")
    label = doc.text(doc.need(found, "label", "annotation", "label"), "label")
    said = {
        "score" if key == "confidence" else key: value
        for key, value in found.items()
        if key not in ("label", "coordinates") and value is not None
    }
    extra = Extra(properties=said) if said else None
    if "coordinates" not in found:
        rows.classification(image, rows.tag(label), at, extra)
        return
    box = doc.mapping(found["coordinates"], "coordinates", "an object with x, y, width, height")
    x, y, width, height = [
        doc.number(doc.need(box, side, "box", f"coordinates.{side}"), f"coordinates.{side}")
        for side in SIDES
    ]
    half_width, half_height = width / 2, height / 2
    rows.rectangle(
        image,
        rows.tag(label),
        x - half_width,
        y - half_height,
        x + half_width,
        y + half_height,
        at,
        extra,
    )


# --- writing ----------------------------------------------------------------------------------


def _records(batch: AnnotationBatch, names: list[str], normalized: bool) -> list[dict[str, Any]]:
    boxes = batch.coords.reshape(-1, 4)
    table = boxes.copy()
    table[:, 2:] = extent_lengths(boxes[:, :2], boxes[:, 2:])
    table[:, :2] = boxes[:, :2] + table[:, 2:] / 2
    sides = iter(plain_numbers(table, normalized))
    return [
        {"label": names[tag], "coordinates": dict(zip(SIDES, next(sides), strict=True))}
        if kind == RECTANGLE
        else {"label": names[tag]}
        for tag, kind in zip(batch.tag.tolist(), batch.kind.tolist(), strict=True)
    ]


FORMAT = CreateMl()
