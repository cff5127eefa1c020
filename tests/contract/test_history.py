"""Changes, undo, snapshots and the trash, through every door."""

from __future__ import annotations

import pytest

from annotary import BadRequestError, Client, ConflictError, NotFoundError
from annotary.client.project import Project
from tests.contract.conftest import box
from tests.samples import fourcorner, register, send

ROWS = [("a.png", (0.1, 0.1, 0.5, 0.5), "cat"), ("b.png", (0.1, 0.1, 0.5, 0.5), "dog")]


def ids(project: Project) -> list[str]:
    return [each.id for each in project.annotations.list()]


def kinds(project: Project) -> list[str]:
    return [each.kind for each in project.changes.list()]


def test_every_write_is_a_change_with_its_counts(project: Project) -> None:
    register(project, "a.png", "b.png")
    one, other = project.annotations.create([box("a.png"), box("b.png", "cat")])
    project.annotations.update(one.id, {"tag": "owl"})
    project.annotations.delete(other.id)
    project.assets.update("a.png", {"status": "Review"})
    project.tags.create("bird")
    project.tags.update("bird", color="#ffffff")
    project.tags.delete("bird")
    project.tags.merge("owl", "cat")
    project.assets.delete("b.png")
    project.update("animals")
    send(project, {"a.csv": fourcorner(ROWS)}, create_assets=True)
    found = list(project.changes.list(limit=3))
    assert [each.kind for each in reversed(found)] == [
        "add_assets", "create", "update", "delete", "update_asset", "create_tag", "update_tag",
        "delete_tag", "merge_tags", "delete_asset", "rename_project", "import",
    ]  # fmt: skip
    assert [each.number for each in found] == sorted((c.number for c in found), reverse=True)
    by_kind = {each.kind: each.counts for each in found}
    assert by_kind["create"] == {"annotations": {"added": 2}, "tags": {"added": 2}}
    assert by_kind["update"] == {"annotations": {"changed": 1}, "tags": {"added": 1}}
    assert by_kind["delete"] == {"annotations": {"removed": 1}}
    assert by_kind["merge_tags"] == {"annotations": {"changed": 1}, "tags": {"removed": 1}}
    assert by_kind["import"] == {"annotations": {"added": 2}, "assets": {"added": 1}}
    assert all(each.author for each in found)


def test_what_follows_is_asked_for_by_number(project: Project) -> None:
    register(project, "a.png")
    first = project.changes.list()[0].number
    for _ in range(5):
        project.annotations.create(box("a.png"))
    new = list(project.changes.list(after=first, limit=2))
    assert [each.kind for each in new] == ["create"] * 5
    assert [each.number for each in new] == sorted(each.number for each in new)
    assert list(project.changes.list(after=new[-1].number)) == []
    assert len(list(project.changes.list(kind="add_assets"))) == 1
    assert len(list(project.changes.list(author="nobody"))) == 0


def test_changes_of_one_image(project: Project) -> None:
    register(project, "a.png", "b.png")
    (one,) = project.annotations.create([box("a.png")])
    project.annotations.create([box("b.png")])
    project.annotations.delete(one.id)
    project.assets.delete("a.png")
    found = [each.kind for each in project.changes.list(asset="a.png")]
    assert found == ["delete_asset", "delete", "create", "add_assets"]
    assert [e.kind for e in project.changes.list(asset="b.png")] == ["create", "add_assets"]


def test_undo_and_redo(project: Project) -> None:
    register(project, "a.png")
    made = project.annotations.create([box("a.png"), box("a.png", "cat")])
    before = ids(project)
    project.annotations.delete_many([each.id for each in made])
    deleted = project.changes.list()[0]
    undone = project.changes.undo(deleted.number)
    assert (undone.change.undoes, undone.change.counts) == (
        deleted.number, {"annotations": {"added": 2}},
    )  # fmt: skip
    assert ids(project) == before
    assert project.changes.get(deleted.id).undone_by == undone.change.number
    with pytest.raises(ConflictError, match=f"undone already, by #{undone.change.number}"):
        project.changes.undo(deleted.number)
    project.changes.undo(undone.change.id)
    assert ids(project) == []
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.total_annotations == 0
    # the chain goes on: what redid it can be undone
    project.changes.undo(deleted.number)
    assert ids(project) == before


