"""VIA JSON: annotations and projects of the VGG Image Annotator 1 and 2.

    {"image.png2191": {"filename": "image.png", "size": 2191, "file_attributes": {}, "regions": [
      {"shape_attributes": {"name": "rect", "x": 40, "y": 20, "width": 80, "height": 80},
       "region_attributes": {"label": "dog"}}]}}

**Source.** ox-vgg/via, ``via-2.x.y/src/via.js``. The key is the file's name and its size in bytes;
``regions`` is a list (VIA 2) or an object keyed by numbers (VIA 1). A saved project has the
same object as its member ``_via_img_metadata``. Pixels, origin at the top left.

**Shapes.** ``rect`` is a Rectangle; ``polygon`` a Polygon; ``circle`` {cx, cy, r} and ``ellipse``
{cx, cy, rx, ry, theta in radians} become polygons of 32 points; ``point`` {cx, cy} is one
keypoint; a ``polyline`` encloses nothing: it is skipped and said.

**Labels.** VIA leaves the names of attributes to its user. The class of a region is its
attribute ``label``, ``labels``, ``class``, ``class_name``, ``category``, ``name``, ``type`` or
``tag``, or the only one that it has; the option ``class_attribute`` names another one, ``tag``
gives a class to regions without one. A checkbox with several ticks makes an object of each. All
others are kept as attributes. A file attribute ``label`` (or ``class``, ``category``, ...) is a
Classification of the image; other file attributes are counted and said.

**Written.** ``<part>.json`` with every image, pixels exactly. The size in bytes is -1, as VIA
writes it for files that it does not have. An object of several parts is several regions with
the same ``annotary_object``; keypoints are ``point`` regions. Attributes are region attributes;
properties are JSON text in ``annotary_properties``. **Lost:** image sizes, classes that nothing
uses, and what a mask has beyond its outline.
"""

from __future__ import annotations

import math
import re
from array import array
from typing import Any

import msgspec

from annotary.batch import CLASSIFICATION, KEYPOINTS, POLYGON, RECTANGLE, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json
from annotary.formats.kit.json import RefusedError
from annotary.formats.via import words
from annotary.problems import Location
from annotary.syntax.json.text import Fault, JsonSyntaxError, JsonText, Span, pointer
from annotary.syntax.source import FileSet, SourceError, SourceFile

