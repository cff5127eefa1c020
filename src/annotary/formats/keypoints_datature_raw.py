"""Skeletons and annotations as they are in a project, in one JSON file.

The shape follows what Datature's client publishes of skeletons and annotations; the file as a
whole is an own definition. One ``<part>.json``::

    {"normalized": true, "tags": ["boat", "dog"],
     "skeletons": [{"skeletonId": "..", "name": "dog",
                    "keypoints": [{"id": "..", "name": "nose", "category": []}],
                    "connections": [{"pair": ["nose", "tail"]}]}],
     "assets": [{"assetId": "asset_..", "filename": "image.png", "width": 400, "height": 200,
       "annotations": [{"tag": "dog", "skeletonId": "..", "boundType": "Keypoints",
          "bound": [[0.15, 0.2, 2], [0.275, 0.45, 1]],
          "keypoints": [{"name": "nose", "x": 0.15, "y": 0.2, "visibility": 2}],
          "frame": null, "attributes": [{"name": "age", "value": 3}]}]}]}

``skeletons`` has an entry for each class with keypoints, ``name`` is the class; ``connections``
are its lines. ``bound`` by ``boundType``: Keypoints [x, y, visibility 0|1|2] each, Rectangle four
corners, Polygon one ring, Classification nothing, Bitmask {"size": [height, width], "counts":
COCO run lengths}; Bitmask3d has ``aggregation`` and ``chunkData``. ``keypoints`` repeats the
bound with names. Annotations of one object stand next to each other with the same ``group``; a
ring with ``hole`` is cut out; ``properties`` holds flags and fields of other formats. What does not
apply is left out, except ``frame`` and ``attributes``.

**Written.** Everything. Coordinates are fractions, or pixels if asked for (``normalized`` false;
boxes of masks are not stated). Ids of skeletons follow from their names.

**Read.** The same. Of ``bound`` and ``keypoints`` the bound counts. Without ``normalized``, the
coordinates are pixels if one of them is above 1. Without ``group``, each annotation is an object.
A missing visibility is 2.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from annotary.batch import BITMASK, BITMASK3D, KEYPOINTS, KIND_NAMES, AnnotationBatch, Extra
from annotary.contract.dataset import ClassEntry, Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink, Shape
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError
from annotary.geometry import rle
from annotary.geometry.arrays import corners
from annotary.geometry.rle import Rle
from annotary.model import Aggregation
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile

_NAMESPACE = uuid.UUID("6f1f3f2a-8a57-5d0c-b0a7-2e2b8f0a9c11")
_PER_ASSET = 1 << 24
_PROPERTIES = "properties"
_KINDS = {name: number for number, name in enumerate(KIND_NAMES)}


class KeypointsRaw(Format):
    """See the module."""

    name = "keypoints_datature_raw"
    title = "Datature raw keypoints"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("Keypoint",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        edges=True,
        classification="Classification",
        bitmask="Bitmask",
        bitmask3d="Bitmask3d",
        parts=True,
        holes=True,
        objects=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        frames=True,
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return {"skeletons", "assets"} <= source.json_keys and all(
            source.json is not None and source.json.members[key].kind == "array"
            for key in ("skeletons", "assets")
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        _Reader(source, rows).read()

    def write(self, data: Dataset, out: Output) -> None:
        skeletons = [_skeleton(entry) for entry in data.classes if entry.keypoints]
        head = {"normalized": data.normalized, "tags": data.names, "skeletons": skeletons}
        begin = msgspec.json.encode(head)[:-1] + b',"assets":['
        for part in data.parts:
            images = part.images
            with out.file(f"{part.name}.json") as file:
                file.write(begin)
                for image, batch, first, end in part.by_image():
                    asset: dict[str, Any] = {"assetId": images.ids[image]} if images.ids else {}
                    asset["filename"] = images.names[image]
                    asset["width"] = int(images.widths[image])
                    asset["height"] = int(images.heights[image])
                    asset["annotations"] = (
                        [] if batch is None else list(_annotations(data, batch, first, end))
                    )
                    file.write((b",\n" if image else b"\n") + msgspec.json.encode(asset))
                file.write(b"\n]}\n")


# --- writing ----------------------------------------------------------------------------------


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\n".join(names)))


def _skeleton(entry: ClassEntry) -> dict[str, Any]:
    names = entry.keypoints
    return {
        "skeletonId": _id(entry.name),
        "name": entry.name,
        "keypoints": [
            {"id": _id(entry.name, str(i), name), "name": name, "category": []}
            for i, name in enumerate(names)
        ],
        "connections": [{"pair": [names[a], names[b]]} for a, b in entry.edges],
    }


def _annotations(
    data: Dataset, batch: AnnotationBatch, begin: int, end: int
) -> Iterator[dict[str, Any]]:
    record = batch.record[begin:end].tolist()
    for row in range(begin, end):
        entry = data.classes[int(batch.tag[row])]
        kind = int(batch.kind[row])
        extra = batch.extras.get(row) or Extra()
        made: dict[str, Any] = {"tag": entry.name, "boundType": KIND_NAMES[kind]}
        made["bound"] = _bound(batch, row, kind, extra)
        if kind == KEYPOINTS and entry.keypoints:
            made["skeletonId"] = _id(entry.name)
            made["keypoints"] = [
                {"name": name, "x": x, "y": y, "visibility": v}
                for name, (x, y, v) in zip(entry.keypoints, made["bound"], strict=False)
            ]
        if _shared(record, row - begin):
            made["group"] = str(record[row - begin] - record[0])
        if batch.hole[row]:
            made["hole"] = True
        made["frame"] = extra.frame
        if extra.sequence is not None:
            made["sequence"] = extra.sequence
        made["attributes"] = [
            {"name": name, "value": value} for name, value in (extra.attributes or {}).items()
        ]
        if extra.properties:
            made[_PROPERTIES] = extra.properties
        if kind == BITMASK3D:
            made["aggregation"] = extra.aggregation
            made["chunkData"] = extra.chunk
        yield made


def _shared(record: list[int], at: int) -> bool:
    """Whether a neighbour is of the same object."""
    return record[at] in record[max(at - 1, 0) : at] + record[at + 1 : at + 2]


def _bound(batch: AnnotationBatch, row: int, kind: int, extra: Extra) -> Any:
    if kind == BITMASK:
        mask = extra.mask
        assert mask is not None
        return {"size": [mask.height, mask.width], "counts": mask.counts.decode()}
    values = batch.values(row)
    if kind == KEYPOINTS:
        return [
            [x, y, int(v) if v.is_integer() else v] for x, y, v in values.reshape(-1, 3).tolist()
        ]
    if KIND_NAMES[kind] == "Rectangle":
        values = corners(values.reshape(1, 4)).ravel()
    return values.reshape(-1, 2).tolist()


# --- reading ----------------------------------------------------------------------------------


class _Reader:
    def __init__(self, source: SourceFile, rows: RowSink) -> None:
        assert source.json is not None
        self.source = source
        self.json = source.json
        self.rows = rows
        rows.locate = self._locate

    def _locate(self, at: int) -> Location:
        asset, number = divmod(at, _PER_ASSET)
        path: tuple[str | int, ...] = ("assets", asset)
        return doc.placed(self.source, *path, *(("annotations", number - 1) if number else ()))

    def read(self) -> None:
        rows = self.rows
        rows.normalized = self._unit()
        for name in doc.member_value(self.source, "tags") or []:
            if isinstance(name, str):
                rows.tag(name)
        self._skeletons()
        for index, asset in doc.records(
            self.source, self.json.members["assets"], rows, "asset", ("assets",)
        ):
            self._asset(index, asset)

    def _unit(self) -> bool:
        stated = doc.member_value(self.source, "normalized")
        if isinstance(stated, bool):
            return stated
        for chunk in self.json.elements(self.json.members["assets"], dict[str, Any]):
            for asset in chunk.items:
                for found in asset.get("annotations", ()) if isinstance(asset, dict) else ():
                    bound = found.get("bound") if isinstance(found, dict) else None
                    for point in bound if isinstance(bound, list) else ():
                        for value in point[:2] if isinstance(point, list) else ():
                            if isinstance(value, int | float) and value > 1 + 1e-6:
                                return False
        return True

    def _skeletons(self) -> None:
        for index, entry in doc.records(
            self.source, self.json.members["skeletons"], _Uncounted(self.rows), "skeleton",
            ("skeletons",),
        ):  # fmt: skip
            try:
                title = doc.text(doc.need(entry, "name", "skeleton", "name"), "name")
                points = doc.listed(
                    doc.need(entry, "keypoints", "skeleton", "keypoints"), "keypoints"
                )
                names = [
                    doc.text(doc.mapping(point, "A keypoint").get("name"), "keypoints.name")
                    for point in points
                ]
                edges = []
                for line in doc.listed(entry.get("connections") or [], "connections"):
                    pair = doc.listed(doc.mapping(line, "A connection").get("pair"), "pair")
                    if len(pair) != 2 or not {*map(str, pair)} <= {*names}:
                        raise RefusedError(
                            "wrong-type", key="A connection's pair", detail=f"it is {pair}",
                            expected="the names of two keypoints",
                        )  # fmt: skip
                    edges.append((names.index(pair[0]), names.index(pair[1])))
            except RefusedError as refused:
                place = doc.placed(self.source, "skeletons", index)
                self.rows.problem(refused.code, place, **refused.values)
                continue
            self.rows.tag(title)
            self.rows.skeletons[title] = (names, edges)

    def _asset(self, index: int, asset: dict[str, Any]) -> None:
        rows, at = self.rows, index * _PER_ASSET
        try:
            name = doc.text(doc.need(asset, "filename", "asset", "filename"), "filename")
            found = doc.listed(asset.get("annotations") or [], "annotations")
        except RefusedError as refused:
            rows.reject(refused.code, at, **refused.values)
            return
        width, height = doc.pixels(asset.get("width")), doc.pixels(asset.get("height"))
        image = rows.image(name, width, height, at)
        group: list[tuple[int, dict[str, Any]]] = []
        for number, record in enumerate(found, at + 1):
            if not isinstance(record, dict):
                rows.reject(
                    "wrong-type", number, key="The annotation",
                    detail=f"it is {doc.kind_of(record)}", expected="an object",
                )  # fmt: skip
                continue
            of = record.get("group")
            if group and (of is None or of != group[0][1].get("group")):
                self._object(image, group)
                group = []
            group.append((number, record))
        if group:
            self._object(image, group)

    def _object(self, image: int, group: list[tuple[int, dict[str, Any]]]) -> None:
        at = group[0][0]
        try:
            parts = []
            for at, record in group:  # noqa: B007 - names the place of a fault
                parts.append(_Part(record))
            self._deliver(image, group[0][0], parts)
        except RefusedError as refused:
            self.rows.reject(refused.code, at, **refused.values)

    def _deliver(self, image: int, at: int, parts: list[_Part]) -> None:
        rows, first = self.rows, parts[0]
        shapes = [part.shape(rows.normalized) for part in parts]
        rows.object(image, rows.tag(first.tag), shapes, at)


class _Part:
    """One annotation: its kind, flat values, and what else it says. Raises ``RefusedError``."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.tag = doc.text(doc.need(record, "tag", "annotation", "tag"), "tag")
        self.kind = doc.text(doc.need(record, "boundType", "annotation", "boundType"), "boundType")
        if self.kind not in KIND_NAMES:
            raise RefusedError(
                "wrong-type", key="boundType", detail=f"it is {self.kind!r}",
                expected=", ".join(KIND_NAMES),
            )  # fmt: skip
        self.hole = record.get("hole") is True
        self.mask: Rle | None = None
        self.values: list[float] = []
        bound = record.get("bound")
        if self.kind == "Keypoints":
            self.values = _keypoints(bound)
        elif self.kind == "Rectangle":
            flat = doc.pairs(bound, "bound")
            if len(flat) != 8:
                raise RefusedError(
                    "value-count", key="bound", count=len(flat) // 2, expected="4 corners",
                    advice="Write the corners (xmin,ymin) (xmin,ymax) (xmax,ymax) (xmax,ymin).",
                )  # fmt: skip
            self.values = [min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])]
        elif self.kind == "Polygon":
            self.values = doc.pairs(bound, "bound")
        elif self.kind == "Bitmask":
            self.mask = _mask(bound)
        self.extra = self._extra(record)

    def _extra(self, record: dict[str, Any]) -> Extra | None:
        extra = Extra()
        attributes = {}
        for entry in doc.listed(record.get("attributes") or [], "attributes"):
            item = doc.mapping(entry, "An attribute")
            name = doc.text(doc.need(item, "name", "attribute", "attributes.name"), "name")
            if item.get("value") is not None:
                attributes[name] = doc.attribute(item["value"])
        extra.attributes = attributes or None
        if record.get(_PROPERTIES):
            extra.properties = doc.mapping(record[_PROPERTIES], _PROPERTIES)
        for key in ("frame", "sequence"):
            value = record.get(key)
            if value is not None and type(value) is not int:
                raise RefusedError(
                    "wrong-type", key=key, detail=f"it is {value!r}", expected="a whole number"
                )
            setattr(extra, key, value if value is None else doc.frame(value, key))
        if self.kind == "Bitmask3d":
            try:
                extra.aggregation = msgspec.convert(record.get("aggregation"), Aggregation)
            except msgspec.ValidationError as error:
                raise RefusedError(
                    "wrong-type", key="aggregation", detail=str(error),
                    expected="the chunk's place in its volume (whole, thisPart)",
                ) from None  # fmt: skip
            extra.chunk = doc.text(record.get("chunkData"), "chunkData")
        return None if extra == Extra() else extra

    def shape(self, normalized: bool) -> Shape:
        """The annotation as a row; a mask's values are its extent in the file's unit."""
        extra, values = self.extra, self.values
        if self.mask is not None:
            extra = extra or Extra()
            extra.mask, values = self.mask, self.extent(normalized)
        return Shape(_KINDS[self.kind], values, extra, self.kind == "Polygon" and self.hole)

    def extent(self, normalized: bool) -> list[float]:
        """The mask's extent in the file's unit."""
        assert self.mask is not None
        try:
            box = rle.bbox(self.mask)
        except ValueError:
            return []
        if box is None:
            return []
        x0, y0, x1, y1 = map(float, box)
        if normalized:
            w, h = self.mask.width, self.mask.height
            return [x0 / w, y0 / h, x1 / w, y1 / h]
        return [x0, y0, x1, y1]


