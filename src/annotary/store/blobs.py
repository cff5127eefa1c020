"""Files of the store: uploaded images, uploaded annotation files and finished exports.

A blob has a key (``exports/<id>.zip``), is written beside its place first and moved there whole,
and is never changed afterwards. :class:`Blobs` is all that others know of where blobs are.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from annotary.errors import StoreFullError, is_full
from annotary.store.privacy import open_private


class Blobs(Protocol):
    """Where blobs are. Keys that leave the place raise ValueError."""

    def create(self, key: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """Write a blob; it appears whole and durable at the end, or not at all.

        One that nobody needs after a power failure need not be ``durable``.
        """

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Store bytes."""

    def copy_in(self, key: str, source: Path) -> None:
        """Store a copy of a file."""

    def open(self, key: str) -> BinaryIO:
        """A blob to read from. Raises OSError where it is not there."""

    def read(self, key: str) -> bytes:
        """The bytes of a blob. Raises OSError where it is not there."""

    def size(self, key: str) -> int | None:
        """How many bytes a blob has, None where it is not there."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """A file of this machine with a blob's bytes, as long as the context is open."""

    def link(self, key: str) -> str:
        """The address at which a program of this machine finds a blob, or is to put it."""

    def key_of(self, address: str) -> str:
        """The key that :meth:`link` made an address of."""

    def names(self, prefix: str) -> list[str]:
        """The names that stand directly below a prefix."""

    def delete(self, key: str) -> None:
        """Remove a blob if it is there."""

    def delete_below(self, prefix: str) -> None:
        """Remove all blobs whose keys begin with a prefix and a slash."""

    def delete_parts(self, older_than: float) -> None:
        """Remove what writers that died have left: unfinished files last touched before then."""


class FolderBlobs:
    """Blobs as files below one folder; see :class:`Blobs`."""

    def __init__(self, root: Path, mode: int = 0o600) -> None:
        self._root = root
        self._mode = mode

    def create(self, key: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """Write a blob; it appears whole at the end, or not at all."""
        return self._create(key, durable)

    @contextmanager
    def _create(self, key: str, durable: bool) -> Iterator[BinaryIO]:
        target = self._path(key)
        beside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(beside, "wb", opener=self._opener) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(target)
        except OSError as error:
            if is_full(error):
                raise StoreFullError(f"{target} cannot be written: {error.strerror}.") from error
            raise
        finally:
            beside.unlink(missing_ok=True)

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Store bytes."""
        with self.create(key, durable=durable) as file:
            file.write(data)

    def copy_in(self, key: str, source: Path) -> None:
        """Store a copy of a file."""
        with self.create(key) as file, source.open("rb") as original:
            shutil.copyfileobj(original, file, 1024 * 1024)

    def open(self, key: str) -> BinaryIO:
        """A blob to read from."""
        return self._path(key).open("rb")

    def read(self, key: str) -> bytes:
        """The bytes of a blob."""
        return self._path(key).read_bytes()

    def size(self, key: str) -> int | None:
        """How many bytes a blob has, None where it is not there."""
        path = self._path(key)
        return path.stat().st_size if path.is_file() else None

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """The file itself."""
        yield self._path(key)

    def link(self, key: str) -> str:
        """A ``file:`` address."""
        return self._path(key).absolute().as_uri()

    def key_of(self, address: str) -> str:
        """The key of a ``file:`` address."""
        return path_of(address).relative_to(self._root.absolute()).as_posix()

    def names(self, prefix: str) -> list[str]:
        """The names that stand directly below a prefix."""
        folder = self._path(prefix)
        return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []

    def delete(self, key: str) -> None:
        """Remove a blob if it is there."""
        self._path(key).unlink(missing_ok=True)

    def delete_below(self, prefix: str) -> None:
        """Remove a folder."""
        shutil.rmtree(self._path(prefix), ignore_errors=True)

    def delete_parts(self, older_than: float) -> None:
        """Remove unfinished files last touched before then."""
        for left in self._root.rglob("*.part"):
            try:
                if left.stat().st_mtime < older_than:
                    left.unlink(missing_ok=True)
            except OSError:  # another process was faster
                continue

    def _opener(self, path: str, flags: int) -> int:
        return open_private(path, flags, self._mode)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\\" in part for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return self._root.joinpath(*parts)


def path_of(address: str) -> Path:
    """The path that a ``file:`` address names."""
    # urllib.request costs more to load than all of this module
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(address).path))


# --- keys -------------------------------------------------------------------------------------


def export_key(operation: bytes) -> str:
    """The blob that an export's zip is kept in."""
    return f"exports/{operation.hex()}.zip"


def export_images_key(operation: bytes) -> str:
    """The blob that lists the images of an export for whoever unpacks it on this machine."""
    return f"exports/{operation.hex()}.images"


def rejects_key(session: bytes) -> str:
    """The blob that holds an import session's rejects."""
    return f"rejects/{session.hex()}.zip"


def import_folder(session: bytes) -> str:
    """Below it are the files that were sent for an import session."""
    return f"imports/{session.hex()}"


def asset_key(project: str, session: bytes, number: int) -> str:
    """The blob of an upload session's file; ``project`` is an id's digits."""
    return f"assets/{project}/{session.hex()}-{number}"


def parts_folder(upload: bytes) -> str:
    """Below it are the parts of a file that is sent in parts."""
    return f"parts/{upload.hex()}"
