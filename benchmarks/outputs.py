"""Check what a contestant wrote against the source: same boxes, same images, same rings.

    python benchmarks/outputs.py SOURCE.json KIND PATH

KIND is ``yolo``, ``voc``, ``coco``, ``polygons`` or ``csv``; PATH a file, a folder, or a folder
that holds zips. Prints one JSON object: how many boxes and images, and the largest distance, in
pixels, between a box edge in the source and in the output (infinite where counts differ).
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Box = tuple[float, float, float, float]
Boxes = dict[tuple[str, str], list[Box]]
"""By image (file stem) and class name: xmin, ymin, xmax, ymax in pixels."""


@dataclass
class Content:
    """What a set of files says."""

    boxes: Boxes = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    rings: dict[str, list[float]] = field(default_factory=dict)
    """By image: number of rings, of points, sum of x, of y, of x times y."""

    def add(self, image: str, label: str, box: Box) -> None:
        if not all(map(math.isfinite, box)):
            # NaN would compare as near to everything; this is far from everything.
            box = (math.inf,) * 4
        self.images.add(image)
        self.boxes.setdefault((image, label), []).append(box)

    def count(self) -> int:
        return sum(map(len, self.boxes.values()))


def stem_of(name: str) -> str:
    """The image's name without folders, ending, and the random prefix of an upload."""
    return name.rpartition("/")[2].rpartition(".")[0].rpartition("__")[2]


def read_coco(data: bytes, content: Content) -> None:
    document = json.loads(data)
    if "annotations" not in document:
        return  # a manifest beside the data
    labels = {category["id"]: category["name"] for category in document["categories"]}
    names = {}
    for image in document["images"]:
        name = names[image["id"]] = stem_of(image["file_name"])
        content.sizes[name] = (image["width"], image["height"])
        content.images.add(name)
    for annotation in document["annotations"]:
        name = names[annotation["image_id"]]
        x, y, width, height = annotation["bbox"]
        content.add(name, labels[annotation["category_id"]], (x, y, x + width, y + height))
        sums = content.rings.setdefault(name, [0.0] * 5)
        rings = annotation.get("segmentation") or []
        for ring in rings if isinstance(rings, list) else []:
            across, down = ring[::2], ring[1::2]
            sums[0] += 1
            sums[1] += len(across)
            sums[2] += sum(across)
            sums[3] += sum(down)
            sums[4] += sum(a * b for a, b in zip(across, down, strict=True))


def read_voc(data: bytes, content: Content) -> None:
    root = ET.fromstring(data)
    name = stem_of(root.findtext("filename") or "")
    content.images.add(name)
    for item in root.iter("object"):
        edges = item.find("bndbox")
        assert edges is not None
        left, top, right, bottom = (
            float(edges.findtext(tag) or "nan") for tag in ("xmin", "ymin", "xmax", "ymax")
        )
        content.add(name, item.findtext("name") or "", (left, top, right, bottom))


def read_yolo(data: bytes, name: str, labels: dict[int, str], source: Content, to: Content) -> None:
    to.images.add(name)
    width, height = source.sizes[name]
    for line in data.decode().splitlines():
        number, *values = line.split()
        x, y, w, h = (float(value) for value in values[:4])
        box = ((x - w / 2) * width, (y - h / 2) * height)
        box_end = ((x + w / 2) * width, (y + h / 2) * height)
        to.add(name, labels[int(number)], (*box, *box_end))


def read_csv(data: bytes, source: Content, content: Content) -> None:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    relative = "ImageID" in (rows.fieldnames or ())
    for row in rows:
        given = {key.lower(): value for key, value in row.items()}
        name = stem_of(given.get("imageid") or given["filename"])
        label = given.get("labelname") or given["label"]
        left, top = float(given["xmin"]), float(given["ymin"])
        if "xmax" in given:
            right, bottom = float(given["xmax"]), float(given["ymax"])
        else:
            right, bottom = left + float(given["width"]), top + float(given["height"])
        across, down = source.sizes[name] if relative else (1, 1)
        content.add(name, label, (left * across, top * down, right * across, bottom * down))


