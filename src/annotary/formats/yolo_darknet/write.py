"""Label files of the YOLO family as text: numbers, member names and ``data.yaml``.

The law of the writers: no line decodes outside the image. ``cx - w / 2 >= 0`` and
``cx + w / 2 <= 1`` hold in float64 and in float32, and so does what decoders make of them by
multiplying with the image's size. Reading a line back gives the very box that was written
wherever two floats can say so, and otherwise the nearest that two floats can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from annotary.batch import AnnotationBatch
from annotary.contract.dataset import ClassEntry, Dataset, Part
from annotary.contract.output import Output
from annotary.formats.kit.numbers import shortest
from annotary.geometry.arrays import Bools, Floats, extents

LEAST = 1e-3
"""How wide and high the box around keypoints is at least, as a fraction."""
SHORT = (2, 4, 6, 9, 12)
LONGEST = 15
STEPS = [(c, s) for c in (0, 1, -1, 2, -2) for s in (0, 1, -1, 2, -2)]
"""Pairs near the rounded centre and size, in floats up or down."""
USUAL = 3
"""So many of them are tried for every box."""
EDGE = 2.0**-50

Lines = Callable[[Part, AnnotationBatch], list[str]]
"""For every row of a batch, the line that it is written as with its end, or ``""`` for none."""


def centre_size(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Centre and size [n] of the intervals from ``low`` to ``high`` (fractions, clipped to 0..1).

    Of the pairs of floats that decode to the interval, one with the fewest decimals is taken;
    where none does, the one that comes nearest without leaving 0..1.
    """
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    centre, size = _pairs(low, high)
    a, b = centre - size / 2, centre + size / 2
    moved = np.flatnonzero((a != low) | (b != high))
    if len(moved):
        # the pair of the interval that is decoded: writing what was read gives the same text
        centre[moved], size[moved] = _pairs(a[moved], b[moved])
    return centre, size


