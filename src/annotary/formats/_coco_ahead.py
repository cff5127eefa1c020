"""Chunks of COCO records with which nothing is wrong, made to columns in a second process.

Whatever needs a word in the log, or changes what the next chunk is read with, is left to
``_coco_rows``, which reads that chunk from the start: there is one place that tells faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import numpy as np

from annotary import processors
from annotary.batch import AnnotationBatch, Extra, RowSink
from annotary.formats._coco import BODY_PARTS, Annotation, CocoText
from annotary.formats._coco_lists import Categories, Images
from annotary.formats._coco_parts import Parts
from annotary.geometry import Ints
from annotary.jsontext import Fault, Member, OpenStruct
from annotary.secondreader import SecondReader

_FEW = 2
"""Chunks that are read sooner than a second process has started."""
_MANY_IMAGES = 500_000
"""The second process would hold the list of images as well."""

_encode = msgspec.msgpack.Encoder().encode
_extras = msgspec.msgpack.Decoder(dict[int, Extra])


class Plain(NamedTuple):
    """A chunk's rows, and the ids of its records."""

    ids: Ints
    batch: AnnotationBatch


class Ahead:
    """The chunks that the second process reads, in their order."""

    def __init__(self, reader: SecondReader) -> None:
        self._reader = reader

    def take(self) -> Plain | None:
        """The next chunk; None where it has to be read here."""
        found: tuple[Ints, dict[str, Any], bytes] | None = self._reader.take()
        if found is None:
            return None
        ids, columns, extras = found
        return Plain(ids, AnnotationBatch(**columns, extras=_extras.decode(extras)))


class PlainChunks:
    """Reads chunks without telling anything."""

    def __init__(
        self,
        text: CocoText,
        member: Member,
        rows: RowSink,
        images: Images,
        categories: Categories,
    ) -> None:
        self._text = text
        self._member = member
        self._rows = rows
        self._images = images
        self._categories = categories
        self._tags = len(rows.tag_names)
        self._struct = OpenStruct(Annotation)

    @contextmanager
    def ahead(self, numbers: Sequence[int]) -> Iterator[Ahead | None]:
        """A second process that reads the chunks of these numbers, where that is worth it."""
        enough = len(numbers) >= _FEW and len(self._rows.image_names) < _MANY_IMAGES
        if not (enough and processors.spare() and processors.can_fork()):
            yield None
            return
        reader = SecondReader(self._read, numbers)
        try:
            yield Ahead(reader)
        finally:
            reader.close()

    def _read(self, number: int) -> tuple[Ints, dict[str, Any], bytes] | None:
        chunk = self._text.json.chunk(self._member, number, self._struct)
        records: list[Annotation] = []
        for item in chunk.items:
            if isinstance(item, Fault):
                return None
            records.append(item)
        if set(BODY_PARTS) <= set(self._struct.extra_fields.values()):
            return None
        ids = np.array([record.id for record in records])
        if ids.dtype != np.int64:
            return None
        parts = Parts(self._rows, records)
        parts.look_up(self._images, self._categories)
        unknown = (parts.tags < 0).any() or (parts.images < 0).any()
        if unknown or len(self._rows.tag_names) != self._tags:
            return None
        parts.gather(self._categories)
        if parts.refused:
            return None
        at = chunk.first_index + np.arange(len(records))
        batch = parts.batch(at, self._struct)
        columns = {name: getattr(batch, name) for name in batch.__slots__ if name != "extras"}
        return ids, columns, _encode(batch.extras)
