"""A second process that writes files, so that the kernel makes them on two available.

Making many small files is the kernel's work for the most part, and it does it on the processor of
whoever asks. What the second process cannot take at once, the first one writes itself: neither
waits for the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from annotary.processes import available, writer_main
from annotary.processes.writer_main import FRAME

_PIPE_BYTES = 256 * 1024
_TOGETHER = 16 * 1024
_LARGEST = 64 * 1024
"""Larger files are no matter of how many there are."""


def can_help() -> bool:
    """Whether there is a second processor, and a way to hand over work without waiting."""
    return sys.platform != "win32" and bool(sys.executable) and available.spare()


class SecondWriter:
    """The second process; :meth:`finish` or :meth:`kill` must be called at the end."""

    def __init__(self) -> None:
        script = Path(writer_main.__file__)
        self._process = subprocess.Popen(  # noqa: S603 - a file of this package
            [sys.executable, "-I", "-S", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        if sys.platform == "linux":
            import fcntl

            with suppress(OSError):  # the system may allow less
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._waiting = bytearray()

    def take(self, path: str, data: bytes) -> bool:
        """Hand over a file, if there is room for it; answers whether there was.

        Raises :class:`OSError` where an earlier one could not be written.
        """
        if len(data) > _LARGEST or (len(self._waiting) >= _TOGETHER and not self._push()):
            return False
        name = os.fsencode(path)
        self._waiting += FRAME.pack(len(name), len(data)) + name + data
        return True

    def finish(self) -> None:
        """Wait until all is written. Raises :class:`OSError` where something could not be."""
        os.set_blocking(self._pipe, True)
        while self._waiting and self._push():
            pass
        said, _ = self._process.communicate()
        if said:
            number, _, path = said.partition(b" ")
            raise OSError(int(number), os.strerror(int(number)), os.fsdecode(path))
        if self._process.returncode:
            raise OSError(f"The process that writes files ended: {self._process.returncode}.")

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.communicate()

    def _push(self) -> bool:
        """Send what waits, or a part of it; answers whether the process took any."""
        try:
            sent = os.write(self._pipe, self._waiting)
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._waiting.clear()
            self.finish()
            raise
        del self._waiting[:sent]
        return True
