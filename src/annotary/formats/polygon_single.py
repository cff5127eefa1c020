"""LabelMe JSON: one file per image, shapes of many kinds. Also known as ``polygon_single``.

Defined by LabelMe (https://github.com/wkentaro/labelme), with what X-AnyLabeling and others add::

    {"version": "5.5.0", "flags": {},
     "shapes": [{"label": "dog", "points": [[40, 20], [40, 100], [120, 100], [120, 20]],
                 "group_id": null, "description": "", "shape_type": "polygon",
                 "flags": {}, "mask": null}],
     "imagePath": "image.png", "imageData": null, "imageHeight": 200, "imageWidth": 400}

Coordinates are pixels, origin top-left, with decimals; a file in which all of them lie within
0..1, and some have decimals, is taken for fractions.

=======================  ================================  ===================================
``shape_type``           ``points``                        becomes
=======================  ================================  ===================================
polygon (or none)        the ring                          polygon
rectangle                two opposite corners, or four     rectangle
oriented_rectangle,      four corners                      polygon
rotation
circle                   centre, a point on the edge       polygon of 32 points
point, points            the points                        keypoints
mask                     two corners, the last pixel       mask
                         included, and ``mask``: a PNG
                         of that box in base64
line, linestrip          any                               skipped, and said
=======================  ================================  ===================================

**Read.** Only ``shapes`` is needed. The image is ``imagePath`` (backslashes are slashes, leading
``../`` is taken off), else it is called as the file. ``imageData`` is never decoded. Shapes of
one label and one ``group_id`` that enclose areas are one object in parts; masks are united.
``group_id``, ``description``, ``flags`` that are set, and unknown keys become properties,
``attributes`` attributes. The image's own ``flags`` that are set are classes of the image.

**Written.** One file per image, also for images without objects. Objects in parts share a
``group_id``; properties and attributes are written as keys of the shape, which LabelMe keeps.
Keypoints are ``point`` or ``points`` with a key ``visibility``. Holes are not written;
attributes of image classes are not either. Classes that nothing uses are not listed.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, POLYGON, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, ImageTable
from annotary.contract.format import Carries, Format
from annotary.contract.names import member_names
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.imagemap import expect
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.geometry import rle
from annotary.geometry.arrays import circle
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile

STANDARD = {"label", "points", "group_id", "shape_type", "flags", "description", "mask"}
CORNERS = ("oriented_rectangle", "rotation")
LINES = ("line", "linestrip")


class PolygonSingle(Format):
    """LabelMe JSON."""

    name = "polygon_single"
    title = "LabelMe JSON, one file per image"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    record_paths = ("/shapes/*",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Bitmask",
        parts=True,
        attributes=True,
        properties=True,
        bare=frozenset({"Classification"}),
        merges=frozenset({"Classification"}),
        image_sizes=True,
        classes=False,
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """An object with a list of ``shapes`` and something said of one image."""
        keys = source.json_keys
        if "shapes" not in keys or not keys & {"imagePath", "imageData", "imageHeight"}:
            return False
        return source.json is not None and source.json.members["shapes"].kind == "array"

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read one image's shapes."""
        rows.locate = lambda at: _place(source, at)
        try:
            file = _DECODE(source.buffer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._read_faulty(source, rows)
            return
        shapes = list(enumerate(file.shapes))
        rows.normalized = _are_fractions(shapes)
        _Image(source, rows, file).read(shapes)

    def _read_faulty(self, source: SourceFile, rows: RowSink) -> None:
        """Read a file that does not decode as a whole, shape by shape."""
        json = expect(source, self.title, "shapes", "array")
        shapes: list[tuple[int, dict[str, Any]]] = []
        try:
            member = json.members["shapes"]
            shapes.extend(doc.records(source, member, rows, "shape", ("shapes",)))
        finally:  # also when the text breaks off: what stands before it is read
            rows.normalized = _are_fractions(shapes)
            _Image(source, rows, _members(source)).read(shapes)

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per image."""
        names = data.names
        for part in data.parts:
            members = member_names(part.images.names, ".json")
            for image, batch, begin, end in part.by_image():
                document = _document(part.images, image, batch, begin, end, names)
                with out.file(f"{part.name}/{members[image]}") as file:
                    file.write(msgspec.json.encode(document))


# --- reading ----------------------------------------------------------------------------------


class _File(msgspec.Struct):
    """What is read of a file; its image data is passed over."""

    shapes: list[dict[str, Any]]
    imagePath: Any = None  # noqa: N815 - as the file has it
    imageWidth: Any = None  # noqa: N815
    imageHeight: Any = None  # noqa: N815
    flags: Any = None


_DECODE = msgspec.json.Decoder(_File).decode


def _members(source: SourceFile) -> _File:
    """The members beside the shapes, as far as they can be read."""
    path, width, height, flags = [
        doc.member_value(source, key) for key in ("imagePath", "imageWidth", "imageHeight", "flags")
    ]
    return _File([], path, width, height, flags)


def _place(source: SourceFile, at: int) -> Location:
    if at >= 0:
        return doc.placed(source, "shapes", at)
    return doc.placed(source, "flags")


def _are_fractions(shapes: list[tuple[int, dict[str, Any]]]) -> bool:
    decimals = False
    for _, shape in shapes:
        points = shape.get("points")
        if shape.get("shape_type") == "mask" or not isinstance(points, list):
            continue
        for point in points:
            for number in point if isinstance(point, list) else ():
                if isinstance(number, float):
                    decimals = True
                elif not isinstance(number, int):
                    continue
                if not -1e-6 <= number <= 1 + 1e-6:
                    return False
    return decimals


class _Image:
    """The image of a file, and its shapes on their way into the rows."""

    def __init__(self, source: SourceFile, rows: RowSink, file: _File) -> None:
        self.rows = rows
        self.file = file
        path = file.imagePath
        name = path.replace("\\", "/") if isinstance(path, str) else ""
        while name.startswith(("../", "./")):
            name = name.partition("/")[2]
        self.width = doc.pixels(file.imageWidth)
        self.height = doc.pixels(file.imageHeight)
        if not (self.width and self.height):
            self.width = self.height = 0
        place = Location(line=1)
        self.image = rows.image(name or source.stem, self.width, self.height, place)

    def read(self, shapes: list[tuple[int, dict[str, Any]]]) -> None:
        """Put the image's classes and every shape into the rows."""
        self._flags()
        for index, members in _groups(shapes):
            try:
                self._object(index, members)
            except RefusedError as refused:
                self.rows.reject(refused.code, index, **refused.values)
            except UnsupportedError as skipped:
                self.rows.skip(skipped.code, index, **skipped.values)

    def _flags(self) -> None:
        flags = self.file.flags
        for name, flag in flags.items() if isinstance(flags, dict) else ():
            tag = self.rows.tag(name)
            if flag is True:
                self.rows.classification(self.image, tag, -1)

    def _object(self, index: int, members: list[dict[str, Any]]) -> None:
        shape = members[0]
        label = doc.need(shape, "label", "shape", "label")
        if not isinstance(label, str) or not label:
            detail = "it is empty" if label == "" else f"it is {doc.kind_of(label)}"
            raise RefusedError("wrong-type", key="label", detail=detail, expected="a name")
        kind = shape.get("shape_type") or "polygon"
        if kind in LINES:
            raise UnsupportedError("unsupported-shape", shape=kind, detail="")
        extra = _extra(shape, kind)
        if kind == "mask":
            self._mask(index, label, members, extra)
            return
        outlines = [_outline(each) for each in members]
        rows = self.rows
        if len(outlines) == 1 and outlines[0].box:
            xmin, ymin, xmax, ymax = outlines[0].box
            rows.rectangle(self.image, rows.tag(label), xmin, ymin, xmax, ymax, index, extra)
        elif kind in ("point", "points"):
            points = _keypoints(shape, outlines[0].flat)
            if kind == "point":
                rows.skeletons.setdefault(label, ([label], []))
            if extra is not None and extra.properties:
                extra.properties.pop("visibility", None)
            rows.keypoints(self.image, rows.tag(label), points, index, extra)
        else:
            rings = [outline.flat for outline in outlines]
            rows.polygon(self.image, rows.tag(label), rings, index, extra)

    def _mask(
        self, index: int, label: str, members: list[dict[str, Any]], extra: Extra | None
    ) -> None:
        if not self.width:
            name = self.rows.image_names[self.image]
            raise RefusedError("unknown-size", name=name)
        mask = rle.merge([self._patch(shape) for shape in members])
        box: Sequence[float] = rle.bbox(mask) or ()
        if box and self.rows.normalized:
            sides = (self.width, self.height, self.width, self.height)
            box = [value / side for value, side in zip(box, sides, strict=True)]
        self.rows.bitmask(self.image, self.rows.tag(label), mask, box, index, extra)

    def _patch(self, shape: dict[str, Any]) -> rle.Rle:
        left, top = _flat(shape, 2)[:2]
        text = doc.text(doc.need(shape, "mask", "mask shape", "mask"), "mask")
        try:
            png = base64.b64decode(text, validate=True)
            return rle.from_png_patch(png, int(left), int(top), self.height, self.width)
        except (ValueError, OverflowError, binascii.Error) as error:
            raise RefusedError(
                "wrong-type",
                key="The mask",
                detail=str(error),
                expected="a PNG of its box in base64, inside the image",
            ) from None


def _groups(
    shapes: list[tuple[int, dict[str, Any]]],
) -> list[tuple[int, list[dict[str, Any]]]]:
    """Shapes as objects: areas, or masks, of one label and one group belong together."""
    found: list[tuple[int, list[dict[str, Any]]]] = []
    known: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    loose: set[str] = set()
    for index, shape in shapes:
        group, kind = shape.get("group_id"), shape.get("shape_type") or "polygon"
        if group is None or kind in (*LINES, "point", "points") or "label" not in shape:
            found.append((index, [shape]))
            loose.add(repr(group))
            continue
        key = (repr(shape["label"]), repr(group), kind == "mask")
        if key in known:
            known[key].append(shape)
        else:
            known[key] = [shape]
            found.append((index, known[key]))
    shared = Counter(group for _, group, _ in known)
    for (_, group, _), members in known.items():
        # the group says no more than that these are one object
        if len(members) > 1 and shared[group] == 1 and group not in loose:
            members[0] = {**members[0], "group_id": None}
    return found


class _Outline(msgspec.Struct):
    """A shape's points, flat, and its corners where it is a rectangle."""

    flat: list[float]
    box: list[float] | None = None


def _flat(shape: dict[str, Any], count: int = 0) -> list[float]:
    """The points of a shape; ``count``: how many there must be, 0 for any."""
    points = doc.need(shape, "points", "shape", "points")
    flat = doc.pairs(points, "points")
    if count and len(flat) != 2 * count:
        raise RefusedError(
            "value-count",
            key="points",
            count=len(flat) // 2,
            expected=count,
            advice=f"A {shape.get('shape_type')} has {count} points.",
        )
    return flat


def _outline(shape: dict[str, Any]) -> _Outline:
    kind = shape.get("shape_type") or "polygon"
    if kind == "circle":
        cx, cy, x, y = _flat(shape, 2)
        radius = math.hypot(x - cx, y - cy)
        return _Outline(circle(cx, cy, radius, radius))
    if kind == "rectangle":
        flat = _flat(shape)
        if len(flat) not in (4, 8):
            flat = _flat(shape, 2)
        xs, ys = flat[::2], flat[1::2]
        box = [min(xs), min(ys), max(xs), max(ys)]
        if any(math.isnan(value) for value in flat):
            box = [math.nan] * 4
        if len(flat) == 8 and not (set(xs) == {box[0], box[2]} and set(ys) == {box[1], box[3]}):
            return _Outline(flat)  # four corners of a box that is turned
        return _Outline([box[0], box[1], box[0], box[3], box[2], box[3], box[2], box[1]], box)
    if kind in CORNERS:
        return _Outline(_flat(shape, 4))
    if kind in ("polygon", "points"):
        return _Outline(_flat(shape))
    if kind == "point":
        return _Outline(_flat(shape, 1))
    raise UnsupportedError("unsupported-shape", shape=str(kind), detail="")


def _keypoints(shape: dict[str, Any], flat: list[float]) -> list[float]:
    count = len(flat) // 2
    seen = [2.0] * count
    if isinstance(shape.get("visibility"), list):
        seen = doc.numbers(shape["visibility"], "visibility", count)
    return [value for i in range(count) for value in (flat[2 * i], flat[2 * i + 1], seen[i])]


def _extra(shape: dict[str, Any], kind: str) -> Extra | None:
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    if kind in CORNERS or kind == "circle":
        properties["shape_type"] = kind
    if kind == "circle":
        properties["circle"] = shape.get("points")
    for key, value in shape.items():
        if key == "attributes" and isinstance(value, dict):
            attributes = {name: doc.attribute(v) for name, v in value.items() if v is not None}
        elif key == "flags":
            if flags := {k: v for k, v in value.items() if v} if isinstance(value, dict) else value:
                properties[key] = flags
        elif key == "group_id" or key not in STANDARD:
            if value not in (None, "", [], {}, False):
                properties[key] = value
        elif key == "description" and value:
            properties[key] = value
    if not properties and not attributes:
        return None
    return Extra(attributes=attributes or None, properties=properties or None)


# --- writing ----------------------------------------------------------------------------------


def _document(
    images: ImageTable, image: int, batch: AnnotationBatch | None, begin: int, end: int,
    names: list[str],
) -> dict[str, Any]:  # fmt: skip
    shapes: list[dict[str, Any]] = []
    flags: dict[str, bool] = {}
    if batch is not None:
        flags = _shapes(batch, begin, end, names, shapes)
    return {
        "version": "5.5.0",
        "flags": flags,
        "shapes": shapes,
        "imagePath": images.names[image],
        "imageData": None,
        "imageHeight": int(images.heights[image]),
        "imageWidth": int(images.widths[image]),
    }


def _shapes(
    batch: AnnotationBatch, begin: int, end: int, names: list[str], shapes: list[dict[str, Any]]
) -> dict[str, bool]:
    """Add the rows of one image to its shapes; answers its classes as flags."""
    flags: dict[str, bool] = {}
    kinds, tags = batch.kind[begin:end].tolist(), batch.tag[begin:end].tolist()
    records = batch.record[begin:end].tolist()
    taken = {
        (extra.properties or {}).get("group_id")
        for row, extra in batch.extras.items()
        if begin <= row < end
    }
    fresh = max((g for g in taken if isinstance(g, int) and not isinstance(g, bool)), default=-1)
    for i, (kind, tag, record) in enumerate(zip(kinds, tags, records, strict=True)):
        if kind == CLASSIFICATION:
            flags[names[tag]] = True
            continue
        row = begin + i
        extra = batch.extras.get(row)
        first = i == 0 or records[i - 1] != record
        shape: dict[str, Any] = {"label": names[tag]}
        if first:
            said = dict((extra.properties if extra else None) or {})
            group = said.pop("group_id", None)
            if group is None and i + 1 < len(records) and records[i + 1] == record:
                fresh += 1
                group = fresh
        shape |= _geometry(batch, row, kind, said)
        shape["group_id"] = group
        shape["description"] = said.get("description", "") if first else ""
        shape["flags"] = said.get("flags", {}) if first else {}
        shape.setdefault("mask", None)
        if first:
            for key, value in said.items():
                shape.setdefault(key, value)
            if extra is not None and extra.attributes:
                shape["attributes"] = extra.attributes
        shapes.append(shape)
    return flags


def _geometry(batch: AnnotationBatch, row: int, kind: int, said: dict[str, Any]) -> dict[str, Any]:
    values = batch.values(row)
    if kind == BITMASK:
        mask = batch.extras[row].mask
        assert mask is not None
        patch, left, top = rle.crop(mask)
        right, bottom = left + patch.shape[1] - 1, top + patch.shape[0] - 1
        points = [[float(left), float(top)], [float(right), float(bottom)]]
        return {"points": points, "shape_type": "mask", "mask": _png(patch)}
    if kind == KEYPOINTS:
        table = values.reshape(-1, 3)
        shape_type = "point" if len(table) == 1 else "points"
        found: dict[str, Any] = {"points": table[:, :2].tolist(), "shape_type": shape_type}
        if (table[:, 2] != 2).any():
            found["visibility"] = table[:, 2].astype(int).tolist()
        return found
    points = values.reshape(-1, 2).tolist()
    if kind != POLYGON:
        return {"points": points, "shape_type": "rectangle"}
    turned = said.get("shape_type")
    if turned not in CORNERS or len(points) != 4:
        turned = "polygon"
    return {"points": points, "shape_type": turned}


def _png(patch: Any) -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(patch, dtype=np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


FORMAT = PolygonSingle()
