"""Datumaro's own JSON.

Source: the exporter in cvat-ai/datumaro (``datumaro/plugins/datumaro_format``) and
openvinotoolkit.github.io/datumaro. One file for each subset, ``annotations/<subset>.json``::

    {"info": {},
     "categories": {
       "label": {"labels": [{"name": "boat", "parent": "", "attributes": []},
                            {"name": "dog", "parent": "", "attributes": []}], "attributes": []},
       "points": {"items": [{"label_id": 1, "labels": ["nose", "tail"], "joints": [[1, 2]]}]}},
     "items": [{"id": "image", "image": {"path": "image.png", "size": [200, 400]},
       "annotations": [{"id": 0, "type": "bbox", "attributes": {}, "group": 0, "label_id": 1,
                        "z_order": 0, "bbox": [40, 20, 80, 80]}]}]}

Pixels from the top left; sizes are [height, width]. ``label_id`` counts the labels from 0. The
image is ``id`` with the ending of its path. Annotations of one ``group`` (not 0) and label are
one object: polygons its parts, points with their box or outline.

============== ================================ ===========================================
bbox           ``bbox``: x, y, width, height    Rectangle; with the attribute ``rotation``
                                                (degrees, clockwise about the centre) Polygon
polygon        ``points``: x, y, x, y, ...      Polygon
points         ``points``, ``visibility``       Keypoints
skeleton       ``elements``: points, each with  Keypoints
               the label of its joint
label          nothing                          Classification
mask           ``rle``: counts, size            Bitmask
ellipse        ``points``: its box              Polygon of 32 points
polyline, caption, cuboid_3d and others         skipped, counted and said
============== ================================ ===========================================

The attributes ``occluded``, ``is_crowd`` (``iscrowd``), ``score``, ``truncated``, ``difficult``
and ``track_id``, and ``z_order``, are properties; others are attributes of the object. Joints
are pairs from 1 as in COCO (from 0 where a 0 occurs). Labels that name the joints of another
label are not declared as classes.

Written: ``annotations/<part>.json``. Not kept: holes, other properties, frames.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, POLYGON, RECTANGLE, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.datumaro.write import FLAGS, write
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.formats.kit.masks import coco_mask
from annotary.formats.kit.rings import ellipse, turned
from annotary.geometry import rle
from annotary.syntax.source import FileSet, SourceFile

_UNSUPPORTED = {"polyline", "caption", "cuboid_3d", "cuboid_2d", "feature_vector", "tabular"}


class Datumaro(Format):
    name = "datumaro"
    title = "Datumaro JSON"
    family = "datumaro"
    extensions = (".json",)
    reads = True
    writes = True
    record_paths = ("/items/*/annotations/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        edges=True,
        classification="Classification",
        bitmask="Bitmask",
        parts=True,
        with_keypoints=frozenset({"Rectangle", "Polygon"}),
        companions="all",
        attributes=True,
        properties=frozenset({*FLAGS.values(), "z_order"}),
        image_sizes=True,
        class_numbers="dense",
        unit="pixels",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        document = source.json
        return (
            document is not None
            and {"categories", "items"} <= source.json_keys
            and document.members["categories"].kind == "object"
            and document.members["items"].kind == "array"
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        items = doc.array(source, "items")
        document = source.json
        assert document is not None
        rows.normalized = False
        rows.id_space = "datumaro"
        rows.locate = lambda at: doc.place(
            document,
            "items",
            at >> 20,
            *(("annotations", at & 0xFFFFF) if at & 0xFFFFF != _ITEM else ()),
        )
        reader = _Reader(rows, doc.member_value(source, "categories"))
        for index, item in doc.records(source, items, rows, "item", ("items",)):
            reader.item(index, item)

    def write(self, data: Dataset, out: Output) -> None:
        write(data, out)


FORMAT = Datumaro()

_ITEM = 0xFFFFF
"""In place of an annotation's index: the item itself."""


