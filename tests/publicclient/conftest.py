"""The public client ``datature`` 1.12.2, in an environment of its own, against a real server.

Its environment is ``.venv-datature`` beside this repository's root, made when it is missing:
the client pins packages that are older than those used here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from annotary import Client
from tests.serving import Server, serving

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-datature"
REQUIREMENT = "datature==1.12.2"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """The Python that has the public client."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ENVIRONMENT.mkdir(exist_ok=True)
    with FileLock(ENVIRONMENT / "lock"):
        if not (ENVIRONMENT / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
            install = [str(python), "-m", "pip", "install", "-q", REQUIREMENT]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{REQUIREMENT} cannot be installed: {done.stderr.strip()[-300:]}")
            (ENVIRONMENT / "complete").touch()
    return python


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("public") / "home") as running:
        yield running


@pytest.fixture
def ours(server: Server) -> Iterator[Client]:
    """Our own client of the same server, to prepare and to look."""
    with Client(server.key, endpoint=server.address) as client:
        yield client


@pytest.fixture
def project(ours: Client):
    return ours.create_project("public")


@pytest.fixture
def public(interpreter: Path, server: Server, tmp_path: Path) -> Callable[..., Any]:
    """Runs one of the stories in ``stories.py`` with the public client; answers its result."""

    def run(story: str, *arguments: Any) -> Any:
        done = subprocess.run(
            [str(interpreter), str(HERE / "stories.py"), story],
            input=json.dumps({"key": server.key, "arguments": arguments}),
            env={**os.environ, "DATATURE_API_BASE_URL": server.address},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    return run
