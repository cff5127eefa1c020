"""Run one command as a whole process and measure it: wall, processor time, memory.

Memory is what counts against a machine: anonymous pages (``RssAnon``) of the process and all its
descendants, sampled every 20 ms from ``/proc``. Pages of mapped input files do not count, since
the kernel may drop them at any time; ``ru_maxrss``, which counts them, is kept beside it.
Linux only. Nothing heavy may be imported here: a child's ``ru_maxrss`` starts at its parent's.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measurement:
    """One run. Seconds and megabytes (10^6 bytes); ``output`` is all that it printed.

    ``resident`` is 0 where a server did the work: it is known of children only.
    """

    wall: float
    cpu: float
    anonymous: float
    resident: float
    output: str


class RunFailedError(Exception):
    """The command ended with an error, or ran too long; the message ends its output."""


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    server: int | None = None,
    timeout: float = 3600,
) -> Measurement:
    """Run ``command`` to its end.

    ``server`` is the process that does the work for it: its processor time and memory are added.
    Raises `RunFailedError` when the command fails.
    """
    if not Path(command[0]).exists():
        raise RunFailedError(f"{Path(command[0]).name} is not installed")
    roots = [] if server is None else [server]
    served_before = sum(map(_processor_seconds, roots))
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    ) as process:
        started = time.perf_counter()
        sampler = _Sampler([process.pid, *roots])
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        assert process.stdout is not None
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        watchdog.cancel()
        peak = sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        last = "\n".join(output.strip().splitlines()[-3:])
        raise RunFailedError(f"exit code {process.returncode}: {last}")
    served = sum(map(_processor_seconds, roots)) - served_before
    cpu = usage.ru_utime + usage.ru_stime + served
    resident = 0.0 if roots else usage.ru_maxrss * 1024 / 1e6
    return Measurement(wall, cpu, peak / 1e6, resident, output)


class _Sampler(threading.Thread):
    """The highest sum of anonymous memory over some processes and their descendants, in bytes."""

    def __init__(self, roots: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._roots = roots
        self._peak = 0
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            total = sum(_anonymous_bytes(pid) for root in self._roots for pid in _family(root))
            self._peak = max(self._peak, total)

    def stop(self) -> int:
        self._done.set()
        self.join()
        return self._peak


def _family(pid: int) -> list[int]:
    """A process and its descendants; those that ended meanwhile are left out."""
    members = [pid]
    for tasks in _listing(Path(f"/proc/{pid}/task")):
        try:
            children = (tasks / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            members += _family(int(child))
    return members


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _anonymous_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, found, rest = status.partition("RssAnon:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else 0


def _processor_seconds(root: int) -> float:
    seconds = 0.0
    for pid in _family(root):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        # Fields 14 and 15, counted after the command name, which may itself hold spaces.
        fields = stat.rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / TICKS
    return seconds
