"""A chunk of COCO's annotation records as parts of objects, and those as columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from annotary.batch import BITMASK, KEYPOINTS, POLYGON, RECTANGLE, AnnotationBatch, Extra
from annotary.contract.rows import RowSink
from annotary.formats.coco.extras import kept
from annotary.formats.coco.lists import Categories, Images
from annotary.formats.coco.records import Annotation, RunLengths
from annotary.geometry import rle
from annotary.geometry.arrays import Floats, Ints, ring_areas, take_rows
from annotary.syntax.json.text import OpenStruct


class RefusedError(Exception):
    """A record that is not read: a rule's code, the values of its texts, whether it is skipped."""

    def __init__(self, code: str, skip: bool = False, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.skip = skip
        self.values = values


class Parts:
    """The parts of a chunk's objects: for each its record, its kind and its values."""

    def __init__(self, rows: RowSink, records: Sequence[Annotation]) -> None:
        self._rows = rows
        self._records = records
        self.images: Ints = np.zeros(len(records), np.int64)
        self.tags: Ints = np.zeros(0, np.int64)
        self.refused: dict[int, RefusedError] = {}
        self.consumed: frozenset[str] = frozenset()
        self._owner: list[int] = []
        self._kind: list[int] = []
        self._values: list[Sequence[float]] = []
        self._masks: dict[int, rle.Rle] = {}
        self._mask_areas: dict[int, float] = {}

    def find_images(self, images: Images) -> None:
        """The image of every record, -1 where it is not known."""
        self.images = images.find([record.image_id for record in self._records])

    def find_tags(self, categories: Categories) -> None:
        """The tag of every record, -1 where it is not known."""
        self.tags = categories.find([record.category_id for record in self._records])

    def gather(self, categories: Categories) -> None:
        """Find every record's parts, or what is wrong with it."""
        owner, kind, values = self._owner, self._kind, self._values
        refused = self.refused
        for i, record in enumerate(self._records):
            if i in refused:
                continue
            outline = record.segmentation
            if record.keypoints or outline.__class__ is not list or len(outline) != 1:
                begin = len(owner)
                try:
                    self._other(i, record, categories)
                except RefusedError as why:
                    refused[i] = why
                    del owner[begin:], kind[begin:], values[begin:]
                continue
            ring = outline[0]
            if not ring or len(ring) % 2:
                try:
                    self._outline(i, record)
                except RefusedError as why:
                    refused[i] = why
                continue
            owner.append(i)
            kind.append(POLYGON)
            values.append(ring)

    def _part(self, i: int, kind: int, values: Sequence[float]) -> None:
        self._owner.append(i)
        self._kind.append(kind)
        self._values.append(values)

    def _other(self, i: int, record: Annotation, categories: Categories) -> None:
        points = self._labelled(i, record, categories) if record.keypoints else None
        if points is None:
            self._outline(i, record)
            return
        self._part(i, KEYPOINTS, points)
        begin = len(self._owner)
        self._outline(i, record, needed=False)
        if begin == len(self._owner) and record.bbox:
            box = _box(record.bbox)
            seen = [(x, y) for x, y, v in zip(*[iter(points)] * 3, strict=True) if v > 0]
            xs, ys = [x for x, _ in seen], [y for _, y in seen]
            extent = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            slack = 1e-9 if self._rows.normalized else 1e-6
            if any(abs(a - b) > slack for a, b in zip(box, extent, strict=True)):
                self._part(i, RECTANGLE, box)

    def _outline(self, i: int, record: Annotation, needed: bool = True) -> None:
        outline = record.segmentation
        if isinstance(outline, RunLengths):
            self._mask(i, outline, needed)
            return
        rings = [ring for ring in outline if ring] if outline else []
        for number, ring in enumerate(rings):
            if len(ring) % 2:
                raise RefusedError(
                    "value-count",
                    key=f"segmentation[{number}]",
                    count=len(ring),
                    expected="an even number",
                    advice="A ring is x, y, x, y, ...",
                )
        for ring in rings:
            self._part(i, POLYGON, ring)
        if rings or not needed:
            return
        if record.bbox is None or record.bbox is UNSET:
            raise RefusedError("missing-key", key="bbox", record="annotation without segmentation")
        self._part(i, RECTANGLE, _box(record.bbox))

    def _mask(self, i: int, lengths: RunLengths, needed: bool) -> None:
        height, width = lengths.size
        counts = lengths.counts
        try:
            if isinstance(counts, str):
                mask = rle.Rle(height, width, counts.encode("ascii"))
                runs = rle.decode_counts(mask.counts)
            else:
                runs = np.array(counts, np.int64)
                mask = rle.Rle(height, width, rle.encode_counts(runs))
            covered = sum(runs.tolist())
            if covered != height * width or height < 0 or width < 0:
                raise RefusedError("mask-size", height=height, width=width, pixels=covered)
            box = rle.bbox(mask)
        except (ValueError, OverflowError) as error:
            raise RefusedError(
                "wrong-type",
                key="segmentation.counts",
                detail=str(error),
                expected="run lengths, as numbers or as COCO's text",
            ) from None
        if box is None:
            if not needed:
                return
            raise RefusedError(
                "skipped-record",
                skip=True,
                what="An empty mask",
                why="no pixel of it is set",
                advice="Remove the annotation, or draw its mask.",
            )
        extent = [float(value) for value in box]
        if self._rows.normalized:
            extent = [v / size for v, size in zip(extent, (width, height) * 2, strict=True)]
        self._masks[i] = mask
        area = int(runs[1::2].sum())
        self._mask_areas[i] = area / (height * width) if self._rows.normalized else area
        self._part(i, BITMASK, extent)

    def _labelled(self, i: int, record: Annotation, categories: Categories) -> list[float] | None:
        """The keypoints x, y, visibility; None if none is labelled and the object has a shape."""
        points = record.keypoints
        assert isinstance(points, list)
        names = categories.skeletons.get(int(self.tags[i]), [])
        if names and len(points) == 2 * len(names):
            points = [v for x, y in zip(*[iter(points)] * 2, strict=True) for v in (x, y, 2.0)]
        if len(points) % 3:
            raise RefusedError(
                "value-count",
                key="keypoints",
                count=len(points),
                expected=f"{3 * len(names)}" if names else "a multiple of 3",
                advice="Every keypoint is x, y, visibility.",
            )
        if names and len(points) != 3 * len(names):
            tag = self._rows.tag_names[int(self.tags[i])]
            raise RefusedError(
                "keypoint-count", count=len(points) // 3, tag=tag, expected=len(names)
            )
        if any(v > 0 for v in points[2::3]):
            return points
        if record.segmentation or record.bbox:
            return None
        raise RefusedError("missing-key", key="bbox", record="object without keypoints")

    # --- columns ----------------------------------------------------------------------------

    def batch(self, at: Ints, struct: OpenStruct[Annotation]) -> AnnotationBatch:
        """All parts as columns; ``at`` [n] is where each record stands."""
        owner = np.array(self._owner, np.int64)
        kind = np.array(self._kind, np.uint8)
        start = np.zeros(len(owner) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, self._values), np.int64, len(owner)), out=start[1:])
        coords = np.fromiter(chain.from_iterable(self._values), np.float64, int(start[-1]))
        boxes = start[:-1][kind == RECTANGLE]
        with np.errstate(invalid="ignore", over="ignore"):
            coords[boxes + 2] += coords[boxes]
            coords[boxes + 3] += coords[boxes + 1]
        return AnnotationBatch(
            kind,
            self.images[owner].astype(np.int32),
            self.tags[owner].astype(np.int32),
            start,
            coords,
            owner,
            np.zeros(len(owner), np.bool_),
            at[owner],
            self._extras(owner, kind, start, coords, struct),
        )

    def _extras(
        self,
        owner: Ints,
        kind: NDArray[np.uint8],
        start: Ints,
        coords: Floats,
        struct: OpenStruct[Annotation],
    ) -> dict[int, Extra]:
        """What only some objects have, at the first row of each."""
        first = np.full(len(self._records), -1, np.int64)
        first[owner[::-1]] = np.arange(len(owner))[::-1]
        areas = self._areas(owner, kind, start, coords)
        found: dict[int, Extra] = {}
        for i, one in kept(self._records, areas, struct, self.consumed).items():
            if first[i] >= 0:
                found[int(first[i])] = one
        for row in np.flatnonzero(kind == BITMASK).tolist():
            found.setdefault(row, Extra()).mask = self._masks[int(owner[row])]
        return found

    def _areas(self, owner: Ints, kind: NDArray[np.uint8], start: Ints, coords: Floats) -> Floats:
        """The area [records] of each record as its parts have it, NaN where they have none."""
        n = len(self._records)
        rings = np.flatnonzero(kind == POLYGON)
        if len(rings) == len(kind):
            only, begin = coords, start
        else:
            only, begin = take_rows(coords, start, rings)
        areas = np.bincount(owner[rings], ring_areas(only, begin), n).astype(np.float64)
        has = np.zeros(n, np.bool_)
        has[owner] = True
        for i, area in self._mask_areas.items():
            areas[i] = area
        boxes = np.flatnonzero(kind == RECTANGLE)
        corner = start[boxes]
        with np.errstate(invalid="ignore", over="ignore"):
            areas[owner[boxes]] = (coords[corner + 2] - coords[corner]) * (
                coords[corner + 3] - coords[corner + 1]
            )
        for row in np.flatnonzero(kind == KEYPOINTS).tolist():
            record = self._records[int(owner[row])]
            if areas[owner[row]] == 0 and record.bbox:
                areas[owner[row]] = record.bbox[2] * record.bbox[3]
        return np.where(has, areas, np.nan)


def _box(values: Sequence[float]) -> Sequence[float]:
    if len(values) != 4:
        raise RefusedError(
            "value-count",
            key="bbox",
            count=len(values),
            expected=4,
            advice="A box is x, y, width, height.",
        )
    return values
