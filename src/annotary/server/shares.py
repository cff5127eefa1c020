"""How much of the server's work one key may have waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from annotary.errors import TooManyRequestsError


class Shares:
    """The exports of each key that wait or run; one key cannot fill the queue for all."""

    def __init__(self, most: int, runs: Callable[[bytes], bool]) -> None:
        self._most = most
        self._runs = runs
        self._asked: dict[bytes, int] = {}
        self._running: dict[bytes, set[bytes]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self, key: bytes) -> Iterator[Callable[[bytes], None]]:
        """Make an export for a key; tell the function inside which operation it became.

        Raises :class:`TooManyRequestsError` where it has enough.
        """
        with self._lock:
            running = {each for each in self._running.get(key, ()) if self._runs(each)}
            self._running[key] = running
            if len(running) + self._asked.get(key, 0) >= self._most:
                raise TooManyRequestsError(
                    f"{self._most} exports of this secret key are waiting or running.",
                    hint="Wait for one of them, or cancel it; the server's limit is "
                    "exports_per_key.",
                )
            self._asked[key] = self._asked.get(key, 0) + 1
        try:
            yield running.add
        finally:
            with self._lock:
                self._asked[key] -= 1