def read_labels(name: str, data: bytes) -> dict[int, str]:
    """Class names: one a line, or YAML's ``names`` as a list or a map."""
    lines = data.decode().splitlines()
    if not name.endswith((".yaml", ".yml")):
        return dict(enumerate(line for line in lines if line))
    start = next(n for n, line in enumerate(lines) if line.startswith("names:"))
    inline = lines[start].removeprefix("names:").strip()
    if inline.startswith("["):
        # YAML may break a flow list anywhere there is a space.
        inline = " ".join([inline, *map(str.strip, lines[start + 1 :])]).partition("]")[0] + "]"
        return dict(enumerate(text.strip(" '\"") for text in inline[1:-1].split(",")))
    labels: dict[int, str] = {}
    for line in itertools.takewhile(lambda text: text[:1] in "- ", lines[start + 1 :]):
        text = line.strip()
        if text.startswith("- "):
            labels[len(labels)] = text[2:].strip("'\"")
        else:
            number, _, label = text.partition(":")
            labels[int(number)] = label.strip(" '\"")
    return labels


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under ``path``, those inside zips too."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    if not name.endswith("/"):
                        yield name, archive.read(name)
        elif file.is_file():
            yield file.name, file.read_bytes()


LABEL_FILES = ("data.yaml", "classes.txt", "obj.names", ".names", "label.txt", "labels.txt")


def read(kind: str, path: Path, source: Content) -> Content:
    """Read the output of a conversion; ``source`` gives the sizes that its format leaves out."""
    content = Content()
    texts: list[tuple[str, bytes]] = []
    labels: dict[int, str] = {}
    for name, data in members(path):
        base = name.rpartition("/")[2]
        if kind in {"coco", "polygons"} and base.endswith(".json"):
            read_coco(data, content)
        elif kind == "voc" and base.endswith(".xml"):
            read_voc(data, content)
        elif kind == "csv" and base.endswith(".csv"):
            read_csv(data, source, content)
        elif kind == "yolo" and stem_of(base) in source.sizes and base.endswith(".txt"):
            texts.append((stem_of(base), data))
        elif kind == "yolo" and base.endswith(LABEL_FILES):
            labels = read_labels(base, data)
    for name, data in texts:
        read_yolo(data, name, labels, source, content)
    return content


def distance(expected: Boxes, found: Boxes) -> float:
    """The largest edge distance between boxes paired off, the nearest with the nearest."""
    if expected.keys() != found.keys():
        return math.inf
    worst = 0.0
    for key, boxes in expected.items():
        rest = sorted(found[key])
        if len(rest) != len(boxes):
            return math.inf
        for box in sorted(boxes):
            gaps = (
                (max(abs(a - b) for a, b in zip(box, other, strict=True)), n)
                for n, other in enumerate(rest)
            )
            gap, nearest = min(gaps)
            del rest[nearest]
            worst = max(worst, gap)
    return worst


def ring_distance(expected: Content, found: Content) -> float:
    """The largest mean shift of an image's points; infinite where rings or points are missing."""
    worst = 0.0
    for name, sums in expected.rings.items():
        other = found.rings.get(name)
        if other is None or other[:2] != sums[:2]:
            return math.inf
        points = max(sums[1], 1.0)
        shifts = [abs(a - b) / points for a, b in zip(sums[2:4], other[2:4], strict=True)]
        # x * y ties each x to its y; divided by a typical coordinate it is in pixels again.
        worst = max(worst, *shifts, abs(sums[4] - other[4]) / points / 300)
    return worst


def check(source: Path, kind: str, path: Path) -> dict[str, float | int]:
    """Compare; see the module's docstring for what comes back."""
    expected = Content()
    read_coco(source.read_bytes(), expected)
    found = read(kind, path, expected)
    worst = distance(expected.boxes, found.boxes)
    if kind == "polygons":
        worst = max(worst, ring_distance(expected, found))
    return {
        "boxes": found.count(),
        "expected_boxes": expected.count(),
        "images": len(found.images),
        "expected_images": len(expected.images),
        "pixels": worst,
    }


if __name__ == "__main__":
    print(json.dumps(check(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
