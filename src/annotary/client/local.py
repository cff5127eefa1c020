"""The embedded door: calls are answered by the service of this process."""

from __future__ import annotations

import atexit
import getpass
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakValueDictionary, finalize

import msgspec

from annotary import ids
from annotary.client.transport import SAID, Said
from annotary.model import Upload
from annotary.routes import ROUTES, Route
from annotary.service import Service
from annotary.store import Store
from annotary.store.blobs import path_of
from annotary.store.changes import WHO, Who


class LocalTransport:
    """The embedded door: the service in this process."""

    local = True

    def __init__(
        self, service: Service, *, through_json: bool = False, author: str | None = None
    ) -> None:
        self.service = service
        self._author = author or _user()
        self._through_json = through_json

    def __reduce__(self) -> Any:
        # another process opens the store for itself
        place = self.service.store.home.absolute()
        return _opened, (place, self._through_json, self._author)

    def call(self, route: str, request: Any) -> Any:
        """Call the service's method."""
        entry = ROUTES[route]
        with self._said():
            if not self._through_json:
                return self.service.call(entry, request)
            return self._through(entry, request)

    def _through(self, entry: Route, request: Any) -> Any:
        request = msgspec.json.decode(msgspec.json.encode(request), type=type(request))
        answer = self.service.call(entry, request)
        return msgspec.json.decode(msgspec.json.encode(answer), type=entry.response)

    def wait(self, project_id: str, operation_id: str, seconds: float) -> None:
        """Wait for the job itself when it runs in this process."""
        self.service.jobs.wait(ids.parse("op", operation_id), seconds)

    def upload(self, target: Upload, data: bytes | Path) -> None:
        """Write the blob that the target names."""
        blobs = self.service.store.blobs
        key = blobs.key_of(target.url)
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
        with self._said():
            self.service.uploads.arrived(project_id, session_id)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Whose writes those are that are made inside."""
        said = SAID.get() or Said("")
        step = None if said.change is None else ids.parse("change", said.change)
        token = WHO.set(Who(self._author, said.message, step))
        try:
            yield
        finally:
            WHO.reset(token)

    def download(self, url: str, out: BinaryIO) -> None:
        """Copy the file that the address names."""
        with path_of(url).open("rb") as source:
            shutil.copyfileobj(source, out, 1024 * 1024)

    def close(self) -> None:
        """The service may have other users: it is closed by whoever opened it."""


def _opened(home: Path, through_json: bool, author: str) -> LocalTransport:
    return LocalTransport(open_service(home), through_json=through_json, author=author)


def _user() -> str:
    """The name of the operating system's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "local"


# One service per folder and process: clients of the same store share its lock and its jobs.
_services: WeakValueDictionary[Path, Service] = WeakValueDictionary()
_opening = threading.Lock()


def open_service(home: Path) -> Service:
    """The service of the store in a folder."""
    with _opening:
        place = home.absolute()
        found = _services.get(place)
        if found is None or found.store.closed:
            store = Store(home)
            found = _services[place] = Service(store)
            # with the last client of the folder the store is let go of; at exit, see below
            finalize(found, store.close).atexit = False
        return found


@atexit.register
def _close_all() -> None:
    for service in list(_services.values()):
        service.close()
