"""What a fault costs, and that nothing else is lost: policies, dry runs, and conservation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import BadRequestError, Client, ImportFailedError, NotFoundError
from annotary.client.project import Project
from annotary.model import OnError
from tests.recount import contradictions
from tests.samples import coco, fourcorner, labelme, rectangle, register, send, voc

POLICIES: tuple[OnError, ...] = ("reject_session", "reject_file", "skip")
GOOD = coco([("a.png", 400, 200)], [(0, "cat", (10, 10, 20, 20)), (0, "dog", (0, 0, 400, 200))])
MIXED = coco(
    [("a.png", 400, 200), ("b.png", 400, 200)],
    [(0, "cat", (1, 1, 9, 9)), (1, "owl", (0, 0, 500, 9)), (1, "owl", (5, 5, 6, 6))],
)


def count(project: Project) -> int:
    return sum(1 for _ in project.annotations.list())


def totals(report: Any) -> tuple[int, int, int, int]:
    return report.records, report.committed, report.skipped, report.rejected


# --- policies -------------------------------------------------------------------------------


def test_reject_session_is_all_or_nothing(project: Project) -> None:
    register(project, "a.png", "b.png")
    session = project.annotations.create_import_session()
    with pytest.raises(ImportFailedError) as caught, session:
        session.add_bytes(GOOD, "good.json")
        session.add_bytes(MIXED, "mixed.json")
        session.add_bytes(GOOD, "again.json")
    assert count(project) == 0
    assert project.tags.list() == []
    assert totals(session.report) == (7, 0, 0, 7)
    assert [totals(file) for file in session.report.files] == [
        (2, 0, 0, 2), (3, 0, 0, 3), (2, 0, 0, 2)
    ]  # fmt: skip
    assert (session.report.errors, session.report.faulty) == (1, 1)
    assert session.report.tags_created == []
    (item,) = session.get_logs().logs
    assert item.message.startswith("At mixed.json:")
    assert "Point 500.0, 9.0 is out of bounds." in item.message
    # the error is for people: what, where, how many, what next
    text = str(caught.value)
    assert item.message in text
    assert "7 records: 0 committed, 7 rejected" in text
    assert "on_error='skip'" in text
    assert (caught.value.total, caught.value.problems) == (1, (item.message,))
    assert session.status.overview == "Errored"


def test_reject_file_costs_the_file_alone(project: Project) -> None:
    register(project, "a.png", "b.png")
    files = {"good.json": GOOD, "mixed.json": MIXED, "again.json": GOOD}
    session = send(project, files, on_error="reject_file")
    assert totals(session.report) == (7, 4, 0, 3)
    assert [file.committed for file in session.report.files] == [2, 0, 2]
    assert count(project) == 4
    # what the rejected file alone had brought is gone
    assert [tag.name for tag in project.tags.list()] == ["cat", "dog"]
    assert session.report.tags_created == ["cat", "dog"]
    assert len(session.get_logs().logs) == 1


def test_skip_costs_the_record_alone(project: Project) -> None:
    register(project, "a.png", "b.png")
    session = send(project, {"good.json": GOOD, "mixed.json": MIXED}, on_error="skip")
    assert totals(session.report) == (5, 4, 1, 0)
    assert [totals(file) for file in session.report.files] == [(2, 2, 0, 0), (3, 2, 1, 0)]
    assert count(project) == 4
    assert session.status.overview == "Finished"
    assert "5 records: 4 committed, 1 skipped" in session.status.message
    assert len(session.get_logs().logs) == 1


def test_rejected_files_leave_no_assets_tags_or_attributes(project: Project) -> None:
    faulty = json.loads(MIXED)
    faulty["annotations"][0]["attributes"] = {"age": 7}
    files = {"mixed.json": json.dumps(faulty).encode(), "good.json": GOOD}
    session = send(project, files, on_error="reject_file", create_assets=True)
    assert [asset.filename for asset in project.assets.list()] == ["a.png"]
    assert session.report.assets_created == 1
    assert [tag.name for tag in project.tags.list()] == ["cat", "dog"]
    assert project.ontologies.list() == []


@pytest.mark.parametrize("policy", POLICIES)
def test_a_dry_run_reports_everything_and_stores_nothing(project: Project, policy: OnError) -> None:
    files = {"good.json": GOOD, "mixed.json": MIXED}
    options: dict[str, Any] = {"on_error": policy, "create_assets": True}
    session = project.annotations.create_import_session(dry_run=True, **options)
    try:
        with session:
            for name, data in files.items():
                session.add_bytes(data, name)
    except ImportFailedError:
        assert policy == "reject_session"
    dry = session.report
    assert dry.dry_run
    assert count(project) == 0
    assert (len(project.assets.list()), project.tags.list()) == (0, [])
    log = [item.message for item in session.get_logs().logs]
    # the real run does what the dry one said
    real = project.annotations.create_import_session(**options)
    try:
        with real:
            for name, data in files.items():
                real.add_bytes(data, name)
    except ImportFailedError:
        assert policy == "reject_session"
    assert totals(real.report) == totals(dry)
    assert [item.message for item in real.get_logs().logs] == log
    assert real.report.tags_created == dry.tags_created
    assert count(project) == real.report.annotations


def test_unknown_policies_and_formats_are_refused_at_once(project: Project) -> None:
    with pytest.raises(BadRequestError, match=r"no format 'coc'") as caught:
        project.annotations.create_import_session(format="coc")
    assert "Did you mean coco" in caught.value.hint
    assert project.annotations.list_import_sessions() == []


# --- the with block -------------------------------------------------------------------------


def test_an_exception_in_the_block_aborts_the_session_and_reaches_the_caller(
    project: Project,
) -> None:
    register(project, "a.png")
    session = project.annotations.create_import_session()
    with pytest.raises(ZeroDivisionError), session:
        session.add_bytes(GOOD, "good.json")
        _ = 1 / 0
    assert count(project) == 0
    assert session.status.overview == "Cancelled"
    assert session.get_logs().logs == []
    with pytest.raises(BadRequestError, match="no more files"):
        session.add_bytes(GOOD, "more.json")
    assert project.annotations.get_import_session(session.id).status.overview == "Cancelled"


def test_a_session_without_files_says_so(project: Project) -> None:
    with (
        pytest.raises(BadRequestError, match="no files"),
        project.annotations.create_import_session(),
    ):
        pass


def test_paths_that_are_not_there(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    session = project.annotations.create_import_session()
    with pytest.raises(NotFoundError, match="no file or folder"), session:
        session.add_path(tmp_path / "missing.json")
    session = project.annotations.create_import_session()
    with pytest.raises(BadRequestError, match="no annotation files"), session:
        session.add_path(tmp_path / "empty")


def test_a_file_that_changes_between_adding_and_reading(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(GOOD)
    register(project, "a.png")
    with pytest.raises(ImportFailedError, match="cannot be read"):  # noqa: SIM117
        with project.annotations.create_import_session() as session:
            session.add_path(path)
            path.write_bytes(GOOD[:50])
    assert count(project) == 0


def test_in_the_background(project: Project) -> None:
    register(project, "a.png")
    session = project.annotations.create_import_session(background=True)
    with session:
        session.add_bytes(GOOD, "good.json")
    assert session.wait_until_done() is True
    assert session.get_logs().logs == []
    assert session.report.committed == count(project) == 2
    assert session.wait_until_done() is True


def test_a_failure_in_the_background_is_raised_by_waiting(project: Project) -> None:
    session = project.annotations.create_import_session(background=True)
    with session:
        session.add_bytes(GOOD, "good.json")
    with pytest.raises(ImportFailedError, match=r"a\.png is not in the project"):
        session.wait_until_done()
    assert count(project) == 0


def test_sessions_are_listed_newest_first_and_kept(project: Project) -> None:
    register(project, "a.png")
    first = send(project, {"good.json": GOOD})
    second = send(project, {"good.json": GOOD}, dry_run=True)
    listed = project.annotations.list_import_sessions()
    assert [each.id for each in listed] == [second.id, first.id]
    found = project.annotations.get_import_session(first.id)
    assert found.report == first.report
    assert found.status.annotations.with_status.Committed == 2
    assert found.status.files.with_status.Processed == 1
    assert project.annotations.get_import_session_logs(first.id).logs == []


def test_the_error_shows_the_first_problems_and_counts_the_rest(project: Project) -> None:
    rows = [(f"{i}.png", (0.1, 0.1, 0.2, 0.2), "x") for i in range(25)]
    session = project.annotations.create_import_session()
    with pytest.raises(ImportFailedError) as caught, session:
        session.add_bytes(fourcorner(rows), "a.csv")
    assert str(caught.value).count("is not in the project") == 3
    assert "... and 22 more." in str(caught.value)
    assert (caught.value.total, len(caught.value.problems)) == (25, 10)
    log = session.get_logs().logs
    assert [item.line for item in log] == list(range(2, 27))


# --- conservation ---------------------------------------------------------------------------

IMAGES = ("a.png", "b.png")
FAULTS = ("outside", "flat", "negative", "nan", "nowhere", "short", "text")
RECORDS = st.lists(st.sampled_from(("good", "good", "good", *FAULTS)), max_size=8)
INSIDE = (10.0, 20.0, 30.0, 60.0)


def corners(kind: str) -> list[Any]:
    """xmin, ymin, xmax, ymax in pixels, with one fault."""
    return {
        "outside": [10, 20, 500, 60],
        "flat": [10, 20, 10, 60],
        "negative": [30, 20, 10, 60],
        "nan": [10, 20, float("nan"), 60],
        "text": [10, "b", 30, 60],
        "short": [10, 20, 30],
    }.get(kind, list(INSIDE))


def image(kind: str, i: int) -> str:
    return "missing.png" if kind == "nowhere" else IMAGES[i % 2]


def make_coco(records: Sequence[str]) -> bytes:
    names = (*IMAGES, "missing.png") if "nowhere" in records else IMAGES
    data = json.loads(coco([(name, 400, 200) for name in names], []))
    data["categories"] = [{"id": 1, "name": "x"}]
    for i, kind in enumerate(records):
        box = corners(kind)
        if kind == "short":
            box = box[:3]
        elif kind != "text":
            box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        place = 3 if kind == "nowhere" else i % 2 + 1
        data["annotations"].append({"id": i + 1, "image_id": place, "category_id": 1, "bbox": box})
    return json.dumps(data, indent=1).encode()


def make_csv(records: Sequence[str]) -> bytes:
    lines = ["filename,xmin,ymin,xmax,ymax,label"]
    for i, kind in enumerate(records):
        values = ",".join(map(str, corners(kind)))
        lines.append(f"{image(kind, i)},{values}" + ("" if kind == "short" else ",x"))
    # a value that says that the table is in pixels
    lines.append("a.png,10,20,30,60,x")
    return "\n".join(lines).encode()


def make_labelme(records: Sequence[str]) -> bytes:
    shapes: list[tuple[str, Any]] = []
    for kind in records:
        x0, y0, x1, y1 = (*corners(kind), 60)[:4]
        ring: list[Any] = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        if kind == "negative":  # a ring has no direction: make it a line instead
            ring = [[10, 20], [20, 20], [30, 20]]
        if kind == "short":
            ring = ring[:2]
        shapes.append(("x", ring))
    return labelme("missing.png" if "nowhere" in records else "a.png", 400, 200, shapes)


def make_voc(records: Sequence[str]) -> bytes:
    boxes = []
    for kind in records:
        box = corners(kind)
        boxes.append(("x", (*box, "")[:4]))
    return voc("missing.png" if "nowhere" in records else "b.png", 400, 200, boxes)


MAKERS: dict[str, tuple[str, Callable[[Sequence[str]], bytes]]] = {
    "coco": ("json", make_coco),
    "csv_fourcorner": ("csv", make_csv),
    "polygon_single": ("json", make_labelme),
    "pascal_voc": ("xml", make_voc),
}


def good_ones(format_: str, records: Sequence[str]) -> tuple[int, int]:
    """How many records a file has, and how many of them are without fault."""
    good = records.count("good")
    if format_ == "csv_fourcorner":
        return len(records) + 1, good + 1
    if format_ in {"polygon_single", "pascal_voc"} and "nowhere" in records:
        return len(records), 0
    return len(records), good


@settings(max_examples=40)
@given(
    files=st.lists(st.tuples(st.sampled_from(sorted(MAKERS)), RECORDS), min_size=1, max_size=5),
    policy=st.sampled_from(POLICIES),
    dry_run=st.booleans(),
)
def test_every_record_is_committed_or_counted(
    files: list[tuple[str, list[str]]], policy: OnError, dry_run: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Client(home=Path(folder)).create_project("counts")
        register(project, *IMAGES)
        project.annotations.create(rectangle("a.png"))
        session = project.annotations.create_import_session(on_error=policy, dry_run=dry_run)
        refused = False
        try:
            with session:
                for i, (format_, records) in enumerate(files):
                    ending, make = MAKERS[format_]
                    session.add_bytes(make(records), f"{i}.{ending}")
        except ImportFailedError:
            refused = True
        report = session.report
        faults = 0
        for file, (format_, records) in zip(report.files, files, strict=True):
            read, good = good_ones(format_, records)
            faults += read - good
            assert file.format == format_
            assert file.records == read, (format_, records)
            assert file.records == file.committed + file.skipped + file.rejected
            if refused:
                assert (file.committed, file.rejected) == (0, read)
            elif policy == "reject_file":
                assert file.committed == (good if read == good else 0)
                assert file.skipped == 0
            else:
                assert (file.committed, file.skipped) == (good, read - good)
        assert report.faulty == faults
        assert report.records == sum(file.records for file in report.files)
        assert report.records == report.committed + report.skipped + report.rejected
        assert refused == (policy == "reject_session" and report.errors > 0)
        assert (report.errors > 0) >= (faults > 0)
        stored = count(project) - 1
        assert stored == (0 if dry_run else report.annotations)
        assert report.annotations == report.committed
        log = session.get_logs().logs
        assert sum(item.level == "Error" for item in log) == report.errors
        assert contradictions(Path(folder)) == []
