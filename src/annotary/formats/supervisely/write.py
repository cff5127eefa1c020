"""Writing Supervisely's annotation files, and the ``meta.json`` that fits them."""

from __future__ import annotations

import base64
import colorsys
import io
import zlib
from typing import Any

import msgspec

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, POLYGON, RECTANGLE, Extra
from annotary.contract.dataset import ClassEntry, Dataset
from annotary.contract.output import Output
from annotary.formats.kit.rings import Body, bodies, nested, points_of
from annotary.geometry import rle

_SHAPE_NAMES = {
    RECTANGLE: "rectangle",
    POLYGON: "polygon",
    KEYPOINTS: "graph",
    BITMASK: "bitmap",
}


class ProjectWriter:
    """Writes annotation files, and gathers on the way what ``meta.json`` has to declare."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.shapes: dict[int, set[str]] = {}
        self.tags: dict[str, set[type]] = {}
        self.values: dict[str, set[str]] = {}

    def write(self, out: Output) -> None:
        for part in self.data.parts:
            images = part.images
            for image, batch, first, end in part.by_image():
                objects: list[dict[str, Any]] = []
                tags: list[dict[str, Any]] = []
                for body in bodies(batch, first, end) if batch is not None else ():
                    if body.kind == CLASSIFICATION:
                        tags.append(self._image_tag(body))
                    else:
                        objects += self._objects(body, len(objects))
                size = {"height": int(images.heights[image]), "width": int(images.widths[image])}
                ann = {"description": "", "tags": tags, "size": size, "objects": objects}
                with out.file(f"{part.name}/ann/{images.names[image]}.json") as member:
                    member.write(msgspec.json.encode(ann))
        with out.file("meta.json") as member:
            member.write(msgspec.json.format(msgspec.json.encode(self._meta()), indent=1))

    def _image_tag(self, body: Body) -> dict[str, Any]:
        name = self.data.classes[body.tag].name
        value = ((body.extra and body.extra.properties) or {}).get("value")
        self.tags.setdefault(name, set()).add(type(value))
        return {"name": name, "value": value}

    def _objects(self, body: Body, number: int) -> list[dict[str, Any]]:
        title = self.data.classes[body.tag].name
        found: list[dict[str, Any]] = []

        def add(kind: int, **geometry: Any) -> None:
            shape = _SHAPE_NAMES[kind]
            self.shapes.setdefault(body.tag, set()).add(shape)
            found.append({"classTitle": title, "geometryType": shape, "tags": [], **geometry})

        if body.points is not None:
            add(KEYPOINTS, nodes=_nodes(body.points))
        for ring, holes in nested(body.rings, body.holes):
            points = {"exterior": points_of(ring), "interior": [points_of(h) for h in holes]}
            add(POLYGON, points=points)
        if body.kind != BITMASK and body.box is not None:
            left, top, right, bottom = body.box
            corners = [[left, top], [right - 1, bottom - 1]]
            add(RECTANGLE, points={"exterior": corners, "interior": []})
        if body.kind == BITMASK and body.extra is not None and body.extra.mask is not None:
            add(BITMASK, bitmap=_bitmap(body.extra.mask))
        if len(found) > 1:
            for part in found:
                part["instance"] = f"{number + 1:032x}"
        if found and body.extra is not None:
            self._describe(found[0], body.extra)
        return found

    def _describe(self, record: dict[str, Any], extra: Extra) -> None:
        properties = dict(extra.properties or {})
        for name in properties.pop("tags", []):
            self.tags.setdefault(name, set()).add(type(None))
            record["tags"].append({"name": name, "value": None})
        for key, value in properties.items():
            record.setdefault(key, value)
        for name, value in (extra.attributes or {}).items():
            self.tags.setdefault(name, set()).add(type(value))
            if isinstance(value, list):
                record["tags"] += [{"name": name, "value": v, "multiple": True} for v in value]
            else:
                record["tags"].append({"name": name, "value": value})

    def _meta(self) -> dict[str, Any]:
        classes = [self._class(i, entry) for i, entry in enumerate(self.data.classes)]
        tags = []
        for number, (name, kinds) in enumerate(sorted(self.tags.items())):
            value = "any_number" if kinds == {float} else "any_string"
            tags.append(
                {
                    "name": name,
                    "value_type": "none" if kinds == {type(None)} else value,
                    "color": _color(number),
                }
            )
        return {"classes": classes, "tags": tags, "projectType": "images"}

    def _class(self, number: int, entry: ClassEntry) -> dict[str, Any]:
        shapes = self.shapes.get(number, set())
        shape = next(iter(shapes)) if len(shapes) == 1 else "any"
        record: dict[str, Any] = {"title": entry.name, "shape": shape, "color": _color(number)}
        if entry.keypoints:
            record["geometry_config"] = {
                "nodes": {
                    str(i): {"label": name, "loc": [0, 0], "color": _color(i)}
                    for i, name in enumerate(entry.keypoints)
                },
                "edges": [{"src": str(a), "dst": str(b)} for a, b in entry.edges],
            }
        return record


def _nodes(points: list[float]) -> dict[str, dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {}
    for i in range(0, len(points), 3):
        x, y, visibility = points[i : i + 3]
        if visibility:
            nodes[str(i // 3)] = {"loc": [x, y]}
            if visibility == 1:
                nodes[str(i // 3)]["disabled"] = True
    return nodes


def _bitmap(mask: rle.Rle) -> dict[str, Any]:
    from PIL import Image

    patch, left, top = rle.crop(mask)
    if not patch.size:
        patch, left, top = rle.to_dense(mask)[:1, :1], 0, 0
    image = Image.fromarray(patch.astype("uint8"), "L").convert("P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    png = io.BytesIO()
    image.save(png, "PNG", transparency=0, optimize=False, bits=1)
    data = base64.b64encode(zlib.compress(png.getvalue())).decode()
    return {"data": data, "origin": [int(left), int(top)]}


def _color(number: int) -> str:
    """A colour for each number, far from its neighbours': hues by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.75, 0.95)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"
