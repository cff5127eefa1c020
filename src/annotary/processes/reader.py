"""A second process that makes a part of the results: a copy of this one, which sees all it has.

Reading is work for the processor, and Python does it on one. The copy answers in order and waits
until it is listened to: it is never more than two results ahead.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

_PIPE_BYTES = 1024 * 1024


class SecondReader:
    """Calls ``work`` for each number, in a copy of this process; :meth:`close` ends it.

    ``work`` must not write anywhere. What it cannot do, or fails to, it leaves to the caller.
    """

    def __init__(self, work: Callable[[int], Any], numbers: Sequence[int]) -> None:
        read, write = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            _answer(work, numbers, write)
        os.close(write)
        self._results: BinaryIO = os.fdopen(read, "rb")

    def take(self) -> Any:
        """The next result; None where the caller has to do the work."""
        try:
            return pickle.load(self._results)  # noqa: S301 - from a copy of this process
        except (EOFError, pickle.UnpicklingError):
            return None  # it was killed, for want of memory perhaps

    def close(self) -> None:
        """End the process, whatever it does."""
        self._results.close()
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)


def _answer(work: Callable[[int], Any], numbers: Sequence[int], write: int) -> None:
    """Send all results; never returns."""
    try:
        gc.disable()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # locks on files that are open here would outlive their owner with this process
        os.dup2(write, 3)
        for file in [int(each.name) for each in Path("/proc/self/fd").iterdir()]:
            if file > 3:  # the one that listed them is closed already
                with suppress(OSError):
                    os.close(file)
        _widen(3)
        ready: queue.Queue[bytes | None] = queue.Queue(1)
        sender = threading.Thread(target=_send, args=(ready, 3))
        sender.start()
        for number in numbers:
            try:
                found = work(number)
            except Exception:
                found = None  # told where it is done again
            ready.put(pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
        ready.put(None)
        sender.join()
    finally:
        os._exit(0)


def _send(ready: queue.Queue[bytes | None], pipe: int) -> None:
    """Write one result while the next is made; without a reader there is nothing to live for."""
    while (result := ready.get()) is not None:
        rest = memoryview(result)
        try:
            while rest:
                rest = rest[os.write(pipe, rest) :]
        except OSError:
            os._exit(1)


def _widen(pipe: int) -> None:
    import fcntl

    with suppress(OSError):  # the system may allow less
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
