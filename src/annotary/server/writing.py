"""The one thread that writes: waiting writes go into one transaction and are durable together.

The store takes one writer at a time. What waits while a transaction is made durable joins the
next one, so that many callers pay for one sync of the disk; each write that fails is undone by
itself (see ``Store.together``).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from annotary.server.pools import too_long
from annotary.store import Store
from annotary.store.database import Database

_MOST = 64


class _Write(NamedTuple):
    work: Callable[[Database | None], Any]
    future: Future[Any]
    alone: bool


class Writer:
    """Runs writes one after the other, several to a transaction."""

    def __init__(self, store: Store, busy_seconds: float) -> None:
        self._store = store
        self._busy = busy_seconds
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="annotary-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Database | None], Any], *, alone: bool = False) -> Any:
        """What ``work`` answers, once it is durable.

        It gets the transaction that it is part of, or None with ``alone``: then it makes its
        own. Raises :class:`annotary.errors.ServiceUnavailableError` when others, or this, write
        for too long.
        """
        future: Future[Any] = Future()
        self._queue.put(_Write(work, future, alone))
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), self._busy)
        except TimeoutError:
            if future.cancel():
                raise too_long(False) from None
        try:  # it has begun: most that have end soon
            return await asyncio.wait_for(waiting, self._busy)
        except TimeoutError:
            raise too_long(True) from None

    def close(self) -> None:
        """Finish what waits and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        item = self._queue.get()
        while item is not None:
            batch, following = self._gather(item)
            if item.alone:
                _alone(item)
            else:
                self._together(batch)
            item = following if following is not _NOTHING else self._queue.get()

    def _gather(self, first: _Write) -> tuple[list[_Write], _Write | None]:
        """What waits and may go into one transaction, and what comes after that."""
        batch = [first]
        while not first.alone and len(batch) < _MOST:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None or item.alone:
                return batch, item
            batch.append(item)
        return batch, _NOTHING

    def _together(self, batch: list[_Write]) -> None:
        done: list[tuple[_Write, Any, BaseException | None]] = []
        try:
            with self._store.together() as db:
                for item in batch:
                    if not item.future.set_running_or_notify_cancel():
                        continue
                    try:
                        done.append((item, item.work(db), None))
                    except BaseException as error:
                        done.append((item, None, error))
        except BaseException as error:
            for item in batch:
                if item.future.running() or item.future.set_running_or_notify_cancel():
                    item.future.set_exception(error)
            return
        for item, answer, failed in done:
            if failed is None:
                item.future.set_result(answer)
            else:
                item.future.set_exception(failed)


_NOTHING: Any = object()


def _alone(item: _Write) -> None:
    if item.future.set_running_or_notify_cancel():
        try:
            item.future.set_result(item.work(None))
        except BaseException as error:
            item.future.set_exception(error)
