"""``annotary check`` in a build."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.test_cli import COCO
from tests.cli.test_program import run


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good file and one with two errors."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "good.json").write_text(json.dumps(COCO))
    broken = json.loads(json.dumps(COCO))
    broken["annotations"][0]["bbox"] = [30, 2, 18, 8]
    broken["annotations"][1]["category_id"] = 9
    (folder / "bro,ken.json").write_text(json.dumps(broken, indent=1))
    return folder


CODES = {"out-of-bounds", "unknown-category"}


def test_github(labels: Path) -> None:
    lines = run("check", "labels", "--output-format", "github", code=1).stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::error file=labels/bro%2Cken.json,line=") for line in lines)
    assert {line.split("title=")[1].split("::")[0] for line in lines} == CODES


def test_sarif(labels: Path) -> None:
    told = json.loads(run("check", "labels", "--output-format", "sarif", code=1).stdout)
    (found,) = told["runs"]
    assert told["version"] == "2.1.0"
    assert {each["ruleId"] for each in found["results"]} == CODES
    assert {each["id"] for each in found["tool"]["driver"]["rules"]} == CODES
    place = found["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "labels/bro%2Cken.json"
    assert place["region"]["startLine"] > 1


def test_junit(labels: Path) -> None:
    suite = ET.fromstring(run("check", "labels", "--output-format", "junit", code=1).stdout)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert {each.get("type") for each in suite.iter("failure")} == CODES


def test_json(labels: Path) -> None:
    told = run("check", "labels", "--output-format", "json", code=1).stdout
    assert json.loads(told)["errors"] == 2


def test_strict_makes_warnings_errors(labels: Path) -> None:
    (labels / "bro,ken.json").unlink()
    run("check", "labels", "--strict")
    twice = {**COCO, "categories": [*COCO["categories"], {"id": 9, "name": "dog"}]}
    (labels / "twice.json").write_text(json.dumps(twice))
    told = json.loads(run("check", "labels", "--json").stdout)
    assert (told["errors"], told["warnings"] > 0) == (0, True), told["problems"]
    run("check", "labels", "--strict", code=1)
    lines = run("check", "labels", "--strict", "--output-format", "github", code=1).stdout
    assert "::warning" not in lines and "::error" in lines
