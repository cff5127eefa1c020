"""Where the files of an export go: a zip or a folder, with a digest of every member.

Zip members are stored, not compressed, with one fixed date: the bytes of an export then depend
on its content alone, on any platform and with any version of zlib.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from annotary.contract.names import inside
from annotary.contract.output import Writable
from annotary.contract.placing import place
from annotary.errors import BadRequestError
from annotary.processes.writer import SecondWriter, can_help
from annotary.processes.writer_main import write

_EPOCH = (1980, 1, 1, 0, 0, 0)
_BUFFER = 1024 * 1024
_FEW = 500
"""So many files are written before a second process is worth its start."""


class _Member:
    """Bytes on their way to a member: gathered into large writes, and digested."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes, /) -> int:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _BUFFER:
            self.flush()
        return len(data)

    def flush(self) -> None:
        joined = b"".join(self._parts)
        self._digest.update(joined)
        self._target.write(joined)
        self._parts, self._size = [], 0

    def finish(self) -> str:
        self.flush()
        return self._digest.hexdigest()


class ZipOutput:
    """Members of a zip, below the folder ``prefix``; leaving the block writes its directory.

    Images become members, too; with ``elsewhere``, only a line for each is written there:
    ``{"path": ..., "source": ...}``, for whoever unpacks the zip on this machine.
    """

    def __init__(
        self, stream: BinaryIO, prefix: str = "", elsewhere: BinaryIO | None = None
    ) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._prefix = prefix
        self._elsewhere = elsewhere
        self.digests: dict[str, str] = {}

    def __enter__(self) -> ZipOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def put(self, path: str, data: bytes) -> None:
        """Write a member as a whole."""
        path = inside(path)
        self._zip.writestr(self._info(path), data)
        self.digests[path] = hashlib.sha256(data).hexdigest()

    @contextmanager
    def file(self, path: str) -> Iterator[Writable]:
        """Open a member for writing."""
        path = inside(path)
        held = _Held(self._zip, self._info(path))
        member = _Member(held)
        try:
            yield member
            self.digests[path] = member.finish()
        finally:
            held.close()

    def place(self, path: str, source: Path, *, link: bool) -> None:
        """Write an image; ``link`` says how whoever unpacks it may save a copy."""
        path = inside(path)
        if self._elsewhere is not None:
            line = {"path": path, "source": os.fspath(source.absolute()), "link": link}
            self._elsewhere.write(msgspec.json.encode(line) + b"\n")
            return
        with source.open("rb") as file, self._zip.open(self._info(path), "w") as member:
            shutil.copyfileobj(file, member, _BUFFER)

    def _info(self, path: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(f"{self._prefix}/{path}" if self._prefix else path, _EPOCH)
        info.external_attr = 0o644 << 16
        return info


class _Held:
    """A member that is opened only when it turns out to be large.

    Writing a small one in one piece is several times faster, and there may be a file per image.
    """

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._info = info
        self._first: bytes | None = None
        self._open: Any = None

    def write(self, data: bytes) -> None:
        if self._first is None:
            self._first = data
            return
        if self._open is None:
            self._open = self._archive.open(self._info, "w", force_zip64=True)
            self._open.write(self._first)
        self._open.write(data)

    def close(self) -> None:
        if self._open is None:
            self._archive.writestr(self._info, self._first or b"")
        else:
            self._open.close()


class FolderOutput:
    """Members as files below a folder; in a ``with`` block, two processes write many of them.

    ``make_room`` is called before the first file is written: nothing goes while an export may
    yet be refused. It answers the files that stand there and must stay.
    """

    def __init__(self, folder: Path, make_room: Callable[[], frozenset[str]] | None = None) -> None:
        self._folder = os.fspath(folder)
        self._make_room = make_room
        self._others: frozenset[str] = frozenset()
        self._made: set[str] = set()
        self._helped = False
        self._second: SecondWriter | None = None
        self.digests: dict[str, str] = {}

    def __enter__(self) -> FolderOutput:
        self._helped = can_help()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._helped = False
        if self._second is not None and error is not None:
            self._second.kill()
        else:
            self._settle()

    def put(self, path: str, data: bytes) -> None:
        """Write a file as a whole; its folders are made."""
        path = inside(path)
        if path in self.digests:
            self._settle()  # the later one shall stand
        target = self._target(path)
        if self._second is None and self._helped and len(self.digests) >= _FEW:
            self._second = SecondWriter()
        if self._second is None or not self._second.take(target, data):
            write(target, data)
        self.digests[path] = hashlib.sha256(data).hexdigest()

    @contextmanager
    def file(self, path: str) -> Iterator[Writable]:
        """Open a file for writing; its folders are made."""
        path = inside(path)
        if path in self.digests:
            self._settle()
        with Path(self._target(path)).open("wb") as stream:
            member = _Member(stream)
            yield member
            self.digests[path] = member.finish()

    def place(self, path: str, source: Path, *, link: bool) -> None:
        """Write an image as a copy, or as a link to the very file."""
        place(source, Path(self._target(inside(path))), link)

    def _target(self, path: str) -> str:
        if self._make_room is not None:
            make_room, self._make_room = self._make_room, None
            self._others = make_room()
        if path in self._others:
            raise BadRequestError(
                f"{self._folder}/{path} is there already, and no earlier export has written it.",
                hint="Move it away, or choose another folder.",
            )
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            Path(self._folder, folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        return f"{self._folder}/{path}"

    def _settle(self) -> None:
        """Wait until the second process has written all that it was given, and end it."""
        second, self._second = self._second, None
        if second is not None:
            second.finish()


class NullOutput:
    """Members that nobody wants: for plans and for measuring."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def put(self, path: str, data: bytes) -> None:
        """Throw a member away."""

    def place(self, path: str, source: Path, *, link: bool) -> None:
        """Throw an image away."""

    @contextmanager
    def file(self, path: str) -> Iterator[Writable]:
        """A member that is thrown away."""
        yield io.BytesIO()
