"""Parts: what decides them, and that nothing is in two of them or in none."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from annotary import BadRequestError
from annotary.cli import main
from annotary.client.project import Project
from annotary.writing.splitting import TagCounts, by_name, stratified
from tests.samples import coco, rectangle, register


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def counts(rows: list[tuple[int, int, int]]) -> TagCounts:
    """(image, tag, annotations)."""
    return TagCounts(*np.array(rows, np.int64).reshape(-1, 3).T)


# --- the pure function --------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.integers(0, 39), st.integers(0, 5), st.integers(1, 4)), max_size=60)
WEIGHTS = st.lists(st.integers(1, 9), min_size=2, max_size=4)


@settings(max_examples=100)
@given(ROWS, WEIGHTS, st.integers(0, 3), st.integers(1, 40), st.integers(0, 10**6))
def test_parts_do_not_depend_on_the_order_of_images(
    rows: list[tuple[int, int, int]], weights: list[int], seed: int, folders: int, chance: int
) -> None:
    rows = list({(image, tag): (image, tag, n) for image, tag, n in rows}.values())
    names = [f"{i % folders}/{i}.jpg" for i in range(40)]
    units = [name.split("/")[0] for name in names]
    parts = stratified(names, units, counts(rows), weights, seed)
    order = list(range(40))
    random.Random(chance).shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    shuffled = stratified(
        [names[i] for i in order],
        [units[i] for i in order],
        counts([(place[image], tag, n) for image, tag, n in rows]),
        weights,
        seed,
    )
    assert [shuffled[place[i]] for i in range(40)] == parts
    # what belongs together stays together, and no part is empty without need
    assert (
        len(dict(zip(units, parts, strict=True)).items() ^ set(zip(units, parts, strict=True))) == 0
    )
    assert len(set(parts)) == min(len(weights), len(set(units)))


def test_shares_of_tags_and_images_are_kept() -> None:
    rng = np.random.default_rng(5)
    images = np.repeat(np.arange(6000), rng.integers(0, 5, 6000))
    tags = np.minimum(rng.geometric(0.12, len(images)) - 1, 29)
    keys, number = np.unique(images * 30 + tags, return_counts=True)
    given = TagCounts(keys // 30, keys % 30, number)
    names = [f"{i}.jpg" for i in range(6000)]
    parts = np.array(stratified(names, names, given, [70, 20, 10], 1))
    for part, share in enumerate((0.7, 0.2, 0.1)):
        assert abs((parts == part).mean() - share) < 0.002
        for tag in range(30):
            with_tag = given.tag == tag
            in_part = parts[given.image[with_tag]] == part
            if with_tag.sum() >= 200:
                assert abs(in_part.mean() - share) < 0.01


def test_parts_that_are_given_never_move() -> None:
    names = [f"{i}.jpg" for i in range(50)]
    given = {3: 1, 4: 1, 5: 0}
    parts = stratified(names, names, counts([]), [1, 1], 0, given)
    assert [parts[i] for i in given] == list(given.values())
    assert Counter(parts) == {0: 25, 1: 25}


def test_by_name_alone_nothing_moves() -> None:
    names = [f"{i}.jpg" for i in range(2000)]
    parts = by_name(names, [7, 2, 1], 3)
    assert by_name(names[::2], [7, 2, 1], 3) == parts[::2]
    assert [round(parts.count(p) / 2000, 1) for p in range(3)] == [0.7, 0.2, 0.1]


# --- through a project --------------------------------------------------------------------------


def parts_of(
    project: Project, split: object, **options: object
) -> tuple[dict[str, int], list[str]]:
    request = {"format": "coco", "options": {"split": split, **options}}
    operation = project.annotations.create_export(request)
    manifest = project.annotations.get_export_manifest(operation.id)
    assert all(note in operation.status.message for note in manifest.notes)
    return {part.name: part.images for part in manifest.parts}, manifest.notes


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train=0.7,val=0.2,test=0.1", {"train": 14, "val": 4, "test": 2}),
        ({"train": 70, "val": 20, "test": 10}, {"train": 14, "val": 4, "test": 2}),
        ({"parts": {"a": 1, "b": 1}}, {"a": 10, "b": 10}),
        ("folds=5", {f"fold{i}": 4 for i in range(1, 6)}),
        ({"folds": 4, "group": "folder"}, {"fold1": 5, "fold2": 5, "fold3": 5, "fold4": 5}),
        ({"parts": {"a": 1, "b": 1}, "group": r"regex:(\d)\.png"}, {"a": 10, "b": 10}),
    ],
)
def test_parts_have_the_size_that_is_asked_for(
    project: Project, split: object, expected: dict[str, int]
) -> None:
    register(project, *[f"{'abcd'[i % 4]}/{i:02}.png" for i in range(20)])
    project.annotations.create([rectangle(f"{'abcd'[i % 4]}/{i:02}.png") for i in range(20)])
    assert parts_of(project, split)[0] == expected


@pytest.mark.parametrize(
    "split",
    [
        "train", "train=x", "train=0.5,train=0.5", "train=-1,val=1", "a/b=1,c=1", "folds=1",
        "folds=2.5", {"by": "luck"}, {"parts": {"a": 1}, "group": "moon"}, {"by": "tag"},
        {"parts": {"a": 1, "b": 1}, "group": "regex:("}, {"train": "much"}, "group",
    ],
)  # fmt: skip
def test_splits_that_are_none_are_refused(project: Project, split: object) -> None:
    register(project, "a.png", "b.png")
    with pytest.raises(BadRequestError):
        parts_of(project, split)


def test_groups_of_the_source_are_parts(project: Project) -> None:
    for group, names in {"train": ["a", "b", "c"], "test": ["d"], "main": ["e"]}.items():
        project.assets.register(
            [{"filename": f"{n}.png", "width": 9, "height": 9, "groups": [group]} for n in names]
        )
    found, notes = parts_of(project, "source")
    assert found == {"train": 3, "test": 1, "unassigned": 1}
    assert notes == ["1 images have no part in the source; they are in 'unassigned'."]
    found, notes = parts_of(project, {"train": 1.0})
    assert "1 images that the source keeps for tests are in train" in notes[0]
    found, notes = parts_of(project, {"parts": {"train": 1, "test": 1}, "keep": True})
    assert notes == []


def test_a_folder_of_three_parts_comes_out_as_three(tmp_path: Path) -> None:
    """As Roboflow hands it out: train, valid and test with their images beside the labels."""
    for number, part in enumerate(["train", "valid", "test"]):
        folder = tmp_path / "in" / part
        folder.mkdir(parents=True)
        names = [f"{part}{i}.jpg" for i in range(number + 1)]
        for name in names:
            Image.new("RGB", (40, 20)).save(folder / name)
        (folder / "_annotations.coco.json").write_bytes(
            coco([(n, 40, 20) for n in names], [(0, "dog", (4, 2, 12, 10))])
        )
    out = tmp_path / "out"
    run("convert", tmp_path / "in", "--images", "copy", "--to", "yolo_ultralytics", "--out", out)
    found = {p.name: len(list(p.rglob("*.jpg"))) for p in (out / "images").iterdir()}
    assert found == {"train": 1, "valid": 2, "test": 3}
    yaml = (out / "data.yaml").read_text()
    assert yaml.startswith("train: images/train\nval: images/valid\ntest: images/test\n")
    told = run(
        "convert", tmp_path / "in", "--to", "coco", "--out", tmp_path / "new",
        "--split", "train=0.9,val=0.1",
    )  # fmt: skip
    assert "that the source keeps for tests" in told.output
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    assert sum(part["images"] for part in manifest["parts"]) == 6


def test_one_word_in_a_file_name_makes_no_parts(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_bytes(coco())
    run("convert", tmp_path / "train.json", "--to", "createml", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "dump.json").exists()


def test_the_lists_of_a_devkit_are_parts(tmp_path: Path) -> None:
    images = [(f"{n}.jpg", 40, 20) for n in "abcd"]
    (tmp_path / "in.json").write_bytes(coco(images, [(i, "x", (1, 1, 9, 9)) for i in range(4)]))
    run(
        "convert", tmp_path / "in.json", "--to", "pascal_voc", "--layout", "voc",
        "--out", tmp_path / "voc", "--split", "train=1,val=1",
    )  # fmt: skip
    run("convert", tmp_path / "voc", "--to", "coco", "--out", tmp_path / "back")
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == [
        "manifest.json", "train.json", "val.json",
    ]  # fmt: skip


def test_shards_hold_every_image_once(tmp_path: Path) -> None:
    images = [(f"{i}.jpg", 40, 20) for i in range(7)]
    (tmp_path / "in.json").write_bytes(coco(images, [(i, "x", (1, 1, 9, 9)) for i in range(7)]))
    convert = ("convert", tmp_path / "in.json", "--shards", 3, "--split", "train=5,val=2")
    run(*convert, "--to", "bitmask_tfrecord", "--on-loss", "allow", "--out", tmp_path / "out")
    found = sorted(p.name for p in (tmp_path / "out").glob("*.tfrecord"))
    assert found == [
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "val-00000-of-00002.tfrecord",
        "val-00001-of-00002.tfrecord",
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sum(part["images"] for part in manifest["parts"]) == 7
    assert (
        "cannot be written in shards"
        in run(*convert, "--to", "coco", "--out", tmp_path / "no", code=2).stderr
    )
