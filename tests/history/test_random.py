"""Random histories: undo is undo, redo is redo, and what has a name or a cursor never changes."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from annotary import Client, ConflictError
from annotary.client.project import Project
from annotary.errors import GoneError
from annotary.ids import now_ms
from annotary.model import Change
from annotary.store import projects, purging
from tests.recount import contradictions
from tests.samples import fourcorner, rectangle, register, send

TAGS = ("cat", "dog", "owl")


def annotations(project: Project) -> list[Any]:
    return [
        (a.id, a.asset_id, a.tag, str(a.bound), a.group, a.hole, str(a.properties))
        for a in project.annotations.list(pagination={"limit": 7})
    ]


def whole(project: Project) -> Any:
    """All that people see of a project."""
    assets = [
        (a.id, a.filename, a.status, tuple(a.metadata.groups), str(a.statistic))
        for a in project.assets.list(pagination={"limit": 3})
    ]
    return annotations(project), assets, {(t.name, t.color) for t in project.tags.list()}


def is_open(change: Change) -> bool:
    """Whether a change can be undone."""
    return change.undone_by is None and change.purge_date is None


class Histories(RuleBasedStateMachine):
    """Writers, undoers, and what must stay as it was meanwhile."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name)
        self.client = Client(home=self.home)
        self.project = self.client.create_project("pets")
        self.empty = whole(self.project)
        register(self.project, "a.png", "b.png")
        self.files = 0
        self.snapshots: dict[str, Any] = {}
        self.walks: list[tuple[str, list[str]]] = []

    def ids(self) -> list[str]:
        return [each.id for each in self.project.annotations.list()]

    def names(self) -> list[str]:
        return [each.filename for each in self.project.assets.list()]

    # --- writes ---------------------------------------------------------------------------------

    @rule(data=st.data(), tags=st.lists(st.sampled_from(TAGS), min_size=1, max_size=4))
    def create(self, data: st.DataObject, tags: list[str]) -> None:
        if names := self.names():
            asset = data.draw(st.sampled_from(names))
            self.project.annotations.create([rectangle(asset, tag) for tag in tags])

    @rule(data=st.data(), tag=st.sampled_from(TAGS), properties=st.booleans())
    def update(self, data: st.DataObject, tag: str, properties: bool) -> None:
        if ids := self.ids():
            one = data.draw(st.sampled_from(ids))
            changes = {"properties": {"score": 0.5}} if properties else {"tag": tag}
            self.project.annotations.update(one, changes)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if ids := self.ids():
            chosen = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
            self.project.annotations.delete_many(chosen)

    @rule(data=st.data())
    def delete_asset(self, data: st.DataObject) -> None:
        if names := self.names():
            self.project.assets.delete(data.draw(st.sampled_from(names)))

    @rule(data=st.data(), status=st.sampled_from(["Review", "Completed"]))
    def mark(self, data: st.DataObject, status: str) -> None:
        if names := self.names():
            name = data.draw(st.sampled_from(names))
            self.project.assets.update(name, {"status": status, "groups": [status]})

    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        tags = [tag.name for tag in self.project.tags.list()]
        if len(tags) > 1:
            one, other = data.draw(st.permutations(tags))[:2]
            self.project.tags.merge(one, other)

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        if tags := [tag.name for tag in self.project.tags.list()]:
            self.files += 1
            old = data.draw(st.sampled_from(tags))
            self.project.tags.update(old, name=f"{old[:3]}{self.files}")

    @rule(names=st.lists(st.sampled_from("abcd"), min_size=1, max_size=5))
    def bring(self, names: list[str]) -> None:
        self.files += 1
        rows = [
            (f"{n}.png", (0.1, 0.1, 0.2, 0.2 + i / 10), TAGS[i % 3]) for i, n in enumerate(names)
        ]
        send(self.project, {f"{self.files}.csv": fourcorner(rows)}, create_assets=True)

    @rule(fails=st.booleans())
    def several_steps(self, fails: bool) -> None:
        before = whole(self.project)
        try:
            with self.project.change("several"):
                register(self.project, f"s{self.files}.png")
                made = self.project.annotations.create(rectangle(f"s{self.files}.png", "cat"))
                self.project.annotations.update(made.id, {"tag": "dog"})
                self.project.annotations.delete_many(self.ids()[:2])
                self.files += 1
                assert not fails
        except AssertionError:
            assert whole(self.project) == before

    # --- undo -----------------------------------------------------------------------------------

    @rule()
    def undo_and_redo_the_last(self) -> None:
        last = self.project.changes.list(limit=1)[0]
        if last.undone_by is None and last.purge_date is None:
            after = whole(self.project)
            undone = self.project.changes.undo(last.number)
            assert (undone.conflicted, undone.change.undoes) == (0, last.number)
            redone = self.project.changes.undo(undone.change.number)
            assert redone.conflicted == 0
            assert whole(self.project) == after

    @rule(data=st.data(), policy=st.sampled_from(["refuse", "keep", "force"]))
    def undo_any(self, data: st.DataObject, policy: Any) -> None:
        open_ = [c.number for c in self.project.changes.list() if is_open(c)]
        if not open_:
            return
        number = data.draw(st.sampled_from(open_))
        before = whole(self.project)
        dry = self.project.changes.undo(number, policy, dry_run=True)
        assert whole(self.project) == before
        try:
            done = self.project.changes.undo(number, policy)
        except ConflictError:
            assert policy == "refuse" and dry.conflicted > 0
            assert whole(self.project) == before
        else:
            assert done.change.counts == dry.change.counts
            assert policy != "refuse" or done.conflicted == 0
            if done.conflicted == 0:
                self.project.changes.undo(done.change.number)
                assert whole(self.project) == before

    @rule()
    def purge(self) -> None:
        before = whole(self.project)
        store = self.client.transport.service.store  # type: ignore[attr-defined]
        with store.read() as db:
            project = projects.find(db, self.project.id)
        for _ in purging.purge(store, project.no, now_ms()):
            pass
        assert whole(self.project) == before
        for change in self.project.changes.list(limit=3).data:
            with pytest.raises((GoneError, ConflictError)):
                self.project.changes.undo(change.number, "force")
        for page, _ in self.walks:
            self.walks = []
            with suppress(GoneError):  # nothing may have happened since
                self.project.annotations.list(pagination={"limit": 100, "page": page})

    # --- what never changes ---------------------------------------------------------------------

    @rule()
    def snapshot(self) -> None:
        name = f"v{len(self.snapshots)}"
        self.project.snapshots.create(name)
        self.snapshots[name] = whole(self.project)

    @rule()
    def walk(self) -> None:
        page = self.project.annotations.list(pagination={"limit": 2})
        if page.next_page:
            self.walks.append((page.next_page, self.ids()[2:]))

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        if self.snapshots:
            name = data.draw(st.sampled_from(sorted(self.snapshots)))
            before = whole(self.project)
            made = self.project.snapshots.restore(name)
            assert whole(self.project) == self.snapshots[name]
            self.project.changes.undo(made.number)
            assert whole(self.project) == before

    @invariant()
    def named_states_stay(self) -> None:
        if not hasattr(self, "walks"):
            return
        for name, expected in self.snapshots.items():
            assert whole(self.project.at(name)) == expected, name
        for page, expected in self.walks:
            rest = self.project.annotations.list(pagination={"limit": 100, "page": page})
            assert [each.id for each in rest] == expected

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            with self.folder, self.client:
                assert contradictions(self.home) == []
                # all of it, from the last change to the first
                for change in list(self.project.changes.list()):
                    if is_open(self.project.changes.get(change.number)) and change.undoes is None:
                        assert self.project.changes.undo(change.number, "keep")
                assert contradictions(self.home) == []


Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=20)
TestHistories = Histories.TestCase
