"""Annotations in bulk: columns of about 10,000 rows, and the sink that readers fill.

Every bulk path, in and out, carries :class:`AnnotationBatch`. A reader calls :class:`RowSink`
once for every object of its file, in the file's own words, order and unit; the sink hands full
batches to whoever made it. An *object* (a record of the source) may be several rows: the rings
of a polygon, or a polygon and its keypoints.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary.geometry.arrays import Floats, Ints, extents, spread, take_rows
from annotary.geometry.rle import Rle
from annotary.model import Aggregation

KIND_NAMES = ("Rectangle", "Polygon", "Keypoints", "Classification", "Bitmask", "Bitmask3d")
RECTANGLE, POLYGON, KEYPOINTS, CLASSIFICATION, BITMASK, BITMASK3D = range(6)

BATCH_ROWS = 10_000
BATCH_VALUES = 2_000_000
BATCH_MASK_BYTES = 32_000_000
NO_ASSET = -1


class Extra(msgspec.Struct, omit_defaults=True):
    """What only some rows have. Attribute values are by name; a mask is COCO run lengths."""

    attributes: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    mask: Rle | None = None
    frame: int | None = None
    sequence: int | None = None
    aggregation: Aggregation | None = None
    chunk: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_INTEGERS = range(-(2**63), 2**63)


def encode_extra(extra: Extra) -> bytes:
    """As bytes (msgpack); whole numbers beyond 64 bits, which those cannot hold, as text."""
    try:
        return _encode(extra)
    except OverflowError:
        sound = msgspec.structs.replace(
            extra,
            attributes=_sound(extra.attributes),
            properties=_sound(extra.properties),
        )
        return _encode(sound)


def _sound(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sound(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(held) for held in value]
    if isinstance(value, int) and value not in _INTEGERS:
        return digits(value)
    return value


def digits(value: int) -> str:
    """A whole number as text, in hexadecimal where it is longer than Python writes out."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


class AnnotationBatch:
    """Columns of annotations; see the attributes.

    kind    uint8 [n]    index into KIND_NAMES
    image   int32 [n]    index into the file's (or export part's) table of images
    tag     int32 [n]    index into the file's (or export's) table of classes
    start   int64 [n+1]  where each row's values begin in ``coords``
    coords  float64 [m]  Rectangle: xmin ymin xmax ymax. Polygon: x y per point. Keypoints:
                         x y visibility per point. Bitmask: its extent, as a Rectangle (no
                         values when it is empty). Others: nothing.
    record  int64 [n]    the object's number within the file: rows of one object share it and
                         stand next to each other
    hole    bool [n]     a ring that is cut out of its object
    at      int64 [n]    where the record stands, in the reader's own terms
    extras  {row: Extra} what only some rows have
    """

    __slots__ = ("at", "coords", "extras", "hole", "image", "kind", "record", "start", "tag")

    def __init__(
        self,
        kind: NDArray[np.uint8],
        image: NDArray[np.int32],
        tag: NDArray[np.int32],
        start: Ints,
        coords: Floats,
        record: Ints,
        hole: NDArray[np.bool_],
        at: Ints,
        extras: dict[int, Extra],
    ) -> None:
        self.kind = kind
        self.image = image
        self.tag = tag
        self.start = start
        self.coords = coords
        self.record = record
        self.hole = hole
        self.at = at
        self.extras = extras

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: NDArray[Any]) -> AnnotationBatch:
        """The rows with the given numbers (or where a mask is true), in that order."""
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        coords, start = take_rows(self.coords, self.start, rows)
        extras: dict[int, Extra] = {}
        if self.extras:
            for new, old in enumerate(rows.tolist()):
                if old in self.extras:
                    extras[new] = self.extras[old]
        return AnnotationBatch(
            self.kind[rows],
            self.image[rows],
            self.tag[rows],
            start,
            coords,
            self.record[rows],
            self.hole[rows],
            self.at[rows],
            extras,
        )

    def objects(self) -> Ints:
        """Where each object begins: row numbers, and the number of rows at the end."""
        n = len(self)
        if n == 0:
            return np.zeros(1, np.int64)
        first = np.flatnonzero(np.diff(self.record)) + 1
        return np.concatenate([[0], first, [n]]).astype(np.int64)

    def extents(self, objects: Ints) -> Floats:
        """The extent [n, 4] (xmin, ymin, xmax, ymax) of each object; NaN where it has none.

        ``objects`` [n + 1] is where each begins in the rows. Keypoints that are not labelled
        (visibility 0) have no place.
        """
        if not len(self):
            return np.zeros((0, 4))
        out = np.full((len(self), 4), np.nan)
        areas = np.flatnonzero(self.kind != KEYPOINTS)
        if len(areas):
            part = self.take(areas)
            out[areas] = extents(part.coords, part.start)
        for row in np.flatnonzero(self.kind == KEYPOINTS).tolist():
            points = self.values(row).reshape(-1, 3)
            seen = points[points[:, 2] > 0, :2]
            if len(seen):
                out[row] = (*seen.min(axis=0), *seen.max(axis=0))
        # fmin and fmax pass over rows without an extent
        low = np.fmin.reduceat(out[:, :2], objects[:-1])
        high = np.fmax.reduceat(out[:, 2:], objects[:-1])
        found: Floats = np.concatenate([low, high], axis=1)
        return found

    def values(self, row: int) -> Floats:
        """The values of one row."""
        return self.coords[self.start[row] : self.start[row + 1]]

    def scales(self, widths: Floats, heights: Floats) -> Floats:
        """What every value [m] is a fraction of: its row's width or height; 1 for visibilities.

        ``widths`` and ``heights`` [n] are those of the rows.
        """
        lengths = self.start[1:] - self.start[:-1]
        points = self.kind == KEYPOINTS
        out: Floats = np.empty(len(self.coords))
        if not points.any():
            out[0::2] = np.repeat(widths, lengths // 2)
            out[1::2] = np.repeat(heights, lengths // 2)
            return out
        step = np.repeat(np.where(points, 3, 2), lengths)
        axis = (np.arange(len(out)) - np.repeat(self.start[:-1], lengths)) % step
        sides = (spread(widths, self.start), spread(heights, self.start), np.ones(len(out)))
        return np.choose(axis, sides, out=out)
