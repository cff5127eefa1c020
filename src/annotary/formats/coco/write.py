"""Writing COCO: images and annotations as text, a batch at a time, one record to a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from annotary.batch import BITMASK, KEYPOINTS, POLYGON, RECTANGLE, AnnotationBatch
from annotary.contract.dataset import ClassEntry, Dataset, ImageTable, Part
from annotary.contract.output import Output, Writable
from annotary.geometry import rle
from annotary.geometry.arrays import Floats, Ints, extent_lengths, extents, ring_areas, take_rows

OWN_FIELDS = frozenset(
    {"id", "image_id", "category_id", "segmentation", "bbox", "keypoints", "num_keypoints"}
)
"""Fields that properties never replace."""

IMAGES_AT_ONCE = 10_000

_ENCODER = msgspec.json.Encoder()


class Record(Struct, gc=False, omit_defaults=True):
    """One written annotation; ``segmentation`` is rings, or a mask's size and counts."""

    id: int
    image_id: int
    category_id: int
    segmentation: Any
    bbox: list[float]
    area: float
    iscrowd: int
    keypoints: list[float] | None = None
    num_keypoints: int | None = None


class _Image(Struct, gc=False):
    id: int
    file_name: str
    width: int
    height: int


Records = Callable[[AnnotationBatch, Dataset], Iterator[tuple[int, Record]]]
"""From a batch, each object's first row and its record; the caller sets ids."""


def write(data: Dataset, out: Output, records: Records, keypoints: bool = False) -> None:
    """Write one file for every part."""
    for part in data.parts:
        with out.file(f"{part.name}.json") as file:
            _write_part(data, part, file, records, keypoints)


def _write_part(
    data: Dataset, part: Part, file: Writable, records: Records, keypoints: bool
) -> None:
    info = {"normalized": data.normalized}
    categories = [_category(entry, keypoints) for entry in data.classes]
    file.write(b'{"info":' + _ENCODER.encode(info) + b',"licenses":[],"categories":')
    _write_list(file, [categories])
    file.write(b',"images":')
    _write_list(file, _images(part.images))
    file.write(b',"annotations":')
    _write_list(file, _annotations(data, part, records))
    file.write(b"}\n")


def _write_list(file: Writable, chunks: Iterable[list[Any]]) -> None:
    lead = b"[\n"
    for chunk in chunks:
        if chunk:
            # a line end inside JSON text is always one between two records
            lines = _ENCODER.encode_lines(chunk)[:-1].replace(b"\n", b",\n")
            file.write(lead + lines)
            lead = b",\n"
    file.write(b"\n]" if lead == b",\n" else b"[]")


def _category(entry: ClassEntry, keypoints: bool) -> dict[str, Any]:
    category: dict[str, Any] = {"id": entry.number, "name": entry.name, "supercategory": ""}
    if keypoints and entry.keypoints:
        category["keypoints"] = entry.keypoints
        category["skeleton"] = [[a + 1, b + 1] for a, b in entry.edges]
    return category


def _images(table: ImageTable) -> Iterator[list[_Image]]:
    for begin in range(0, len(table), IMAGES_AT_ONCE):
        end = begin + IMAGES_AT_ONCE
        widths, heights = table.widths[begin:end].tolist(), table.heights[begin:end].tolist()
        names = table.names[begin:end]
        yield [
            _Image(id, name, width, height)
            for id, (name, width, height) in enumerate(
                zip(names, widths, heights, strict=True), begin + 1
            )
        ]


def _annotations(data: Dataset, part: Part, records: Records) -> Iterator[list[Any]]:
    id = 0
    numbers = data.numbers
    for batch in part.batches():
        images = (batch.image + 1).tolist()
        classes = numbers[batch.tag].tolist()
        written: list[Any] = []
        for row, record in records(batch, data):
            id += 1
            record.id, record.image_id, record.category_id = id, images[row], classes[row]
            written.append(record)
            if row in batch.extras:
                written[-1] = _with_extra(record, batch, row)
        yield written


def _with_extra(record: Record, batch: AnnotationBatch, row: int) -> Any:
    extra = batch.extras[row]
    if not extra.properties and not extra.attributes:
        return record
    fields: dict[str, Any] = msgspec.to_builtins(record)
    properties = extra.properties or {}
    fields |= {name: properties[name] for name in sorted(properties) if name not in OWN_FIELDS}
    if extra.attributes:
        fields["attributes"] = extra.attributes
    return fields


# --- records of a batch --------------------------------------------------------------------


def xywh(boxes: Floats) -> Floats:
    """Boxes [n, 4] of corners as x, y, width, height, the latter as short decimals."""
    out = boxes.copy()
    out[:, 2] = extent_lengths(boxes[:, 0], boxes[:, 2])
    out[:, 3] = extent_lengths(boxes[:, 1], boxes[:, 3])
    return out


def tidy(areas: Floats, normalized: bool) -> list[float]:
    """Areas without the noise of a product's last digits."""
    tidied: list[float] = (areas if normalized else np.round(areas, 9)).tolist()
    return tidied


def boxes(batch: AnnotationBatch, data: Dataset) -> Iterator[tuple[int, Record]]:
    """A record for every row; the rows are rectangles."""
    table = xywh(batch.coords.reshape(-1, 4))
    areas = tidy(table[:, 2] * table[:, 3], data.normalized)
    for row, (box, area) in enumerate(zip(table.tolist(), areas, strict=True)):
        yield row, Record(0, 0, 0, [], box, area, 0)


