"""Which processes have a store open, and what they were asked to stop.

Every open store holds a lock on a file of its own, which the operating system lets go with the
process: so what a process was working on when it died is found.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

SERVER = "server-"
"""How the owner of a store begins that is open in a server."""


class Owners:
    """The locks of a folder, of which one is this process's."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self.own, self._lock = self._own_lock(prefix)

    def is_dead(self, owner: str) -> bool:
        """Whether the process that opened the store as ``owner`` is gone."""
        if owner == self.own:
            return False
        path = self._folder / f"{owner}.lock"
        if not path.exists():
            return True
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        # removed while it is held, where that is possible: whoever waits for it notices
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return True

    def forget_the_dead(self) -> None:
        """Remove the locks of processes that are gone and of which nothing is left to end."""
        for path in self._folder.glob("*.lock"):
            self.is_dead(path.stem)

    def ask_to_stop(self, operation: bytes) -> None:
        """Ask whichever process works on an operation to stop."""
        self._stop_file(operation).touch()

    def is_asked_to_stop(self, operation: bytes) -> bool:
        """Whether any process has asked for an operation to stop."""
        return self._stop_file(operation).exists()

    def forget_stops(self, unfinished: Iterable[bytes]) -> None:
        """Forget having asked, but for operations that have not ended."""
        kept = {self._stop_file(operation) for operation in unfinished}
        for path in self._folder.glob("*.stop"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the own lock."""
        path = Path(self._lock.lock_file)
        self._lock.release()
        path.unlink(missing_ok=True)

    def _stop_file(self, operation: bytes) -> Path:
        return self._folder / f"{operation.hex()}.stop"

    def _own_lock(self, prefix: str) -> tuple[str, FileLock]:
        while True:
            owner = prefix + uuid.uuid4().hex
            path = self._folder / f"{owner}.lock"
            lock = FileLock(path, thread_local=False)
            lock.acquire()
            if path.exists():
                return owner, lock
            # another process took the new file for one that nobody holds
            lock.release()
