"""A file of faults: a thousand of each rule are listed, all are counted, none is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from annotary.cli import main
from annotary.client.project import Project
from annotary.model import ImportSessionLogLogItem
from annotary.problems import KEPT
from annotary.store import imports
from tests.samples import BOX, fourcorner, register
from tests.test_image_headers import picture

SHORT, OUTSIDE = 5000, 1500
GOOD = fourcorner([("image.png", BOX, "dog")])
FILE = (
    GOOD
    + b"a,b\n" * SHORT
    + b"image.png,1,x,3,4,dog\n" * 7
    + b"image.png,40,20,999,100,dog\n" * OUTSIDE
)
RECORDS = 1 + SHORT + 7 + OUTSIDE
LISTED = {"value-count": KEPT, "not-a-number": 7, "out-of-bounds": KEPT, "more": 2}
MORE = [
    f"And {SHORT - KEPT:,} more of the rule value-count.",
    f"And {OUTSIDE - KEPT:,} more of the rule out-of-bounds.",
]


def by_file(logs: list[ImportSessionLogLogItem], name: str) -> list[ImportSessionLogLogItem]:
    return [each for each in logs if each.file == name]


@pytest.mark.parametrize("on_error", ["skip", "reject_file"])
def test_an_import_counts_all_and_lists_the_first(project: Project, on_error: str) -> None:
    register(project, "image.png")
    with project.annotations.create_import_session(on_error=on_error) as session:
        session.add_bytes(FILE, "a.csv")
        session.add_bytes(GOOD + b"c,d\n" * (KEPT + 1), "b.csv")
        session.add_bytes(GOOD, "good.csv")
    report = session.report
    assert report is not None
    assert report.records == RECORDS + KEPT + 3
    assert report.records == report.committed + report.skipped + report.rejected
    assert report.committed == (3 if on_error == "skip" else 1)
    assert report.errors == RECORDS - 1 + KEPT + 1
    logs = session.get_logs().logs
    first = by_file(logs, "a.csv")
    assert Counter(each.code for each in first) == LISTED
    assert [each.message.split("\n")[0] for each in first[-2:]] == [
        f"At a.csv: {each}" for each in MORE
    ]
    assert {each.level for each in first} == {"Error"}
    lines = [each.line or 0 for each in first[:-2]]
    assert lines == sorted(lines)
    assert lines[0] == 3
    second = by_file(logs, "b.csv")
    assert Counter(each.code for each in second) == {"value-count": KEPT, "more": 1}
    assert second[-1].message.startswith("At b.csv: And 1 more of the rule value-count.")
    assert logs == first + second


def test_rejects_have_every_record(project: Project, tmp_path: Path) -> None:
    register(project, "image.png")
    with project.annotations.create_import_session(on_error="skip", rejects=True) as session:
        session.add_bytes(FILE, "a.csv")
    session.download_rejects(tmp_path)
    assert Counter((tmp_path / "a.csv").read_bytes().splitlines()) == {
        GOOD.splitlines()[0]: 1,
        b"a,b": SHORT,
        b"image.png,1,x,3,4,dog": 7,
        b"image.png,40,20,999,100,dog": OUTSIDE,
    }


@pytest.mark.parametrize("command", ["check", "convert"])
def test_without_a_store_it_is_the_same(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(FILE)
    more = {
        "check": [],
        "convert": ["--to", "csv_fourcorner", "--out", str(tmp_path / "out"), "--on-error", "skip"],
    }[command]
    images = tmp_path / "images"
    images.mkdir()
    (images / "image.png").write_bytes(picture(400, 200))
    arguments = [command, str(tmp_path / "a.csv"), "--images", str(images), *more, "--json"]
    answer = json.loads(CliRunner().invoke(main, arguments).stdout)
    answer = answer.get("reading", answer)
    assert answer["errors"] == RECORDS - 1
    problems = answer["problems"]
    assert Counter(each["code"] for each in problems) == LISTED
    assert [each["message"] for each in problems[-2:]] == MORE
    assert sum(each["records"] for each in problems) == RECORDS - 1
    (file,) = answer["files"]
    assert file["records"] == RECORDS
    assert file["records"] == file["committed"] + file["skipped"] + file["rejected"]


def test_advice_is_counted_as_well(project: Project) -> None:
    twice = GOOD + GOOD.splitlines(keepends=True)[1] * (KEPT + 500)
    register(project, "image.png")
    with project.annotations.create_import_session(lint="warn") as session:
        session.add_bytes(twice, "a.csv")
    logs = session.get_logs().logs
    assert session.report is not None
    assert session.report.warnings == KEPT + 500
    assert Counter(each.code for each in logs) == {"duplicate-shape": KEPT, "more": 1}
    assert logs[-1].level == "Warning"
    assert "And 500 more of the rule duplicate-shape." in logs[-1].message


def test_logs_of_earlier_versions_are_answered_within_the_same_bounds(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(project, "image.png")
    with project.annotations.create_import_session(on_error="skip") as session:
        session.add_bytes(GOOD + b"a,b\n" * 50, "a.csv")
    assert len(session.get_logs().logs) == 50
    monkeypatch.setattr(imports, "KEPT", 10)
    logs = session.get_logs().logs
    assert [each.code for each in logs] == ["value-count"] * 10 + ["more"]
    assert "And 40 more of the rule value-count." in logs[-1].message
