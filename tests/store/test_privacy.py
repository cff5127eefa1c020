"""Whether other users of a machine can read a store."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from annotary import Client
from annotary.store import Store
from tests.contract.conftest import png

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def use(home: Path) -> None:
    """Everything that makes files."""
    with Client(home=home) as client:
        project = client.create_project("x")
        with project.assets.create_upload_session() as session:
            session.add_bytes(png(), "a.png")
        project.annotations.create_export({"format": "coco"})


def readable(home: Path) -> list[str]:
    """What of the store others may do anything with, as far as they get."""
    found = []
    for folder, folders, files in os.walk(home):
        open_ = [n for n in (*folders, *files) if Path(folder, n).stat().st_mode & 0o077]
        found += [Path(folder, name).relative_to(home).as_posix() for name in open_]
        folders[:] = [name for name in folders if name in open_]
    return sorted(found)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_store_is_its_users_alone(tmp_path):
    home = tmp_path / "deep" / "home"
    use(home)
    assert mode(home) == 0o700
    assert mode(home / "annotary.db") == 0o600
    files = [p for p in (home / "blobs").rglob("*") if p.is_file()]
    assert len(files) == 2
    assert {mode(p) for p in files} == {0o600}
    assert mode(tmp_path / "deep") == 0o755


def test_a_store_that_was_open_is_closed_with_a_word(tmp_path, caplog):
    home = tmp_path / "home"
    use(home)
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert readable(home)
    with caplog.at_level(logging.WARNING), closing(Store(home)):
        pass
    assert [r.getMessage() for r in caplog.records] == [
        f"Other users could read the store {home}; now they cannot."
    ]
    assert mode(home) == 0o700
    assert readable(home) == []
    caplog.clear()
    with closing(Store(home)):
        pass
    assert caplog.records == []


def test_a_folder_with_other_things_in_it_stays_open(tmp_path):
    (tmp_path / "notes.txt").write_text("for all")
    use(tmp_path)
    assert mode(tmp_path / "notes.txt") == 0o644
    assert readable(tmp_path) == ["notes.txt"]
    assert mode(tmp_path / "annotary.db") == 0o600
    assert mode(tmp_path / "blobs") == 0o700


def test_a_folder_that_its_group_may_write_is_the_groups_store(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o2775)
    use(home)
    assert mode(home) == 0o2770
    assert mode(home / "annotary.db") == 0o660
    assert {mode(p) for p in home.iterdir()} == {0o660, 0o2770}
    assert {mode(p) for p in (home / "blobs").rglob("*") if p.is_file()} == {0o660}
