"""A part of a project, or of a file: some tags under other names, some images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from annotary import BadRequestError
from annotary.cli import main
from annotary.client.project import Project
from tests.samples import coco, rectangle, register


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


@pytest.fixture
def pets(project: Project) -> Project:
    register(project, *[f"{i}.png" for i in range(6)])
    project.annotations.create(
        [rectangle(f"{i}.png", tag) for i in range(5) for tag in ("cat", "dog", "car")[: i % 3 + 1]]
    )
    return project


def export(project: Project, folder: Path, **options: Any) -> tuple[dict[str, int], list[str]]:
    """How many annotations of each tag there are, and which images."""
    operation = project.annotations.create_export({"format": "coco", "options": options})
    place = folder / operation.id
    project.annotations.download_exported_file(operation.id, str(place), flat=True)
    found = json.loads((place / "dump.json").read_text())
    names = {c["id"]: c["name"] for c in found["categories"]}
    counts = dict.fromkeys(names.values(), 0)
    for each in found["annotations"]:
        counts[names[each["category_id"]]] += 1
    return counts, [image["file_name"] for image in found["images"]]


def test_tags_are_chosen_dropped_renamed_and_merged(pets: Project, tmp_path: Path) -> None:
    every = [f"{i}.png" for i in range(6)]
    assert export(pets, tmp_path) == ({"cat": 5, "dog": 3, "car": 1}, every)
    assert export(pets, tmp_path, drop=["dog"]) == ({"cat": 5, "car": 1}, every)
    assert export(pets, tmp_path, tags=["dog"]) == ({"dog": 3}, ["1.png", "2.png", "4.png"])
    assert export(pets, tmp_path, map={"dog": "pet", "cat": "pet"}) == ({"pet": 8, "car": 1}, every)
    assert export(pets, tmp_path, map={"cat": "dog"})[0] == {"dog": 8, "car": 1}
    assert export(pets, tmp_path, map={"cat": "dog", "dog": "cat"})[0] == {
        "dog": 5, "cat": 3, "car": 1,
    }  # fmt: skip
    assert export(pets, tmp_path, map={"dog": "pet"}, drop=["car"], tags=["pet"])[0] == {"pet": 3}


def test_images_are_counted_out(pets: Project, tmp_path: Path) -> None:
    assert export(pets, tmp_path, limit=2) == ({"cat": 2, "dog": 1, "car": 0}, ["0.png", "1.png"])
    samples = [export(pets, tmp_path, sample=3, seed=seed)[1] for seed in (1, 1, 2, 3, 4)]
    assert all(len(names) == 3 for names in samples)
    assert samples[0] == samples[1]
    assert len({tuple(names) for names in samples}) > 1


def test_what_is_left_out_is_said(pets: Project) -> None:
    operation = pets.annotations.create_export(
        {"format": "coco", "options": {"tags": ["dog"], "split": "train=1,val=1"}}
    )
    assert "6 annotations of other tags were left out on request." in operation.status.message
    assert "3 images were left out on request." in operation.status.message
    manifest = pets.annotations.get_export_manifest(operation.id)
    assert sum(part.images for part in manifest.parts) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ["dgo"]}, {"drop": ["dgo"]}, {"map": {"dgo": "x"}}, {"limit": -1},
        {"sample": -1}, {"drop": ["dog"], "map": {"dog": "x"}}, {"drop": ["dog"], "tags": ["dog"]},
    ],
)  # fmt: skip
def test_selections_that_are_none(pets: Project, options: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        pets.annotations.create_export({"format": "coco", "options": options})


def test_convert_selects_alike(tmp_path: Path) -> None:
    images = [(f"{i}.png", 40, 20) for i in range(4)]
    boxes = [(i % 4, tag, (1.0, 1.0, 9.0, 9.0)) for i, tag in enumerate(["a", "b", "c", "d"])]
    (tmp_path / "in.json").write_bytes(coco(images, boxes))
    run(
        "convert", tmp_path / "in.json", "--to", "yolo_ultralytics", "--out", tmp_path / "out",
        "--map", "a=x", "--map", "b=x", "--drop", "c", "--tags", "x,d", "--limit", 2,
    )  # fmt: skip
    yaml = (tmp_path / "out" / "data.yaml").read_text()
    assert 'names:\n  0: "x"\n  1: "d"\n' in yaml
    assert sorted(p.stem for p in (tmp_path / "out" / "labels").rglob("*.txt")) == ["0", "1"]
    run("convert", tmp_path / "in.json", "--to", "coco", "--out", tmp_path / "no",
        "--map", "a", code=2)  # fmt: skip


# --- everything of a kind is lost ------------------------------------------------------------


def test_a_total_loss_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "in" / "classes.txt").write_text("dog\n")
    convert = ("convert", tmp_path / "in", "--to", "coco", "--out", tmp_path / "out")
    told = run(*convert, code=1)
    assert "All 1 Rectangle annotations would be lost" in told.stderr
    assert "--images" in told.stderr
    assert not list((tmp_path / "out").rglob("*.json"))
    told = run(*convert, "--on-loss", "allow")
    assert json.loads((tmp_path / "out" / "dump.json").read_text())["annotations"] == []
