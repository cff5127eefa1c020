"""VoTT JSON: a project with all its images, or one ``<id>-asset.json`` per image.

Defined by Microsoft's VoTT 2 (https://github.com/microsoft/VoTT, ``vottJson`` export and
``applicationState``)::

    {"name": "project", "version": "2.2.0", "tags": [{"name": "dog", "color": "#ff0000"}],
     "assets": {"<id>": {
       "asset": {"id": "<id>", "name": "image.png", "path": "file:image.png", "format": "png",
                 "size": {"width": 400, "height": 200}, "state": 2, "type": 1},
       "regions": [{"id": "r1", "type": "RECTANGLE", "tags": ["dog"],
                    "boundingBox": {"left": 40, "top": 20, "width": 80, "height": 80},
                    "points": [{"x": 40, "y": 20}, {"x": 120, "y": 20},
                               {"x": 120, "y": 100}, {"x": 40, "y": 100}]}],
       "version": "2.2.0"}}}

Pixels with decimals, origin top-left; a file in which all numbers lie within 0..1, and some have
decimals, is taken for fractions. The working files of a project hold one image each: just
``{"asset": ..., "regions": [...], "version": ...}``.

**Read.** RECTANGLE and SQUARE by their box, POLYGON by its points, POINT as a keypoint; POLYLINE is
skipped, and said. A region with several tags becomes one annotation per tag, one without any is
skipped, and said. Tags keep the project's order. Images without regions are listed. Frames of
a video keep their ``timestamp`` (seconds). Other keys of a region become properties; its ``id`` is
VoTT's own.

**Written.** The project object, one per part. A polygon in parts is one region each; holes,
attributes and flags are not written, masks become polygons. Boxes are a corner and a size: the last
bit of the far corner may differ from what was stored.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np

from annotary.batch import KEYPOINTS, RECTANGLE, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.imagemap import ImageMap, expect, fractions
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.geometry.arrays import extent_lengths, extents
from annotary.syntax.source import FileSet, SourceError, SourceFile

VERSION = "2.2.0"
SIDES = ("left", "top", "width", "height")
KNOWN = {"id", "type", "tags", "boundingBox", "points"}


class Vott(Format):
    """VoTT JSON."""

    name = "vott"
    title = "VoTT JSON"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    record_paths = ("/assets/*/regions/*", "/regions/*")
    carries = Carries(
        fractions="unusual",
        rectangle="Rectangle",
        polygon="Polygon",
        bitmask="Polygon",
        image_sizes=True,
        decimals="exact to the last bit (corner and size)",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """``assets`` whose values have an ``asset``, or one ``asset`` with its ``regions``."""
        json, keys = source.json, source.json_keys
        if json is None:
            return False
        if {"asset", "regions"} <= keys:
            return json.members["asset"].kind == "object"
        if "assets" not in keys or json.members["assets"].kind != "object":
            return False
        if json.members["assets"].count == 0:
            return {"tags", "name"} <= keys
        first = next((span for _, span in json.children(json.members["assets"].span)), None)
        found = json.decode(first, object) if first is not None else None
        return isinstance(found, dict) and "asset" in found

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read image by image."""
        if "asset" in source.json_keys:
            self._read_single(source, rows)
            return
        images = ImageMap(source, self.title, "assets", ("regions",))
        rows.normalized = fractions(_numbers(_values(images)))
        rows.locate = images.locate
        tags = doc.member_value(source, "tags")
        for tag in tags if isinstance(tags, list) else ():
            if isinstance(tag, dict) and isinstance(tag.get("name"), str):
                rows.tag(tag["name"])
        for number, key, value in images.entries(rows):
            at = images.at(number)
            if not isinstance(value, dict) or not isinstance(value.get("asset"), dict):
                rows.reject("missing-key", at, key="asset", record=f"entry {key!r}")
                continue
            _asset(rows, value, at, lambda index, number=number: images.at(number, index))

    def _read_single(self, source: SourceFile, rows: RowSink) -> None:
        json = expect(source, self.title, "regions", "array")
        rows.locate = lambda at: doc.placed(source, "regions", at)
        regions = _Numbered()
        value: dict[str, Any] = {
            "asset": doc.member_value(source, "asset"),
            "regions": regions,
        }
        member = json.members["regions"]
        try:
            regions.update(doc.records(source, member, rows, "region", ("regions",)))
        finally:  # also when the text breaks off: what stands before it is read
            rows.normalized = fractions(_numbers(iter([value])))
            if isinstance(value["asset"], dict):
                _asset(rows, value, 0, lambda index: index)
            else:
                rows.problem("missing-key", 0, key="asset", record="file")

    def write(self, data: Dataset, out: Output) -> None:
        """Write one project per part, image by image."""
        names = data.names
        for part in data.parts:
            with out.file(f"{part.name}.json") as file:
                head = {
                    "name": data.project or part.name,
                    "version": VERSION,
                    "tags": [{"name": name, "color": _color(i)} for i, name in enumerate(names)],
                }
                file.write(msgspec.json.encode(head)[:-1] + b',"assets":{')
                comma = b""
                known: AnnotationBatch | None = None
                regions: list[dict[str, Any]] = []
                for image, batch, begin, end in part.by_image():
                    if batch is not None and batch is not known:
                        known, regions = batch, _regions(batch, names)
                    asset = _asset_entry(part, image, batch is not None)
                    found = regions[begin:end] if batch is not None else []
                    for number, region in enumerate(found, 1):
                        region["id"] = f"{asset['id'][:8]}-{number}"
                    entry = {"asset": asset, "regions": found, "version": VERSION}
                    file.write(
                        comma + msgspec.json.encode(asset["id"]) + b":" + msgspec.json.encode(entry)
                    )
                    comma = b",\n"
                file.write(b"}}\n")


