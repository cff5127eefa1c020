"""Rules of good practice: what is well-formed and yet seldom meant. Looked at when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from annotary.batch import POLYGON, RECTANGLE, AnnotationBatch
from annotary.geometry.arrays import Floats, extents

TINY = 2.0
"""Pixels: a shape that is thinner was probably clicked and not drawn."""
WHOLE = 0.995
"""Of both sides of the image: a box that covers more is rather a class of the image."""
MOST_POINTS = 500
"""Of outlines that are searched for crossings."""

Finding = tuple[int, str, dict[str, Any]]
"""A row, a rule's code, and the values of its texts."""


class Lint:
    """Looks at the rows of one file; remembers a number for each shape that it has seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], int] = {}

    def look(
        self, batch: AnnotationBatch, widths: Floats, heights: Floats, tags: Sequence[str]
    ) -> Iterator[Finding]:
        """What is doubtful about rows, whose coordinates are fractions."""
        flat = np.flatnonzero((batch.kind == RECTANGLE) | (batch.kind == POLYGON))
        if not len(flat):
            return
        only = batch if len(flat) == len(batch) else batch.take(flat)
        boxes = extents(only.coords, only.start)
        sides = boxes[:, 2:] - boxes[:, :2]
        pixels = sides * np.column_stack([widths[flat], heights[flat]])
        tiny = (pixels < TINY).any(1) & (widths[flat] > 0) & (heights[flat] > 0)
        for i in np.flatnonzero(tiny).tolist():
            width, height = (round(float(v), 3) for v in pixels[i])
            yield int(flat[i]), "tiny-shape", {"width": width, "height": height}
        for i in np.flatnonzero((sides >= WHOLE).all(1)).tolist():
            yield int(flat[i]), "whole-image", {}
        for i, row in enumerate(flat.tolist()):
            if only.kind[i] == POLYGON and crosses_itself(only.values(i)):
                yield row, "self-crossing", {}
            yield from self._again(row, batch, only.values(i), tags)

    def _again(
        self, row: int, batch: AnnotationBatch, values: Floats, tags: Sequence[str]
    ) -> Iterator[Finding]:
        image, tag = int(batch.image[row]), int(batch.tag[row])
        if row and batch.record[row] == batch.record[row - 1]:
            return  # another part of the same object
        key = (image, hash((int(batch.kind[row]), values.tobytes())))
        before = self._seen.get(key)
        if before is None:
            self._seen[key] = tag
            return
        code = "duplicate-shape" if before == tag else "clashing-classes"
        yield row, code, {"tag": tags[tag], "other": tags[before]}


def crosses_itself(ring: Floats) -> bool:
    """Whether two sides of a flat ring cross; rings of very many points are not looked at."""
    points = ring.reshape(-1, 2)
    n = len(points)
    if n < 4 or n > MOST_POINTS:
        return False
    after = np.roll(points, -1, axis=0)
    step = after - points

    def turn(a: Floats, b: Floats) -> Floats:
        made: Floats = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        return made

    # on which side of each side [i] the ends of each other one [j] lie
    begin = turn(step[:, None], points[None] - points[:, None])
    end = turn(step[:, None], after[None] - points[:, None])
    apart = begin * end < 0
    return bool((apart & apart.T).any())


def similar_classes(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names that differ only in case, blanks, ``-`` or ``_``, as pairs."""
    groups: dict[str, list[str]] = {}
    for name in names:
        key = re.sub(r"[\s_-]+", "", name).casefold()
        if key and name not in groups.setdefault(key, []):
            groups[key].append(name)
    for same in groups.values():
        yield from pairwise(same)
