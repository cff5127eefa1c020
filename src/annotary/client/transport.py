"""The seam between the SDK and the engine: one method for calls, some for files.

``client/local.py`` calls the service in this process, ``client/remote.py`` a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from annotary.model import Upload


class Said(NamedTuple):
    """What callers say of what they write: why, and the id of the change that it is a step of."""

    message: str
    change: str | None = None


SAID: ContextVar[Said | None] = ContextVar("annotary-said", default=None)
"""Set by ``project.change`` and ``client.saying``; every transport hands it on."""


class Transport(Protocol):
    """How the SDK reaches the engine."""

    local: bool
    """Whether files may be named by path instead of being sent."""

    def call(self, route: str, request: Any) -> Any:
        """Answer the request of a route. Raises the errors of ``annotary.errors``."""

    def wait(self, project_id: str, operation_id: str, seconds: float) -> None:
        """Wait at most so long for news of an operation."""

    def upload(self, target: Upload, data: bytes | Path) -> None:
        """Send a file to where the engine wants it."""

    def upload_all(self, uploads: Sequence[tuple[Upload, bytes | Path]]) -> None:
        """Send several files; an error is raised once none is on its way any more."""

    def uploaded(self, project_id: str, session_id: str) -> None:
        """All files of an upload session have been sent."""

    def download(self, url: str, out: BinaryIO) -> None:
        """Fetch a file into ``out``."""

    def close(self) -> None:
        """Let go of connections."""