# --- reading ----------------------------------------------------------------------------------


class _Numbered(dict[int, Any]):
    """Regions by their number in the file: without those that could not be read."""


def _values(images: ImageMap) -> Iterator[Any]:
    """The values for a first look at a file; what is wrong with them is told by the second."""
    try:
        for entry in images.entries(RowSink("", lambda rows, batch: None)):
            yield entry.value
    except SourceError:
        return


def _numbers(values: Iterator[Any]) -> Iterator[float]:
    for value in values:
        regions = value.get("regions") if isinstance(value, dict) else None
        if isinstance(regions, _Numbered):
            regions = list(regions.values())
        for region in regions if isinstance(regions, list) else ():
            if not isinstance(region, dict):
                continue
            box, points = region.get("boundingBox"), region.get("points")
            boxes = [box, *(points if isinstance(points, list) else ())]
            for each in boxes:
                for number in each.values() if isinstance(each, dict) else ():
                    if isinstance(number, int | float):
                        yield number


def _asset(rows: RowSink, value: dict[str, Any], at: int, place: Any) -> None:
    asset = value["asset"]
    name = asset.get("name")
    if not isinstance(name, str) or not name:
        path = asset.get("path")
        name = path.removeprefix("file:") if isinstance(path, str) else ""
    if not name:
        rows.reject("missing-key", at, key="name", record="asset")
        return
    size = asset.get("size")
    size = size if isinstance(size, dict) else {}
    image = rows.image(name, doc.pixels(size.get("width")), doc.pixels(size.get("height")), at)
    shared = {k: asset[k] for k in ("timestamp",) if asset.get(k) is not None}
    regions = value.get("regions")
    if isinstance(regions, list):
        regions = _Numbered(enumerate(regions))
    if not isinstance(regions, _Numbered):
        if regions is not None:
            detail = f"it is {doc.kind_of(regions)}"
            rows.reject("wrong-type", at, key="regions", detail=detail, expected="a list")
        return
    for index, region in regions.items():
        where = place(index)
        try:
            _region(rows, image, doc.mapping(region, "The region"), where, shared)
        except RefusedError as refused:
            rows.reject(refused.code, where, **refused.values)
        except UnsupportedError as skipped:
            rows.skip(skipped.code, where, **skipped.values)


