"""The commands about tags, ontologies, annotations, images, imports and exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotary import Client
from annotary.client.project import Project
from tests.cli.test_program import run
from tests.samples import coco, rectangle, register


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of two images and three annotations, in the store that commands find."""
    monkeypatch.delenv("ANNOTARY_ENDPOINT", raising=False)
    monkeypatch.setenv("ANNOTARY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    project = Client(home=tmp_path / "home").create_project("pets")
    register(project, "a.png", "b.png", width=400, height=200)
    project.annotations.create([rectangle("a.png", tag) for tag in ("dog", "dog", "cat")])
    return project


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_tags(pets: Project) -> None:
    run("tag", "create", "pets", "bird", "--color", "#112233")
    run("tag", "rename", "pets", "cat", "tiger")
    assert [each["name"] for each in data("tag", "list", "pets")] == ["dog", "tiger", "bird"]
    assert "2 annotations of dog" in run("tag", "merge", "pets", "dog", "--into", "tiger").stdout
    run("tag", "delete", "pets", "2")
    assert "tiger" in run("tag", "list", "pets").stdout
    assert {each.tag for each in pets.annotations.list()} == {"tiger"}
    assert "There is no tag 'wolf'" in run("tag", "delete", "pets", "wolf", code=2).stderr


def test_ontologies(pets: Project, tmp_path: Path) -> None:
    (tmp_path / "dog.json").write_text(
        '[{"name": "coat", "type": "Categorical", "options": {"categories": ["long", "short"]}}]'
    )
    run("ontology", "set", "pets", "dog", "dog.json")
    assert "long, short" in run("ontology", "show", "pets").stdout
    assert data("ontology", "show", "pets", "cat") == []
    (tmp_path / "dog.json").write_text("{")
    told = run("ontology", "set", "pets", "dog", "dog.json", code=2).stderr
    assert "dog.json is not a JSON list of attributes" in told


def test_annotations(pets: Project) -> None:
    first = data("annotation", "list", "pets")[0]["id"]
    line = run("annotation", "list", "pets").stdout.splitlines()[0]
    assert line.split("  ")[:4] == [first, "a.png", "dog", "Rectangle"]
    assert line.endswith(" px")
    run("annotation", "update", "pets", first, "--tag", "cat", "--bound", "[[0, 0], [0.5, 0.5]]")
    shown = run("annotation", "show", "pets", first).stdout
    assert shown.splitlines()[0].endswith("cat  Rectangle  0.0,0.0 200.0x100.0 px")
    assert "Nothing to change" in run("annotation", "update", "pets", first, code=2).stderr
    run("annotation", "delete", "pets", first)
    assert "there was no" in run("annotation", "delete", "pets", first, code=2).stderr
    assert len(data("annotation", "list", "pets")) == 2


def test_images(pets: Project) -> None:
    assert "400 x 200" in run("asset", "show", "pets", "a.png").stdout
    run("asset", "delete", "pets", "a.png", "c.png", "--yes", code=2)
    assert len(data("asset", "list", "pets")) == 2
    assert "with 3 annotations" in run("asset", "delete", "pets", "a.png", "--yes").stdout
    assert [each["filename"] for each in data("asset", "list", "pets")] == ["b.png"]


@pytest.mark.parametrize("noun", ["asset", "annotation"])
def test_lists_say_when_there_is_more(pets: Project, noun: str) -> None:
    register(pets, *[f"{i}.png" for i in range(118)])
    pets.annotations.create([rectangle("b.png") for _ in range(117)])
    cut = run(noun, "list", "pets")
    assert len(cut.stdout.splitlines()) - (noun == "asset") == 100
    assert cut.stderr.strip() == "100 of 120 (--limit 0: all)"
    for whole in (run(noun, "list", "pets", "--limit", "0"), run(noun, "list", "pets", "--json")):
        assert whole.stderr == ""
    assert len(data(noun, "list", "pets")) == 120
    assert run(noun, "list", "pets", "--limit", "120").stderr == ""
    query = 'file ~ "*.png"'
    assert "there are more" in run(noun, "list", "pets", "--where", query).stderr


def test_imports(pets: Project, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(coco())
    run("import", "pets", "labels.json", "--create-assets")
    (session,) = data("imports", "list", "pets")
    assert session["status"]["overview"] == "Finished"
    assert session["id"] in run("imports", "list", "pets").stdout
    assert "coco" in run("imports", "show", "pets", session["id"]).stdout
    assert data("imports", "show", "pets", session["id"])["logs"] == []


@pytest.mark.parametrize(
    "line",
    ["pets --format coco --out out", "--format coco pets --out out", "--json pets --format=coco "
     "--out out"],
)  # fmt: skip
def test_exports(pets: Project, tmp_path: Path, line: str) -> None:
    run("export", *line.split())
    assert list((tmp_path / "out").rglob("dump.json"))
    made = pets.annotations.create_export({"format": "coco"}).id
    assert made in run("export", "list", "pets").stdout
    run("export", "delete", "pets", made)
    assert not (tmp_path / "home" / "blobs" / "exports" / f"{made}.zip").exists()
    assert "[OPTIONS] PROJECT" in run("export", "--help").stdout


def test_images_that_are_added_again_are_counted(pets: Project, tmp_path: Path) -> None:
    def picture(name: str, width: int) -> None:
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (width, 5)).save(tmp_path / "photos" / name)

    picture("x.png", 5)
    assert "Added 1 images to pets." in run("asset", "add", "pets", "photos").stdout
    picture("y.png", 6)
    told = run("asset", "add", "pets", "photos").stdout
    assert "Added 1 images to pets. 1 image is there already." in told
    again = data("asset", "add", "pets", "photos")
    assert (again["added"], again["unchanged"]) == (0, 2)
    picture("x.png", 7)
    refused = run("asset", "add", "pets", "photos", code=2).stderr
    assert "'x.png' already, with other bytes" in refused
    assert "--on-existing" in refused
    kept = run("asset", "add", "pets", "photos", "--on-existing", "skip").stdout
    assert "1 image is there already with other bytes, which were left: x.png." in kept
    renamed = data("asset", "add", "pets", "photos", "--on-existing", "rename")
    assert renamed["renamed"] == {"x.png": "x-2.png"}
    assert renamed["added"] == 1


def test_an_import_with_images_runs_again(pets: Project, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (400, 200)).save(tmp_path / "photos" / "c.png")
    (tmp_path / "coco.json").write_bytes(coco([("c.png", 400, 200)]))
    run("import", "pets", "coco.json", "--images", "photos")
    told = run("import", "pets", "coco.json", "--images", "photos")
    assert "1 image is there already." in told.stderr
