"""Ctrl-C in a terminal: what is said afterwards is what the store holds."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotary import Client
from annotary.client.project import Project
from tests.serving import serving

BOXES = 150_000
LONGEST_SECONDS = 120.0


class Terminal:
    """A command in a terminal of its own, and what it has printed."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "annotary", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **environment},
            start_new_session=True,
            # the keys of the terminal are signals for whoever it belongs to
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""

    def wait_for(self, pattern: str) -> None:
        """Read until the text appears; fail if the command ends before."""
        end = time.monotonic() + LONGEST_SECONDS
        while not re.search(pattern, self.text):
            assert self._read(), f"{pattern!r} never came: {self.text}"
            assert time.monotonic() < end, self.text

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def end(self) -> int:
        """Read to the end; answers the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(LONGEST_SECONDS)

    def _read(self) -> bool:
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += piece.decode("utf-8", "replace")
        return bool(piece)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose import takes a while."""
    path = tmp_path_factory.mktemp("big") / "big.json"
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(BOXES // 100)
    ]
    annotations = [
        {"id": i, "image_id": i // 100, "category_id": 1, "bbox": [i % 600, i % 400, 20, 30]}
        for i in range(BOXES)
    ]
    categories = [{"id": 1, "name": "dog"}]
    path.write_text(
        json.dumps({"images": images, "categories": categories, "annotations": annotations})
    )
    return path


@pytest.fixture(params=["embedded", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Client, list[str]]]:
    """A store with an empty project, and the options that lead to it."""
    home = tmp_path / "home"
    if request.param == "embedded":
        with Client(home=home) as client:
            client.create_project("pets")
        with Client(home=home) as client:
            yield client, ["--home", str(home)]
        return
    with serving(home) as server, Client(server.key, endpoint=server.address) as client:
        client.create_project("pets")
        yield client, ["--endpoint", server.address, "--secret-key", server.key]


def project_of(client: Client) -> Project:
    (found,) = client.list_projects()
    return found


def count(client: Client) -> int:
    statistic = project_of(client).get_info().statistic
    assert statistic is not None
    return statistic.total_annotations


def test_an_interrupted_import_says_what_the_store_holds(
    store: tuple[Client, list[str]], big: Path
) -> None:
    client, options = store
    terminal = Terminal(*options, "import", "pets", str(big), "--create-assets")
    terminal.wait_for(r"Importing [1-9]")
    terminal.press_ctrl_c()
    assert terminal.end() == 130, terminal.text
    (session,) = project_of(client).annotations.list_import_sessions()
    if "Cancelled: nothing was imported." in terminal.text:
        assert (count(client), session.status.overview) == (0, "Cancelled")
        assert project_of(client).get_info().statistic.total_assets == 0  # type: ignore[union-attr]
    else:
        assert "Too late to cancel: the import is committed." in terminal.text
        assert (count(client), session.status.overview) == (BOXES, "Finished")
    assert "Traceback" not in terminal.text


def test_an_interrupted_export_leaves_nothing(
    store: tuple[Client, list[str]], big: Path, tmp_path: Path
) -> None:
    client, options = store
    with project_of(client).annotations.create_import_session(create_assets=True) as session:
        session.add_path(big)
    out = tmp_path / "out"
    terminal = Terminal(*options, "export", "pets", "--format", "label_studio", "--out", str(out))
    terminal.wait_for(r"Exporting [1-9]")
    terminal.press_ctrl_c()
    assert terminal.end() == 130, terminal.text
    (operation,) = [op for op in project_of(client).operations.list() if "export" in op.kind]
    if "Cancelled: nothing was exported." in terminal.text:
        assert operation.status.overview == "Cancelled"
        assert list((tmp_path / "home" / "blobs" / "exports").glob("*")) == []
    else:
        assert operation.status.overview == "Finished"
        assert operation.id in terminal.text
    assert not out.exists()
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("presses", [2, 3])
def test_more_than_one_ctrl_c_is_no_traceback(
    store: tuple[Client, list[str]], big: Path, presses: int
) -> None:
    client, options = store
    terminal = Terminal(*options, "import", "pets", str(big), "--create-assets")
    terminal.wait_for(r"Importing [1-9]")
    for _ in range(presses):
        terminal.press_ctrl_c()
    assert terminal.end() == 130, terminal.text
    assert "Traceback" not in terminal.text
    (session,) = project_of(client).annotations.list_import_sessions()
    if "Left without waiting." in terminal.text:
        assert session.id in terminal.text


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
def test_without_a_terminal_an_interrupt_is_as_true(
    store: tuple[Client, list[str]], big: Path
) -> None:
    client, options = store
    command = ("import", "pets", str(big), "--create-assets", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "annotary", *options, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    project = project_of(client)
    end = time.monotonic() + LONGEST_SECONDS
    while not project.annotations.list_import_sessions() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=LONGEST_SECONDS)
    assert (process.returncode, said) == (130, "")
    message = json.loads(told)["error"]["message"]
    assert count(client) == (0 if "nothing was imported" in message else BOXES), told
