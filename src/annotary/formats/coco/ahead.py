"""Chunks of COCO records with which nothing is wrong, made to columns in a second process.

Whatever needs a word in the log, or changes what the next chunk is read with, is left to
``_coco_rows``, which reads that chunk from the start: there is one place that tells faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.rows import RowSink
from annotary.formats.coco.lists import Categories, Images
from annotary.formats.coco.parts import Parts
from annotary.formats.coco.records import BODY_PARTS, Annotation, CocoText
from annotary.geometry.arrays import Ints
from annotary.processes import available
from annotary.processes.reader import SecondReader
from annotary.syntax.json.text import Fault, Member, OpenStruct

_FEW = 2
"""Chunks that are read sooner than a second process has started."""

_encode = msgspec.msgpack.Encoder().encode
_extras = msgspec.msgpack.Decoder(dict[int, Extra])


class Plain(NamedTuple):
    """A chunk's rows, whose images are not known yet, and the ids of each record."""

    ids: Ints
    image_ids: Ints
    batch: AnnotationBatch

    def find_images(self, images: Images) -> bool:
        """Fill in the images; answers whether all are known."""
        found = images.find(self.image_ids)
        self.batch.image = found[self.batch.record].astype(np.int32)
        return not (found < 0).any()


class Ahead:
    """The chunks that the second process reads, in their order."""

    def __init__(self, reader: SecondReader) -> None:
        self._reader = reader

    def take(self) -> Plain | None:
        """The next chunk; None where it has to be read here."""
        found: tuple[Ints, Ints, dict[str, Any], bytes] | None = self._reader.take()
        if found is None:
            return None
        ids, image_ids, columns, extras = found
        return Plain(ids, image_ids, AnnotationBatch(**columns, extras=_extras.decode(extras)))


def is_ahead(chunk: int) -> bool:
    """Whether the second process reads a chunk: three of five, for the first one also checks."""
    return chunk % 5 in {1, 3, 4}


@contextmanager
def read_ahead(
    text: CocoText, member: Member | None, rows: RowSink, categories: Categories
) -> Iterator[Ahead | None]:
    """A second process that reads many of the chunks, where that is worth it.

    Begin before the images are read: then it holds no list of them.
    """
    numbers = [n for n in range(len(member.firsts) if member else 0) if is_ahead(n)]
    enough = len(numbers) >= _FEW and available.spare() and available.can_fork()
    if member is None or not enough:
        yield None
        return
    reader = SecondReader(_PlainChunks(text, member, rows, categories).read, numbers)
    try:
        yield Ahead(reader)
    finally:
        reader.close()


class _PlainChunks:
    """Reads chunks without telling anything."""

    def __init__(
        self, text: CocoText, member: Member, rows: RowSink, categories: Categories
    ) -> None:
        self._text = text
        self._member = member
        self._rows = rows
        self._categories = categories
        self._tags = len(rows.tag_names)
        # what has to be mended is left to who tells of it
        self._struct = OpenStruct(Annotation)

    def read(self, number: int) -> tuple[Ints, Ints, dict[str, Any], bytes] | None:
        """One chunk; None where something needs a word."""
        chunk = self._text.json.chunk(self._member, number, self._struct)
        records: list[Annotation] = []
        for item in chunk.items:
            if isinstance(item, Fault):
                return None
            records.append(item)
        if not BODY_PARTS.keys().isdisjoint(self._struct.extra_fields.values()):
            return None
        ids = np.array([record.id for record in records])
        image_ids = np.array([record.image_id for record in records])
        if ids.dtype != np.int64 or image_ids.dtype != np.int64:
            return None
        parts = Parts(self._rows, records)
        parts.find_tags(self._categories)
        if (parts.tags < 0).any() or len(self._rows.tag_names) != self._tags:
            return None
        parts.gather(self._categories)
        if parts.refused:
            return None
        batch = parts.batch(chunk.first_index + np.arange(len(records)), self._struct)
        columns = {name: getattr(batch, name) for name in batch.__slots__ if name != "extras"}
        return ids, image_ids, columns, _encode(batch.extras)
