"""How long things are kept, and what is left when they are not any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotary import BadRequestError, Client
from annotary.client.project import Project
from annotary.errors import GoneError
from annotary.ids import now_ms
from annotary.store import purging
from tests.contract.conftest import png
from tests.recount import contradictions
from tests.samples import rectangle, register


def forget(project: Project, cutoff: int | None = None) -> None:
    store = project._transport.service.store  # type: ignore[attr-defined]
    with store.read() as db:
        (no,) = db.row("SELECT MAX(no) FROM projects")
    for _ in purging.purge(store, no, now_ms() if cutoff is None else cutoff):
        pass


def rows(project: Project) -> dict[str, int]:
    store = project._transport.service.store  # type: ignore[attr-defined]
    tables = ("annotations", "asset_annotations", "dead", "past", "gaps", "versions")
    with store.read() as db:
        return {table: db.value(f"SELECT COUNT(*) FROM {table}") for table in tables}


def test_what_is_due_is_forgotten_and_cannot_be_undone(project: Project, home: Path) -> None:
    register(project, "a.png")
    made = project.annotations.create([rectangle("a.png") for _ in range(2500)])
    project.annotations.update(made[0].id, {"tag": "owl"})
    project.annotations.delete_many([each.id for each in made[:1500]])
    deleted = project.changes.list()[0].number
    forget(project, now_ms() - 1000 * 3600)
    assert rows(project)["annotations"] == 2500
    forget(project)
    assert rows(project) == {
        "annotations": 1000, "asset_annotations": 1000, "dead": 0, "past": 0, "gaps": 0,
        "versions": 0,
    }  # fmt: skip
    with pytest.raises(GoneError, match="cannot be undone any more"):
        project.changes.undo(deleted)
    # the changes themselves stay
    assert len(list(project.changes.list())) == 4
    assert project.changes.get(deleted).purge_date is not None
    assert contradictions(home) == []


def test_what_a_snapshot_needs_stays_until_it_is_deleted(project: Project, home: Path) -> None:
    register(project, "a.png", "b.png")
    made = project.annotations.create([rectangle("a.png", "cat"), rectangle("b.png", "dog")])
    project.tags.merge("cat", "dog")
    project.snapshots.create("v1")
    before = [(a.id, a.tag) for a in project.annotations.list()]
    project.annotations.update(made[0].id, {"tag": "owl", "properties": {"a": 1}})
    project.tags.merge("owl", "dog")
    project.assets.delete("b.png")
    forget(project)
    assert [(a.id, a.tag) for a in project.at("v1").annotations.list()] == before
    assert [a.filename for a in project.at("v1").assets.list()] == ["a.png", "b.png"]
    assert rows(project)["dead"] == 1
    project.snapshots.delete("v1")
    forget(project)
    forget(project)  # what leaned on an older version
    assert rows(project) == {
        "annotations": 1, "asset_annotations": 1, "dead": 0, "past": 0, "gaps": 0, "versions": 0
    }  # fmt: skip
    assert contradictions(home) == []


def test_a_walk_through_a_state_that_is_forgotten_says_so(project: Project) -> None:
    register(project, "a.png")
    made = project.annotations.create([rectangle("a.png") for _ in range(10)])
    page = project.annotations.list(pagination={"limit": 4})
    project.annotations.delete(made[-1].id)
    forget(project)
    with pytest.raises(GoneError) as caught:
        list(page)
    assert "Start again" in caught.value.hint


def test_nothing_is_kept_where_nothing_shall_be(project: Project, home: Path) -> None:
    assert project.update(keep="0d").keep == "0d"
    with project.assets.create_upload_session() as session:
        session.add_bytes(png(), "a.png")
    made = project.annotations.create([rectangle("a.png") for _ in range(3)])
    project.annotations.delete(made[0].id)
    assert rows(project)["annotations"] == 2
    project.assets.delete("a.png")
    assert set(rows(project).values()) == {0}
    assert list((home / "blobs" / "assets").rglob("*-*")) == []
    assert contradictions(home) == []


def test_a_project_in_which_nothing_is_kept_is_deleted_at_once(home: Path) -> None:
    with Client(home=home) as client:
        project = client.create_project("gone")
        project.update(keep="0d")
        register(project, "a.png")
        project.annotations.create(rectangle("a.png"))
        client.delete_project(project.id)
        assert client.trash.list() == []
        assert contradictions(home) == []


@pytest.mark.parametrize("keep", ["", "d", "-1d", "a week", "1.5d", "9999999999d"])
def test_times_that_are_none(project: Project, keep: str) -> None:
    with pytest.raises(BadRequestError, match="how long things are kept"):
        project.update(keep=keep)


def test_a_project_in_the_trash_is_removed_in_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(home=home) as client:
        gone, kept = client.create_project("gone"), client.create_project("kept")
        kept.update(keep="forever")
        for each in (gone, kept):
            with each.assets.create_upload_session() as session:
                session.add_bytes(png(), "a.png")
            each.annotations.create([rectangle("a.png") for _ in range(3)])
            each.assets.delete("a.png")
            client.delete_project(each.id)
        service = client.transport.service  # type: ignore[attr-defined]
        service.sweep()
        assert len(client.trash.list()) == 2
        later = now_ms() + 31 * 24 * 3600 * 1000
        monkeypatch.setattr(purging, "now_ms", lambda: later)
        service.sweep()
        assert [each.name for each in client.trash.list()] == ["kept"]
        client.trash.restore(kept.id)
        assert len(list((home / "blobs" / "assets").rglob("*-*"))) == 1
        assert contradictions(home) == []


def test_images_in_the_trash_are_nobodys_to_see(project: Project) -> None:
    with project.assets.create_upload_session() as session:
        session.add_bytes(png(), "a.png")
    service = project._transport.service  # type: ignore[attr-defined]
    (folder,) = service.store.blobs.names("assets")
    (name,) = service.store.blobs.names(f"assets/{folder}")
    key = f"assets/{folder}/{name}"
    assert service.assets.is_served(key)
    project.assets.delete("a.png")
    assert not service.assets.is_served(key)
    project.changes.undo(project.changes.list()[0].number)
    assert service.assets.is_served(key)