def _keypoints(bound: Any) -> list[float]:
    flat: list[float] = []
    for point in doc.listed(bound, "bound", "a list of [x, y, visibility]"):
        values = doc.numbers(point, "bound")
        if len(values) not in (2, 3):
            raise RefusedError(
                "value-count", key="A keypoint", count=len(values), expected="x, y and visibility",
                advice="Write [x, y, visibility] for every keypoint.",
            )  # fmt: skip
        flat += values if len(values) == 3 else [*values, 2.0]
    return flat


def _mask(bound: Any) -> Rle:
    found = doc.mapping(bound, "bound", "an object with size and counts")
    height, width = doc.numbers(found.get("size"), "bound.size", 2)
    counts = doc.text(found.get("counts"), "bound.counts")
    if not (np.isfinite([height, width]).all() and 0 <= height < 2**31 and 0 <= width < 2**31):
        raise RefusedError(
            "wrong-type", key="bound.size", detail=f"it is {found.get('size')}",
            expected="height and width in pixels",
        )  # fmt: skip
    return Rle(int(height), int(width), counts.encode("utf-8", "replace"))


class _Uncounted(RowSink):
    """Faults of skeletons: they are told, but no records of the file."""

    def __init__(self, rows: RowSink) -> None:
        super().__init__(rows.file, lambda *_: None)
        self.problems, self.untold, self._told = rows.problems, rows.untold, rows._told


FORMAT = KeypointsRaw()
