"""What a row of AutoML Vision's object detection table looks like: no other table has its sets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

SETS = {
    "train": "train",
    "training": "train",
    "validate": "validate",
    "validation": "validate",
    "test": "test",
    "unassigned": "unassigned",
}
"""The words of the first cell in lower case -> the part that they name."""
WIDTH = 11
"""Cells of a row: set, path, label, and four corners of two numbers."""
_CORNERS = ("xmin", "ymin", "xmax", "ymin", "xmax", "ymax", "xmin", "ymax")


def is_header(row: Sequence[str]) -> bool:
    """Whether the row is ``set,path,label,x_min,y_min,x_max,y_min,x_max,y_max,x_min,y_max``."""
    if len(row) != WIDTH:
        return False
    names = tuple(cell.strip().casefold().replace("_", "") for cell in row[3:])
    return names == _CORNERS


def is_row(row: Sequence[str]) -> bool:
    """Whether the row begins with a set and a path and has the cells of a box, full or empty."""
    if len(row) != WIDTH or not row[1].strip() or row[0].strip().casefold() not in SETS:
        return False
    full = [bool(cell.strip()) for cell in row[3:]]
    return all(x == y for x, y in list(pairwise(full))[::2])


def is_automl(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first rows of a table are of this kind: a header or a good row, then most."""
    if is_header(rows[0]):
        return True
    return is_row(rows[0]) and 2 * sum(map(is_row, rows)) > len(rows)
