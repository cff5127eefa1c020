"""AutoML's table: its sets become parts and come back, an import says that it drops them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from annotary import formats
from annotary.client.project import Project
from annotary.contract.rows import RowSink
from annotary.conversion.conversion import Conversion
from annotary.model import ExportOptions
from annotary.syntax.source import FileSet, SourceFile
from annotary.writing.output import FolderOutput

ROWS = (
    "TRAIN,gs://b/a.jpg,cat,0.1,0.2,,,0.3,0.4,,",
    "TEST,gs://b/b.jpg,dog,0.1,0.2,,,0.3,0.4,,",
    "UNASSIGNED,gs://b/c.jpg,,,,,,,,,",
)
HEADER = "set,path,label,x_min,y_min,x_max,y_min,x_max,y_max,x_min,y_max"


@pytest.mark.parametrize("head", [(), (HEADER,)])
def test_a_conversion_keeps_the_sets_as_parts(head: tuple[str, ...], tmp_path: Path) -> None:
    source = SourceFile("labels.csv", data="\n".join((*head, *ROWS)).encode())
    with Conversion([source]) as conversion, FolderOutput(tmp_path / "out") as out:
        conversion.write(formats.get("csv_automl"), ExportOptions(), out)
    written = [
        row
        for path in (tmp_path / "out").glob("*.csv")
        for row in csv.reader(path.read_text().splitlines())
    ]
    assert sorted(row[:3] for row in written) == [
        ["TEST", "b.jpg", "dog"],
        ["TRAIN", "a.jpg", "cat"],
        ["UNASSIGNED", "c.jpg", ""],
    ]


def test_a_set_that_changes_for_an_image_is_told_and_the_first_holds() -> None:
    text = "\n".join((ROWS[0], ROWS[0].replace("TRAIN", "TEST"), *ROWS[1:]))
    rows = RowSink("a.csv", lambda _, batch: None)
    formats.get("csv_automl").read(SourceFile("a.csv", data=text.encode()), rows, FileSet())
    assert rows.parts == {0: "train", 1: "test", 2: "unassigned"}
    assert [(p.code, p.location.line) for p in rows.problems] == [("doubtful-value", 2)]


def test_an_import_says_that_a_project_keeps_no_parts(project: Project) -> None:
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_bytes("\n".join(ROWS).encode(), "labels.csv")
    assert session.report.committed == 2
    (told,) = session.get_logs().logs
    assert "The part of each image (test, train, unassigned) was not kept" in told.message


@pytest.mark.parametrize(
    "row",
    [
        "a.png,1,2,3,4,dog,train,0,0,0,0",
        "TRAIN,a.png,dog,0.1,,,,0.3,0.4,,",
        "TRAIN,a.png,dog,0.1,0.2,0.3,0.4",
    ],
)
def test_other_tables_are_left_alone(row: str) -> None:
    source = SourceFile("a.csv", data=f"{row}\n{row}\n".encode())
    assert not formats.get("csv_automl").sniff(source, FileSet())
