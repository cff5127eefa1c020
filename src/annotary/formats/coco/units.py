"""Whether a COCO file's coordinates are fractions or pixels."""

from __future__ import annotations

from itertools import chain

import numpy as np

from annotary.contract.rows import RowSink
from annotary.formats.coco.records import Annotation, CocoText
from annotary.geometry.arrays import Floats, Ints
from annotary.processes.without_gc import no_collection
from annotary.syntax.json.text import Chunk, Fault, Member, OpenStruct

_PROBE = 1000
"""Records that are looked at in one go."""


def set_units(
    text: CocoText, member: Member | None, rows: RowSink, struct: OpenStruct[Annotation]
) -> list[Chunk[Annotation]]:
    """Set ``rows.normalized``; answers the first chunk of annotations, if it was decoded.

    ``info.normalized`` decides, or else the values. The first records nearly always do; a file
    of fractions is looked through to its end. A doubtful case is told as a remark.
    """
    info = text.value("info")
    stated = info.get("normalized") if isinstance(info, dict) else None
    if isinstance(stated, bool):
        rows.normalized = stated
    if member is None or isinstance(stated, bool):
        return []
    chunks = text.json.elements(member, struct)
    with no_collection():
        first = next(chunks, None)
        if first is None:
            return []
        found = _fractions(text, rows, first)
    if found is False:
        return [first]
    del first
    for chunk in chunks:
        more = _fractions(text, rows, chunk)
        if more is not None:
            found = more
        if found is False:
            break
    rows.normalized = bool(found)
    return []


def _fractions(text: CocoText, rows: RowSink, chunk: Chunk[Annotation]) -> bool | None:
    """Whether a chunk's values are fractions; None if they may be (all are 0 or 1)."""
    fractions: bool | None = None
    for begin in range(0, len(chunk.items), _PROBE):
        part = Chunk(chunk.first_index + begin, chunk.items[begin : begin + _PROBE])
        values, start, at = _values(part)
        if not len(values):
            continue
        with np.errstate(invalid="ignore"):
            large = np.isfinite(values) & (values > 1 + 1e-6)
            broken = values != np.floor(values)
        if large.any():
            pixels = np.logical_or.reduceat(large, start)
            small = ~pixels & np.logical_or.reduceat(broken, start)
            if small.sum() > pixels.sum():
                first = int(np.argmax(pixels))
                _doubt(rows, at[first], float(values[large][0]), int(small.sum()))
            return False
        if broken.any():
            fractions = True
    return fractions


def _doubt(rows: RowSink, at: int, value: float, count: int) -> None:
    """Most records look like fractions, although the one at ``at`` has a value above 1."""
    place = rows.place(at)
    rows.problem("mixed-units", place, count=count, value=value, line=place.line)


def _values(chunk: Chunk[Annotation]) -> tuple[Floats, Ints, list[int]]:
    """All coordinates of a chunk, where each record's begin, and the records' indexes."""
    lists: list[list[float]] = []
    start: list[int] = []
    at: list[int] = []
    count = 0
    for index, record in enumerate(chunk.items, chunk.first_index):
        if isinstance(record, Fault):
            continue
        begin = count
        outline = record.segmentation
        shapes = list(outline) if isinstance(outline, list) else []
        if not any(shapes) and record.bbox and not isinstance(outline, dict):
            shapes = [record.bbox]
        if record.keypoints:
            shapes += [record.keypoints[0::3], record.keypoints[1::3]]
        for one in shapes:
            lists.append(one)
            count += len(one)
        if count > begin:
            start.append(begin)
            at.append(index)
    values = np.fromiter(chain.from_iterable(lists), np.float64, count)
    return values, np.array(start, np.int64), at
