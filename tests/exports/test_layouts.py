"""Layouts: the trainer finds the labels of every image, whatever images are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from annotary.cli import main
from annotary.writing.layouts.ultralytics import findable
from tests.samples import coco

ULTRALYTICS = ["yolo_ultralytics", "yolo_segment", "yolo_pose", "yolo_obb"]


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def dataset(folder: Path, *names: str, size: tuple[int, int] = (40, 20)) -> Path:
    """Images with a box each, and a COCO file about them beside their folder."""
    for name in names:
        (folder / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(folder / "pics" / name)
    images = [(name, *size) for name in names]
    boxes = [(i, "dog", (1 + i, 2, 20, 10)) for i in range(len(names))]
    (folder / "in.json").write_bytes(coco(images, boxes))  # type: ignore[arg-type]
    return folder


def labels_of(image: Path) -> Path:
    """Where Ultralytics looks: ``img2label_paths``."""
    return Path("/labels/".join(str(image).rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt")


@pytest.mark.parametrize("format", ULTRALYTICS)
@pytest.mark.parametrize(
    "names",
    [
        ["images/a.jpg", "images/b.jpg", "images/c.png"],
        ["images/train/a.jpg", "images/val/b.jpg"],
        ["images/train/a.jpg", "images/val/a.jpg", "a.jpg"],
        ["a/images/x.jpg", "a/x.jpg", "images/a/x.jpg"],
        ["x/images/images/y.jpg", "images/images/y.jpg"],
        ["a.jpg", "a.png", "images/a.jpg"],
        ["train/a.jpg", "labels/a.jpg", "imagesx/a.jpg"],
    ],
)
def test_every_image_has_its_labels(tmp_path: Path, format: str, names: list[str]) -> None:
    folder = dataset(tmp_path, *names)
    out = folder / "out"
    run(
        "convert", folder / "in.json", "--images", folder / "pics", "--with-images", "copy",
        "--to", format, "--out", out, "--split-ratio", 0.4,
    )  # fmt: skip
    images = sorted(p for p in (out / "images").rglob("*") if p.is_file())
    labels = {labels_of(image) for image in images}
    assert len(images) == len(labels) == len(names)
    # every label file is found by an image
    assert labels == set((out / "labels").rglob("*.txt"))


PART = st.sampled_from(["images", "train", "val", "a", "Images", "C:", ".."])
NAMES = st.lists(
    st.lists(PART, max_size=4).map(lambda parts: "/".join([*parts, "x.jpg"])), unique=True
)


@settings(max_examples=150)
@given(NAMES)
def test_names_that_are_found_stay_distinct(names: list[str]) -> None:
    found = findable(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert not any("images" in name.split("/")[:-1] for name in found)


def test_plain_names_stay_as_they_are() -> None:
    names = ["a.jpg", "train/b.jpg", "my images/c.jpg", "images.jpg"]
    assert findable(names) == names
    assert findable([r"C:\data\imgs\a.jpg"]) == ["data/imgs/a.jpg"]


def test_darknet_starts_from_its_lists(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg", "images/b.png", "s/c.jpg", "s/d.jpg")
    out = folder / "out"
    run(
        "convert", folder / "in.json", "--images", folder / "pics", "--images", "copy",
        "--to", "yolo_darknet", "--layout", "darknet", "--out", out, "--split-ratio", 0.5,
    )  # fmt: skip
    data = dict(line.split(" = ") for line in (out / "obj.data").read_text().splitlines())
    assert (out / data["names"]).read_text() == "dog\n"
    assert data["classes"] == "1"
    listed = [
        line for key in ("train", "valid") for line in (out / data[key]).read_text().splitlines()
    ]
    assert len(listed) == 4
    for line in listed:
        assert (out / line).is_file()
        assert (out / line).with_suffix(".txt").read_text().startswith("0 ")


def test_the_devkit_lists_every_image_once(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg", "b.png", "s/c.jpg", "s/a.jpg", "a.png")
    out = folder / "out"
    told = run(
        "convert", folder / "in.json", "--images", folder / "pics", "--with-images", "link",
        "--to", "pascal_voc", "--layout", "voc", "--out", out, "--split-ratio", 0.4,
    )  # fmt: skip
    assert "images have another name there" in told.output
    root = out / "VOCdevkit" / "VOC2012"
    sets = {p.stem: p.read_text().splitlines() for p in (root / "ImageSets/Main").iterdir()}
    assert set(sets) == {"train", "val", "trainval"}
    assert sorted(sets["train"] + sets["val"]) == sets["trainval"]
    assert len(set(sets["trainval"])) == 5
    for stem in sets["trainval"]:
        assert (root / "JPEGImages" / f"{stem}.jpg").is_file()
        assert f"<filename>{stem}.jpg<" in (root / "Annotations" / f"{stem}.xml").read_text()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.jpg", lambda data: data[: len(data) // 2]),
        ("a.png", lambda data: data[:-20]),
        ("a.bmp", lambda data: data[:100]),
        ("a.gif", lambda data: data[: len(data) // 2]),
    ],
)
def test_damaged_images_are_counted(tmp_path: Path, name: str, damage: object) -> None:
    folder = dataset(tmp_path, name, "whole.jpg", size=(400, 200))
    path = folder / "pics" / name
    Image.effect_noise((400, 200), 50).convert("RGB").save(path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    told = run(
        "convert", folder / "in.json", "--images", folder / "pics", "--with-images", "copy",
        "--to", "coco", "--out", folder / "out",
    )  # fmt: skip
    assert "1 images were not written: their files are damaged." in told.output
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["images"] == ["images/dump/whole.jpg"]


def test_images_are_found_in_the_folder_that_is_read(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg", "b.jpg")
    run("convert", folder / "in.json", "--images", "copy", "--to", "coco", "--out", folder / "out")
    assert len(list((folder / "out" / "images").rglob("*.jpg"))) == 2


def test_one_line_says_where_images_belong(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg")
    told = run("convert", folder / "in.json", "--to", "yolo_segment", "--out", folder / "out")
    assert f"the trainer looks for them in {folder}/out/images/dump" in told.output


# --- folders that are not empty ----------------------------------------------------------------


def test_a_second_export_into_a_folder_is_refused(tmp_path: Path) -> None:
    folder = dataset(tmp_path, *[f"{i}.jpg" for i in range(9)])
    convert = (
        "convert", folder / "in.json", "--images", folder / "pics", "--with-images", "copy",
        "--to", "yolo_ultralytics", "--split-ratio", 0.4, "--out", folder / "out",
    )  # fmt: skip
    run(*convert, "--seed", 1)
    before = set((folder / "out").rglob("*"))
    told = run(*convert, "--seed", 2, code=2)
    assert "is not empty" in told.stderr
    assert "--overwrite" in told.stderr
    assert set((folder / "out").rglob("*")) == before
    (folder / "out" / "labels" / "notes.md").write_text("mine")
    run(*convert, "--seed", 2, "--overwrite")
    stems = [p.stem for p in (folder / "out" / "labels").rglob("*.txt")]
    assert sorted(stems) == sorted(str(i) for i in range(9))  # none in two parts
    assert (folder / "out" / "labels" / "notes.md").read_text() == "mine"
    run("convert", folder / "in.json", "--to", "coco", "--out", folder / "out", "--overwrite")
    left = sorted(p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*"))
    assert left == ["dump.json", "labels", "labels/notes.md", "manifest.json"]


def test_only_an_export_of_ours_is_overwritten(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg")
    out = folder / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    convert = ("convert", folder / "in.json", "--to", "coco", "--out", out)
    assert "thesis.tex" in run(*convert, code=2).stderr
    assert "holds no export" in run(*convert, "--overwrite", code=2).stderr
    manifest = {"files": {"../in.json": ""}, "images": []}
    (out / "manifest.json").write_text(json.dumps(manifest))
    run(*convert, "--overwrite", code=2)
    assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "thesis.tex"]
    assert (folder / "in.json").exists()


def test_overwriting_touches_nothing_before_the_export_is_sure(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg")
    out = folder / "out"
    convert = ("convert", folder / "in.json", "--out", out, "--to")
    run(*convert, "coco")
    before = (out / "dump.json").read_bytes()
    refused = ("yolo_pose", "--overwrite", "--on-loss", "refuse", "--drop", "nothing")
    run(*convert, *refused, code=2)
    assert (out / "dump.json").read_bytes() == before


def test_overwriting_spares_files_of_others(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "a.jpg")
    out = folder / "out"
    convert = ("convert", folder / "in.json", "--out", out, "--to")
    run(*convert, "coco")
    (out / "data.yaml").write_text("mine")
    told = run(*convert, "yolo_ultralytics", "--overwrite", code=2)
    assert "no earlier export has written it" in told.stderr
    assert (out / "data.yaml").read_text() == "mine"