# --- reading ----------------------------------------------------------------------------------


class _Shape(msgspec.Struct):
    """One annotation, understood, before those of its group are put together."""

    at: int
    kind: int
    label: int
    group: int
    extra: Extra | None
    values: list[float] = []
    ring: list[float] = []


class _Reader:
    """Puts items into rows."""

    def __init__(self, rows: RowSink, categories: Any) -> None:
        self.rows = rows
        self.labels: list[str] = []
        self.joints: set[int] = set()
        self.image = -1
        categories = categories if isinstance(categories, dict) else {}
        entries = _inner(categories, "label", "labels")
        names = [e.get("name") if isinstance(e, dict) else None for e in entries]
        self.labels = [name if isinstance(name, str) else "" for name in names]
        self._skeletons(_inner(categories, "points", "items"), entries)
        for number, name in enumerate(self.labels):
            if name and number not in self.joints:
                rows.tag(name, number)

    def _skeletons(self, items: list[Any], entries: list[Any]) -> None:
        for item in items:
            label = item.get("label_id") if isinstance(item, dict) else None
            if not isinstance(label, int) or not 0 <= label < len(self.labels):
                continue
            names = [str(name) for name in doc.optional_list(item.get("labels"))]
            pairs = [
                j
                for j in doc.optional_list(item.get("joints"))
                if isinstance(j, list) and len(j) == 2 and all(type(v) is int for v in j)
            ]
            base = 0 if any(0 in pair for pair in pairs) else 1
            edges = [(int(a) - base, int(b) - base) for a, b in pairs]
            edges = [(a, b) for a, b in edges if 0 <= a < len(names) and 0 <= b < len(names)]
            if names:
                self.rows.skeletons[self.labels[label]] = (names, edges)
            for number, entry in enumerate(entries):
                if (
                    isinstance(entry, dict)
                    and entry.get("parent") == self.labels[label]
                    and entry.get("name") in names
                ):
                    self.joints.add(number)

    def item(self, index: int, item: dict[str, Any]) -> None:
        """All annotations of one image."""
        here = index << 20 | _ITEM
        media = item.get("image") or item.get("media") or item.get("video_frame") or {}
        media = media if isinstance(media, dict) else {}
        name = _image_name(item, media)
        if not name:
            self.rows.reject("missing-key", here, key="id", record="item")
            return
        size = media.get("size")
        size = size if isinstance(size, list) and len(size) == 2 else [0, 0]
        self.image = self.rows.image(name, doc.pixels(size[1]), doc.pixels(size[0]), here)
        groups: dict[tuple[int, int], list[_Shape]] = {}
        annotations = item.get("annotations")
        if not isinstance(annotations, list):
            if annotations is not None:
                self.rows.reject(
                    "wrong-type", here, key="annotations",
                    detail=f"it is {doc.kind_of(annotations)}", expected="a list",
                )  # fmt: skip
            return
        for number, record in enumerate(annotations):
            at = index << 20 | number
            try:
                shape = self._shape(at, doc.mapping(record, "The annotation"))
                if isinstance(media.get("frame_index"), int):
                    shape.extra = shape.extra or Extra()
                    shape.extra.frame = doc.frame(media["frame_index"], "frame_index")
                if shape.group and shape.kind in (POLYGON, KEYPOINTS, RECTANGLE):
                    groups.setdefault((shape.group, shape.label), []).append(shape)
                else:
                    self._put(shape)
            except RefusedError as refused:
                self.rows.reject(refused.code, at, **refused.values)
            except UnsupportedError as skipped:
                self.rows.skip(skipped.code, at, **skipped.values)
        for (group, _), shapes in groups.items():
            self._group(group, shapes)

    def _group(self, group: int, shapes: list[_Shape]) -> None:
        rows = self.rows
        points = [shape for shape in shapes if shape.kind == KEYPOINTS]
        boxes = [shape for shape in shapes if shape.kind == RECTANGLE]
        rings = [shape.ring for shape in shapes if shape.kind == POLYGON]
        if len(shapes) > 1 and len(rings) == len(shapes):
            first = shapes[0]
            tag = rows.tag(self.labels[first.label], first.label)
            rows.polygon(self.image, tag, rings, first.at, first.extra)
        elif len(points) == 1 and len(boxes) <= 1 and len(shapes) > 1:
            first = points[0]
            tag = rows.tag(self.labels[first.label], first.label)
            box = boxes[0].values if boxes else None
            extra = next((s.extra for s in [first, *boxes, *shapes] if s.extra), None)
            rows.keypoints(self.image, tag, first.values, first.at, extra, rings, box)
        else:
            for shape in shapes:
                if len(shapes) > 1:
                    shape.extra = shape.extra or Extra()
                    shape.extra.properties = {**(shape.extra.properties or {}), "group": group}
                self._put(shape)

    def _put(self, shape: _Shape) -> None:
        rows = self.rows
        tag = rows.tag(self.labels[shape.label], shape.label)
        if shape.kind == RECTANGLE:
            left, top, right, bottom = shape.values
            rows.rectangle(self.image, tag, left, top, right, bottom, shape.at, shape.extra)
        elif shape.kind == POLYGON:
            rows.polygon(self.image, tag, [shape.ring], shape.at, shape.extra)
        elif shape.kind == KEYPOINTS:
            rows.keypoints(self.image, tag, shape.values, shape.at, shape.extra)
        elif shape.kind == CLASSIFICATION:
            rows.classification(self.image, tag, shape.at, shape.extra)
        else:
            assert shape.extra is not None
            assert shape.extra.mask is not None
            rows.bitmask(self.image, tag, shape.extra.mask, shape.values, shape.at, shape.extra)

    def _shape(self, at: int, record: dict[str, Any]) -> _Shape:
        kind = doc.text(doc.need(record, "type", "annotation", "type"), "type")
        if kind in _UNSUPPORTED:
            raise UnsupportedError("unsupported-shape", shape=kind, detail="")
        label = record.get("label_id")
        if label is None:
            raise UnsupportedError(
                "skipped-record", what=f"A {kind} without a label", why="nothing says what it is",
                advice="Give it a label_id.",
            )  # fmt: skip
        if type(label) is not int or not 0 <= label < len(self.labels):
            raise RefusedError(
                "unknown-category", word="label", id=label, where=" in categories.label",
                advice="label_id counts the labels from 0; add the label or mend the number.",
            )  # fmt: skip
        group = record.get("group")
        shape = _Shape(at, POLYGON, label, group if type(group) is int else 0, _extra(record))
        if kind == "bbox":
            self._box(shape, doc.numbers(_need(record, "bbox"), "bbox", 4), record)
        elif kind == "polygon":
            shape.ring = doc.ring_ends(_even(doc.numbers(_need(record, "points"), "points")))
        elif kind == "ellipse":
            x0, y0, x1, y1 = doc.numbers(_need(record, "points"), "points", 4)
            shape.ring = ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2)
        elif kind == "points":
            shape.kind = KEYPOINTS
            shape.values = _points(record)
            names = self.rows.skeletons.get(self.labels[label])
            if names is None:
                count = len(shape.values) // 3
                numbered = [str(n + 1) for n in range(count)]
                name = self.labels[label]
                self.rows.skeletons[name] = ([name] if count == 1 else numbered, [])
        elif kind == "skeleton":
            shape.kind = KEYPOINTS
            shape.values = self._skeleton(label, _need(record, "elements"))
        elif kind == "label":
            shape.kind = CLASSIFICATION
        elif kind == "mask":
            self._mask(shape, doc.mapping(_need(record, "rle"), "rle"))
        else:
            raise UnsupportedError("unsupported-shape", shape=str(kind), detail="")
        return shape

    def _box(self, shape: _Shape, box: list[float], record: dict[str, Any]) -> None:
        x, y, w, h = box
        shape.kind, shape.values = RECTANGLE, [x, y, x + w, y + h]
        attributes = record.get("attributes")
        turn = attributes.get("rotation") if isinstance(attributes, dict) else None
        if turn:
            turn = doc.number(turn, "attributes.rotation")
            ring = [x, y, x + w, y, x + w, y + h, x, y + h]
            shape.kind, shape.ring = POLYGON, turned(ring, x + w / 2, y + h / 2, turn)

    def _skeleton(self, label: int, elements: Any) -> list[float]:
        title = self.labels[label]
        places: dict[str, list[float]] = {}
        for element in doc.listed(elements, "elements"):
            joint = doc.mapping(element, "elements").get("label_id")
            if type(joint) is not int or not 0 <= joint < len(self.labels):
                raise RefusedError(
                    "unknown-category", word="label", id=joint, where=" in categories.label",
                    advice="Each element needs the label_id of its joint.",
                )  # fmt: skip
            places[self.labels[joint]] = _points(element)[:3]
        names, _ = self.rows.skeletons.setdefault(title, (list(places), []))
        unknown = next((name for name in places if name not in names), None)
        if unknown is not None:
            raise RefusedError(
                "unknown-category", word="joint", id=unknown, where=f" for {title}",
                advice="Add it to the label's item in categories.points.",
            )  # fmt: skip
        return [v for name in names for v in places.get(name, [0, 0, 0])]

    def _mask(self, shape: _Shape, held: dict[str, Any]) -> None:
        mask = coco_mask(held, "rle")
        shape.kind = BITMASK
        shape.extra = shape.extra or Extra()
        shape.extra.mask = mask
        shape.values = [float(v) for v in rle.bbox(mask) or ()]


