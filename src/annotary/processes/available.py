"""Whether a second process would have a processor of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def spare() -> bool:
    """Whether this process may run on more than one processor."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


def can_fork() -> bool:
    """Whether a copy of this process is safe to work: it has no threads that may hold a lock.

    That is so in the command, which asks libraries for none; on Linux only, where it can be seen.
    """
    return sys.platform == "linux" and len([*Path("/proc/self/task").iterdir()]) == 1
