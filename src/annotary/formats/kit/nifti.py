"""What the two NIfTI formats share: recognising, opening and naming files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from annotary.contract.format import Format
from annotary.contract.names import member_names
from annotary.contract.rows import RowSink
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.volumes import (
    FAMILY,
    LABELS,
    ONE_HOT,
    Gathered,
    as_labels,
    is_labels,
    read_labels,
)
from annotary.problems import NOWHERE, Location
from annotary.syntax import nifti
from annotary.syntax.source import FileSet, SourceError, SourceFile

ADVICE = "Save the mask again as one .nii or .nii.gz file."
ENDINGS = (".nii", ".nii.gz", ".gz")


class NiftiFormat(Format):
    """A NIfTI format: claims the files that have, or have not, an axis of channels."""

    channels = False
    reads = True
    writes = True
    family = FAMILY
    extensions = ENDINGS
    project_types = ("RGBD",)

    def companion(self, source: SourceFile) -> str | None:
        return LABELS if is_labels(source) else None

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        header = peek(source)
        return header is not None and is_channelled(header) == self.channels


def peek(source: SourceFile) -> nifti.Header | None:
    """The header of a file that begins like NIfTI; None for others.

    A header that is broken claims the file for the format without channels, which tells why.
    """
    head = source.head
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 540)
        except zlib.error:
            return None
    named = source.name.lower().endswith((".nii", ".nii.gz"))
    if not (named or nifti.looks_like_nifti(head) or _is_pair(head)):
        return None
    try:
        return nifti.read_header(io.BytesIO(head))
    except nifti.NiftiError:
        return nifti.Header(shape=(1, 1, 1), dtype=np.dtype(np.uint8))


def _is_pair(head: bytes) -> bool:
    return head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c") and head[344:348] == b"ni1\0"


def is_channelled(header: nifti.Header) -> bool:
    """Whether there is more than a volume, or the header says that it has channels."""
    return header.intent_name == ONE_HOT or any(size != 1 for size in header.shape[3:])


class Opened:
    """A file being read: its header, its classes, and its slices."""

    def __init__(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        self.source = source
        self.rows = rows
        rows.normalized = True
        rows.id_space = FAMILY
        self.names = read_labels(source, files)
        for number, name in self.names.items():
            rows.tag(name, number)
        buffer = source.buffer
        raw = io.BytesIO(buffer) if isinstance(buffer, bytes) else buffer
        raw.seek(0)
        self._stream = nifti.unpacked(cast(IO[bytes], raw))
        self.header = self.guarded(lambda: nifti.read_header(self._stream))
        if self.header.is_scaled:
            slope, inter = self.header.scl_slope, self.header.scl_inter
            rows.problem(
                "ignored",
                NOWHERE,
                what=f"The header's scaling (slope {slope:g}, intercept {inter:g})",
                why="labels are the numbers as they are stored",
                advice="Save the mask without scaling if other numbers were meant.",
            )
        self._slices = nifti.slices(self._stream, self.header)

    def guarded(self, call: Callable[[], Any]) -> Any:
        """Call, and turn a broken file into ``SourceError``."""
        try:
            return call()
        except nifti.NiftiError as error:
            place = Location(pointer=f"byte {error.offset}")
            raise SourceError(
                "syntax", place, kind="NIfTI file", detail=error.reason, advice=ADVICE
            ) from None

    def stack(self, count: int) -> NDArray[Any]:
        """The next slices, as an array ``[count, y, x]``."""
        found: NDArray[Any] = self.guarded(
            lambda: np.stack([next(self._slices) for _ in range(count)])
        )
        return found

    def finish(self) -> None:
        """Read to the end, where damage in compressed data shows."""
        self.guarded(lambda: next(self._slices, None))

    def labels(self, gathered: Gathered, begin: int, end: int) -> None:
        """Gather the labels in the slices ``begin..end`` of a volume."""
        for first in range(begin, end, gathered.depth):
            count = min(gathered.depth, end - first)
            gathered.add(first, as_labels(self.stack(count), first))

    def tag(self, label: int) -> int:
        """The class of a label. Raises ``RefusedError`` for one that ``labels.json`` lacks."""
        if not self.names:
            return self.rows.tag(str(label), label)
        if label not in self.names:
            raise RefusedError(
                "unknown-category", word="label", id=label, where=" in labels.json",
                advice="Add it to labels.json, or remove its voxels.",
            )  # fmt: skip
        return self.rows.tag(self.names[label], label)


def volume_names(images: Sequence[str]) -> list[str]:
    """The file of each volume's mask: its own name, ending in ``.nii.gz``."""
    plain = [name[:-3] if name.lower().endswith(".nii.gz") else name for name in images]
    return member_names(plain, ".nii.gz")


class Sink(io.RawIOBase):
    """A member as a stream that gzip can write to."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(bytes(data))
        return len(data)
