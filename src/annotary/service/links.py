"""Addresses of files: where to fetch an export or an image, and where to send an upload."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from annotary.ids import now_ms
from annotary.model import DownloadSignedUrl, Upload
from annotary.store.blobs import Blobs

DAY_MS = 24 * 3600 * 1000


class Links(Protocol):
    """How callers of one door reach files."""

    local: bool
    """Whether callers may name files of this machine by path."""
    patience: float
    """Seconds that a call waits for the work it asked for; where local, until it is done."""

    def download(self, key: str) -> DownloadSignedUrl:
        """Where a blob can be fetched."""

    def upload(self, key: str, size: int, crc32c: int | None, mime: str) -> Upload:
        """Where the bytes of a new blob are to be sent; they must have that size and sum."""

    def image(self, key: str | None, path: str | None, name: str) -> str:
        """Where an image is, ``""`` when only its ``name`` is known."""


class LocalLinks:
    """The embedded door: files are reached where they are."""

    local = True
    patience = 0.0

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def download(self, key: str) -> DownloadSignedUrl:
        """A ``file:`` address."""
        expiry = now_ms() + DAY_MS
        return DownloadSignedUrl(method="GET", expiry_date=expiry, url=self._blobs.link(key))

    def upload(self, key: str, size: int, crc32c: int | None, mime: str) -> Upload:
        """A ``file:`` address of the blob itself."""
        return Upload(method="PUT", url=self._blobs.link(key), headers={})

    def image(self, key: str | None, path: str | None, name: str) -> str:
        """A ``file:`` address."""
        if key is not None:
            return self._blobs.link(key)
        return Path(path).absolute().as_uri() if path is not None else ""
