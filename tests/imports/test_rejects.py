"""Rejects are files of their own format: read as they are they fail again, mended they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from annotary import ImportFailedError
from annotary.client.project import Project
from tests.samples import BOX, coco, fourcorner, labelme, register, voc


class Case(NamedTuple):
    """A file with a good record and a bad one; what mends it; a text of the good one alone."""

    file: str
    data: bytes
    wrong: bytes
    right: bytes
    good: bytes


WIDE = (40, 20, 999, 100)
CASES = {
    "table": Case(
        "a.csv",
        fourcorner([("image.png", BOX, "good"), ("image.png", WIDE, "bad")]),
        b"999", b"120", b"good",
    ),
    "table of quoted cells": Case(
        "a.csv",
        fourcorner([("image.png", BOX, '"go\nod"'), ("image.png", WIDE, '"b\nad"')]),
        b"999", b"120", b"go\n",
    ),
    "JSON": Case(
        "a.json",
        coco(boxes=[(0, "good", BOX), (0, "bad", WIDE)]),
        b"959", b"80", b'"id": 1,\n   "image_id"',
    ),
    "JSON of one image": Case(
        "a.json",
        labelme("image.png", 400, 200, [("good", [[1, 1], [9, 1], [9, 9]]),
                                        ("bad", [[1, 1], [999, 1], [9, 9]])]),
        b"999", b"8", b'"good"',
    ),
    "XML": Case(
        "a.xml",
        voc("image.png", 400, 200, [("good", BOX), ("bad", WIDE)]),
        b"999", b"120", b"good",
    ),
    "lines": Case(
        "image.txt", b"0 0.5 0.5 0.25 0.25\n1 0.5 0.5 9.25 0.25\n", b"9.25", b"0.25", b"0 0.5",
    ),
}  # fmt: skip
CLASSES = {"lines": ("classes.txt", b"good\nbad\n")}


def imported(project: Project, files: dict[str, bytes]) -> object:
    """The report of an import that skips what is faulty and keeps it."""
    with project.annotations.create_import_session(on_error="skip", rejects=True) as session:
        for name, data in files.items():
            session.add_bytes(data, name)
    return session


@pytest.mark.parametrize("kind", CASES)
def test_rejects_can_be_mended(kind: str, project: Project, tmp_path: Path) -> None:
    case = CASES[kind]
    more = dict([CLASSES[kind]] if kind in CLASSES else [])
    register(project, "image.png")
    session = imported(project, {case.file: case.data} | more)
    first = session.report  # type: ignore[attr-defined]
    assert (first.records, first.committed, first.skipped) == (2, 1, 1)
    codes = {problem.code for problem in session.get_logs().logs}  # type: ignore[attr-defined]

    session.download_rejects(tmp_path / "one")  # type: ignore[attr-defined]
    rejects = (tmp_path / "one" / case.file).read_bytes()
    assert case.wrong in rejects
    assert case.good not in rejects
    if case.file.endswith(".csv"):
        # a row alone may be a table of another format
        assert rejects.startswith(b"filename,xmin,ymin,xmax,ymax,label\n")

    with pytest.raises(ImportFailedError), project.annotations.create_import_session() as refused:
        refused.add_bytes(rejects, case.file)
        for name, data in more.items():
            refused.add_bytes(data, name)
    assert codes <= {problem.code for problem in refused.get_logs().logs}
    assert refused.report.records == 1

    last = imported(project, {case.file: rejects.replace(case.wrong, case.right)} | more)
    assert last.report.committed == last.report.records == 1  # type: ignore[attr-defined]
    found = [each.tag.strip() for each in project.annotations.list()]
    assert [tag.replace("\n", "") for tag in found] == ["good", "bad"]


@pytest.mark.parametrize("ring", [[1, 1, 9, 1, 999, 9], [1, 1, 5, 5, 9, 9]])
def test_one_faulty_ring_makes_the_object_faulty(ring: list[int], project: Project) -> None:
    file = json.loads(coco(boxes=[(0, "dog", BOX)]))
    file["annotations"][0]["segmentation"] = [[1, 1, 9, 1, 9, 9], ring]
    register(project, "image.png")
    session = imported(project, {"a.json": json.dumps(file).encode()})
    assert session.report.skipped == session.report.records == 1  # type: ignore[attr-defined]
    assert list(project.annotations.list()) == []
