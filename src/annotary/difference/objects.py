"""Objects of both sides as columns: which image, which tag, what shape, what content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.batch import (
    BITMASK,
    BITMASK3D,
    CLASSIFICATION,
    KEYPOINTS,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
)
from annotary.difference.content import Words, contents
from annotary.geometry.arrays import Ints

_FAMILY = {
    RECTANGLE: 0,
    POLYGON: 0,
    BITMASK: 0,
    KEYPOINTS: 1,
    CLASSIFICATION: 2,
    BITMASK3D: 3,
}
"""What can be compared with each other: areas, points, whole images, volumes."""
AREA, POINTS, IMAGE, VOLUME = range(4)
_FAMILIES = np.array([_FAMILY[kind] for kind in range(6)], np.uint8)


class Objects:
    """The objects of one side, within some images that both sides share.

    batch    the rows
    begin    int64 [n+1]   where each object begins in the rows
    image    int32 [n]     its image, as both sides number them
    tag      int32 [n]     its tag, as both sides number them
    family   uint8 [n]     AREA, POINTS, IMAGE or VOLUME
    extent   float64 [n,4] xmin ymin xmax ymax, in fractions; NaN where it has none
    content  uint64 [n,2]  what it is, in 128 bits
    shape    uint64 [n,2]  the same without attributes, properties and tag
    key      uint64 [n]    its own id in the source as a word, 0 for none
    """

    __slots__ = (
        "batch",
        "begin",
        "content",
        "extent",
        "family",
        "image",
        "key",
        "shape",
        "tag",
    )

    def __init__(
        self,
        batch: AnnotationBatch,
        tag_names: Sequence[str],
        tags: NDArray[np.int32],
        key: Words | None = None,
    ) -> None:
        """``tags`` [number of tag names] are the numbers that both sides share."""
        self.batch = batch
        self.begin = batch.objects() if len(batch) else np.zeros(1, np.int64)
        first = self.begin[:-1]
        self.image = batch.image[first]
        self.tag = tags[batch.tag[first]] if len(batch) else np.zeros(0, np.int32)
        self.family = _families(batch, self.begin)
        self.extent = batch.extents(self.begin)
        self.content = contents(batch, self.begin, tag_names)
        self.shape = _shapes(batch, self.begin)
        self.key = np.zeros(len(first), np.uint64) if key is None else key

    def __len__(self) -> int:
        return len(self.begin) - 1

    def rows(self, number: int) -> range:
        """The rows of one object."""
        return range(int(self.begin[number]), int(self.begin[number + 1]))


def _families(batch: AnnotationBatch, begin: Ints) -> NDArray[np.uint8]:
    """An object of points and an outline is compared by its outline."""
    rows = _FAMILIES[batch.kind]
    return np.minimum.reduceat(rows, begin[:-1]) if len(rows) else rows


def _shapes(batch: AnnotationBatch, begin: Ints) -> Words:
    """The content without what is said about the shape."""
    masks: dict[int, Any] = {}
    for row, extra in batch.extras.items():
        if extra.mask is not None or extra.chunk is not None:
            bare = type(extra)(
                mask=extra.mask,
                aggregation=extra.aggregation,
                chunk=extra.chunk,
            )
            masks[row] = bare
    alike = AnnotationBatch(
        batch.kind,
        batch.image,
        np.zeros(len(batch), np.int32),
        batch.start,
        batch.coords,
        batch.record,
        batch.hole,
        batch.at,
        masks,
    )
    return contents(alike, begin, [""])
