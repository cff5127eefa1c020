"""Work that an operation stands for: in the caller's thread, or in a pool of threads.

What a job has done so far is kept in memory, beside the store: a long transaction cannot write
its own progress. When a process dies, whoever opens the store next finds its operations and
says that nothing of them was done (see ``Service.recover``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from annotary.errors import AnnotaryError

_LOOK_SECONDS = 0.25

log = logging.getLogger("annotary.jobs")


class Cancelled(Exception):
    """The operation was asked to stop."""


class HandedBack(Exception):
    """The process is about to end: the work is left to the one that opens the store next."""


class Job:
    """A running operation: its progress, and whether it should stop."""

    def __init__(self, id_: bytes, asked: Callable[[bytes], bool] | None = None) -> None:
        self.id = id_
        self.records = 0
        self.total = 0
        self._asked = asked
        self._next_look = 0.0
        self._stop = threading.Event()
        self._leave = threading.Event()

    def advance(self, records: int) -> None:
        """Count records.

        Raises :class:`Cancelled` when the operation was asked to stop, :class:`HandedBack` when
        it is to be left as it was.
        """
        self.records += records
        if self._asked is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            if self._asked(self.id):
                self._stop.set()
        if self._stop.is_set():
            raise Cancelled
        if self._leave.is_set():
            raise HandedBack

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._stop.set()

    def leave(self) -> None:
        """Ask the job to stop and to leave its operation to whoever takes it up."""
        self._leave.set()


class Jobs:
    """The operations that this process works on."""

    def __init__(self, workers: int = 2) -> None:
        self.asked: Callable[[bytes], bool] | None = None
        """Whether somebody outside of this process asked for an operation to stop."""
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[bytes, Job] = {}
        self._futures: dict[bytes, Future[None]] = {}
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many operations are running or queued in this process."""
        return len(self._running)

    def find(self, id_: bytes) -> Job | None:
        """The job of an operation that runs in this process."""
        return self._running.get(id_)

    def run(self, id_: bytes, work: Callable[[Job], None], *, background: bool) -> None:
        """Do the work now, or in the background. ``work`` records its own outcome."""
        job = Job(id_, self.asked)
        self._running[id_] = job
        if not background:
            try:
                work(job)
            finally:
                self._running.pop(id_, None)
            return
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._workers, "annotary-job")
            self._futures[id_] = self._pool.submit(self._in_background, job, work)

    def _in_background(self, job: Job, work: Callable[[Job], None]) -> None:
        try:
            work(job)
        except HandedBack:
            log.info("operation left to the next process")
        except AnnotaryError as error:
            log.info("operation failed: %s", error.message)  # as the caller is told
        except Exception:
            # the operation says that it failed; the reason is in the log
            log.exception("operation failed")
        finally:
            self._running.pop(job.id, None)
            with self._lock:
                self._futures.pop(job.id, None)

    def wait(self, id_: bytes, timeout: float | None = None) -> None:
        """Wait until an operation of this process has ended, or the time is over."""
        future = self._futures.get(id_)
        if future is not None:
            try:
                future.exception(timeout)
            except TimeoutError:
                return

    def hand_back(self, seconds: float) -> None:
        """Give running work that much time to end; then leave the rest as if never begun."""
        futures = list(self._futures.values())
        wait(futures, seconds)
        for job in list(self._running.values()):
            job.leave()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def close(self, cancel: bool = False) -> None:
        """Wait for all work to end; with ``cancel``, ask it to stop first."""
        if cancel:
            for job in list(self._running.values()):
                job.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=cancel)
            self._pool = None
