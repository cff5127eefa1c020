"""A project in which a test can see by itself what an export has lost.

Every image has at most one object, and every row of it a cell of its own: what became of a row is
seen from where shapes are in what was read back. No counter of the product is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, POLYGON, RECTANGLE, Extra
from annotary.contract.format import Carries
from annotary.contract.rows import Shape as Row
from annotary.geometry import rle
from annotary.model import Skeleton
from annotary.writing.exporting import ExportTag
from tests.laws.law import Object, Shape, untyped
from tests.laws.projects import Project, Thing

SIZE = (400, 200)
CELL = 100
KINDS = (RECTANGLE, POLYGON, KEYPOINTS, CLASSIFICATION, BITMASK)
SKELETON = Skeleton(keypoints=["nose", "tail"], edges=[(0, 1)])
TAGS = ("dog", "cat")

COUNTED = (
    "left-out", "as-box", "as-mask", "as-outline", "parts", "members", "holes", "attributes",
    "attribute-types", "properties", "frames", "edges", "empty-images", "unknown-size", "merged",
)  # fmt: skip
"""The codes that a look at both sides can count."""

SETS = [
    *((kind,) for kind in KINDS),
    *combinations_with_replacement(KINDS, 2),
    *combinations(KINDS, 3),
    (POLYGON, POLYGON, POLYGON),
    (KEYPOINTS, KEYPOINTS, RECTANGLE, RECTANGLE),
]
"""The kinds of an object's rows: each alone, every pair and triple, some more than once."""


def project(seed: int) -> Project:
    """Every set of kinds twice, bare and with something said on its rows; holes; odd images."""
    rng = np.random.default_rng(seed)
    sizes: dict[str, tuple[int, int]] = {"empty.png": SIZE, "small empty.png": SIZE}
    found: list[tuple[str, list[Row]]] = []
    for number, kinds in enumerate(SETS):
        for said in (False, True):
            for hole in (False, True) if POLYGON in kinds else (False,):
                name = f"{number:02}{'said' * said}{'hole' * hole}.png"
                sizes[name] = SIZE
                found.append((name, _rows(rng, kinds, said, hole)))
    for number in range(3):
        sizes[name := f"unsized{number}.png"] = (0, 0)
        found.append((name, [Row(RECTANGLE, [0.1, 0.1, 0.5, 0.5 + number / 10])]))
    order = sorted(sizes)
    tags = [ExportTag(name, {}, SKELETON) for name in TAGS]
    things = [
        Thing("object", order.index(name), int(rng.integers(len(TAGS))), [rows])
        for name, rows in found
    ]
    return Project(sizes, tags, things, 7)


def _rows(rng: np.random.Generator, kinds: Sequence[int], said: bool, hole: bool) -> list[Row]:
    width, height = SIZE
    rows = []
    for cell, kind in enumerate(sorted(kinds)):
        left, top = CELL * cell + int(rng.integers(5, 20)), int(rng.integers(5, 20))
        right, low = left + int(rng.integers(50, 70)), top + int(rng.integers(100, 150))
        extra = _extra(rng, cell) if said and rng.integers(3) else None
        match kind:
            case x if x == RECTANGLE:
                values = [left, top, right, low]
            case x if x == POLYGON:
                values = [left, top, right, top, right, low, left + 20, low, left, low - 20]
            case x if x == KEYPOINTS:
                values = [left, top, 2, right, low, 1]
            case x if x == BITMASK:
                dense = np.zeros((height, width), bool)
                dense[top:low, left:right] = True
                dense[top + 9, left + 9] = hole and len(kinds) == 1
                values = [left, top, right, low]
                extra = extra or Extra()
                extra.mask = rle.from_dense(dense)
            case _:
                values = []
        step = [width, height, 1] if kind == KEYPOINTS else [width, height]
        flat = (np.reshape(values, (-1, len(step))) / step).ravel().tolist() if values else []
        rows.append(Row(kind, flat, extra))
        if kind == POLYGON and hole and not any(row.hole for row in rows):
            cut = np.array([left + 5, top + 5, left + 9, top + 5, left + 9, top + 9])
            cut = (cut.reshape(-1, 2) / SIZE).ravel()
            rows.append(Row(POLYGON, cut.tolist(), None, True))
    if len(kinds) > 1 and rng.integers(2):
        # holes stay behind their ring
        first = rows.pop(0) if not rows[1].hole else None
        rows += [first] if first else []
    return rows


