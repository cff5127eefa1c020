"""Threads that calls wait in: one pool for each reason to wait, so that none holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from annotary.errors import ServiceUnavailableError


class Pool:
    """Threads; nobody waits for one, or for what it does, for longer than ``seconds``."""

    def __init__(self, name: str, threads: int, seconds: float | None) -> None:
        self._threads = ThreadPoolExecutor(threads, f"annotary-{name}")
        self._seconds = seconds

    async def run(self, work: Callable[[], Any]) -> Any:
        """What ``work`` answers. Raises :class:`ServiceUnavailableError` when that takes long."""
        future = self._threads.submit(work)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), self._seconds)
        except TimeoutError:
            begun = not future.cancel()
            waiting.add_done_callback(_heard)
            raise too_long(begun) from None

    def close(self) -> None:
        """Finish what runs."""
        self._threads.shutdown()


def too_long(begun: bool) -> ServiceUnavailableError:
    """The error of a call that has waited for long enough; ``begun``: it goes on."""
    if begun:
        return ServiceUnavailableError(
            "The server is still working on this; it goes on, but the call has waited too long.",
            hint="Ask again with the same Idempotency-Key, or look whether it was done.",
        )
    return ServiceUnavailableError(
        "The server has been busy for too long; nothing of this was done.",
        hint="An import may be running: see project.operations.list(). Try again later.",
    )


def _heard(waiting: asyncio.Future[Any]) -> None:
    """An error that nobody waits for any more is not one that was never looked at."""
    if not waiting.cancelled():
        waiting.exception()
