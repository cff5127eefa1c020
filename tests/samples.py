"""Small annotation files and random projects, for tests that need some."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from annotary.client.project import Project
from annotary.geometry import rle

Box = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax."""

IMAGE = ("image.png", 400, 200)
BOX: Box = (40, 20, 120, 100)


def coco(
    images: Sequence[tuple[str, int, int]] = (IMAGE,),
    boxes: Sequence[tuple[int, str, Box]] = ((0, "dog", BOX),),
    **more: Any,
) -> bytes:
    """A COCO file: images as (name, width, height), boxes as (image's place, tag, pixels)."""
    tags = list(dict.fromkeys(tag for _, tag, _ in boxes))
    return json.dumps(
        {
            "images": [
                {"id": i, "file_name": name, "width": w, "height": h}
                for i, (name, w, h) in enumerate(images, 1)
            ],
            "categories": [{"id": i, "name": tag} for i, tag in enumerate(tags, 1)],
            "annotations": [
                {
                    "id": i,
                    "image_id": image + 1,
                    "category_id": tags.index(tag) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                }
                for i, (image, tag, (x0, y0, x1, y1)) in enumerate(boxes, 1)
            ],
        }
        | more,
        indent=1,
    ).encode()


def fourcorner(rows: Iterable[tuple[str, Box, str]]) -> bytes:
    """A table of corners in pixels or fractions: (image, box, tag)."""
    lines = ["filename,xmin,ymin,xmax,ymax,label"]
    lines += [f"{name},{x0},{y0},{x1},{y1},{tag}" for name, (x0, y0, x1, y1), tag in rows]
    return ("\n".join(lines) + "\n").encode()


def voc(name: str, width: int, height: int, boxes: Iterable[tuple[str, Box]] = ()) -> bytes:
    """A Pascal VOC file of one image."""
    objects = "".join(
        f"  <object>\n    <name>{tag}</name>\n    <bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>\n  </object>\n"
        for tag, (x0, y0, x1, y1) in boxes
    )
    return (
        f"<annotation>\n  <filename>{name}</filename>\n  <size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n"
    ).encode()


def labelme(name: str, width: int, height: int, shapes: Iterable[tuple[str, Any]] = ()) -> bytes:
    """A LabelMe file of one image; shapes are polygons (tag, points in pixels)."""
    return json.dumps(
        {
            "version": "5.0.0",
            "flags": {},
            "shapes": [
                {"label": tag, "points": points, "shape_type": "polygon", "group_id": None}
                for tag, points in shapes
            ],
            "imagePath": name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        },
        indent=1,
    ).encode()


def register(project: Project, *names: str, width: int = 400, height: int = 200) -> Any:
    """Register images of one size."""
    return project.assets.register(
        [{"filename": name, "width": width, "height": height} for name in names]
    )


def rectangle(asset_id: str, tag: str = "dog", box: Box = (0.1, 0.1, 0.3, 0.5)) -> dict[str, Any]:
    """A Rectangle to create; ``box`` in fractions."""
    x0, y0, x1, y1 = box
    return {
        "asset_id": asset_id,
        "tag": tag,
        "bound_type": "Rectangle",
        "bound": [[x0, y0], [x0, y1], [x1, y1], [x1, y0]],
    }


def send(project: Project, files: Mapping[str, bytes], **options: Any) -> Any:
    """Import files given by name and content; answers the session, which has ended."""
    session = project.annotations.create_import_session(**options)
    with session:
        for name, data in files.items():
            session.add_bytes(data, name)
    return session


def random_annotations(
    rng: np.random.Generator, assets: Sequence[Any], count: int
) -> list[dict[str, Any]]:
    """Annotations of every kind that images can have, on images of any size."""
    found: list[dict[str, Any]] = []
    for _ in range(count):
        asset = assets[int(rng.integers(len(assets)))]
        width, height = asset.metadata.width, asset.metadata.height
        new: dict[str, Any] = {
            "asset_id": asset.id,
            "tag": f"tag {int(rng.integers(4))}",
            "bound": [],
        }
        x0, y0 = rng.uniform(0, 0.6, 2)
        x1, y1 = np.array([x0, y0]) + rng.uniform(0.05, 0.39, 2)
        match int(rng.integers(6)):
            case 0:
                new |= {"bound_type": "Rectangle", "bound": [[x0, y0], [x1, y1]]}
            case 1 | 2 as kind:
                ring = [[x0, y0], [x1, y0], [x1, y1], [x0 + (x1 - x0) / 3, y1]]
                new |= {"bound_type": "Polygon", "bound": ring}
                if kind == 2 and found and found[-1]["bound_type"] == "Polygon":
                    new["hole"] = False
                    new["properties"] = {"score": float(rng.uniform())}
            case 3:
                points = [[*rng.uniform(0, 1, 2), int(rng.integers(1, 3))] for _ in range(3)]
                new |= {"bound_type": "Keypoints", "bound": points}
            case 4:
                new |= {"bound_type": "Classification"}
            case 5:
                bits = np.zeros((height, width), np.uint8)
                bits[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 1
                mask = rle.from_dense(bits)
                new |= {
                    "bound_type": "Bitmask",
                    "bound": {"size": [height, width], "counts": mask.counts.decode()},
                }
        found.append(new)
    return found
