"""The database as a file: made, migrated, shared by processes, damaged, and let go of."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from annotary import Client, StoreError, ids
from annotary.service import Service
from annotary.store import Store
from tests.recount import contradictions
from tests.samples import rectangle, register


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python process that runs ``code``."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


# --- migrations -----------------------------------------------------------------------------


def scripts() -> list[tuple[int, str]]:
    folder = files("annotary.store").joinpath("migrations")
    return sorted(
        (int(each.name.split("_")[0]), each.read_text("utf-8"))
        for each in folder.iterdir()
        if each.name.endswith(".sql")
    )


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in scripts()] == list(range(1, len(scripts()) + 1))


def test_the_schema_is_what_the_migrations_make(home: Path, tmp_path: Path) -> None:
    Store(home).close()
    plain = tmp_path / "plain.db"
    with closing(sqlite3.connect(plain)) as db:
        for _, script in scripts():
            db.executescript(script)
    assert schema(home / "annotary.db") == schema(plain)
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(scripts()),)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("version", range(1, len(scripts()) + 1))
def test_a_store_of_any_earlier_version_is_brought_up_to_date(home: Path, version: int) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        for number, script in scripts():
            if number <= version:
                db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("INSERT INTO workspace VALUES (?, 'mine', 'me', 1)", (ids.new_id(),))
        db.commit()
    store = Store(home)
    with store.read() as db:
        assert db.execute("SELECT name FROM workspace").fetchall() == [("mine",)]
        assert db.execute("PRAGMA user_version").fetchone() == (len(scripts()),)
    store.close()


def test_annotations_of_old_stores_learn_their_assets_ids(home: Path) -> None:
    home.mkdir()
    image, other = ids.new_id(), ids.new_id()
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        for _, script in scripts()[:2]:
            db.executescript(script)
        db.execute("PRAGMA user_version = 2")
        for number, id_ in enumerate((image, other), 1):
            db.execute(
                "INSERT INTO assets VALUES (?, 1, ?, ?, '', 4, 4, 0, '', '', 0, NULL, NULL, NULL)",
                (number, id_, f"{number}.png"),
            )
            db.execute(
                "INSERT INTO annotations VALUES (?, 1, ?, ?, 1, 0, 0, 0, NULL, NULL, NULL)",
                (number, ids.new_id(), 3 - number),
            )
        db.commit()
    store = Store(home)
    with store.read() as db:
        found = db.execute("SELECT asset_id FROM annotations ORDER BY seq").fetchall()
    store.close()
    assert found == [(other,), (image,)]


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(home: Path) -> None:
    Store(home).close()
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="written by a newer Annotary") as caught:
        Client(home=home)
    assert "pip install --upgrade annotary" in caught.value.hint
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (999,)
    assert list((home / "running").iterdir()) == []


def test_an_interrupted_migration_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise RuntimeError("out of power")

    with monkeypatch.context() as patch:
        patch.setattr("annotary.store.migrating.now_ms", fail)
        with pytest.raises(RuntimeError):
            Store(home)
    assert schema(home / "annotary.db") == []
    Store(home).close()
    assert schema(home / "annotary.db") != []


# --- damage ---------------------------------------------------------------------------------


def test_a_file_that_is_no_database(home: Path) -> None:
    home.mkdir()
    (home / "annotary.db").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        Client(home=home)
    assert "restore a copy" in caught.value.hint


def test_a_damaged_database_is_explained_and_not_a_traceback(home: Path) -> None:
    client = Client(home=home)
    project = client.create_project("pets")
    (asset,) = register(project, "a.png")
    project.annotations.create([rectangle(asset.id) for _ in range(2000)])
    client.transport.service.close()  # type: ignore[attr-defined]
    path = home / "annotary.db"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="malformed") as caught:
        Client(home=home).get_project(project.id).annotations.list()
    assert "damaged" in caught.value.hint


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Client(home=tmp_path / "file" / "store")
    assert "ANNOTARY_HOME" in caught.value.hint


def test_a_closed_store_says_so_and_opens_again(home: Path) -> None:
    client = Client(home=home)
    project = client.create_project("pets")
    client.transport.service.close()  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="closed"):
        project.get_info()
    assert Client(home=home).get_project(project.id).name == "pets"


# --- processes ------------------------------------------------------------------------------

WRITER = """
    import sys
    from annotary import Client
    from tests.samples import rectangle
    project = Client(home=sys.argv[1]).get_project(sys.argv[2])
    for i in range(int(sys.argv[4])):
        project.annotations.create([rectangle("a.png", sys.argv[3]) for _ in range(3)])
