"""Writing Datumaro's JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.batch import BITMASK, CLASSIFICATION
from annotary.contract.dataset import Dataset
from annotary.contract.output import Output
from annotary.formats.kit.rings import Body, bodies, length

FLAGS = {
    "occluded": "occluded", "is_crowd": "iscrowd", "score": "score", "truncated": "truncated",
    "difficult": "difficult", "track_id": "track_id",
}  # fmt: skip
"""Attributes that Datumaro knows, and the properties that they are."""


def write(data: Dataset, out: Output) -> None:
    """Write ``annotations/<part>.json`` for each part."""
    categories = msgspec.json.encode(_categories(data))
    for part in data.parts:
        images = part.images
        identities = data.members(part, "")
        with out.file(f"annotations/{part.name}.json") as member:
            member.write(b'{"info":{},"categories":' + categories + b',"items":[')
            separator = b"\n"
            number = 0
            for image, batch, first, end in part.by_image():
                found: list[dict[str, Any]] = []
                for group, body in enumerate(
                    bodies(batch, first, end) if batch is not None else (), 1
                ):
                    found += _annotations(body, number + len(found), group)
                number += len(found)
                path = images.names[image]
                record: dict[str, Any] = {"path": path}
                if images.widths[image] and images.heights[image]:
                    record["size"] = [int(images.heights[image]), int(images.widths[image])]
                item = {"id": identities[image], "annotations": found, "image": record}
                member.write(separator + msgspec.json.encode(item))
                separator = b",\n"
            member.write(b"\n]}\n")


def _categories(data: Dataset) -> dict[str, Any]:
    labels = [{"name": entry.name, "parent": "", "attributes": sorted(entry.attributes)}
              for entry in data.classes]  # fmt: skip
    categories: dict[str, Any] = {"label": {"labels": labels, "attributes": sorted(FLAGS)}}
    items = [
        {
            "label_id": number,
            "labels": entry.keypoints,
            "joints": [[a + 1, b + 1] for a, b in entry.edges],
        }
        for number, entry in enumerate(data.classes)
        if entry.keypoints
    ]
    if items:
        categories["points"] = {"items": items}
    return categories


def _annotations(body: Body, number: int, group: int) -> list[dict[str, Any]]:
    """The annotations that one object becomes; ``number`` is the id of the first."""
    found: list[dict[str, Any]] = []

    def add(kind: str, **values: Any) -> None:
        found.append(
            {
                "id": number + len(found),
                "type": kind,
                "attributes": {},
                "group": 0,
                "label_id": body.tag,
                "z_order": 0,
                **values,
            }
        )

    if body.points is not None:
        points, seen = body.points, [int(v) for v in body.points[2::3]]
        add("points", points=[v for i, v in enumerate(points) if i % 3 != 2], visibility=seen)
    for ring in (*body.rings, *body.holes):
        add("polygon", points=ring)
    extra = body.extra
    if body.kind == BITMASK:
        if extra is not None and extra.mask is not None:
            mask = extra.mask
            counts = {"counts": mask.counts.decode(), "size": [mask.height, mask.width]}
            add("mask", rle=counts)
    elif body.box is not None:
        x, y, right, bottom = body.box
        add("bbox", bbox=[x, y, length(x, right), length(y, bottom)])
    elif body.kind == CLASSIFICATION:
        add("label")
    if len(found) > 1:
        for part in found:
            part["group"] = group
    if found and extra is not None:
        properties = extra.properties or {}
        found[0]["z_order"] = properties.get("z_order", 0)
        flags = {flag: properties[name] for flag, name in FLAGS.items() if name in properties}
        found[0]["attributes"] = {**(extra.attributes or {}), **flags}
    return found