def test_an_import_is_undone_with_its_images_and_tags(project: Project) -> None:
    send(project, {"a.csv": fourcorner(ROWS)}, create_assets=True)
    made = project.changes.list()[0]
    project.annotations.create(box("b.png", "dog"))
    undone = project.changes.undo(made.number)
    # what somebody else uses stays
    assert undone.change.counts == {
        "annotations": {"removed": 2},
        "assets": {"removed": 1, "kept": 1},
        "tags": {"removed": 1, "kept": 1},
    }
    assert [each.filename for each in project.assets.list()] == ["b.png"]
    assert [each.name for each in project.tags.list()] == ["dog"]


def test_what_was_changed_again_is_a_conflict(project: Project) -> None:
    register(project, "a.png")
    one, _ = project.annotations.create([box("a.png"), box("a.png", "cat")])
    created = project.changes.list()[0].number
    project.annotations.update(one.id, {"tag": "owl"})
    with pytest.raises(ConflictError, match="1 thing was changed again") as caught:
        project.changes.undo(created)
    assert one.id in caught.value.message and "a.png" in caught.value.message
    assert "--keep-later" in caught.value.hint
    assert len(ids(project)) == 2
    dry = project.changes.undo(created, "keep", dry_run=True)
    assert (dry.dry_run, dry.conflicted, dry.conflicts[0].id) == (True, 1, one.id)
    assert dry.conflicts[0].later_change == project.changes.list()[0].number
    assert len(ids(project)) == 2
    project.changes.undo(created, "keep")
    assert ids(project) == [one.id]


def test_later_work_can_be_undone_as_well(project: Project) -> None:
    register(project, "a.png")
    one, _ = project.annotations.create([box("a.png"), box("a.png", "cat")])
    created = project.changes.list()[0].number
    project.annotations.update(one.id, {"tag": "owl"})
    done = project.changes.undo(created, "force")
    assert (done.conflicted, ids(project)) == (1, [])
    project.changes.undo(done.change.number)
    assert [each.tag for each in project.annotations.list()] == ["owl", "cat"]


def test_a_deleted_image_comes_back_under_its_name_or_another(project: Project) -> None:
    register(project, "a.png")
    project.annotations.create(box("a.png"))
    project.assets.delete("a.png")
    deleted = project.changes.list()[0].number
    register(project, "a.png")
    with pytest.raises(ConflictError, match="its name is taken"):
        project.changes.undo(deleted)
    project.changes.undo(deleted, "keep", rename=True)
    names = [each.filename for each in project.assets.list()]
    assert sorted(names) == ["a (restored).png", "a.png"]
    assert len(project.annotations.list("a (restored).png").data) == 1


def test_several_calls_are_one_change(project: Project) -> None:
    register(project, "a.png")
    with project.change("fix night shots") as change:
        made = project.annotations.create(box("a.png"))
        project.annotations.update(made.id, {"tag": "owl"})
    found = project.changes.get(change.id)
    assert (found.message, found.steps) == ("fix night shots", 2)
    assert found.counts["annotations"] == {"added": 1, "changed": 1}
    assert kinds(project) == ["steps", "add_assets"]
    project.changes.undo(change.id)
    assert ids(project) == []


def test_an_exception_takes_the_steps_back(project: Project) -> None:
    register(project, "a.png")
    with pytest.raises(ZeroDivisionError), project.change("half"):
        project.annotations.create(box("a.png"))
        _ = 1 / 0
    assert ids(project) == []
    assert [tag.name for tag in project.tags.list()] == []
    assert kinds(project) == ["undo", "steps", "add_assets"]


