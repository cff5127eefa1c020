"""A part of what is exported or compared: the images and objects that a query means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from annotary.batch import CLASSIFICATION, AnnotationBatch
from annotary.query.language import FIELDS, Query
from annotary.query.rows import Stored, matching_rows

Facts = Callable[[AnnotationBatch, Sequence[int]], Stored]
"""What a store knows of a batch's rows, whose ``image`` counts the given images."""


class Whole(Protocol):
    """What is selected from; see ``annotary.writing.exporting.Origin``."""

    project: str
    tags: list[Any]
    names: list[str]
    widths: Any
    heights: Any
    ids: Sequence[str]
    groups: Sequence[Sequence[str]]
    count: int

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images with these places, in that order."""

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file."""

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every image's own metadata, as text."""

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        """The image's file."""


class Selected:
    """An origin with only those images and objects that a query means.

    A query that asks about images alone keeps them with all that they have, or with nothing. Else
    images stay of which an object is meant, with these objects.
    """

    def __init__(self, whole: Whole, query: Query, facts: Facts | None = None) -> None:
        self._whole = whole
        self._query = query
        self._facts = facts
        self._of_images = all(
            field in FIELDS and FIELDS[field].level == "image" for field in query.fields
        )
        self._places, self.count = self._choose()
        kept = self._places.tolist()
        self.project = whole.project
        self.tags = whole.tags
        self.names: list[str] = [whole.names[i] for i in kept]
        self.widths: Any = np.asarray(whole.widths)[self._places]
        self.heights: Any = np.asarray(whole.heights)[self._places]
        self.ids: Sequence[str] = [whole.ids[i] for i in kept] if whole.ids else ()
        self.groups: Sequence[Sequence[str]] = [whole.groups[i] for i in kept if whole.groups]

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images with these places in ``names``, in that order."""
        places = self._places[np.asarray(images, np.int64)].tolist()
        for batch in self._whole.scan(places):
            if self._of_images:
                yield batch
                continue
            kept = batch.take(self._mask(batch, places))
            if len(kept):
                yield kept

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file."""
        return self._whole.read_image(int(self._places[image]))

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every image's own metadata, as text."""
        found = self._whole.metadata(key)
        return [found[place] for place in self._places.tolist()]

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        """The image's file."""
        return self._whole.picture(int(self._places[image]))

    def _choose(self) -> tuple[NDArray[np.int64], int]:
        everything = list(range(len(self._whole.names)))
        if self._of_images:
            asked = images_alone(len(everything))
            chosen = np.flatnonzero(self._mask(asked, everything))
            return chosen, sum(len(batch) for batch in self._whole.scan(chosen.tolist()))
        seen = np.zeros(len(everything), np.bool_)
        count = 0
        for batch in self._whole.scan(everything):
            meant = self._mask(batch, everything)
            seen[batch.image[meant]] = True
            count += int(meant.sum())
        return np.flatnonzero(seen), count

    def _mask(self, batch: AnnotationBatch, images: Sequence[int]) -> NDArray[np.bool_]:
        facts = self._facts(batch, images) if self._facts is not None else None
        names = [tag.name for tag in self._whole.tags]
        part = _Images(self._whole, np.asarray(images, np.int64))
        return matching_rows(self._query, batch, part, names, facts)


class _Images:
    """Some images of an origin, as a query asks for them."""

    def __init__(self, whole: Whole, places: NDArray[np.int64]) -> None:
        self.names = [whole.names[i] for i in places.tolist()]
        self.widths = np.asarray(whole.widths)[places]
        self.heights = np.asarray(whole.heights)[places]
        self.groups = [whole.groups[i] for i in places.tolist() if whole.groups]


def images_alone(count: int) -> AnnotationBatch:
    """A row for each image, to ask about images that may have no annotation."""
    return AnnotationBatch(
        np.full(count, CLASSIFICATION, np.uint8),
        np.arange(count, dtype=np.int32),
        np.zeros(count, np.int32),
        np.zeros(count + 1, np.int64),
        np.zeros(0),
        np.arange(count),
        np.zeros(count, np.bool_),
        np.zeros(count, np.int64),
        {},
    )
