"""Label Studio's server on a data folder of its own: started, waited for, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from environments import WORK, python_of

START_SECONDS = 180
TOKEN = "0123456789abcdef0123456789abcdef01234567"


class Server:
    """A context in which the server answers at ``url``; ``pid`` is its process."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self.pid = 0

    def __enter__(self) -> Server:
        data = WORK / "labelstudio"
        data.mkdir(parents=True, exist_ok=True)
        command = [str(python_of("labelstudio").with_name("label-studio")), "start"]
        command += ["--no-browser", "--data-dir", str(data), "--port", str(self._port)]
        command += ["--host", self.url, "--internal-host", "127.0.0.1"]
        command += ["--username", "bench@example.org", "--password", "bench-password"]
        command += ["--user-token", TOKEN, "--enable-legacy-api-token"]
        # Nothing of what a benchmark does is to be reported to anyone.
        quiet = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false"}
        quiet |= {"SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
        quiet |= {"LABEL_STUDIO_BASE_DATA_DIR": str(data)}
        quiet |= {"XDG_CONFIG_HOME": str(data), "XDG_DATA_HOME": str(data)}
        with (WORK / "labelstudio.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **quiet}, stdout=log, stderr=log, cwd=data
            )
        self.pid = self._process.pid
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.5)
        self._process.kill()
        self._process.wait()
        raise RuntimeError(f"the server did not start; see {Path('work/labelstudio.log')}")
