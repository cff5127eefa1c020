"""One server for one store: rate limits, links and running work are in its memory alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from annotary.errors import StoreError

_WAIT_SECONDS = 1.0


@contextmanager
def sole_server(running: Path, address: str) -> Iterator[None]:
    """Be the only server of the store with the folder ``running``.

    The lock goes with the process, however that ends. Raises :class:`StoreError` where another
    server has it.
    """
    told = running / "server.txt"
    lock = FileLock(running / "server", thread_local=False)
    try:
        lock.acquire(timeout=_WAIT_SECONDS)
    except Timeout:
        who = told.read_text("utf-8").strip() if told.exists() else "another process"
        raise StoreError(
            f"The store {running.parent} is served already, by {who}.",
            hint="One server serves a store: use that one, or stop it first.",
        ) from None
    try:
        told.write_text(f"process {os.getpid()} at {address}\n", "utf-8")
        yield
    finally:
        told.unlink(missing_ok=True)
        lock.release()
