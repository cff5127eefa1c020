"""Supervisely's project format for images.

Source: docs.supervisely.com, "Supervisely JSON annotation format" (objects, project meta), and
the SDK that reads it (supervisely/supervisely, ``supervisely/geometry``).

A project is a folder with ``meta.json`` and a folder for each dataset; the dataset's folder
``ann`` has one file for each image, called as the image is with ``.json`` after it::

    meta.json
    dump/ann/image.png.json
    dump/img/image.png          (not written: images are not part of an export)

An annotation file::

    {"description": "", "tags": [], "size": {"height": 200, "width": 400},
     "objects": [{"classTitle": "dog", "geometryType": "rectangle", "tags": [],
                  "points": {"exterior": [[40, 20], [119, 99]], "interior": []}}]}

Coordinates are pixels, x first, from the top left. ``geometryType``:

=============== ========================================== ================================
rectangle       two corners, **inclusive** pixels: the box Rectangle, one pixel wider and
                from 40 to 119 is 80 pixels wide           higher than the numbers say
polygon         ``exterior``, and ``interior``: holes      Polygon and its holes
bitmap,         ``bitmap.data``: base64 of zlib of a PNG,  Bitmask (set where it is not
alpha_mask      placed with its top left at ``origin``     transparent or not 0)
graph           ``nodes``: id -> ``loc``, ``disabled``     Keypoints; disabled: visibility 1
point           one point                                  Keypoints of one point
oriented_bbox   two corners and ``angle`` in radians,      Polygon of the four corners;
                clockwise round the centre                 the angle is kept in properties
line, cuboid    and all others                             skipped, counted and said
=============== ========================================== ================================

``meta.json`` names the classes (``title``, ``shape``; for graphs ``geometry_config`` with the
nodes and edges) in order, and the tags. An object's ``tags`` are attributes: by name, a tag
without a value in properties (``tags``). An image's ``tags`` are classifications; a value is
kept in properties (``value``). Objects of one class that share an ``instance`` are the parts of
one object (polygons; or a graph with its outline or box). Fields that are not known here are
kept in properties.

A box narrower than a pixel can only be written with a right edge below its left, which is read
back as it was, but which Supervisely itself refuses.

Written: all of that, ``meta.json`` for the whole export and a dataset for each part. Not kept:
ids, logins and dates of objects, the image's description.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any

import msgspec

from annotary.batch import BITMASK, KEYPOINTS, POLYGON, RECTANGLE, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.formats.kit.rings import turned
from annotary.formats.supervisely.write import ProjectWriter
from annotary.geometry import rle
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile

_META = "supervisely-meta"
_META_KEYS = {"classes", "tags", "projectType", "projectSettings"}
_BOOKKEEPING = {"id", "classId", "labelerLogin", "createdAt", "updatedAt", "nnCreated", "nnUpdated"}
_KNOWN = _BOOKKEEPING | {
    "classTitle", "geometryType", "points", "bitmap", "nodes", "tags", "instance", "description",
}  # fmt: skip
_INFLATED = 1 << 30

Skeletons = dict[str, tuple[list[str], list[str], list[tuple[int, int]]]]
"""Class -> ids of the nodes, their names, and 0-based edges."""


class Meta:
    """What a ``meta.json`` says: class names in order, and the skeletons of graphs."""

    def __init__(self, classes: list[str], skeletons: Skeletons) -> None:
        self.classes = classes
        self.skeletons = skeletons


class Supervisely(Format):
    name = "supervisely"
    title = "Supervisely"
    family = "supervisely"
    extensions = (".json",)
    reads = True
    writes = True
    record_paths = ("/objects/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        edges=True,
        classification="Classification",
        bitmask="Bitmask",
        parts=True,
        holes=True,
        with_keypoints=frozenset({"Rectangle", "Polygon"}),
        companions="all",
        attributes=True,
        properties=True,
        bare=frozenset({"Classification"}),
        image_sizes=True,
        unit="pixels",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        if not {"objects", "size"} <= source.json_keys or source.json is None:
            return False
        members = source.json.members
        if members["objects"].kind != "array":
            return False
        size = doc.member_value(source, "size")
        return isinstance(size, dict) and {"height", "width"} <= size.keys()

    def companion(self, source: SourceFile) -> str | None:
        keys = source.json_keys
        if not {"classes", "tags"} <= keys or not keys <= _META_KEYS:
            return None
        classes = doc.member_value(source, "classes")
        if not isinstance(classes, list):
            return None
        return _META if all(isinstance(c, dict) and "title" in c for c in classes) else None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        objects = doc.array(source, "objects")
        rows.normalized = False
        rows.locate = lambda at: doc.placed(source, *_path(at))
        meta = _meta(source, files)
        for title in meta.classes:
            rows.tag(title)
        size = doc.member_value(source, "size")
        size = size if isinstance(size, dict) else {}
        width, height = doc.pixels(size.get("width")), doc.pixels(size.get("height"))
        image = rows.image(_image_name(source), width, height, doc.placed(source, "size"))
        reader = _Reader(rows, image, width, height, meta)
        for index, record in doc.records(source, objects, rows, "object", ("objects",)):
            reader.add(index, record)
        reader.finish()
        reader.image_tags(doc.member_value(source, "tags"), doc.placed(source, "tags"))

    def write(self, data: Dataset, out: Output) -> None:
        ProjectWriter(data).write(out)


FORMAT = Supervisely()


# --- reading ----------------------------------------------------------------------------------


def _path(at: int) -> tuple[str | int, ...]:
    """A row's place: an object's index, or for image tags -1 minus the index."""
    return ("objects", at) if at >= 0 else ("tags", -1 - at)


def _image_name(source: SourceFile) -> str:
    name = source.name.removesuffix(".json")
    folders = name.split("/")
    if "ann" in folders[:-1]:
        last = len(folders) - 2 - folders[-2::-1].index("ann")
        folders[last] = "img"
    return "/".join(folders)


def _meta(source: SourceFile, files: FileSet) -> Meta:
    companion = files.nearest(source, _META)
    if companion is None:
        return Meta([], {})
    key = (companion.name, _META)
    found = files.read_cache.get(key)
    if not isinstance(found, Meta):
        found = files.read_cache[key] = _read_meta(companion)
    return found


def _read_meta(source: SourceFile) -> Meta:
    titles: list[str] = []
    skeletons: Skeletons = {}
    for entry in doc.optional_list(doc.member_value(source, "classes")):
        title = entry.get("title") if isinstance(entry, dict) else None
        if not isinstance(title, str):
            continue
        titles.append(title)
        config = entry.get("geometry_config")
        nodes = config.get("nodes") if isinstance(config, dict) else None
        if isinstance(config, dict) and isinstance(nodes, dict) and nodes:
            ids = list(nodes)
            names = [str(doc.optional_map(n).get("label") or i) for i, n in nodes.items()]
            edges = [
                (ids.index(e["src"]), ids.index(e["dst"]))
                for e in doc.optional_list(config.get("edges"))
                if isinstance(e, dict) and e.get("src") in ids and e.get("dst") in ids
            ]
            skeletons[title] = (ids, names, edges)
    return Meta(titles, skeletons)


class _Shape(msgspec.Struct):
    """One object of the file, understood, before parts of an instance are put together."""

    at: int
    kind: int
    title: str
    extra: Extra | None
    rings: list[list[float]] = []
    holes: list[list[float]] = []
    points: list[float] = []
    box: list[float] = []


class _Reader:
    """Puts the objects of one file into rows."""

    def __init__(self, rows: RowSink, image: int, width: int, height: int, meta: Meta) -> None:
        self.rows = rows
        self.image = image
        self.width = width
        self.height = height
        self.meta = meta
        self.instances: dict[tuple[str, str], list[_Shape]] = {}

    def add(self, index: int, record: dict[str, Any]) -> None:
        try:
            shape = self._shape(index, record)
            instance = record.get("instance")
            if isinstance(instance, str) and instance and shape.kind != BITMASK:
                self.instances.setdefault((instance, shape.title), []).append(shape)
            else:
                if instance:
                    shape.extra = shape.extra or Extra()
                    shape.extra.properties = {
                        **(shape.extra.properties or {}),
                        "instance": instance,
                    }
                self._put(shape)
        except RefusedError as refused:
            self.rows.reject(refused.code, index, **refused.values)
        except UnsupportedError as skipped:
            self.rows.skip(skipped.code, index, **skipped.values)

    def finish(self) -> None:
        """Put what shares an instance: together where it is one object, else one by one."""
        for (instance, _), shapes in self.instances.items():
            kinds = sorted(shape.kind for shape in shapes)
            keypoints = [shape for shape in shapes if shape.kind == KEYPOINTS]
            others = [shape for shape in shapes if shape.kind != KEYPOINTS]
            if len(shapes) > 1 and kinds.count(POLYGON) == len(shapes):
                first = shapes[0]
                first.rings = [ring for shape in shapes for ring in shape.rings]
                first.holes = [hole for shape in shapes for hole in shape.holes]
                self._put(first)
            elif len(keypoints) == 1 and others and kinds.count(RECTANGLE) <= 1:
                first = keypoints[0]
                first.rings = [ring for shape in others for ring in shape.rings]
                first.holes = [hole for shape in others for hole in shape.holes]
                first.box = next((s.box for s in others if s.kind == RECTANGLE), [])
                self._put(first)
            else:
                for shape in shapes:
                    shape.extra = shape.extra or Extra()
                    shape.extra.properties = {
                        **(shape.extra.properties or {}), "instance": instance,
                    }  # fmt: skip
                    self._put(shape)

    def image_tags(self, tags: Any, at: Location) -> None:
        for index, entry in enumerate(tags if isinstance(tags, list) else []):
            title = entry.get("name") if isinstance(entry, dict) else entry
            if not isinstance(title, str):
                self.rows.reject("missing-key", at, key="name", record="tag")
                continue
            value = entry.get("value") if isinstance(entry, dict) else None
            extra = None if value is None else Extra(properties={"value": value})
            self.rows.classification(self.image, self.rows.tag(title), -1 - index, extra)

    def _put(self, shape: _Shape) -> None:
        rows, tag = self.rows, self.rows.tag(shape.title)
        if shape.kind == RECTANGLE:
            left, top, right, bottom = shape.box
            rows.rectangle(self.image, tag, left, top, right, bottom, shape.at, shape.extra)
        elif shape.kind == POLYGON:
            rows.polygon(self.image, tag, shape.rings, shape.at, shape.extra, shape.holes)
        elif shape.kind == KEYPOINTS:
            box, holes = shape.box or None, shape.holes
            rows.keypoints(
                self.image, tag, shape.points, shape.at, shape.extra, shape.rings, box, holes
            )
        else:
            assert shape.extra is not None
            assert shape.extra.mask is not None
            rows.bitmask(self.image, tag, shape.extra.mask, shape.box, shape.at, shape.extra)

    def _shape(self, index: int, record: dict[str, Any]) -> _Shape:
        title = doc.text(doc.need(record, "classTitle", "object", "classTitle"), "classTitle")
        kind = doc.text(doc.need(record, "geometryType", "object", "geometryType"), "geometryType")
        shape = _Shape(index, POLYGON, title, _extra(record))
        if kind == "rectangle":
            shape.kind, shape.box = RECTANGLE, _box(_ring(record, "exterior"))
        elif kind == "polygon":
            shape.rings = [doc.ring_ends(_ring(record, "exterior"))]
            inner = doc.mapping(record["points"], "points").get("interior")
            for hole in doc.optional_list(inner):
                shape.holes.append(doc.ring_ends(doc.pairs(hole, "points.interior")))
        elif kind in ("bitmap", "alpha_mask"):
            self._bitmap(shape, record)
        elif kind == "graph":
            self._graph(shape, doc.need(record, "nodes", "graph", "nodes"))
        elif kind == "point":
            flat = _ring(record, "exterior")
            if len(flat) != 2:
                raise _count("points.exterior", len(flat) // 2, 1)
            shape.kind, shape.points = KEYPOINTS, [*flat, 2]
            self.rows.skeletons.setdefault(title, ([title], []))
        elif kind == "oriented_bbox":
            self._oriented(shape, record)
        else:
            raise UnsupportedError("unsupported-shape", shape=kind, detail="")
        return shape

    def _bitmap(self, shape: _Shape, record: dict[str, Any]) -> None:
        bitmap = doc.mapping(doc.need(record, "bitmap", "bitmap", "bitmap"), "bitmap")
        data = doc.text(doc.need(bitmap, "data", "bitmap", "bitmap.data"), "bitmap.data")
        origin = doc.numbers(
            doc.need(bitmap, "origin", "bitmap", "bitmap.origin"), "bitmap.origin", 2
        )
        if not self.width or not self.height:
            raise RefusedError("missing-key", key="size", record="file with bitmaps")
        try:
            unzip = zlib.decompressobj()
            png = unzip.decompress(base64.b64decode(data, validate=True), _INFLATED)
            left, top = int(origin[0]), int(origin[1])
            mask = rle.from_png_patch(png, left, top, self.height, self.width)
        except (ValueError, OverflowError, binascii.Error, zlib.error) as error:
            raise RefusedError(
                "wrong-type", key="bitmap", detail=str(error),
                expected="base64 of a zlib-compressed PNG that lies in the image",
            ) from None  # fmt: skip
        shape.kind = BITMASK
        shape.extra = shape.extra or Extra()
        shape.extra.mask = mask
        shape.box = [float(v) for v in rle.bbox(mask) or ()]

    def _graph(self, shape: _Shape, nodes: Any) -> None:
        if isinstance(nodes, list):  # older files: a list of nodes with their ids
            nodes = {str(n.get("id", i)): n for i, n in enumerate(nodes) if isinstance(n, dict)}
        nodes = doc.mapping(nodes, "nodes")
        ids, names, edges = self.meta.skeletons.get(shape.title, (list(nodes), list(nodes), []))
        unknown = [node for node in nodes if node not in ids]
        if unknown:
            raise RefusedError(
                "unknown-category", word="node", id=unknown[0], where=f" for {shape.title}",
                advice="Add the node to the class's geometry_config in meta.json.",
            )  # fmt: skip
        shape.kind = KEYPOINTS
        self.rows.skeletons.setdefault(shape.title, (names, edges))
        for key in ids:
            node = nodes.get(key)
            if node is None:
                shape.points += (0, 0, 0)
                continue
            location = doc.need(doc.mapping(node, "nodes"), "loc", "node", "nodes.loc")
            shape.points += doc.numbers(location, "nodes.loc", 2)
            shape.points.append(1 if node.get("disabled") else 2)

    def _oriented(self, shape: _Shape, record: dict[str, Any]) -> None:
        points = record.get("points")
        corners = points if isinstance(points, list) else None
        flat = doc.pairs(corners, "points") if corners is not None else _ring(record, "exterior")
        left, top, right, bottom = _box(flat)
        angle = doc.number(record.get("angle") or 0.0, "angle")
        ring = [left, top, right, top, right, bottom, left, bottom]
        cx, cy = (left + right) / 2, (top + bottom) / 2
        shape.rings = [turned(ring, cx, cy, math.degrees(angle)) if angle else ring]


def _ring(record: dict[str, Any], key: str) -> list[float]:
    points = doc.mapping(doc.need(record, "points", "object", "points"), "points")
    return doc.pairs(doc.need(points, key, "object", f"points.{key}"), f"points.{key}")


def _count(key: str, count: int, expected: int) -> RefusedError:
    return RefusedError(
        "value-count", key=key, count=count, expected=expected, advice=f"Write {expected} points."
    )


def _box(flat: list[float]) -> list[float]:
    """Two opposite corners, inclusive pixels, as xmin, ymin, xmax, ymax with open ends."""
    if len(flat) != 4:
        raise _count("points.exterior", len(flat) // 2, 2)
    left, top, right, bottom = flat
    if right <= left - 1:
        left, right = right, left
    if bottom <= top - 1:
        top, bottom = bottom, top
    return [left, top, right + 1, bottom + 1]


def _extra(record: dict[str, Any]) -> Extra | None:
    properties = {k: v for k, v in record.items() if k not in _KNOWN and v is not None}
    if record.get("description"):
        properties["description"] = record["description"]
    attributes: dict[str, Any] = {}
    for entry in doc.optional_list(record.get("tags")):
        named = isinstance(entry, dict)
        name, value = (entry.get("name"), entry.get("value")) if named else (entry, None)
        if not isinstance(name, str):
            raise RefusedError("missing-key", key="name", record="tag")
        if value is None:
            properties.setdefault("tags", []).append(name)
        elif name in attributes or (named and entry.get("multiple")):
            before = attributes.get(name, [])
            before = before if isinstance(before, list) else [str(before)]
            attributes[name] = [*before, str(value)]
        else:
            attributes[name] = doc.attribute(value)
    if not properties and not attributes:
        return None
    return Extra(attributes=attributes or None, properties=properties or None)