_PROJECT = "_via_img_metadata"
_ENTRY = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{(?=[^{}]*"filename"\s*:)')
_REGION_BITS = 24


class Via(Format):
    """See the module."""

    name = "via"
    title = "VGG Image Annotator JSON"
    extensions = (".json",)
    reads = True
    writes = True
    ReadOptions = words.Options
    project_types = ("ObjectDetection", "Keypoint", "Classification")
    record_paths = ("/_via_img_metadata/*/regions/*", "/*/regions/*")
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Polygon",
        parts=True,
        holes=True,
        with_keypoints=frozenset({"Rectangle", "Polygon"}),
        companions="all",
        attributes=True,
        properties=True,
        classes=False,
        unit="pixels",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        if source.first != b"{":
            return False
        head = source.head
        if b'"regions"' in head and _ENTRY.match(head):
            return True
        return b'"_via_' in head and _PROJECT in source.json_keys

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        document = source.json
        if document is None:
            raise json.broken(source)
        base: tuple[str, ...] = (_PROJECT,) if _PROJECT in document.members else ()
        span = document.members[_PROJECT].span if base else document.root.span
        _Reader(document, rows, base).read(span)
        if document.error is not None:
            raise json.broken(source)

    def write(self, data: Dataset, out: Output) -> None:
        names = data.names
        for part in data.parts:
            with out.file(f"{part.name}.json") as file:
                before = b"{\n"
                objects = 0
                for image, batch, begin, end in part.by_image():
                    entry: dict[str, Any] = {
                        "filename": part.images.names[image],
                        "size": -1,
                        "regions": [],
                        "file_attributes": {},
                    }
                    if batch is not None:
                        objects = _fill(entry, batch, (begin, end), names, objects)
                    key = msgspec.json.encode(f"{part.images.names[image]}-1")
                    file.write(before + key + b":" + msgspec.json.encode(entry))
                    before = b",\n"
                file.write(b"{}\n" if before == b"{\n" else b"\n}\n")


class _Reader:
    """Reads the images of one file and finds their places again when they are asked for."""

    def __init__(self, document: JsonText, rows: RowSink, base: tuple[str, ...]) -> None:
        self.document = document
        self.rows = rows
        self.base = base
        self.keys: list[str] = []
        self.starts = array("q")
        self.ends = array("q")
        rows.locate = self.locate

    def read(self, span: Span) -> None:
        regions = words.Regions(self.rows)
        ignored = 0
        try:
            for key, entry_span in self.document.children(span):
                self.keys.append(str(key))
                self.starts.append(entry_span.start)
                self.ends.append(entry_span.end)
                try:
                    ignored += self._image(regions, entry_span)
                except RefusedError as fault:
                    at = self.locate((len(self.keys) - 1) << _REGION_BITS)
                    self.rows.reject(fault.code, at, **fault.values)
        except JsonSyntaxError as fault:
            place = Location(*self.document.position(fault.offset))
            raise SourceError(
                "syntax", place, kind="JSON", detail=fault.detail, advice=json.BROKEN
            ) from None
        finally:
            regions.flush()
            words.tell_ignored(self.rows, ignored)

    def _image(self, regions: words.Regions, span: Span) -> int:
        entry = self.document.decode(span, dict[str, Any])
        if isinstance(entry, Fault):
            detail = entry.message[:1].lower() + entry.message[1:]
            if entry.kind == "syntax":
                advice = json.BROKEN
                raise RefusedError("syntax", kind="JSON", detail=detail, advice=advice)
            raise RefusedError("wrong-type", key="The image", detail=detail, expected="an object")
        at = (len(self.keys) - 1) << _REGION_BITS
        name = json.text(json.need(entry, "filename", "image", "filename"), "filename")
        image = self.rows.image(name, at=at)
        found = json.need(entry, "regions", "image", "regions")
        if isinstance(found, dict):
            found = list(found.values())
        for number, region in enumerate(json.listed(found, "regions"), 1):
            known = words.mapping_or_empty(region)
            shape, attributes = known.get("shape_attributes"), known.get("region_attributes", {})
            regions.add(image, at + number, shape, attributes)
        told = words.mapping_or_empty(entry.get("file_attributes"))
        return words.classify(self.rows, image, at, told) if told else 0

    def locate(self, at: int) -> Location:
        """The place of an image (its number, shifted) or of one of its regions (from 1)."""
        entry, region = at >> _REGION_BITS, at & ((1 << _REGION_BITS) - 1)
        span = Span(self.starts[entry], self.ends[entry])
        path: list[str | int] = [*self.base, self.keys[entry]]
        if region:
            try:
                regions = dict(self.document.children(span))["regions"]
                key, span = list(self.document.children(regions))[region - 1]
                path += ["regions", key]
            except (KeyError, IndexError, JsonSyntaxError):
                pass
        return Location(*self.document.position(span.start), pointer(*path))


# --- writing ------------------------------------------------------------------------------------


def _fill(
    entry: dict[str, Any],
    batch: AnnotationBatch,
    span: tuple[int, int],
    names: list[str],
    objects: int,
) -> int:
    """Add an image's rows to its entry; ``objects`` counts those of several regions."""
    classes: list[tuple[str, Any, Any]] = []
    regions: list[dict[str, Any]] = entry["regions"]
    begin, end = span
    first = int(batch.start[begin])
    starts = (batch.start[begin : end + 1] - first).tolist()
    values = batch.coords[first : first + starts[-1]].tolist()
    kinds, holes = batch.kind[begin:end].tolist(), batch.hole[begin:end].tolist()
    records, tags = batch.record[begin:end].tolist(), batch.tag[begin:end].tolist()
    row, count = 0, end - begin
    while row < count:
        after = row + 1
        while after < count and records[after] == records[row]:
            after += 1
        label = names[tags[row]]
        extra = batch.extras.get(begin + row)
        if kinds[row] == CLASSIFICATION:
            known = extra or Extra()
            classes.append((label, known.attributes, known.properties))
            row = after
            continue
        parts = [
            part
            for r in range(row, after)
            for part in _shapes(kinds[r], values[starts[r] : starts[r + 1]], holes[r])
        ]
        objects += len(parts) > 1
        for number, (shape, marks) in enumerate(parts):
            attributes: dict[str, Any] = {"label": label}
            if len(parts) > 1:
                attributes[words.OBJECT] = str(objects)
            attributes.update(marks)
            if number == 0 and extra is not None:
                attributes.update(_said(extra))
            regions.append({"shape_attributes": shape, "region_attributes": attributes})
        row = after
    if classes:
        ticked = {label: True for label, _, _ in classes}
        entry["file_attributes"]["label"] = classes[0][0] if len(ticked) == 1 else ticked
        if len(ticked) < len(classes) or any(known or more for _, known, more in classes):
            entry["file_attributes"][words.CLASSIFICATIONS] = msgspec.json.encode(classes).decode()
    return objects


def _said(extra: Extra) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, value in (extra.attributes or {}).items():
        reserved = name == "label" or name.startswith("annotary_")
        key = words.ESCAPE + name if reserved else name
        said[key] = dict.fromkeys(value, True) if isinstance(value, list) else value
    if extra.properties:
        said[words.PROPERTIES] = msgspec.json.encode(extra.properties).decode()
    return said


def _shapes(
    kind: int, values: list[float], hole: bool
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The shapes that a row becomes, each with the attributes that are ours."""
    if kind == RECTANGLE:
        x, y, xmax, ymax = values
        shape: dict[str, Any] = {
            "name": "rect",
            "x": _n(x),
            "y": _n(y),
            "width": _n(_length(x, xmax)),
            "height": _n(_length(y, ymax)),
        }
        return [(shape, {})]
    if kind == POLYGON:
        flat = [_n(value) for value in values]
        shape = {"name": "polygon", "all_points_x": flat[0::2], "all_points_y": flat[1::2]}
        return [(shape, {words.HOLE: "yes"} if hole else {})]
    assert kind == KEYPOINTS
    return [
        (
            {"name": "point", "cx": _n(values[i]), "cy": _n(values[i + 1])},
            {} if values[i + 2] == 2 else {words.VISIBILITY: int(values[i + 2])},
        )
        for i in range(0, len(values), 3)
    ]


def _length(low: float, high: float) -> float:
    """``geometry.extent_lengths`` of one pair."""
    exact = high - low
    short = round(exact, 9)
    return short if abs(low + short - high) <= math.ulp(high) else exact


def _n(value: float) -> int | float:
    return int(value) if value.is_integer() else value


FORMAT = Via()
