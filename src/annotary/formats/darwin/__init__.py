"""Darwin JSON 2.0, the format of V7 Darwin.

Source: docs.v7labs.com/reference/darwin-json and the client that reads it (v7labs/darwin-py).

One file for each item, anywhere, with any name::

    {"version": "2.0",
     "item": {"name": "image.png", "path": "/",
              "slots": [{"type": "image", "slot_name": "0", "width": 400, "height": 200,
                         "source_files": [{"file_name": "image.png"}]}]},
     "annotations": [{"id": "..", "name": "dog", "slot_names": ["0"],
                      "bounding_box": {"x": 40, "y": 20, "w": 80, "h": 80}}]}

The image is ``item.path`` with ``item.name``; where an item has several slots, each is an image
of its own, named by its source file. Coordinates are pixels from the top left. An annotation
has a class ``name`` and one of:

================ ========================================= =================================
bounding_box     ``x, y, w, h``, top left corner           Rectangle
polygon          ``paths``: rings of ``{x, y}``, filled    Polygon: rings, those inside an odd
                 by the even-odd rule (its bounding_box    number of others as holes
                 is derived)
tag              nothing                                   Classification
skeleton         ``nodes``: name, x, y, occluded           Keypoints; occluded: visibility 1,
                                                           occluded at 0, 0: visibility 0
keypoint         ``x, y``                                  Keypoints of one point
ellipse          ``center``, ``radius``, ``angle`` in      Polygon of 32 points; the numbers
                 radians                                   are kept in properties
mask             pixels in a ``raster_layer``              Bitmask
line and others                                            skipped, counted and said
================ ========================================= =================================

A ``raster_layer`` has ``dense_rle`` (value, count, value, count, ... along the rows of the
image) and ``mask_annotation_ids_mapping`` (id of a mask annotation -> value).
``properties`` ([{name, value}]), ``attributes`` and ``text`` are attributes; ``inference``'s
confidence is the property ``score``; ``instance_id`` is a property. Of videos, the key frames are
read, each as an object of its frame; frames between them are not interpolated. Version 1.0
(``image`` in place of ``item``, ``polygon.path``, ``complex_polygon``) is read, not written.

Written: ``<part>/<image>.json``. Masks that overlap are put into further raster layers, which
V7 itself does not make. Not kept: other properties, the edges of skeletons, classes without
annotations; on reading, ids, authors, reviewers and dates.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from annotary.batch import Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.darwin.write import write
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.formats.kit.rings import ellipse, even_odd
from annotary.geometry import rle
from annotary.syntax.source import FileSet, SourceFile

_GEOMETRIES = (
    "polygon", "complex_polygon", "bounding_box", "ellipse", "skeleton", "keypoint", "tag", "mask",
    "raster_layer",
)  # fmt: skip
_UNSUPPORTED = ("line", "cuboid", "string", "table", "simple_table", "graph", "link", "eye")
_BOOKKEEPING = {
    "id", "name", "slot_names", "annotators", "reviewers", "updated_at", "created_at", "frames",
    "ranges", "hidden_areas", "interpolated", "interpolate_algorithm", "only_keyframes",
    "segments", "annotation_group_id", "keyframe", "bounding_box",
}  # fmt: skip
_SUBS = {"properties", "attributes", "text", "instance_id", "inference"}
_KNOWN = _BOOKKEEPING | _SUBS | set(_GEOMETRIES)


class Slot(msgspec.Struct):
    """An image of the item: its number in the sink and its size in pixels, 0 for not stated."""

    image: int
    width: int
    height: int


class Darwin(Format):
    name = "darwin"
    title = "V7 Darwin JSON 2.0"
    family = "darwin"
    extensions = (".json",)
    reads = True
    writes = True
    record_paths = ("/annotations/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Bitmask",
        parts=True,
        holes=True,
        attributes=True,
        properties=frozenset({"score", "instance_id"}),
        image_sizes=True,
        classes=False,
        unit="pixels",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        keys = source.json_keys
        if {"version", "item", "annotations"} <= keys:
            return str(doc.member_value(source, "version")).startswith("2")
        if {"dataset", "image", "annotations"} <= keys and "images" not in keys:
            image = doc.member_value(source, "image")
            return isinstance(image, dict) and "filename" in image
        return False

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        annotations = doc.array(source, "annotations")
        rows.normalized = False
        rows.locate = lambda at: doc.placed(source, "annotations", at)
        reader = _Reader(rows, _slots(source, rows))
        for index, record in doc.records(source, annotations, rows, "annotation", ("annotations",)):
            reader.add(index, record)
        reader.finish()

    def write(self, data: Dataset, out: Output) -> None:
        write(data, out)


FORMAT = Darwin()


# --- reading ----------------------------------------------------------------------------------


def _slots(source: SourceFile, rows: RowSink) -> dict[str, Slot]:
    """The images of the file, by slot name; ``""`` is the first."""
    item = doc.member_value(source, "item")
    if not isinstance(item, dict):
        image = doc.member_value(source, "image")
        image = image if isinstance(image, dict) else {}
        name = image.get("original_filename") or image.get("filename") or source.stem
        width, height = doc.pixels(image.get("width")), doc.pixels(image.get("height"))
        full = _in_folder(image.get("path"), str(name))
        return {"": Slot(rows.image(full, width, height), width, height)}
    found: dict[str, Slot] = {}
    slots = [s for s in doc.optional_list(item.get("slots")) if isinstance(s, dict)]
    for slot in slots or [{}]:
        name = item.get("name")
        sources = slot.get("source_files")
        if (len(slots) > 1 or not name) and isinstance(sources, list) and sources:
            first = sources[0]
            name = first.get("file_name") if isinstance(first, dict) else first
        name = _in_folder(item.get("path"), str(name or source.stem))
        width, height = doc.pixels(slot.get("width")), doc.pixels(slot.get("height"))
        known = Slot(rows.image(name, width, height, doc.placed(source, "item")), width, height)
        found[str(slot.get("slot_name", "0"))] = known
        found.setdefault("", known)
    return found


def _in_folder(folder: Any, name: str) -> str:
    path = folder.strip("/") if isinstance(folder, str) else ""
    return f"{path}/{name}" if path else name


class _Reader:
    """Puts the annotations of one file into rows; masks wait for their raster layer."""

    def __init__(self, rows: RowSink, slots: dict[str, Slot]) -> None:
        self.rows = rows
        self.slots = slots
        self.masks: dict[str, tuple[int, str, Slot, Extra | None]] = {}
        self.layers: list[tuple[int, dict[str, Any], Slot]] = []

    def add(self, index: int, record: dict[str, Any]) -> None:
        try:
            if isinstance(record.get("frames"), dict):
                self._video(index, record)
            else:
                self._annotation(index, record, None)
        except RefusedError as refused:
            self.rows.reject(refused.code, index, **refused.values)
        except UnsupportedError as skipped:
            self.rows.skip(skipped.code, index, **skipped.values)

    def finish(self) -> None:
        """Cut the masks out of the raster layers."""
        for index, layer, slot in self.layers:
            try:
                self._layer(layer, slot)
            except RefusedError as refused:
                self.rows.problem(refused.code, index, **refused.values)
        for index, _, _, _ in self.masks.values():
            self.rows.reject("missing-key", index, key="raster_layer", record="mask")

    def _video(self, index: int, record: dict[str, Any]) -> None:
        shared = {k: v for k, v in record.items() if k not in ("frames", "ranges")}
        for number, frame in record["frames"].items():
            try:
                whole = {**shared, **doc.mapping(frame, f"frames.{number}")}
                if not number.isdigit():
                    raise RefusedError("not-a-number", value=number, key="frames")
                self._annotation(index, whole, doc.frame(number, f"frames.{number}"))
            except RefusedError as refused:
                self.rows.reject(refused.code, index, **refused.values)
            except UnsupportedError as skipped:
                self.rows.skip(skipped.code, index, **skipped.values)

    def _annotation(self, index: int, record: dict[str, Any], frame: int | None) -> None:
        rows = self.rows
        title = doc.text(doc.need(record, "name", "annotation", "name"), "name")
        slot = self._slot(record)
        kind = next((key for key in _GEOMETRIES if record.get(key) is not None), None)
        if kind is None:
            other = next((key for key in _UNSUPPORTED if key in record), None)
            if other:
                raise UnsupportedError("unsupported-shape", shape=other, detail="")
            kinds = "bounding_box, polygon or another geometry"
            raise RefusedError("missing-key", key=kinds, record="annotation")
        value = doc.mapping(record[kind], kind)
        if kind == "raster_layer":
            self.layers.append((index, value, slot))
            return
        extra = _extra(record, frame)
        if kind == "mask":
            identity = doc.text(doc.need(record, "id", "mask", "id"), "id")
            self.masks[identity] = (index, title, slot, extra)
            return
        if kind == "bounding_box":
            x, y, w, h = (doc.number(doc.need(value, k, "box", f"{kind}.{k}"), f"{kind}.{k}")
                          for k in "xywh")  # fmt: skip
            rows.rectangle(slot.image, rows.tag(title), x, y, x + w, y + h, index, extra)
        elif kind in ("polygon", "complex_polygon"):
            rings, holes = even_odd(_paths(value, kind))
            rows.polygon(slot.image, rows.tag(title), rings, index, extra, holes)
        elif kind == "tag":
            rows.classification(slot.image, rows.tag(title), index, extra)
        elif kind == "keypoint":
            x, y = doc.xy(value, kind)
            rows.skeletons.setdefault(title, ([title], []))
            rows.keypoints(slot.image, rows.tag(title), [x, y, 2], index, extra)
        elif kind == "skeleton":
            points = self._skeleton(title, value)
            rows.keypoints(slot.image, rows.tag(title), points, index, extra)
        else:
            cx, cy = doc.xy(doc.need(value, "center", "ellipse", "center"), "ellipse.center")
            rx, ry = doc.xy(doc.need(value, "radius", "ellipse", "radius"), "ellipse.radius")
            angle = doc.number(value.get("angle") or 0.0, "ellipse.angle")
            extra = extra or Extra()
            extra.properties = {**(extra.properties or {}), "ellipse": value}
            ring = ellipse(cx, cy, rx, ry, angle)
            rows.polygon(slot.image, rows.tag(title), [ring], index, extra)

    def _slot(self, record: dict[str, Any]) -> Slot:
        names = record.get("slot_names")
        name = str(names[0]) if isinstance(names, list) and names else ""
        if name not in self.slots:
            raise RefusedError(
                "unknown-category", word="slot", id=name, where=" in the item",
                advice="Add the slot to item.slots, or mend slot_names.",
            )  # fmt: skip
        return self.slots[name]

    def _skeleton(self, title: str, value: dict[str, Any]) -> list[float]:
        places: dict[str, tuple[float, float, float]] = {}
        for node in doc.listed(doc.need(value, "nodes", "skeleton", "nodes"), "skeleton.nodes"):
            x, y = doc.xy(node, "skeleton.nodes")
            name = doc.text(doc.need(node, "name", "node", "nodes.name"), "skeleton.nodes.name")
            seen = 1 if node.get("occluded") else 2
            places[name] = (x, y, 0 if seen == 1 and x == y == 0 else seen)
        names, _ = self.rows.skeletons.setdefault(title, (list(places), []))
        names += [name for name in places if name not in names]
        points: list[float] = []
        for name in names:
            points += places.get(name, (0, 0, 0))
        return points

    def _layer(self, layer: dict[str, Any], slot: Slot) -> None:
        key = "raster_layer.dense_rle"
        pairs = doc.listed(doc.need(layer, "dense_rle", "raster_layer", key), key)
        mapping = layer.get("mask_annotation_ids_mapping") or layer.get("mask_mappings")
        mapping = doc.mapping(mapping, "raster_layer.mask_annotation_ids_mapping")
        try:
            table = np.array(pairs, np.int64).reshape(-1, 2)
        except (ValueError, TypeError, OverflowError):
            raise RefusedError(
                "wrong-type", key=key, detail="it has an odd or unreadable part",
                expected="pairs of whole numbers: value, count",
            ) from None  # fmt: skip
        for identity, value in mapping.items():
            waiting = self.masks.pop(identity, None)
            if waiting is None:
                continue  # a mask that was deleted; its pixels belong to nobody
            index, title, home, extra = waiting
            try:
                box = (0, 0, slot.width, slot.height)
                mask = rle.from_rowmajor_runs(_runs(table, value), box, slot.height, slot.width)
            except (ValueError, OverflowError):
                covered = int(table[:, 1].sum())
                self.rows.reject(
                    "mask-size", index, height=slot.height, width=slot.width, pixels=covered
                )
                continue
            extent = [float(v) for v in rle.bbox(mask) or ()]
            self.rows.bitmask(home.image, self.rows.tag(title), mask, extent, index, extra)


def _runs(table: np.ndarray[Any, np.dtype[np.int64]], value: int) -> list[int]:
    """The runs of 0 and 1, beginning with 0, of the pixels that have ``value``."""
    inside = table[:, 0] == value
    if not len(inside):
        return []
    first = np.concatenate(([0], np.flatnonzero(np.diff(inside)) + 1))
    runs: list[int] = np.add.reduceat(table[:, 1], first).tolist()
    return [0, *runs] if inside[0] else runs


def _paths(value: dict[str, Any], kind: str) -> list[list[float]]:
    paths = value.get("paths")
    if paths is None:  # version 1.0
        path = doc.listed(doc.need(value, "path", kind, f"{kind}.paths"), f"{kind}.path")
        paths = path if path and isinstance(path[0], list) else [path]
        for more in doc.optional_list(value.get("additional_paths")):
            paths = [*paths, more]
    key = f"{kind}.paths"
    return [doc.ring_ends(doc.xy_objects(path, key)) for path in doc.listed(paths, key)]


def _extra(record: dict[str, Any], frame: int | None) -> Extra | None:
    properties = {k: v for k, v in record.items() if k not in _KNOWN and v not in (None, [], {})}
    attributes: dict[str, Any] = {}
    for item in doc.optional_list(record.get("properties")):
        entry = doc.mapping(item, "properties")
        name, value = entry.get("name"), entry.get("value")
        if not isinstance(name, str) or value is None:
            continue
        if name in attributes:
            before = attributes[name]
            attributes[name] = [
                *(before if isinstance(before, list) else [str(before)]),
                str(value),
            ]
        else:
            attributes[name] = doc.attribute(value)
    flags = record.get("attributes")
    flags = flags.get("attributes") if isinstance(flags, dict) else flags
    if flags:
        attributes["attributes"] = doc.attribute(flags)
    if (words := _inner(record, "text", "text")) is not None:
        attributes["text"] = doc.attribute(words)
    if (instance := _inner(record, "instance_id", "value")) is not None:
        properties["instance_id"] = instance
    if (score := _inner(record, "inference", "confidence")) is not None:
        properties["score"] = score
    if not properties and not attributes and frame is None:
        return None
    return Extra(attributes=attributes or None, properties=properties or None, frame=frame)


def _inner(record: dict[str, Any], key: str, inner: str) -> Any:
    value = record.get(key)
    return value.get(inner) if isinstance(value, dict) else value
