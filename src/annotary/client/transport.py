"""The seam between the SDK and the engine: one method for calls, two for files.

:class:`LocalTransport` calls the service in this process. With ``through_json`` every struct
goes through its JSON and back on the way, which is how tests prove that nothing depends on
sharing objects.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

import msgspec

from annotary import ids
from annotary.model import Upload
from annotary.routes import ROUTES
from annotary.service import Service


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


class LocalTransport:
    """The embedded door: the service in this process."""

    local = True

    def __init__(self, service: Service, *, through_json: bool = False) -> None:
        self.service = service
        self._through_json = through_json

    def call(self, route: str, request: Any) -> Any:
        """Call the service's method."""
        entry = ROUTES[route]
        if not self._through_json:
            return self.service.call(entry, request)
        request = msgspec.json.decode(msgspec.json.encode(request), type=type(request))
        answer = self.service.call(entry, request)
        return msgspec.json.decode(msgspec.json.encode(answer), type=entry.response)

    def wait(self, project_id: str, operation_id: str, seconds: float) -> None:
        """Wait for the job itself when it runs in this process."""
        self.service.jobs.wait(ids.parse("op", operation_id), seconds)

    def upload(self, target: Upload, data: bytes | Path) -> None:
        """Write the blob that the target names."""
        blobs = self.service.store.blobs
        path = _path_of(target.url)
        key = path.relative_to(blobs.root.absolute()).as_posix()
        if isinstance(data, Path):
            blobs.copy_in(key, data)
        else:
            # an import that a power failure ends is not taken up again: its files may go with it
            blobs.put(key, data, durable=not key.startswith("imports/"))

    def upload_all(self, uploads: Sequence[tuple[Upload, bytes | Path]]) -> None:
        """Write one blob after the other."""
        for target, data in uploads:
            self.upload(target, data)

    def uploaded(self, project_id: str, session_id: str) -> None:
        """Take the files in."""
        self.service.uploads.arrived(project_id, session_id)

    def download(self, url: str, out: BinaryIO) -> None:
        """Copy the file that the address names."""
        with _path_of(url).open("rb") as source:
            shutil.copyfileobj(source, out, 1024 * 1024)

    def close(self) -> None:
        """The service may have other users: it is closed by whoever opened it."""


def _path_of(url: str) -> Path:
    # urllib.request costs more to load than all of this module
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(url).path))
