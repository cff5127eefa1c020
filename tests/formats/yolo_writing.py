"""Datasets in memory for the writers of text formats, and their files as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from annotary import formats
from annotary.batch import AnnotationBatch
from annotary.contract.dataset import ClassEntry, Dataset, ImageTable, Part
from annotary.contract.rows import RowSink
from annotary.syntax.source import SourceFile

Row = tuple[Any, ...]


class Memory:
    """An output that keeps its members."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        """Write a member as a whole."""
        with self.file(path) as file:
            file.write(data)

    @contextmanager
    def file(self, path: str) -> Iterator[io.BytesIO]:
        assert path not in self.members, f"{path} is written twice"
        buffer = io.BytesIO()
        yield buffer
        self.members[path] = buffer.getvalue()

    def sources(self) -> list[SourceFile]:
        return [SourceFile(name, data=data) for name, data in sorted(self.members.items())]


def batches(rows: Sequence[Row], cut: int) -> list[AnnotationBatch]:
    """Batches of rows ``(method of RowSink, image, tag, *values)``, cut between images."""
    found: list[AnnotationBatch] = []
    sink = RowSink("test", lambda _, batch: found.append(batch) if len(batch) else None)
    before = None
    for i, (method, image, *values) in enumerate(rows):
        if image != before and i and i // cut > (i - 1) // cut:
            sink.flush()
        before = image
        keyword = values.pop() if values and isinstance(values[-1], dict) else {}
        getattr(sink, method)(image, *values, **keyword)
    sink.flush()
    return found


def part(
    name: str, images: Mapping[str, tuple[int, int]], rows: Sequence[Row], cut: int = 3
) -> Part:
    """A part of an export; rows must be sorted by image."""
    sizes = np.array(list(images.values()), np.int64).reshape(-1, 2)
    table = ImageTable(list(images), sizes[:, 0], sizes[:, 1])
    made = batches(rows, cut)
    return Part(name, table, lambda: iter(made))


def write(
    name: str, classes: Sequence[ClassEntry | str], parts: Sequence[Part], **given: Any
) -> Memory:
    """What the format's writer makes of the dataset."""
    out = Memory()
    entries = [c if isinstance(c, ClassEntry) else ClassEntry(c, i) for i, c in enumerate(classes)]
    given.setdefault("normalized", True)
    formats.get(name).write(Dataset(entries, parts, **given), out)
    return out
