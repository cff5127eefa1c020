"""Processes killed at random moments: afterwards a store is as before, or as after, and says so.

``ANNOTARY_CRASHES=500`` kills that often for each kind of work; ``ANNOTARY_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotary import Client, NotFoundError
from annotary.client.project import Project
from annotary.store import Store, operations, projects
from tests.recount import contradictions
from tests.samples import coco, rectangle, register

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
TIMES = int(os.environ.get("ANNOTARY_CRASHES", "15"))
SEED = int(os.environ.get("ANNOTARY_SEED", str(random.randrange(10**6))))
BEFORE, NEW, DELETED = 6000, 12_000, 4000


class Victims:
    """Starts processes on stores, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.stage"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, job: str, home: Path, project: str, seconds: float | None) -> bool:
        """Do a job and kill it after so many seconds; answers whether it got to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(job, home, project, file=self._process.stdin, flush=True)
        pid = int(self._process.stdout.readline())
        if seconds is not None:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
        print(file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        assert code in ((0,) if seconds is None else (0, -signal.SIGKILL))
        return code == 0

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    found = Victims()
    yield found
    found.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with some thousand annotations, closed."""
    home = tmp_path_factory.mktemp("template") / "store"
    store = Client(home=home)
    project = store.create_project("pets")
    assets = register(project, *(f"{i:04}.png" for i in range(300)))
    project.snapshots.create("v1")
    new = [rectangle(assets[i % 300].id, f"tag {i % 5}") for i in range(BEFORE)]
    ids = [each.id for each in project.annotations.create(new)]
    (home / "ids.txt").write_text("\n".join(ids[1000 : 1000 + DELETED]))
    boxes = [(i % 400, f"new {i % 3}", (10.0, 10.0, 60.0, 70.0)) for i in range(NEW)]
    (home / "new.json").write_bytes(coco([(f"{i:04}.png", 400, 200) for i in range(400)], boxes))
    store.transport.service.close()  # type: ignore[attr-defined]
    return home, project.id


def count(project: Project) -> int:
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.total_annotations == sum(
        1 for _ in project.annotations.list(pagination={"limit": 1000})
    )
    return statistic.total_annotations


def check_import(project: Project, home: Path, ended: bool) -> str:
    stored = count(project)
    assert stored in (BEFORE, BEFORE + NEW)
    done = stored > BEFORE
    assert done or not ended
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.total_assets == (400 if done else 300)
    assert len(project.tags.list()) == (8 if done else 5)
    sessions = project.annotations.list_import_sessions()
    operations = project.operations.list()
    if not operations:
        assert not done
        assert all(each.status.overview == "Queued" for each in sessions)
        return "not begun"
    (operation,), (session,) = operations, sessions
    assert (
        operation.status.overview == session.status.overview == ("Finished" if done else "Errored")
    )
    if done:
        assert session.report is not None
        assert session.report.committed == NEW
    else:
        assert session.report is None
        assert "Interrupted" in operation.status.message
        assert "nothing was committed" in operation.status.message
    assert list((home / "blobs").glob("imports/*/*")) == []
    return "after" if done else "before"


def check_export(project: Project, home: Path, ended: bool) -> str:
    assert count(project) == BEFORE
    operations = project.operations.list()
    if not operations:
        assert not ended
        return "not begun"
    (operation,) = operations
    files = list((home / "blobs" / "exports").glob("*.zip"))
    if operation.status.overview == "Finished":
        (file,) = files
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) >= 300
        assert (
            project.annotations.get_export_manifest(operation.id).annotations_in_project == BEFORE
        )
        return "after"
    assert not ended
    assert operation.status.overview == "Errored"
    assert "there is no file to download" in operation.status.message
    assert files == []
    with pytest.raises(NotFoundError, match="no file to fetch"):
        project.annotations.download_exported_file(operation.id, str(home / "out"))
    return "before"


def check_delete(project: Project, home: Path, ended: bool) -> str:
    left = count(project)
    assert left in (BEFORE, BEFORE - DELETED)
    operations = project.operations.list()
    if not operations:
        assert left == BEFORE
        assert not ended
        return "not begun"
    (operation,) = operations
    done = left < BEFORE
    assert done or not ended
    assert operation.status.overview == ("Finished" if done else "Errored")
    said = f"{DELETED} annotations deleted." if done else "nothing was deleted"
    assert said in operation.status.message
    return "after" if done else "before"


