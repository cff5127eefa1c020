"""A real server in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from annotary.server import keys
from annotary.store import Store

_CODE = """
import sys, time
from pathlib import Path
from annotary.jobs.run import Job
from annotary.server import serve

home, port = sys.argv[1:]
advance, hold = Job.advance, Path(home, "hold")

def held(job, records):
    advance(job, records)
    while hold.exists() and job.records >= int(hold.read_text()):
        advance(job, 0)
        time.sleep(0.01)

Job.advance = held
serve(home, "127.0.0.1", int(port))
"""


class Server:
    """A running server: its address, its owner's key and its process."""

    def __init__(
        self, home: Path, limits: Mapping[int, int] | None = None, **settings: object
    ) -> None:
        self.home = home
        self._limits = limits or {}
        self.port = 0
        store = Store(home)
        _, self.key = keys.create(store, "test", "owner")
        store.close()
        self._environment = {
            **os.environ,
            **{f"ANNOTARY_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._log = (self.home / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(self.home), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment,
            preexec_fn=self._limit,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                self.address = found[0]
                self.port = int(self.address.rpartition(":")[2])  # the same when started again
                break
        else:
            raise AssertionError(f"the server did not start: {self.log()}")
        self._drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._drain.start()

    def _limit(self) -> None:
        for what, most in self._limits.items():
            resource.setrlimit(what, (most, most))

    def hold(self, records: int = 0) -> None:
        """Let every job go on up to so many records, and not end, until it is released."""
        written = self.home / "hold.new"
        written.write_text(str(records))
        written.rename(self.home / "hold")

    def release(self) -> None:
        """Let the jobs of the next process go on."""
        (self.home / "hold").unlink()

    def make_key(self, role: str, project_id: str | None = None) -> str:
        """A further key."""
        return make_key(self.home, role, project_id)

    def kill(self) -> None:
        """End the process at once, as a power cut would (its disk cache survives)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Tell the process to stop."""
        self._end(signal.SIGTERM)

    def log(self) -> str:
        """What the server has written to standard error."""
        return (self.home / "server.log").read_text("utf-8")

    def requests(self, route: str, within: str) -> int:
        """How often a route was asked for, with ``within`` in the path."""
        lines = [json.loads(line) for line in self.log().splitlines()]
        return sum(x.get("route") == route and within in x.get("path", "") for x in lines)

    def _end(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        self._drain.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def make_key(home: Path, role: str, project_id: str | None = None) -> str:
    """A key of a store, which may be served meanwhile."""
    with closing(Store(home)) as store:
        return keys.create(store, role, role, project_id)[1]


@contextmanager
def serving(
    home: Path, limits: Mapping[int, int] | None = None, **settings: object
) -> Iterator[Server]:
    """A server of a new store in ``home``, stopped at the end."""
    home.mkdir(parents=True, exist_ok=True)
    server = Server(home, limits, **settings)
    try:
        yield server
    finally:
        server.stop()
