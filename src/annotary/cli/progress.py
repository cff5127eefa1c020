"""Progress on long work: a line on the terminal, and nothing when there is none."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_EVERY_SECONDS = 0.1
_SILENT_SECONDS = 0.5


class Progress:
    """Counts records on standard error: ``Reading 120,000 records (51,234/s)``."""

    def __init__(self, verb: str, unit: str = "records", quiet: bool = False) -> None:
        self._verb = verb
        self._unit = unit
        self._shown = False
        # nobody looks: the work need not say how far it is
        self.quiet = quiet or not sys.stderr.isatty()
        self._begin = time.monotonic()
        self._next = self._begin + _SILENT_SECONDS
        self.count = 0
        self.total = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, so that something else can be said."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def advance(self, count: int) -> None:
        """Count more."""
        self.set(self.count + count)

    def set(self, count: int, total: int = 0) -> None:
        """Say how far it is."""
        self.count, self.total = count, total
        now = time.monotonic()
        if self.quiet or now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        rate = count / max(now - self._begin, 1e-9)
        share = f" of {total:,}" if total else ""
        sys.stderr.write(f"\r\x1b[K{self._verb} {count:,}{share} {self._unit} ({rate:,.0f}/s)")
        sys.stderr.flush()
        self._shown = True
