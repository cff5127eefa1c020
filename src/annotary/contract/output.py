"""Where a writer puts its files."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Writable(Protocol):
    """A member being written."""

    def write(self, data: bytes, /) -> Any:
        """Append bytes."""


class Output(Protocol):
    """Where the files of an export go; one file is open at a time."""

    def put(self, path: str, data: bytes) -> None:
        """Write the member ``path`` as a whole: quicker, where there is a file per image."""

    def file(self, path: str) -> AbstractContextManager[Writable]:
        """Open the member ``path`` (relative, with ``/``) for writing."""