def _extra(rng: np.random.Generator, cell: int) -> Extra:
    """What a row says: no two rows say the same, some speak of the same thing."""
    extra = Extra()
    number = int(rng.integers(1, 10_000))
    if rng.integers(3):
        extra.attributes = {"colour": f"red {number}", "age": number + 0.5}
        if rng.integers(2):
            extra.attributes |= {"marks": [f"a{number}", f"b{number}"], "code": f"{number}"}
    if rng.integers(3):
        extra.properties = {"note": f"note {number}", "score": number / 10_001}
        if cell == 0:
            extra.properties["difficult"] = 1
    if rng.integers(3) == 0:
        extra.frame = number
    return extra


@dataclass
class Back:
    """What was read back from an export."""

    objects: Sequence[Object]
    images: set[str]
    edges: int


def losses(before: Project, after: Back, carries: Carries) -> Counter[str]:
    """How much was lost by code, seen from both sides."""
    found: Counter[str] = Counter()
    by_image: dict[str, list[Object]] = {}
    for each in after.objects:
        by_image.setdefault(each.image, []).append(each)
    for thing in before.things:
        name = before.names[thing.image]
        objects = by_image.get(name, [])
        if not objects:
            unsized = before.sizes[name] == (0, 0) and carries.rectangle
            found["unknown-size" if unsized else "left-out"] += 1
        elif before.sizes[name] != (0, 0):
            found.update(_object(thing.values[0], objects, carries))
    found["empty-images"] = len(set(before.names) - after.images)
    if carries.keypoints == "Keypoints":
        skeletons = [tag.skeleton for tag in before.tags if tag.skeleton]
        found["edges"] = sum(len(each.edges) for each in skeletons) - after.edges
    return +found


def _object(rows: Sequence[Row], objects: Sequence[Object], carries: Carries) -> Counter[str]:
    found: Counter[str] = Counter()
    kinds = {row.kind for row in rows}
    shapes = [shape for each in objects for shape in each.shapes]
    now = {shape.kind for shape in shapes}
    kept_rows = [row for row in rows if not row.hole and _is_there(row, shapes)]
    found["parts"] = int(len(objects) > 1)
    found["members"] = int(len(kept_rows) < sum(not row.hole for row in rows))
    found["as-box"] = int("Rectangle" in now and RECTANGLE not in kinds)
    found["as-mask"] = int("Bitmask" in now and BITMASK not in kinds)
    kept = {row.kind for row in kept_rows}
    if BITMASK in kept and "Bitmask" not in now and "Polygon" in now:
        found["as-outline"] = sum(row.kind == BITMASK for row in kept_rows)
    if POLYGON in kept and not found["as-mask"]:
        found["holes"] = sum(row.hole for row in rows) - sum(shape.hole for shape in shapes)
    if found["as-outline"]:
        found["holes"] = _mask_holes(kept_rows) - sum(shape.hole for shape in shapes)
    extras = [row.extra for row in rows if row.extra]
    back = [extra for each in objects for extra in each.extras]
    for code in ("attributes", "properties"):
        told = [pair for extra in back for pair in (getattr(extra, code) or {}).items()]
        for extra in extras:
            for name, value in (getattr(extra, code) or {}).items():
                if (name, value) not in told:
                    retyped = code == "attributes" and (name, untyped(value)) in told
                    found["attribute-types" if retyped else code] += 1
    frames = {extra.frame for extra in extras} - {None}
    found["frames"] = len(frames - {extra.frame for extra in back})
    return found


def _is_there(row: Row, shapes: Sequence[Shape]) -> bool:
    """Whether something lies in the cell of a row."""
    if row.kind == CLASSIFICATION:
        return any(shape.kind == "Classification" for shape in shapes)
    points = np.reshape(row.values, (-1, 3 if row.kind == KEYPOINTS else 2))[:, :2]
    middle = float(points[:, 0].min() + points[:, 0].max()) / 2 * SIZE[0]
    return any(low < middle < high for low, high in map(_reach, shapes))


def _reach(shape: Shape) -> tuple[float, float]:
    """From where to where a shape reaches, in pixels from left to right."""
    if shape.kind == "Bitmask":
        size, counts = shape.mask.split(" ")
        height, width = map(int, size.split("x"))
        box = rle.bbox(rle.Rle(height, width, counts.encode()))
        return (box[0], box[2]) if box else (0, 0)
    xs = shape.values[:: 3 if shape.kind == "Keypoints" else 2]
    return (min(xs), max(xs)) if xs else (0, 0)


def _mask_holes(rows: Sequence[Row]) -> int:
    masks = [row.extra.mask for row in rows if row.extra and row.extra.mask]
    return sum(len(inner) for mask in masks for _, inner in rle.contours(mask))