def _inner(categories: dict[str, Any], kind: str, key: str) -> list[Any]:
    held = categories.get(kind)
    found = held.get(key) if isinstance(held, dict) else None
    return found if isinstance(found, list) else []


def _image_name(item: dict[str, Any], media: dict[str, Any]) -> str:
    identity, path = item.get("id"), media.get("path") or media.get("video_path")
    path = path.replace("\\", "/") if isinstance(path, str) else ""
    identity = identity if isinstance(identity, str) else ""
    if not path or not identity:
        return identity or path
    written = PurePosixPath(path)
    same = PurePosixPath(identity).name in (written.stem, written.name)
    if not same or identity.endswith(written.suffix):
        return identity if same else path
    return identity + written.suffix


def _need(record: dict[str, Any], key: str) -> Any:
    return doc.need(record, key, "annotation", key)


def _even(values: list[float]) -> list[float]:
    if len(values) % 2:
        raise RefusedError(
            "value-count", key="points", count=len(values), expected="an even number",
            advice="Write x and y of every point.",
        )  # fmt: skip
    return values


def _points(record: dict[str, Any]) -> list[float]:
    flat = _even(doc.numbers(_need(record, "points"), "points"))
    seen = record.get("visibility")
    count = len(flat) // 2
    visibility = [2.0] * count if seen is None else doc.numbers(seen, "visibility", count)
    return [v for i in range(count) for v in (flat[2 * i], flat[2 * i + 1], visibility[i])]


def _extra(record: dict[str, Any]) -> Extra | None:
    held = record.get("attributes")
    held = held if isinstance(held, dict) else {}
    attributes: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name, value in held.items():
        if name in FLAGS:
            if value or name in ("score", "track_id"):
                properties[FLAGS[name]] = value
        elif name == "rotation":
            if value:
                properties[name] = value
        elif value is not None:
            attributes[name] = doc.attribute(value)
    if record.get("z_order"):
        properties["z_order"] = record["z_order"]
    if not attributes and not properties:
        return None
    return Extra(attributes=attributes or None, properties=properties or None)