def _region(
    rows: RowSink, image: int, region: dict[str, Any], at: int, shared: dict[str, Any]
) -> None:
    kind = region.get("type")
    tags = doc.listed(doc.need(region, "tags", "region", "tags"), "tags")
    names = [doc.text(tag, "tags") for tag in tags]
    if kind == "POLYLINE":
        raise UnsupportedError("unsupported-shape", shape="polyline", detail="")
    if not names:
        raise UnsupportedError(
            "skipped-record",
            what="A region",
            why="it has no tag",
            advice="Give it one in VoTT, and export again.",
        )
    said = shared | {k: v for k, v in region.items() if k not in KNOWN and v not in (None, "")}

    def extra() -> Extra | None:
        return Extra(properties=dict(said)) if said else None

    if kind in ("POLYGON", "POINT"):
        ring = doc.xy_objects(doc.need(region, "points", "region", "points"), "points")
        for name in names:
            if kind == "POINT":
                if len(ring) == 2:
                    rows.skeletons.setdefault(name, ([name], []))
                seen = [v for i in range(0, len(ring), 2) for v in (ring[i], ring[i + 1], 2.0)]
                rows.keypoints(image, rows.tag(name), seen, at, extra())
            else:
                rows.polygon(image, rows.tag(name), [ring], at, extra())
        return
    if kind not in ("RECTANGLE", "SQUARE", None):
        raise UnsupportedError("unsupported-shape", shape=str(kind), detail="")
    box = doc.mapping(doc.need(region, "boundingBox", "region", "boundingBox"), "boundingBox")
    left, top, width, height = [
        doc.number(doc.need(box, side, "box", f"boundingBox.{side}"), f"boundingBox.{side}")
        for side in SIDES
    ]
    for name in names:
        rows.rectangle(image, rows.tag(name), left, top, left + width, top + height, at, extra())


# --- writing ----------------------------------------------------------------------------------


def _color(index: int) -> str:
    """A colour for a class: hues that stay apart however many there are."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618033988749895 % 1.0, 0.8, 0.9)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _asset_entry(part: Part, image: int, tagged: bool) -> dict[str, Any]:
    name = part.images.names[image]
    path = f"file:{name}"
    return {
        "format": PurePosixPath(name).suffix[1:].lower(),
        "id": hashlib.md5(path.encode(), usedforsecurity=False).hexdigest(),
        "name": name,
        "path": path,
        "size": {
            "width": int(part.images.widths[image]),
            "height": int(part.images.heights[image]),
        },
        "state": 2 if tagged else 1,
        "type": 1,
    }


def _regions(batch: AnnotationBatch, names: list[str]) -> list[dict[str, Any]]:
    boxes = extents(batch.coords, batch.start)
    sides = np.hstack([boxes[:, :2], extent_lengths(boxes[:, :2], boxes[:, 2:])]).tolist()
    found = []
    kinds, starts, coords = batch.kind.tolist(), batch.start.tolist(), batch.coords.tolist()
    for row, (tag, side) in enumerate(zip(batch.tag.tolist(), sides, strict=True)):
        assert kinds[row] != KEYPOINTS
        points = coords[starts[row] : starts[row + 1]]
        if kinds[row] == RECTANGLE:
            x0, y0, x1, y1 = points
            points = [x0, y0, x1, y0, x1, y1, x0, y1]
        found.append(
            {
                "id": "",
                "type": "RECTANGLE" if kinds[row] == RECTANGLE else "POLYGON",
                "tags": [names[tag]],
                "boundingBox": dict(zip(SIDES, side, strict=True)),
                "points": [
                    {"x": x, "y": y} for x, y in zip(points[::2], points[1::2], strict=True)
                ],
            }
        )
    return found


FORMAT = Vott()
