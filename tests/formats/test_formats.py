"""Every format's fixture folder: the sample gives what is expected, broken files their logs.

``tests/formats/<name>/sample/`` is one import, ``images.json`` the images it belongs to,
``expected.json`` its objects; ``broken/<case>/`` has faulty files and their ``expected.log``.
With ANNOTARY_UPDATE=1 the expectations are written anew: read what changed before committing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from annotary import formats
from tests.formats.harness import read_folder

HERE = Path(__file__).parent
UPDATE = os.environ.get("ANNOTARY_UPDATE") == "1"
SAMPLES = sorted(p for p in HERE.glob("*/sample") if p.is_dir())
BROKEN = sorted(p for p in HERE.glob("*/broken/*") if p.is_dir())
SEPARATOR = "\n----\n"


def _id(path: Path) -> str:
    return path.relative_to(HERE).as_posix()


@pytest.mark.parametrize("folder", SAMPLES, ids=_id)
def test_sample(folder: Path) -> None:
    found = read_folder(folder)
    told = [problem for problem in found.reading.log if problem.code != "fields-not-kept"]
    assert [problem.text for problem in told] == []
    expected = folder.parent / "expected.json"
    if UPDATE:
        text = json.dumps(found.objects, indent=1, ensure_ascii=False)
        expected.write_text(text + "\n", encoding="utf-8")
    assert found.objects == json.loads(expected.read_text("utf-8"))
    used = {report.format for report in found.reading.reports if report.role == "annotations"}
    assert used == {folder.parent.name}


@pytest.mark.parametrize("folder", BROKEN, ids=_id)
def test_broken(folder: Path) -> None:
    found = read_folder(folder)
    expected = folder / "expected.log"
    if UPDATE:
        expected.write_text(SEPARATOR.join(found.log) + "\n", encoding="utf-8")
    assert found.log == expected.read_text("utf-8").rstrip("\n").split(SEPARATOR)


def test_every_readable_format_has_a_sample() -> None:
    have = {folder.parent.name for folder in SAMPLES}
    assert [f.name for f in formats.readers() if f.name not in have] == []
