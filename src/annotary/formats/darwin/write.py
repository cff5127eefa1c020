"""Writing Darwin JSON 2.0: one file for each image."""

from __future__ import annotations

import posixpath
import uuid
from typing import Any

import msgspec
import numpy as np

from annotary.batch import BITMASK, CLASSIFICATION, Extra
from annotary.contract.dataset import ClassEntry, Dataset
from annotary.contract.names import member_names
from annotary.contract.output import Output
from annotary.formats.kit.rings import Body, bodies, length
from annotary.geometry import rle


def write(data: Dataset, out: Output) -> None:
    """Write ``<part>/<image>.json`` for every image."""
    for part in data.parts:
        images = part.images
        members = member_names(images.names, ".json")
        for image, batch, first, end in part.by_image():
            name = images.names[image]
            size = (int(images.widths[image]), int(images.heights[image]))
            writer = _Annotations(data.classes, name, size)
            for body in bodies(batch, first, end) if batch is not None else ():
                writer.add(body)
            document = {
                "version": "2.0",
                "item": _item(name, *size),
                "annotations": writer.finished(),
            }
            with out.file(f"{part.name}/{members[image]}") as member:
                member.write(msgspec.json.encode(document))


def _item(name: str, width: int, height: int) -> dict[str, Any]:
    folder, base = posixpath.split(name)
    slot: dict[str, Any] = {"type": "image", "slot_name": "0"}
    if width and height:
        slot |= {"width": width, "height": height}
    slot["source_files"] = [{"file_name": base}]
    return {"name": base, "path": f"/{folder}", "slots": [slot]}


class _Annotations:
    """The annotations of one image's file."""

    def __init__(self, classes: list[ClassEntry], image: str, size: tuple[int, int]) -> None:
        self.classes = classes
        self.image = image
        self.width, self.height = size
        self.found: list[dict[str, Any]] = []
        self.layers: list[tuple[np.ndarray[Any, np.dtype[np.int32]], dict[str, int]]] = []

    def add(self, body: Body) -> None:
        entry = self.classes[body.tag]
        if body.points is not None:
            key, value = _keypoints(entry, body.points)
        elif body.rings or body.holes:
            key, value = "polygon", {"paths": [_path(r) for r in (*body.rings, *body.holes)]}
        elif body.kind == BITMASK and body.extra is not None and body.extra.mask is not None:
            key, value = "mask", {}
        elif body.kind == CLASSIFICATION:
            key, value = "tag", {}
        elif body.box is not None:
            x, y, right, bottom = body.box
            key, value = (
                "bounding_box",
                {"x": x, "y": y, "w": length(x, right), "h": length(y, bottom)},
            )
        else:
            return
        identity = self._identity()
        record = {"id": identity, "name": entry.name, "slot_names": ["0"], key: value}
        if body.extra is not None:
            _describe(record, body.extra)
            if key == "mask" and body.extra.mask is not None:
                self._paint(identity, body.extra.mask)
        self.found.append(record)

    def finished(self) -> list[dict[str, Any]]:
        """All annotations, the raster layers last."""
        for pixels, mapping in self.layers:
            flat = pixels.reshape(-1)
            starts = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1))
            lengths = np.diff(np.concatenate((starts, [flat.size])))
            layer = {
                "dense_rle": np.column_stack((flat[starts], lengths)).reshape(-1).tolist(),
                "mask_annotation_ids_mapping": mapping,
                "total_pixels": int(flat.size),
            }
            self.found.append(
                {
                    "id": self._identity(),
                    "name": "__raster_layer__",
                    "slot_names": ["0"],
                    "raster_layer": layer,
                }
            )
        return self.found

    def _identity(self) -> str:
        """An id that is the same in every export of the same annotations."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"annotary:{self.image}#{len(self.found)}"))

    def _paint(self, identity: str, mask: rle.Rle) -> None:
        dense = rle.to_dense(mask)
        free = (layer for layer in self.layers if not layer[0][dense].any())
        pixels, mapping = next(free, (None, {}))
        if pixels is None:
            pixels = np.zeros(dense.shape, np.int32)
            self.layers.append((pixels, mapping))
        mapping[identity] = len(mapping) + 1
        pixels[dense] = len(mapping)


def _path(ring: list[float]) -> list[dict[str, float]]:
    return [{"x": ring[i], "y": ring[i + 1]} for i in range(0, len(ring), 2)]


def _keypoints(entry: ClassEntry, points: list[float]) -> tuple[str, dict[str, Any]]:
    names = entry.keypoints
    if len(points) == 3 and names == [entry.name]:
        return "keypoint", {"x": points[0], "y": points[1]}
    nodes = [
        {
            "name": names[i // 3] if i // 3 < len(names) else str(i // 3 + 1),
            "occluded": points[i + 2] < 2,
            "x": points[i] if points[i + 2] else 0,
            "y": points[i + 1] if points[i + 2] else 0,
        }
        for i in range(0, len(points), 3)
    ]
    return "skeleton", {"nodes": nodes}


def _describe(record: dict[str, Any], extra: Extra) -> None:
    properties = extra.properties or {}
    if "instance_id" in properties:
        record["instance_id"] = {"value": properties["instance_id"]}
    if "score" in properties:
        record["inference"] = {"confidence": properties["score"]}
    entries = []
    for name, value in (extra.attributes or {}).items():
        if name == "attributes" and isinstance(value, list):
            record["attributes"] = value
        elif name == "text" and isinstance(value, str):
            record["text"] = {"text": value}
        else:
            several = isinstance(value, list) and len(value) > 1
            entries += [{"name": name, "value": v} for v in (value if several else [value])]
    if entries:
        record["properties"] = entries
