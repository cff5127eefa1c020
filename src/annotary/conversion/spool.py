"""Annotations kept on disk between reading and writing, for conversions without a store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch, Extra, encode_extra
from annotary.geometry.arrays import take_rows

_Order = np.ndarray[Any, np.dtype[np.int64]]


class Spool:
    """Batches in, batches out in the order of images; coordinates and extras wait on disk.

    In memory stay 22 bytes per row. ``image`` and ``tag`` are the caller's own numbers.
    """

    def __init__(self) -> None:
        self._coords = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool
        self._extras = tempfile.TemporaryFile()  # noqa: SIM115
        self._kind: list[Any] = []
        self._image: list[Any] = []
        self._tag: list[Any] = []
        self._hole: list[Any] = []
        self._record: list[Any] = []
        self._start: list[Any] = []
        self._values = 0
        self._records = 0
        self._rows = 0
        self._extra_at: dict[int, tuple[int, int]] = {}
        self.count = 0

    def add(self, batch: AnnotationBatch) -> None:
        """Keep a batch."""
        self._coords.write(np.ascontiguousarray(batch.coords).data)
        self._kind.append(batch.kind)
        self._image.append(batch.image)
        self._tag.append(batch.tag)
        self._hole.append(batch.hole)
        starts = batch.objects()
        ordinal = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._record.append(ordinal + self._records)
        self._records += len(starts) - 1
        self._start.append(batch.start[:-1] + self._values)
        self._values += int(batch.start[-1])
        for row, extra in batch.extras.items():
            data = encode_extra(extra)
            self._extra_at[self._rows + row] = (self._extras.tell(), len(data))
            self._extras.write(data)
        self._rows += len(batch)
        self.count += len(batch)

    @property
    def images(self) -> _Order:
        """The numbers of all images that have a row, sorted."""
        found: _Order = np.unique(np.concatenate([np.zeros(0, np.int64), *self._image]))
        return found.astype(np.int64)

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return self._records

    def scan(self, order: Sequence[int], batch_rows: int = 10_000) -> Iterator[AnnotationBatch]:
        """The rows of the given images, in their order; ``image`` becomes the place in it.

        ``record`` is the number of the object in the order in which they were added.
        """
        if not self._rows:
            return
        image = np.concatenate(self._image)
        place = np.full(int(image.max()) + 1, -1, np.int64)
        wanted = np.asarray(order, np.int64)
        inside = wanted < len(place)
        place[wanted[inside]] = np.flatnonzero(inside)
        at = place[image]
        rows: _Order = np.flatnonzero(at >= 0)
        rows = rows[np.argsort(at[rows], kind="stable")]
        self._coords.flush()
        values: Any = (
            np.memmap(self._coords, np.float64, "r", shape=(self._values,))
            if self._values
            else np.zeros(0)
        )
        start = np.append(np.concatenate(self._start), self._values)
        columns = [np.concatenate(c) for c in (self._kind, self._tag, self._hole, self._record)]
        begin = 0
        while begin < len(rows):
            end = min(begin + batch_rows, len(rows))
            # an image is never cut in two
            while end < len(rows) and at[rows[end]] == at[rows[end - 1]]:
                end += 1
            yield self._batch(rows[begin:end], at, values, start, columns)
            begin = end

    def _batch(
        self, rows: _Order, at: _Order, values: Any, start: _Order, columns: list[Any]
    ) -> AnnotationBatch:
        coords, starts = take_rows(values, start, rows)
        kind, tag, hole, record = (column[rows] for column in columns)
        extras: dict[int, Extra] = {}
        if self._extra_at:
            for new, old in enumerate(rows.tolist()):
                found = self._extra_at.get(old)
                if found is not None:
                    self._extras.seek(found[0])
                    extras[new] = _extra.decode(self._extras.read(found[1]))
        return AnnotationBatch(
            kind,
            at[rows].astype(np.int32),
            tag,
            starts,
            np.asarray(coords),
            record,
            hole,
            np.zeros(len(rows), np.int64),
            extras,
        )

    def close(self) -> None:
        """Forget everything."""
        self._coords.close()
        self._extras.close()


_extra = msgspec.msgpack.Decoder(Extra)
