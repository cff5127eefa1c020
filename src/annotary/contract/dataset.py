"""What a writer is given: classes, images and annotations, already reduced to its abilities.

A writer sees only kinds that its format can hold, in the unit it asked for, sorted by image, and
an image is never cut between two batches. It writes to an :class:`Output` and does not know
whether that is a zip or a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary.batch import AnnotationBatch
from annotary.contract.names import member_names
from annotary.geometry.arrays import Floats


class ClassEntry(msgspec.Struct):
    """A class of the export: its name, its number in this format, and its skeleton if any."""

    name: str
    number: int
    keypoints: list[str] = []
    edges: list[tuple[int, int]] = []
    """0-based pairs of keypoints."""
    attributes: dict[str, str] = {}
    """Names of the tag's attributes and their types."""


class ImageTable:
    """The images of a part, sorted by name: columns of equal length.

    ``names`` list[str]; ``widths``, ``heights`` int64 [n] in pixels (0: not known);
    ``sources``: for each image, the path or bytes' address of its file, where the store has it.
    """

    def __init__(
        self,
        names: Sequence[str],
        widths: NDArray[np.int64],
        heights: NDArray[np.int64],
        ids: Sequence[str] = (),
        read: Callable[[int], bytes | None] | None = None,
        groups: Sequence[Sequence[str]] = (),
    ) -> None:
        self.names = names
        self.widths = widths
        self.heights = heights
        self.ids = ids
        self.groups = groups
        self._read = read

    def __len__(self) -> int:
        return len(self.names)

    def read(self, image: int) -> bytes | None:
        """The bytes of the image's file, or None when the store does not have it."""
        return self._read(image) if self._read else None

    def sizes(self, images: NDArray[Any]) -> tuple[Floats, Floats]:
        """Widths and heights [k] of the given images, as floats."""
        return self.widths[images].astype(np.float64), self.heights[images].astype(np.float64)


class Part:
    """One part of an export: ``dump``, or ``train`` and ``validate``.

    ``name`` is the stem of its files. ``batches()`` can be iterated more than once; rows are
    sorted by ``image``, which is an index into ``images``; ``tag`` is an index into the
    dataset's classes.
    """

    def __init__(
        self, name: str, images: ImageTable, batches: Callable[[], Iterator[AnnotationBatch]]
    ) -> None:
        self.name = name
        self.images = images
        self.batches = batches

    def by_image(self) -> Iterator[tuple[int, AnnotationBatch | None, int, int]]:
        """(image, batch, first row, end row) of every image in order; None for no rows."""
        expected = 0
        for batch in self.batches():
            if not len(batch):
                continue
            images, first = np.unique(batch.image, return_index=True)
            ends = np.append(first[1:], len(batch))
            for image, begin, end in zip(
                images.tolist(), first.tolist(), ends.tolist(), strict=True
            ):
                for empty in range(expected, image):
                    yield empty, None, 0, 0
                expected = image + 1
                yield image, batch, begin, end
        for empty in range(expected, len(self.images)):
            yield empty, None, 0, 0


class Dataset:
    """All that a writer needs to know; ``options`` is an instance of the format's Options."""

    def __init__(
        self,
        classes: Sequence[ClassEntry],
        parts: Sequence[Part],
        *,
        normalized: bool,
        options: Any = None,
        project: str = "",
    ) -> None:
        self.classes = list(classes)
        self.parts = list(parts)
        self.normalized = normalized
        self.options = options
        self.project = project

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The class number of every class, to be indexed by ``batch.tag``."""
        return np.array([entry.number for entry in self.classes], np.int64)

    def members(self, part: Part, ending: str) -> list[str]:
        """One file name for every image of a part, see :func:`member_names`."""
        others = chain.from_iterable(p.images.names for p in self.parts if p is not part)
        return member_names(part.images.names, ending, others=others)

    @property
    def names(self) -> list[str]:
        """The name of every class, to be indexed by ``batch.tag``."""
        return [entry.name for entry in self.classes]
