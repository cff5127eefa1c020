"""What happens in the server, for people and machines: lines of JSON, and Prometheus metrics.

The metrics are few and their text format (Prometheus exposition format 0.0.4) is a page long,
so they are written here instead of by another package.
"""

from __future__ import annotations

import bisect
import logging
import sys
import threading
import time
from contextlib import suppress

import msgspec

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
log = logging.getLogger("annotary.server")


class JsonLines(logging.Formatter):
    """Log records as one line of JSON each."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def set_up() -> None:
    """Send all logs to standard error as lines of JSON."""
    # what cannot be logged, as on a full disk, is no fault of the request that it is about
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class Metrics:
    """Counts requests and their time by what was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self.in_flight = 0

    def count(self, name: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        with self._lock:
            self._counts[name, status] = self._counts.get((name, status), 0) + 1
            times = self._times.setdefault(name, [0] * (len(_BUCKETS) + 1))
            times[bisect.bisect_left(_BUCKETS, seconds)] += 1
            self._sums[name] = self._sums.get(name, 0.0) + seconds

    def text(self, running: int) -> bytes:
        """All metrics; ``running`` is how many operations this process works on."""
        lines = [
            "# HELP annotary_requests_total Requests answered.",
            "# TYPE annotary_requests_total counter",
        ]
        with self._lock:
            for (name, status), count in sorted(self._counts.items()):
                lines.append(f'annotary_requests_total{{route="{name}",status="{status}"}} {count}')
            lines += [
                "# HELP annotary_request_seconds Time from a request to its answer.",
                "# TYPE annotary_request_seconds histogram",
            ]
            for name, times in sorted(self._times.items()):
                total = 0
                for bound, count in zip((*map(str, _BUCKETS), "+Inf"), times, strict=True):
                    total += count
                    lines.append(
                        f'annotary_request_seconds_bucket{{route="{name}",le="{bound}"}} {total}'
                    )
                lines.append(f'annotary_request_seconds_sum{{route="{name}"}} {self._sums[name]}')
                lines.append(f'annotary_request_seconds_count{{route="{name}"}} {total}')
        lines += [
            "# HELP annotary_requests_in_flight Requests being answered.",
            "# TYPE annotary_requests_in_flight gauge",
            f"annotary_requests_in_flight {self.in_flight}",
            "# HELP annotary_operations_running Imports, exports and uploads being worked on.",
            "# TYPE annotary_operations_running gauge",
            f"annotary_operations_running {running}",
        ]
        return ("\n".join(lines) + "\n").encode()


def _stamp(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


class Requests:
    """Writes one line for each request, without the cost of a log record."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def line(self, fields: dict[str, object]) -> None:
        """A request has been answered."""
        if self._enabled:
            stamp = {"time": _stamp(time.time()), "level": "info", "logger": "annotary.requests"}
            with suppress(OSError, ValueError):  # a request does not fail with its log
                sys.stderr.write(msgspec.json.encode({**stamp, **fields}).decode() + "\n")
