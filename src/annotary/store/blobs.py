"""Files of the store: uploaded images, uploaded annotation files and finished exports.

A blob has a key (``exports/<id>.zip``), is written beside its place first and moved there whole,
and is never changed afterwards.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class FolderBlobs:
    """Blobs as files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where a blob is, or would be. Raises ValueError for keys that leave the folder."""
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\\" in part for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return self.root.joinpath(*parts)

    @contextmanager
    def create(self, key: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        """Write a blob; it appears whole and durable at the end, or not at all.

        One that nobody needs after a power failure need not be ``durable``.
        """
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
        try:
            with beside.open("wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(target)
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

    def read(self, key: str) -> bytes:
        """The bytes of a blob."""
        return self.path(key).read_bytes()

    def delete(self, key: str) -> None:
        """Remove a blob if it is there."""
        self.path(key).unlink(missing_ok=True)

    def delete_parts(self, older_than: float) -> None:
        """Remove what writers that died have left: unfinished files last touched before then."""
        for left in self.root.rglob("*.part"):
            try:
                if left.stat().st_mtime < older_than:
                    left.unlink(missing_ok=True)
            except OSError:  # another process was faster
                continue