def test_messages(client: Client, project: Project) -> None:
    with client.saying("für später ✓"):
        register(project, "a.png")
    assert project.changes.list()[0].message == "für später ✓"


def test_snapshots_never_change(project: Project) -> None:
    register(project, "a.png", "b.png")
    one, other = project.annotations.create([box("a.png"), box("b.png", "cat")])
    made = project.snapshots.create("v1", "first")
    assert (made.statistic.total_annotations, made.message) == (2, "first")
    before = [(a.id, a.tag) for a in project.annotations.list()]
    project.annotations.update(one.id, {"tag": "owl"})
    project.annotations.delete(other.id)
    project.assets.delete("b.png")
    project.tags.update("cat", name="lion")
    register(project, "c.png")
    past = project.at("v1")
    assert [(a.id, a.tag) for a in past.annotations.list()] == before
    assert past.annotations.get(other.id).tag == "cat"
    assert [a.filename for a in past.assets.list()] == ["a.png", "b.png"]
    assert past.assets.get("b.png").statistic.total_annotations == 1  # type: ignore[union-attr]
    assert [tag.name for tag in past.tags.list()] == ["dog", "cat"]
    with pytest.raises(BadRequestError, match="cannot be asked of a project as it was"):
        past.annotations.delete(one.id)
    with pytest.raises(NotFoundError, match="no snapshot 'v2'"):
        list(project.at("v2").annotations.list())
    with pytest.raises(ConflictError, match="has a snapshot 'v1' already"):
        project.snapshots.create("v1")
    restored = project.snapshots.restore("v1")
    assert [(a.id, a.tag) for a in project.annotations.list()] == before
    assert [a.filename for a in project.assets.list()] == ["a.png", "b.png"]
    project.changes.undo(restored.id)
    assert [a.tag for a in project.annotations.list()] == ["owl"]
    assert [each.name for each in project.snapshots.list()] == ["v1"]
    project.snapshots.delete("v1")
    with pytest.raises(NotFoundError):
        project.snapshots.get("v1")


def test_the_state_after_a_change(project: Project) -> None:
    register(project, "a.png")
    (one,) = project.annotations.create([box("a.png")])
    number = project.changes.list()[0].number
    project.annotations.delete(one.id)
    assert [a.id for a in project.at(f"#{number}").annotations.list()] == [one.id]
    assert list(project.at("now").annotations.list()) == []


def test_a_deleted_project_is_in_the_trash(client: Client, project: Project) -> None:
    register(project, "a.png")
    project.annotations.create(box("a.png"))
    before = ids(project)
    client.delete_project(project.id)
    with pytest.raises(NotFoundError):
        project.get_info()
    assert project.id not in [each.id for each in client.list_projects()]
    assert (client.trash.list()[0].id, client.trash.list()[0].name) == (project.id, "pets")
    client.trash.restore(project.id)
    assert ids(project) == before
    client.delete_project(project.id)
    assert client.trash.delete(project.id).deleted
    with pytest.raises(NotFoundError, match="in the trash"):
        client.trash.restore(project.id)


def test_an_export_of_a_snapshot_is_the_same_bytes_whatever_comes_after(project: Project) -> None:
    register(project, "a.png", "b.png")
    one, other = project.annotations.create([box("a.png"), box("b.png", "cat")])
    project.snapshots.create("v1")

    def files(at: Project, **more: str) -> dict[str, str]:
        made = at.annotations.create_export({"format": "coco", **more})
        return at.annotations.get_export_manifest(made.id).files

    before = files(project)
    project.annotations.update(one.id, {"tag": "owl"})
    project.annotations.delete(other.id)
    project.assets.delete("b.png")
    assert files(project) != before
    assert files(project, snapshot="v1") == files(project.at("v1")) == before
    assert project.annotations.plan_export({"format": "coco", "snapshot": "v1"}) == []
    with pytest.raises(NotFoundError, match="no snapshot 'v2'"):
        files(project, snapshot="v2")
