"""What holds for every command: options anywhere, JSON answers, errors and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from annotary.cli import main
from tests.cli.test_cli import COCO


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of one project; nothing in the environment names it."""
    for name in ("ANNOTARY_ENDPOINT", "ANNOTARY_SECRET_KEY", "ANNOTARY_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    run("project", "create", "pets", "--home", "home")
    run("import", "pets", "coco.json", "--create-assets", "--home", "home")
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


@pytest.mark.parametrize(
    "line",
    [
        "--home home --json project list",
        "project --home home list --json",
        "project --json list --home home",
        "project list --home home --json",
        "--home nowhere project --home elsewhere list --home home --json",
    ],
)
def test_shared_options_stand_anywhere_and_the_last_one_counts(place: Path, line: str) -> None:
    (found,) = json.loads(run(*line.split()).stdout)
    assert found["name"] == "pets"
    assert not (place / "nowhere").exists()
    assert not (place / "elsewhere").exists()


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name)


PLAIN = {("serve",), ("completion",)}
"""Commands whose answer is not data."""


@pytest.mark.parametrize("names", sorted(set(commands(main)) - PLAIN), ids=" ".join)
def test_every_command_answers_in_json_and_tells_wrong_calls_in_json(
    place: Path, names: tuple[str, ...]
) -> None:
    result = run("--json", *names, "--no-such-option", code=2)
    assert result.stdout == ""
    told = json.loads(result.stderr)["error"]
    assert set(told) == {"code", "message", "hint"}
    assert told["code"] == "UsageError"
    assert "--no-such-option" in told["message"]


def test_the_word_json_after_two_dashes_is_no_option(place: Path) -> None:
    assert "Error" in run("stats", "--home", "home", "--", "--json", code=2).stderr


def test_a_home_of_the_line_wins_over_an_endpoint_of_the_environment(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNOTARY_ENDPOINT", "http://127.0.0.1:9")
    assert "pets" in run("--home", "home", "project", "list").stdout
    both = run("--home", "home", "project", "list", "--endpoint", "http://127.0.0.1:9", code=2)
    assert "name two stores" in both.stderr


READING = [
    ("project", "list"),
    ("project", "show", "m"),
    ("project", "delete", "m", "--yes"),
    ("stats", "m"),
    ("asset", "list", "m"),
    ("asset", "add", "m", "coco.json"),
    ("annotation", "list", "m"),
    ("import", "m", "coco.json"),
    ("export", "m", "--format", "coco", "--out", "out"),
]


@pytest.mark.parametrize("words", READING, ids=lambda words: " ".join(words[:2]))
def test_what_reads_makes_no_store_and_says_where_it_looked(
    place: Path, words: tuple[str, ...]
) -> None:
    told = run(*words, "--home", "typo", code=2).stderr
    assert f"There is no store in {place / 'typo'}" in told
    assert not (place / "typo").exists()
    told = run(*words, code=2).stderr
    assert str(place / "data" / "annotary") in told
    assert not (place / "data").exists()


def test_an_unknown_project_is_told_with_the_store(place: Path) -> None:
    told = run("stats", "nowhere", "--home", "home", code=2).stderr
    assert "There is no project 'nowhere'." in told
    assert str(place / "home") in told


@pytest.mark.parametrize("out", ["afile", "afile/x", "afile/x/y"])
@pytest.mark.parametrize(
    "words",
    [
        ("convert", "coco.json", "--to", "yolo_darknet"),
        ("export", "pets", "--format", "coco", "--home", "home"),
    ],
    ids=lambda words: words[0],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    place: Path, words: tuple[str, ...], out: str
) -> None:
    (place / "afile").write_text("kept")
    result = run(*words, "--out", out, code=2)
    assert "afile" in result.stderr
    assert "Traceback" not in result.stderr
    assert (place / "afile").read_text() == "kept"
    assert not list((place / "home" / "blobs").glob("exports/*"))


@pytest.mark.parametrize("words", ["check", "import"])
def test_rejects_that_cannot_be_written_are_told(place: Path, words: str) -> None:
    broken = json.loads(json.dumps(COCO))
    broken["annotations"][0]["category_id"] = 9
    (place / "broken.json").write_text(json.dumps(broken))
    (place / "afile").write_text("kept")
    arguments = {
        "check": ("check", "broken.json"),
        "import": ("import", "pets", "broken.json", "--on-error", "skip", "--home", "home"),
    }[words]
    told = run(*arguments, "--rejects", "afile/x", code=2).stderr
    assert "afile/x cannot be written: Not a directory." in told


@pytest.mark.parametrize("command", ["check", "convert"])
@pytest.mark.parametrize("content", [(), ("classes.txt",), ("picture.png",)])
def test_nothing_to_look_at_is_no_success(
    place: Path, command: str, content: tuple[str, ...]
) -> None:
    (place / "empty").mkdir()
    for name in content:
        (place / "empty" / name).write_text("dog\n")
    more = ("--to", "coco", "--out", "out") if command == "convert" else ()
    run(command, "empty", *more, code=2)
    assert not (place / "out").exists()


def test_python_m_annotary_is_the_command(place: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "annotary", "--home", "home", "stats", "pets"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert "annotations  2" in found.stdout
