"""The process behind ``processes.writer``: writes the files that come in on standard input.

Run by its path, without site packages, so that it starts in some ten milliseconds: it imports
nothing of the package. A frame is the lengths of a path and of its bytes, then both.
"""

from __future__ import annotations

import os
import signal
import struct
import sys

FRAME = struct.Struct("<II")


def main() -> int:
    """Write until the input ends; what goes wrong is printed as its error number and path."""
    # whoever started this process ends it by closing its input
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read = sys.stdin.buffer.read
    while len(frame := read(FRAME.size)) == FRAME.size:
        lengths = FRAME.unpack(frame)
        path, data = map(read, lengths)
        if len(data) < lengths[1]:
            return 1  # it was cut off in the middle: this file would be half-written
        try:
            write(path, data)
        except OSError as error:
            sys.stdout.buffer.write(b"%d %b" % (error.errno or 0, path))
            return 1
    return 0


def write(path: str | bytes, data: bytes) -> None:
    """Write a file as a whole."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(data)
        while rest:  # a disk that is nearly full takes a part
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


if __name__ == "__main__":
    sys.exit(main())
