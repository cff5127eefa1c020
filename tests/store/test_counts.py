"""Counts that are kept while writing, against counting anew."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from annotary import Client, ConflictError, ImportFailedError, NotFoundError, ValidationError
from annotary.client.project import Project
from tests.recount import contradictions
from tests.samples import coco, rectangle, register, send

TAGS = st.sampled_from(["cat", "dog", "fish"])
ASSETS = ("a.png", "b.png", "c.png")


class Counting(RuleBasedStateMachine):
    """Any sequence of writes; after each, the project's counts are those of its annotations."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name)
        self.client = Client(home=self.home)
        self.project = self.client.create_project("counts")
        self.assets = {a.filename: a.id for a in register(self.project, *ASSETS)}
        self.alive: dict[str, tuple[str, str]] = {}

    @rule(tags=st.lists(TAGS, min_size=1, max_size=5), data=st.data())
    def create(self, tags: list[str], data: st.DataObject) -> None:
        names = (
            [data.draw(st.sampled_from(sorted(self.assets))) for _ in tags] if self.assets else []
        )
        new = [rectangle(self.assets[n], tag) for n, tag in zip(names, tags, strict=False)]
        for each, name in zip(self.project.annotations.create(new), names, strict=True):
            self.alive[each.id] = (name, each.tag)

    @rule(tags=st.lists(TAGS, min_size=1, max_size=3))
    def create_nothing_when_one_is_wrong(self, tags: list[str]) -> None:
        for name in list(self.assets)[:1]:
            new = [rectangle(self.assets[name], tag) for tag in tags]
            new.append(rectangle(self.assets[name], "new", (0.5, 0.5, 1.5, 0.6)))
            with pytest.raises(ValidationError, match="out of bounds"):
                self.project.annotations.create(new)

    @precondition(lambda self: self.alive)
    @rule(tag=TAGS, data=st.data())
    def retag(self, tag: str, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(sorted(self.alive)))
        assert self.project.annotations.update(which, {"tag": tag}).tag == tag
        self.alive[which] = (self.alive[which][0], tag)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.alive)), min_size=1, unique=True))
        if len(ids) == 1:
            self.project.annotations.delete(ids[0])
        else:
            found = self.project.annotations.delete_many([*ids, ids[0], "annot_unknown"])
            assert (found.deleted, found.missing) == (len(ids), ["annot_unknown"])
        for each in ids:
            del self.alive[each]

    @precondition(lambda self: self.assets)
    @rule(
        tags=st.lists(TAGS, min_size=1, max_size=4),
        policy=st.sampled_from(["reject_session", "reject_file", "skip"]),
        fault=st.booleans(),
        dry=st.booleans(),
    )
    def import_(self, tags: list[str], policy: str, fault: bool, dry: bool) -> None:
        names = sorted(self.assets)
        boxes = [(i % len(names), tag, (10.0, 10.0, 20.0, 20.0)) for i, tag in enumerate(tags)]
        if fault:
            boxes.append((0, "wrong", (10.0, 10.0, 900.0, 20.0)))
        data = coco([(name, 400, 200) for name in names], boxes)
        before = {each.id for each in self.project.annotations.list()}
        try:
            session = send(
                self.project, {"a.json": data}, on_error=policy, dry_run=dry, mode="append"
            )
            assert session.report.records == len(boxes)
        except ImportFailedError:
            assert fault
            assert policy == "reject_session"
        for each in self.project.annotations.list():
            if each.id not in before:
                name = next(n for n, i in self.assets.items() if i == each.asset_id)
                self.alive[each.id] = (name, each.tag)
        good = 0 if dry or (fault and policy != "skip") else len(tags)
        assert len(self.alive) == len(before) + good

    @rule(a=TAGS, b=TAGS)
    def merge(self, a: str, b: str) -> None:
        names = [tag.name for tag in self.project.tags.list()]
        if a != b and a in names and b in names:
            assert a not in [tag.name for tag in self.project.tags.merge(a, b)]
            self.alive = {i: (n, b if t == a else t) for i, (n, t) in self.alive.items()}

    @rule(tag=TAGS)
    def delete_tag(self, tag: str) -> None:
        try:
            self.project.tags.delete(tag)
            assert all(each != tag for _, each in self.alive.values())
        except ConflictError:
            assert any(each == tag for _, each in self.alive.values())
        except NotFoundError:
            assert all(each != tag for _, each in self.alive.values())

    @precondition(lambda self: len(self.assets) > 1)
    @rule(data=st.data())
    def delete_asset(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.assets)))
        self.project.assets.delete(name)
        del self.assets[name]
        self.alive = {i: (n, t) for i, (n, t) in self.alive.items() if n != name}

    @invariant()
    def counts_are_true(self) -> None:
        if not hasattr(self, "project"):
            return
        info = self.project.get_info()
        assert info.statistic is not None
        counted = {each.name: each.count for each in info.statistic.tags_count if each.count}
        assert counted == Counter(tag for _, tag in self.alive.values())
        assert info.statistic.total_annotations == len(self.alive)
        assert info.statistic.annotated_assets == len({name for name, _ in self.alive.values()})
        assert info.statistic.total_assets == len(self.assets)
        for name in self.assets:
            own = self.project.assets.get(name).statistic
            assert own is not None
            assert {t.name: t.count for t in own.tags_count} == Counter(
                tag for asset, tag in self.alive.values() if asset == name
            )
        assert contradictions(self.home) == []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.client.close()
            self.folder.cleanup()


