"""Work whose project is deleted before it is done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from annotary import Client, NotFoundError
from annotary.jobs import work
from tests.recount import contradictions
from tests.samples import fourcorner, register

ROWS = fourcorner([(f"{i}.png", (0.1, 0.1, 0.2, 0.2), "cat") for i in range(20)])


@pytest.mark.parametrize("kind", ["import", "export"])
def test_work_of_a_deleted_project_leaves_nothing_in_the_next(
    home: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_begin, began = threading.Event(), threading.Event()
    perform = work.perform

    def late(*given: object) -> None:
        began.set()
        assert may_begin.wait(60)
        perform(*given)  # type: ignore[arg-type]

    client = Client(home=home)
    client.create_project("first")
    project = client.create_project("doomed")
    register(project, "a.png")
    monkeypatch.setattr("annotary.service.service.perform", late)
    if kind == "import":
        session = project.annotations.create_import_session(create_assets=True, background=True)
        with session:
            session.add_bytes(ROWS, "a.csv")
    else:
        project.annotations.create_export({"format": "coco"}, background=True)
    assert began.wait(60)
    client.delete_project(project.id)
    after = client.create_project("next")
    may_begin.set()
    client.transport.service.jobs.close()  # type: ignore[attr-defined]
    statistic = after.get_info().statistic
    assert statistic is not None
    assert (statistic.total_assets, statistic.total_annotations) == (0, 0)
    assert after.tags.list() == []
    assert list((home / "blobs").rglob("*.*")) == []
    with pytest.raises(NotFoundError):
        project.get_info()
    assert contradictions(home) == []
    client.close()


def test_numbers_are_never_given_twice(home: Path) -> None:
    with Client(home=home) as client:
        for _ in range(3):
            project = client.create_project("pets")
            (asset,) = register(project, "a.png")
            box = {"asset_id": asset.id, "tag": "cat", "bound_type": "Rectangle"}
            (made,) = project.annotations.create([box | {"bound": [[0, 0], [1, 1]]}])
            project.annotations.delete(made.id)
            client.delete_project(project.id)
        store = client.transport.service.store  # type: ignore[attr-defined]
        with store.read() as db:
            given = dict(db.rows("SELECT name, next FROM counters"))
        assert {given[name] for name in ("projects", "assets", "tags", "annotations")} == {4}