def _pairs(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    centre, size = (low + high) / 2, high - low
    # what few decimals can say, many can: rows that fail here need no try with fewer
    c, s = np.round(centre, LONGEST), np.round(size, LONGEST)
    can = (c - s / 2 == low) & (c + s / 2 == high)
    rest = np.flatnonzero(~can)
    if len(rest):
        centre[rest], size[rest] = _nearest(low[rest], high[rest], centre[rest], size[rest])
    open_ = np.flatnonzero(can)
    centre[open_], size[open_] = c[open_], s[open_]
    for decimals in SHORT:
        if not len(open_):
            break
        c, s = np.round(centre[open_], decimals), np.round(size[open_], decimals)
        same = (c - s / 2 == low[open_]) & (c + s / 2 == high[open_])
        done = open_[same]
        centre[done], size[done] = c[same], s[same]
        open_ = open_[~same]
    return centre, size


def _nearest(low: Floats, high: Floats, centre: Floats, size: Floats) -> tuple[Floats, Floats]:
    """The best of the pairs within two floats of ``centre`` and ``size``."""
    best_c, best_s = centre.copy(), size.copy()
    best = np.full(len(low), np.inf)
    rows = np.arange(len(low))
    for number, (dc, ds) in enumerate(STEPS):
        if number == USUAL:
            # elsewhere no other pair is better; at the image's edges some of these are outside,
            # and floats are closer to each other below a power of two
            odd = (low < EDGE) | (high > 1 - EDGE) | (best > np.spacing(high) / 2)
            odd |= (np.frexp(low)[0] == 0.5) | (np.frexp(high)[0] == 0.5)
            rows = np.flatnonzero(odd & (best > 0))
            low, high, centre, size = low[rows], high[rows], centre[rows], size[rows]
        c, s = centre + dc * np.spacing(centre), size + ds * np.spacing(size)
        error = np.maximum(np.abs(c - s / 2 - low), np.abs(c + s / 2 - high))
        error[~_inside(c, s)] = np.inf
        better = error < best[rows]
        found = rows[better]
        best[found], best_c[found], best_s[found] = error[better], c[better], s[better]
    while (outside := ~_inside(best_c, best_s)).any():
        best_s = np.where(outside, np.nextafter(best_s, 0.0), best_s)
    return best_c, best_s


def _inside(centre: Floats, size: Floats) -> Bools:
    inside: Bools = (centre - size / 2 >= 0.0) & (centre + size / 2 <= 1.0)
    return inside


def box_texts(boxes: Floats) -> list[str]:
    """Boxes [n, 4] (xmin, ymin, xmax, ymax; fractions) as ``x_centre y_centre width height``."""
    x, w = centre_size(boxes[:, 0], boxes[:, 2])
    y, h = centre_size(boxes[:, 1], boxes[:, 3])
    texts = iter(shortest(np.column_stack([x, y, w, h]).ravel(), point=True))
    return [" ".join(four) for four in zip(texts, texts, texts, texts, strict=True)]


def pose_box(points: Sequence[float]) -> list[float]:
    """The extent of labelled keypoints (x, y, visibility, ...), or of all when none is.

    A side without a length is widened by ``LEAST``, since a box must have an area.
    """
    xyv = np.reshape(np.asarray(points, np.float64), (-1, 3))
    seen = xyv[xyv[:, 2] > 0]
    xy = np.clip((seen if len(seen) else xyv)[:, :2], 0.0, 1.0)
    low, high = xy.min(axis=0), xy.max(axis=0)
    narrow = high - low < LEAST
    low = np.where(narrow, np.minimum(low, 1 - LEAST), low)
    high = np.where(narrow, low + LEAST, high)
    found: list[float] = [*low.tolist(), *high.tolist()]
    return found


def point_texts(batch: AnnotationBatch) -> list[str]:
    """The points of every row as ``x y x y ...``, clipped to the image."""
    texts = shortest(np.clip(batch.coords, 0.0, 1.0), point=True)
    start = batch.start.tolist()
    return [" ".join(texts[a:b]) for a, b in pairwise(start)]


def row_boxes(batch: AnnotationBatch) -> Floats:
    """The extents [n, 4] of rows of boxes or rings."""
    return extents(batch.coords, batch.start)


def write_labels(data: Dataset, out: Output, lines: Lines, folder: Callable[[Part], str]) -> None:
    """Write one label file for every image, an empty one for images without objects."""
    for part in data.parts:
        place = folder(part)
        members = data.members(part, ".txt")
        last: AnnotationBatch | None = None
        texts: list[str] = []
        for image, batch, begin, end in part.by_image():
            if batch is not None and batch is not last:
                last, texts = batch, lines(part, batch)
            text = "".join(texts[begin:end]) if batch is not None else ""
            out.put(f"{place}/{members[image]}", text.encode())


def class_lines(classes: Sequence[ClassEntry]) -> bytes:
    """``classes.txt``: one name per line in the order of the numbers; gaps are empty lines."""
    named = {entry.number: " ".join(entry.name.splitlines()) for entry in classes}
    last = max(named, default=-1)
    return "".join(f"{named.get(number, '')}\n" for number in range(last + 1)).encode()


def data_yaml(data: Dataset, more: str = "") -> bytes:
    """``data.yaml`` for Ultralytics: where images lie, and the classes.

    There is no ``path``: paths then count from the file's own folder. A dataset that is not
    split is its own validation set, for the trainer asks for one.
    """
    lines = "".join(
        f"{key}: {_folders(names)}\n" for key, names in _sets([p.name for p in data.parts])
    )
    classes = "".join(f"  {entry.number}: {_quoted(entry.name)}\n" for entry in data.classes)
    return (lines + more + (f"names:\n{classes}" if classes else "names: {}\n")).encode()


def _sets(parts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The sets of ``data.yaml`` and their parts: by the names of the parts, else by their order.

    Parts whose names say nothing (folds) are for training, but the last.
    """
    if len(parts) < 2:
        return [("train", list(parts) or ["dump"]), ("val", list(parts) or ["dump"])]
    words = {"train": ("train", "training"), "val": ("val", "valid", "validate", "validation")}
    words["test"] = ("test", "testing")
    found = {key: [p for p in parts if p.lower() in names] for key, names in words.items()}
    if not found["train"]:
        rest = [p for p in parts if p not in found["val"] + found["test"] and p != "unassigned"]
        found["train"] = (rest if found["val"] else rest[:-1]) or rest or list(parts[:1])
        found["val"] = found["val"] or rest[-1:]
    found["val"] = found["val"] or found["test"] or found["train"]
    return [(key, names) for key, names in found.items() if names]


def _folders(parts: Sequence[str]) -> str:
    folders = [f"images/{part}" for part in parts]
    return folders[0] if len(folders) == 1 else f"[{', '.join(folders)}]"


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def flow_names(names: Sequence[str]) -> str:
    """Names as a YAML list on one line."""
    return "[" + ", ".join(map(_quoted, names)) + "]"


def labels_folder(part: Part) -> str:
    """Where Ultralytics looks for the labels of ``images/<part>``."""
    return f"labels/{part.name}"