"""


def test_two_processes_and_two_threads_write_at_once(home: Path) -> None:
    project = Client(home=home).create_project("pets")
    register(project, "a.png")
    others = [start(WRITER, home, project.id, tag, 40) for tag in ("x", "y")]
    seen: list[list[str]] = []

    def write(tag: str) -> None:
        for _ in range(20):
            project.annotations.create(rectangle("a.png", tag))
            seen.append([each.id for each in project.annotations.list(pagination={"limit": 7})])

    threads = [threading.Thread(target=write, args=(tag,)) for tag in ("z", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    statistic = project.get_info().statistic
    assert statistic is not None
    assert {t.name: t.count for t in statistic.tags_count} == {"x": 120, "y": 120, "z": 40}
    assert len({each.id for each in project.annotations.list()}) == 280
    # every reader saw each annotation once and in order, while others wrote
    assert all(found == sorted(set(found)) for found in seen)
    assert contradictions(home) == []


OPENER = """
    import sys
    from annotary import Client
    Client(home=sys.argv[1]).create_project("one", on_existing="add")
"""


def test_processes_that_make_the_same_store_at_once(home: Path) -> None:
    others = [start(OPENER, home) for _ in range(4)]
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    client = Client(home=home)
    assert len(client.list_projects()) == 4
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM workspace").fetchone() == (1,)


HOLDER = """
    import sys, time
    from annotary.store import Store
    from pathlib import Path
    store = Store(Path(sys.argv[1]))
    print(store.owner, flush=True)
    with store.write() as db:
        db.execute("INSERT INTO projects (id, name, type, created) VALUES (x'00', 'x', 'x', 0)")
        print("writing", flush=True)
        time.sleep(600)
"""


def test_a_lock_ends_with_its_process(home: Path) -> None:
    store = Store(home)
    other = start(HOLDER, home)
    assert other.stdout is not None
    owner = other.stdout.readline().strip()
    assert other.stdout.readline().strip() == "writing"
    assert not store.is_dead(owner)
    assert not store.is_dead(store.owner)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    # the write lock is free, what was written is gone, and the owner is known to be dead
    with store.write() as db:
        assert db.execute("SELECT COUNT(*) FROM projects").fetchone() == (0,)
    assert store.is_dead(owner)
    store.close()
    assert list((home / "running").iterdir()) == []


def test_whoever_opens_a_store_clears_away_the_locks_of_the_dead(home: Path) -> None:
    other = start(HOLDER, home)
    assert other.stdout is not None
    owner = other.stdout.readline().strip()
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    assert (home / "running" / f"{owner}.lock").exists()
    living = Store(home)
    service = Service(Store(home))
    locks = {path.name for path in (home / "running").iterdir()}
    assert locks == {f"{living.owner}.lock", f"{service.store.owner}.lock"}
    service.close()
    living.close()


def test_a_client_that_is_forgotten_lets_go_of_its_store(home: Path) -> None:
    import gc

    client = Client(home=home)
    client.create_project("pets")
    assert len(list((home / "running").iterdir())) == 1
    del client
    gc.collect()
    assert list((home / "running").iterdir()) == []


def test_an_exception_undoes_a_transaction(home: Path) -> None:
    store = Store(home)
    with pytest.raises(KeyError), store.write() as db:
        db.execute("DELETE FROM workspace")
        raise KeyError
    with store.read() as db:
        assert db.execute("SELECT COUNT(*) FROM workspace").fetchone() == (1,)
    store.close()


def test_a_reader_sees_one_moment(home: Path) -> None:
    store = Store(home)
    with store.read() as db:
        assert db.execute("SELECT name FROM workspace").fetchall() == [("Annotary",)]
        change = threading.Thread(target=_rename, args=(store,))
        change.start()
        change.join()
        assert db.execute("SELECT name FROM workspace").fetchall() == [("Annotary",)]
    with store.read() as db:
        assert db.execute("SELECT name FROM workspace").fetchall() == [("new",)]
    store.close()


def _rename(store: Store) -> None:
    with store.write() as db:
        db.execute("UPDATE workspace SET name = 'new'")


# --- ids ------------------------------------------------------------------------------------


def test_ids_only_grow_in_any_number_of_threads() -> None:
    found: list[list[bytes]] = []

    def make() -> None:
        for _ in range(200):
            found.append(ids.new_ids(25))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [each for part in found for each in part]
    assert len(set(every)) == 4 * 200 * 25
    assert all(part == sorted(part) for part in found)
    later = ids.new_id()
    assert all(each < later for each in every)
    assert all(each[6] >> 4 == 7 and each[8] >> 6 == 2 for each in every)


def test_ids_grow_when_the_clock_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.new_id()
    monkeypatch.setattr(ids, "now_ms", lambda: 0)
    assert before < ids.new_id() < ids.new_id()