Counting.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestCounting = Counting.TestCase


def test_delete_many_is_an_operation_that_says_what_it_did(project: Project) -> None:
    (asset,) = register(project, "a.png")
    ids = [a.id for a in project.annotations.create([rectangle(asset.id) for _ in range(1200)])]
    unknown = ids[0][:-1] + ("0" if ids[0][-1] != "0" else "1")
    found = project.annotations.delete_many([*ids[:1100], unknown, ids[0]])
    assert (found.deleted, found.missing) == (1100, [unknown])
    (operation,) = project.operations.list()
    assert (operation.kind, operation.status.overview) == ("nexus.annotations.delete", "Finished")
    assert operation.status.message == "1100 annotations deleted."
    assert [each.id for each in project.annotations.list()] == ids[1100:]


def test_ids_of_another_project_are_not_found(client: Client, project: Project) -> None:
    other = client.create_project("other")
    (asset,) = register(other, "a.png")
    annotation = other.annotations.create(rectangle(asset.id))
    assert project.annotations.delete_many([annotation.id]).missing == [annotation.id]
    for call in (project.annotations.get, project.annotations.delete):
        with pytest.raises(NotFoundError):
            call(annotation.id)
    with pytest.raises(NotFoundError):
        project.annotations.create(rectangle(asset.id))
    with pytest.raises(NotFoundError):
        project.annotations.list(asset)
    assert len(other.annotations.list()) == 1


def test_groups_and_their_counts(project: Project) -> None:
    project.assets.register(
        [
            {"filename": f"{i}.png", "width": 10, "height": 10, "groups": groups}
            for i, groups in enumerate((["x"], ["x", "y"], []))
        ]
    )
    project.annotations.create(rectangle("1.png"))
    project.assets.update("0.png", {"status": "Completed"})
    x, y = project.assets.list_groups()
    assert x.statistic is not None
    assert y.statistic is not None
    assert (x.group, x.statistic.total_assets, x.statistic.annotated_assets) == ("x", 2, 1)
    assert (x.statistic.completed_assets, y.statistic.completed_assets) == (1, 0)
    assert [each.group for each in project.assets.list_groups("y")] == ["y"]
    assert [each.filename for each in project.assets.list(filters={"groups": ["y"]})] == ["1.png"]
    changed = project.assets.update("1.png", {"groups": ["z", "z"]})
    assert changed.metadata.groups == ["z"]
    assert sorted(project.get_info().groups) == ["x", "z"]


def test_deleting_a_project_leaves_the_others_alone(client: Client, home: Path) -> None:
    keep, drop = client.create_project("keep"), client.create_project("drop")
    for each in (keep, drop):
        (asset,) = register(each, "a.png")
        each.annotations.create(rectangle(asset.id))
        send(each, {"a.json": coco([("a.png", 400, 200)])}, mode="append")
        each.annotations.create_export({"format": "coco"})
    assert client.delete_project(drop.id).deleted
    with pytest.raises(NotFoundError):
        drop.get_info()
    statistic = keep.get_info().statistic
    assert statistic is not None
    assert statistic.total_annotations == 2
    assert contradictions(home) == []
    assert len(list((home / "blobs" / "exports").iterdir())) == 1


def test_nothing_of_a_purged_project_stays(client: Client, home: Path) -> None:
    project = client.create_project("gone")
    project.assets.register(
        [{"filename": "a.png", "width": 4, "height": 4, "groups": ["day", "night"]}]
    )
    project.annotations.create(rectangle(next(iter(project.assets.list())).id))
    client.delete_project(project.id)
    client.trash.delete(project.id)
    assert contradictions(home) == []
    other = client.create_project("next")
    register(other, "b.png")
    assert list(other.assets.list_groups()) == []