def check_undo(project: Project, home: Path, ended: bool) -> str:
    left = count(project)
    assert left in (BEFORE, 0)
    done = left == 0
    assert done or not ended
    assert len(project.tags.list()) == (0 if done else 5)
    last = project.changes.list()[0]
    assert last.kind == ("undo" if done else "create")
    if done:  # what was undone is redone, and can be undone again
        project.changes.undo(last.number)
        assert count(project) == BEFORE
    return "after" if done else "before"


def check_restore(project: Project, home: Path, ended: bool) -> str:
    left = count(project)
    assert left in (BEFORE, 0)
    assert left == 0 or not ended
    assert len(project.tags.list()) == (5 if left else 0)
    return "before" if left else "after"


def check_erase(project: Project, home: Path, ended: bool) -> str:
    left = count(project)
    assert left in (BEFORE, BEFORE - DELETED)
    assert left < BEFORE or not ended
    assert rows(project) == left
    return "after" if left < BEFORE else "before"


def check_purge(project: Project, home: Path, ended: bool) -> str:
    left = count(project)
    assert left in (BEFORE, BEFORE - DELETED)
    # what was begun is ended by whoever comes next
    project._transport.service.sweep()  # type: ignore[attr-defined]
    assert (count(project), rows(project)) == (left, left)
    return "after" if left < BEFORE else "before"


def rows(project: Project) -> int:
    """How many rows of annotations the database has, be they there to see or not."""
    with project._transport.service.store.read() as db:  # type: ignore[attr-defined]
        return int(db.value("SELECT COUNT(*) FROM annotations"))


CHECKS = {
    "import": check_import,
    "export": check_export,
    "delete": check_delete,
    "undo": check_undo,
    "restore": check_restore,
    "erase": check_erase,
    "purge": check_purge,
}


@pytest.mark.parametrize("job", sorted(CHECKS))
def test_a_killed_process_leaves_before_or_after(
    job: str, victims: Victims, template: tuple[Path, str], tmp_path: Path
) -> None:
    original, name = template
    rng = random.Random(f"{SEED} {job}")
    whole = 0.0
    outcomes = []
    for turn in range(TIMES + 1):
        home = tmp_path / str(turn)
        shutil.copytree(original, home)
        begin = time.perf_counter()
        # the first may live to its end, and shows how long the others may be let live
        ended = victims.run(job, home, name, None if turn == 0 else rng.uniform(0, whole))
        if turn == 0:
            whole = time.perf_counter() - begin
        client = Client(home=home)
        project = client.get_project(name)
        outcome = CHECKS[job](project, home, ended)
        outcomes.append(outcome)
        where = f"{job} {turn}: {outcome} (ANNOTARY_SEED={SEED})"
        assert contradictions(home) == [], where
        assert len(list((home / "running").iterdir())) == 1, where
        check_leftovers(client, home)
        # nothing holds the store: the same work can be done now
        assert victims.run(job, home, name, None), where
        client.transport.service.close()  # type: ignore[attr-defined]
        shutil.rmtree(home)
    print(job, dict(Counter(outcomes)))
    assert outcomes[0] == "after"


def check_leftovers(client: Client, home: Path) -> None:
    """What a dead writer was writing is removed once it is surely dead."""
    parts = list((home / "blobs").rglob("*.part"))
    for part in parts:
        os.utime(part, (0, 0))
    if parts:
        client.transport.service.recover()  # type: ignore[attr-defined]
    assert list((home / "blobs").rglob("*.part")) == []


def test_a_store_that_is_open_elsewhere_is_not_recovered(
    template: tuple[Path, str], tmp_path: Path
) -> None:
    home = tmp_path / "store"
    shutil.copytree(template[0], home)
    store = Store(home)
    with store.write() as db:
        key = projects.find(db, template[1])
        operations.create(db, key, operations.EXPORT, store.owner)
    project = Client(home=home).get_project(template[1])
    (operation,) = project.operations.list()
    assert operation.status.overview == "Queued"
    store.close()
