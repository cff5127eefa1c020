"""Imports in slices: while one runs others read and write, and see nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotary import Client, ImportFailedError
from annotary.client.project import Project
from annotary.store import arriving
from annotary.store.arriving import Arriving
from tests.recount import contradictions
from tests.samples import fourcorner, rectangle, register, send

FILES = {
    f"{n}.csv": fourcorner(
        [(f"{n}{i % 3}.png", (0.1, 0.1, 0.2, 0.2 + i / 100), f"tag {i % 2}") for i in range(20)]
    )
    for n in range(4)
}


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Each time an import lets others write, something is done."""
    monkeypatch.setattr(arriving, "SLICE_ROWS", 1)
    cut = Arriving.cut
    busy = threading.local()

    def between(what: Callable[[], None]) -> None:
        def cut_and(self: Arriving) -> None:
            was_open = self._stack is not None
            cut(self)
            if was_open and not getattr(busy, "now", False):
                busy.now = True
                try:
                    what()
                finally:
                    busy.now = False

        monkeypatch.setattr(Arriving, "cut", cut_and)

    return between


def seen(project: Project) -> Any:
    """All that people see of a project."""
    info = project.get_info()
    exported = project.annotations.create_export({"format": "coco"})
    manifest = project.annotations.get_export_manifest(exported.id)
    return (
        info.statistic,
        info.groups,
        [each.id for each in project.annotations.list()],
        [(each.filename, str(each.statistic)) for each in project.assets.list()],
        [each.name for each in project.tags.list()],
        project.ontologies.list(),
        project.assets.list_groups(),
        [each.number for each in project.changes.list()],
        manifest.files,
    )


@pytest.mark.parametrize("fails", [False, True])
def test_nobody_sees_an_import_before_it_is_published(
    project: Project, home: Path, slices: Any, fails: bool
) -> None:
    register(project, "00.png")
    project.annotations.create(rectangle("00.png", "tag 0"))
    before = seen(project)
    times: list[int] = []

    def look() -> None:
        times.append(1)
        assert seen(project) == before

    slices(look)
    files = FILES | ({"z.csv": fourcorner([("a.png", (0.1, 0.1, 9, 0.2), "x")])} if fails else {})
    if fails:
        with pytest.raises(ImportFailedError):
            send(project, files, create_assets=True)
        assert seen(project) == before
    else:
        report = send(project, files, create_assets=True).report
        assert report.committed == report.annotations == 80
        statistic = project.get_info().statistic
        assert statistic is not None
        assert (statistic.total_assets, statistic.total_annotations) == (12, 81)
    assert len(times) > 4
    assert contradictions(home) == []


def test_others_write_while_an_import_runs(project: Project, home: Path, slices: Any) -> None:
    register(project, "mine.png")
    made: list[str] = []

    def write() -> None:
        # what the import brings as well: the other is first, as nobody sees the import yet
        if len(made) == 2:
            register(project, "00.png")
            project.tags.create("tag 1", color="#123456")
        made.append(project.annotations.create(rectangle("mine.png", "other")).id)

    slices(write)
    report = send(project, FILES, create_assets=True).report
    assert report.committed == 80
    assert len(made) > 4
    assert {each.id for each in project.annotations.list("mine.png")} == set(made)
    names = [each.filename for each in project.assets.list()]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 13
    tags = {each.name: each.color for each in project.tags.list()}
    assert tags == {"other": None, "tag 0": None, "tag 1": "#123456"}
    assert contradictions(home) == []
    # what somebody else has made as well stays when the import is undone
    (change,) = project.changes.list(kind="import")
    project.changes.undo(change.number)
    assert [each.filename for each in project.assets.list()] == ["mine.png", "00.png"]
    assert sorted(each.name for each in project.tags.list()) == ["other", "tag 1"]
    assert contradictions(home) == []


def test_an_image_that_is_deleted_meanwhile_ends_the_import(
    project: Project, home: Path, slices: Any
) -> None:
    register(project, "00.png")
    done: list[int] = []

    def delete() -> None:
        done.append(1)
        if len(done) == 4:
            project.assets.delete("00.png")

    slices(delete)
    with pytest.raises(Exception, match="images were deleted while it ran"):
        send(project, FILES, create_assets=True)
    assert list(project.assets.list()) == list(project.annotations.list()) == []
    assert contradictions(home) == []


def test_tags_that_are_merged_or_renamed_meanwhile(
    project: Project, home: Path, slices: Any
) -> None:
    register(project, "a.png")
    project.annotations.create([rectangle("a.png", "tag 0"), rectangle("a.png", "tag 1")])
    done: list[int] = []

    def change() -> None:
        done.append(1)
        if len(done) == 3:
            project.tags.merge("tag 0", "tag 1")
            project.tags.update("tag 1", name="renamed")

    slices(change)
    assert send(project, FILES, create_assets=True).report.committed == 80
    statistic = project.get_info().statistic
    assert statistic is not None
    counted = {each.name: each.count for each in statistic.tags_count}
    # the import comes after the merge, whose tag is made again
    assert counted == {"renamed": 2 + 40, "tag 0": 40}
    assert contradictions(home) == []


def test_rejected_files_are_taken_back_from_slices_that_are_written(
    project: Project, home: Path, slices: Any
) -> None:
    slices(lambda: None)
    files = dict(FILES)
    files["2.csv"] += b"99.png,0.1,0.1,9,0.2,bad\n"
    session = send(project, files, create_assets=True, on_error="reject_file")
    assert (session.report.committed, session.report.rejected) == (60, 21)
    assert sum(1 for _ in project.annotations.list()) == 60
    assert "20.png" not in [each.filename for each in project.assets.list()]
    assert "bad" not in [each.name for each in project.tags.list()]
    assert contradictions(home) == []


def test_a_second_import_waits_for_the_first(project: Project, home: Path, slices: Any) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        assert go_on.wait(60)

    slices(wait)
    first = project.annotations.create_import_session(create_assets=True, background=True)
    with first:
        first.add_bytes(FILES["0.csv"], "0.csv")
    assert began.wait(60)
    second = project.annotations.create_import_session(create_assets=True, background=True)
    with second:
        second.add_bytes(FILES["1.csv"], "1.csv")
    third = project.annotations.create_import_session(create_assets=True, background=True)
    with third:
        third.add_bytes(FILES["2.csv"], "2.csv")
    # one that waits can be cancelled
    waiting = next(each for each in project.operations.list() if each.status.overview != "Finished")
    project.operations.cancel(waiting.id)
    go_on.set()
    first.wait_until_done()
    for each in (second, third):
        try:
            each.wait_until_done()
        except Exception as error:
            assert "ancelled" in str(error)
    assert sum(1 for _ in project.annotations.list()) == 40
    assert contradictions(home) == []


def test_pages_are_described_in_as_many_statements_whatever_is_on_them(home: Path) -> None:
    with Client(home=home) as client:
        project = client.create_project("pets")
        register(project, *(f"{i}.png" for i in range(200)))
        service = client._service
        assert service is not None

        def statements(what: Callable[[], object]) -> int:
            connection = service.store._database()._connection
            said: list[str] = []
            connection.set_trace_callback(said.append)  # type: ignore[attr-defined]
            what()
            connection.set_trace_callback(None)  # type: ignore[attr-defined]
            return len(said)

        few = statements(lambda: project.assets.list(pagination={"limit": 2}))
        assert few == statements(lambda: project.assets.list(pagination={"limit": 200})) < 12
        one = statements(client.list_projects)
        for i in range(5):
            client.create_project(f"{i}")
        assert statements(client.list_projects) == one < 12