def objects(
    batch: AnnotationBatch, data: Dataset, keypoints: bool = False
) -> Iterator[tuple[int, Record]]:
    """A record for every object: its rings, or its mask, with its keypoints, or its box.

    With ``keypoints``, objects of a class with a skeleton have keypoints of 0 if they have none.
    """
    if not len(batch):
        return
    starts = batch.objects()
    tables = _Tables(batch, starts, data.normalized)
    start, coords = batch.start.tolist(), batch.coords.tolist()
    values = [coords[a:b] for a, b in pairwise(start)]
    skeletons = [len(entry.keypoints) if keypoints else 0 for entry in data.classes]
    spans = zip(pairwise(starts.tolist()), tables.boxes, tables.areas, strict=True)
    if not any(skeletons) and bool((batch.kind == POLYGON).all()):
        for (begin, end), box, area in spans:
            yield begin, Record(0, 0, 0, values[begin:end], box, area, 0)
        return
    kinds, tags = batch.kind.tolist(), batch.tag.tolist()
    for (begin, end), box, area in spans:
        record = Record(0, 0, 0, [], box, area, 0)
        for row in range(begin, end):
            if kinds[row] == POLYGON:
                record.segmentation.append(values[row])
            elif kinds[row] == KEYPOINTS:
                points = values[row]
                # COCO-WholeBody has scores among the visibilities
                points[2::3] = [int(v) if v.is_integer() else v for v in points[2::3]]
                record.keypoints = points
                record.num_keypoints = sum(v > 0 for v in points[2::3])
            elif kinds[row] == BITMASK:
                mask = batch.extras[row].mask
                assert mask is not None
                record.segmentation = _run_lengths(mask)
        if record.keypoints is None and (count := skeletons[tags[begin]]):
            record.keypoints, record.num_keypoints = [0] * (3 * count), 0
        yield begin, record


def classes_of_images(batch: AnnotationBatch, data: Dataset) -> Iterator[tuple[int, Record]]:
    """A record for every image and class: the union of its masks, a group."""
    order = np.lexsort((np.arange(len(batch)), batch.tag, batch.image))
    key = np.stack([batch.image[order], batch.tag[order]])
    ends = np.flatnonzero((key[:, 1:] != key[:, :-1]).any(axis=0)) + 1
    for rows in np.split(order, ends):
        masks = [batch.extras[row].mask for row in rows.tolist()]
        mask = rle.merge([one for one in masks if one is not None])
        box = rle.bbox(mask)
        if box is not None:
            left, top, right, bottom = map(float, box)
            xywh = [left, top, right - left, bottom - top]
            area = float(rle.area(mask))
            yield int(rows[0]), Record(0, 0, 0, _run_lengths(mask), xywh, area, 1)


def _run_lengths(mask: rle.Rle) -> dict[str, Any]:
    return {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}


class _Tables:
    """The box (x, y, width, height) and the area of every object of a batch.

    The box is the extent of the object's rings or mask, else its rectangle, else the extent of
    its labelled keypoints. The area is that of the rings, of the mask's pixels, or of
    the box.
    """

    def __init__(self, batch: AnnotationBatch, starts: Ints, normalized: bool) -> None:
        kind = batch.kind
        box = np.full((len(kind), 4), np.nan)
        area = np.zeros(len(kind))
        rings = np.flatnonzero(kind == POLYGON)
        coords, start = (
            (batch.coords, batch.start)
            if len(rings) == len(kind)
            else take_rows(batch.coords, batch.start, rings)
        )
        box[rings] = extents(coords, start)
        area[rings] = np.where(batch.hole[rings], -1, 1) * ring_areas(coords, start)
        boxed = np.flatnonzero((kind == RECTANGLE) | (kind == BITMASK))
        box[boxed] = batch.coords[batch.start[boxed][:, None] + np.arange(4)]
        for row in np.flatnonzero(kind == BITMASK).tolist():
            mask = batch.extras[row].mask
            assert mask is not None
            pixels = mask.height * mask.width if normalized else 1
            area[row] = rle.area(mask) / pixels
        for row in np.flatnonzero(kind == KEYPOINTS).tolist():
            points = batch.values(row).reshape(-1, 3)
            seen = points[points[:, 2] > 0, :2]
            if len(seen):
                box[row] = (*seen.min(axis=0), *seen.max(axis=0))
        first = starts[:-1]
        if len(first) < len(kind):
            self._prefer(box, kind, batch.record)
        low = np.fmin.reduceat(box[:, :2], first)
        high = np.fmax.reduceat(box[:, 2:], first)
        table = np.nan_to_num(xywh(np.hstack([low, high])))
        areas = np.add.reduceat(area, first)
        areas = np.where(areas > 0, areas, table[:, 2] * table[:, 3])
        self.boxes: list[list[float]] = table.tolist()
        self.areas = tidy(areas, normalized)

    def _prefer(self, box: Floats, kind: NDArray[np.uint8], record: Ints) -> None:
        """Leave each object only the boxes of its best kind."""
        rank = _RANK[kind]
        number = np.cumsum(np.concatenate([[0], record[1:] != record[:-1]]))
        best = np.full(int(number[-1]) + 1, 9)
        np.minimum.at(best, number, rank)
        box[rank > best[number]] = np.nan


_RANK = np.array([1, 0, 2, 3, 0, 3])
