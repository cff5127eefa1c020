"""Files as readers see them: bytes already fetched, decompressed and decoded to UTF-8.

A reader never opens an image, a database, a zip or a socket: it is handed a
:class:`SourceFile`, and a :class:`FileSet` in which to find the companions of its file (class
lists, ``data.yaml``, ``labels.json``).
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import mmap
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from annotary.problems import Location
from annotary.syntax.json.text import JsonText

HEAD_BYTES = 64 * 1024
MAP_ABOVE = 1024 * 1024
INFLATED_LIMIT = 8 * 1024**3

Buffer = bytes | mmap.mmap


class SourceError(Exception):
    """The file as a whole cannot be read; ``code`` and ``values`` make its problem."""

    def __init__(self, code: str, location: Location | None = None, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.location = location or Location()
        self.values = values


class SourceFile:
    """One file of an import: its name as it was added (with ``/``) and its content.

    Text is UTF-8 in ``buffer`` whatever it was in the file; a byte order mark is taken off.
    """

    def __init__(
        self,
        name: str,
        *,
        path: Path | None = None,
        data: bytes | None = None,
        found: bool = False,
        prefix: str = "",
    ) -> None:
        self.name = name
        self.path = path
        self.found = found
        """Whether a folder had it, and nobody named it."""
        self.prefix = prefix
        """What the caller put in front of the names of its images."""
        self._data = data
        self._map: mmap.mmap | None = None

    @property
    def basename(self) -> str:
        """The name without its folders."""
        return PurePosixPath(self.name).name

    @property
    def stem(self) -> str:
        """The base name without its last ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The last ending in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def folder(self) -> str:
        """The folders in front of the base name, ``""`` for none."""
        parent = str(PurePosixPath(self.name).parent)
        return "" if parent == "." else parent

    @cached_property
    def raw_size(self) -> int:
        """Bytes of the file as it is stored."""
        if self.path is not None:
            return self.path.stat().st_size
        return len(self._data or b"")

    @cached_property
    def buffer(self) -> Buffer:
        """The whole content, mapped when it is large. Raises :class:`SourceError`."""
        content = self._content()
        if _may_mislead(content[:3]) and _is_tfrecord(content):
            return content
        return self._as_utf8(self._inflated(content))

    @property
    def head(self) -> bytes:
        """The first 64 KiB."""
        return bytes(self.buffer[:HEAD_BYTES])

    @property
    def first(self) -> bytes:
        """The first byte that is not white space, or nothing."""
        return self.head.lstrip()[:1]

    @cached_property
    def is_binary(self) -> bool:
        """Whether the head has bytes that no text has."""
        return b"\0" in self.head

    @cached_property
    def json(self) -> JsonText | None:
        """The content as JSON, indexed, or None when it does not begin like JSON."""
        if self.first not in (b"{", b"[") or self.is_binary:
            return None
        return JsonText(self.buffer)

    @cached_property
    def json_keys(self) -> frozenset[str]:
        """The keys of a root JSON object; empty for anything else."""
        return (
            frozenset(self.json.members)
            if self.json and self.json.kind == "object"
            else frozenset()
        )

    def lines(self) -> Iterator[tuple[int, str]]:
        """Line numbers from 1 and lines without their ends, decoded.

        Raises :class:`SourceError` (``encoding``) at bytes that are not UTF-8.
        """
        stream = io.BytesIO(self.buffer) if isinstance(self.buffer, bytes) else self.buffer
        stream.seek(0)
        number = 0
        while line := stream.readline():
            number += 1
            try:
                yield number, line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise encoding_error(line, error.start, number) from None

    def check_utf8(self) -> None:
        """Raise :class:`SourceError` (``encoding``) at the first byte that is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for begin in range(0, len(self.buffer), MAP_ABOVE):
            piece = bytes(self.buffer[begin : begin + MAP_ABOVE])
            try:
                decoder.decode(piece, begin + MAP_ABOVE >= len(self.buffer))
            except UnicodeDecodeError as error:
                at = max(begin + error.start, 0)
                whole = bytes(self.buffer[: at + 1])
                raise encoding_error(whole, len(whole) - 1, whole.count(b"\n") + 1) from None

    def close(self) -> None:
        """Let go of the content; reading it again opens it again."""
        self.__dict__.pop("json", None)
        self.__dict__.pop("buffer", None)
        if self._map is not None:
            # somebody may still hold a view: then it closes with the last of them
            with contextlib.suppress(BufferError):
                self._map.close()
            self._map = None

    def _content(self) -> Buffer:
        if self.path is None:
            return self._data or b""
        try:
            if self.raw_size < MAP_ABOVE:
                return self.path.read_bytes()
            with self.path.open("rb") as file, tempfile.TemporaryFile() as copy:
                # reading a map of a file that others make shorter ends the process
                self._copy(file, copy)
                self._map = mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)
                return self._map
        except OSError as error:
            raise SourceError("unreadable-file", detail=error.strerror or str(error)) from None

    def _copy(self, file: BinaryIO, copy: BinaryIO) -> None:
        shutil.copyfileobj(file, copy, MAP_ABOVE)
        copy.flush()
        if copy.tell() != self.raw_size:
            detail = f"it had {self.raw_size} bytes and then {copy.tell()}"
            raise SourceError("changed-file", detail=detail)

    def _inflated(self, content: Buffer) -> Buffer:
        if bytes(content[:2]) != b"\x1f\x8b" or self.name.lower().endswith(".nii.gz"):
            return content
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as unzipped:
                data = unzipped.read(INFLATED_LIMIT + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(
                "syntax", kind="gzip data", detail=str(error), advice="Compress the file again."
            ) from None
        if len(data) > INFLATED_LIMIT:
            raise SourceError(
                "too-large",
                what="The unpacked file",
                value=f"over {INFLATED_LIMIT} bytes",
                limit=INFLATED_LIMIT,
                advice="Split the file.",
            )
        return data

    def _as_utf8(self, content: Buffer) -> Buffer:
        begin = bytes(content[:4])
        if begin.startswith(codecs.BOM_UTF8):
            # copies a large file once; a byte order mark on one is rare
            return bytes(content[3:])
        for bom, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if begin.startswith(bom):
                try:
                    return bytes(content[2:]).decode(name).encode()
                except UnicodeDecodeError as error:
                    raise encoding_error(bytes(content), error.start + 2, None) from None
        return content


def _may_mislead(begin: bytes) -> bool:
    """Whether these bytes say gzip or a byte order mark: the length of a TFRecord may, too."""
    return begin.startswith(
        (b"\x1f\x8b", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\xef\xbb\xbf")
    )


def _is_tfrecord(content: Buffer) -> bool:
    from annotary.syntax.tfrecord import looks_like_tfrecord

    return looks_like_tfrecord(bytes(content[:12]), len(content))


def encoding_error(data: bytes, at: int, line: int | None) -> SourceError:
    """The problem of a byte that is not UTF-8, with a guess at what the text is in."""
    window = data[max(0, at - 20) : at + 20]
    guess = "Windows-1252 (Western European)"
    for name, label in (("gb18030", "GBK (Chinese)"), ("shift_jis", "Shift JIS (Japanese)")):
        high = sum(byte >= 0x80 for byte in window)
        try:
            window.decode(name)
        except UnicodeDecodeError:
            continue
        if high >= 4:
            guess = label
            break
    column = None if line is None else at - data.rfind(b"\n", 0, at)
    return SourceError("encoding", Location(line, column), byte=f"0x{data[at]:02x}", guess=guess)


def is_at_or_above(folder: str, other: str) -> bool:
    """Whether ``other`` is the folder itself or one below it; ``..`` is above all."""
    return folder in ("", "..", other) or other.startswith(folder + "/")


class FileSet:
    """All files of an import: where a reader finds what its file needs beside it.

    ``companions`` maps a kind of companion (``class-list``, ``label-map``, ...) to the files
    of that kind; ``project_tags`` are the names of the project's tags, in order.
    """

    def __init__(self, project_tags: Sequence[str] = ()) -> None:
        self.companions: dict[str, list[SourceFile]] = {}
        self.project_tags = list(project_tags)
        self.read_cache: dict[tuple[str, str], object] = {}
        """What a format made of a companion: (file name, kind) -> anything, read once."""

    def add(self, kind: str, source: SourceFile) -> None:
        """Record a companion."""
        self.companions.setdefault(kind, []).append(source)

    def nearest(self, source: SourceFile, kind: str) -> SourceFile | None:
        """The companion of ``kind`` closest to ``source``.

        In its own folder first, then in the folders above, then below a common folder; the
        first added wins among equals.
        """

        def distance(companion: SourceFile) -> int:
            here, there = source.folder.split("/"), companion.folder.split("/")
            shared = 0
            for a, b in zip(here, there, strict=False):
                if a != b:
                    break
                shared += 1
            return (len(here) - shared) + (len(there) - shared)

        found = self.companions.get(kind, [])
        return min(found, key=distance) if found else None
