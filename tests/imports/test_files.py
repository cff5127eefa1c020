"""Files of every sort: many, linked, misnamed, mistaken for others, and what is said of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from annotary import BadRequestError, ImportFailedError
from annotary.client.project import Project
from tests.samples import coco, fourcorner, register, send, voc

GOOD = coco([("a.png", 400, 200)], [(0, "cat", (10, 10, 20, 20))])
RESULTS = json.dumps(
    [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
).encode()
LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def failure(project: Project, files: dict[str, bytes], **options: Any) -> tuple[Any, list[str]]:
    """The error of an import that is refused, and its log."""
    session = project.annotations.create_import_session(**options)
    with pytest.raises(ImportFailedError) as caught, session:
        for name, data in files.items():
            session.add_bytes(data, name)
    assert len(project.annotations.list()) == 0
    return caught.value, [item.message for item in session.get_logs().logs]


# --- what a file as a whole can have --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "said", "hint"),
    [
        ("a.json", b"", "The file is empty.", "Export it again"),
        ("a.csv", b" \n\n", "The file is empty.", "Export it again"),
        ("a.json", LFS, "Git LFS pointer", "git lfs pull"),
        ("._a.json", b"\x00\x05\x16\x07\x00\x02\x00\x00" + bytes(60), "AppleDouble", "._"),
        ("a.json", RESULTS, "COCO results file", "loadRes"),
        ("a.txt", b"Dear diary,\ntoday it rained.\n", "No known format recognises", "format="),
        ("a.json", b'{"colour": "red"}', "JSON with the keys colour", "format="),
        ("a.bin", bytes(range(256)), "binary data", "format="),
        ("a.json", b'{"images": [', "", ""),
        ("a.json", b"\xff\xfe\xfa", "", ""),
    ],
    ids=[
        "empty", "blank", "lfs", "appledouble", "results", "prose", "other json", "binary",
        "cut", "odd utf-16",
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(
    project: Project, name: str, data: bytes, said: str, hint: str
) -> None:
    register(project, "a.png")
    error, log = failure(project, {name: data})
    assert len(log) == 1
    assert log[0].startswith(f"At {name}")
    assert said in log[0]
    assert hint in log[0].partition("\n\nHint: ")[2]
    assert log[0] in str(error)
    # beside it, a good file is still read when it may be
    session = send(project, {name: data, "good.json": GOOD}, on_error="skip")
    assert session.report.committed == 1
    assert [file.role for file in session.report.files] == ["failed", "annotations"]


def test_text_in_another_encoding_is_named_with_line_and_guess(project: Project) -> None:
    register(project, "a.png")
    text = "filename,xmin,ymin,xmax,ymax,label\na.png,1,2,30,40,x\na.png,1,2,30,40,été\n"
    _, log = failure(project, {"a.csv": text.encode("latin-1")})
    (message,) = log
    assert message.startswith("At a.csv:3: The text is not valid UTF-8: byte 0xe9")
    assert "Windows-1252" in message
    for encoding in ("utf-8-sig", "utf-16"):
        send(project, {"a.csv": text.encode(encoding)})
    assert {tag.name for tag in project.tags.list()} == {"x", "été"}


def test_a_wrong_format_is_said_to_be_wrong(project: Project) -> None:
    register(project, "a.png")
    for format_, data in (
        ("pascal_voc", GOOD),
        ("coco", voc("a.png", 400, 200)),
        ("csv_fourcorner", GOOD),
        ("yolo_darknet", GOOD),
        ("coco", fourcorner([("a.png", (1, 1, 2, 2), "x")])),
    ):
        error, log = failure(project, {"a.json": data}, format=format_)
        assert log, format_
        assert all(message.startswith("At a.json") for message in log)
        assert "InternalServerError" not in str(error)


def test_a_right_format_may_be_given(project: Project) -> None:
    register(project, "a.png")
    for format_ in ("coco", "polygon_coco"):
        session = send(project, {"a.json": GOOD}, format=format_, mode="append")
        assert session.report.files[0].format == "coco"
    assert len(project.annotations.list()) == 2


def test_an_image_that_is_not_there_is_told_once_with_near_names(project: Project) -> None:
    register(project, "IMG_0001.png", "IMG_0002.png")
    data = coco([("IMG_0003.png", 400, 200)], [(0, "x", (1, 1, 9, 9)), (0, "x", (2, 2, 9, 9))])
    _, log = failure(project, {"a.json": data})
    (message,) = log
    assert "The image IMG_0003.png is not in the project. (2 records.)" in message
    assert "Hint: Did you mean IMG_000" in message


def test_sizes_that_disagree(project: Project) -> None:
    register(project, "a.png", width=200, height=400)
    _, log = failure(project, {"a.json": GOOD})
    assert "says that a.png is 400 x 200 pixels, but the image is 200 x 400." in log[0]
    assert "EXIF" in log[0]


def test_an_ambiguous_name_is_refused_with_its_candidates(project: Project) -> None:
    register(project, "x/a.png", "y/a.png")
    _, log = failure(project, {"a.json": GOOD})
    assert "The image a.png could be any of x/a.png, y/a.png." in log[0]


def test_unknown_classes_are_made_tags_and_reported(project: Project) -> None:
    register(project, "a.png")
    session = send(project, {"a.json": GOOD, "b.csv": fourcorner([("a.png", (0, 0, 9, 9), "new")])})
    report = session.report
    assert report.tags_created == ["cat", "new"]
    assert [(file.file, file.format, file.role) for file in report.files] == [
        ("a.json", "coco", "annotations"),
        ("b.csv", "csv_fourcorner", "annotations"),
    ]
    assert [file.matched for file in report.files] == [{"exact": 1}, {"exact": 1}]
    assert (report.images, report.annotations, report.errors, report.warnings) == (2, 2, 0, 0)
    again = send(project, {"a.json": GOOD})
    assert again.report.tags_created == []


def test_how_names_were_matched_is_reported(project: Project) -> None:
    register(project, "photos/Été.png", "b.png", "c 1.png")
    names = ["photos/E\u0301te\u0301.png", "train/b.png", "c%201.png"]
    session = send(project, {"a.json": coco([(name, 400, 200) for name in names], [])})
    assert [(m.name, m.asset, m.rule) for m in session.report.matches] == [
        (names[0], "photos/Été.png", "unicode"),
        (names[1], "b.png", "folder-suffix"),
        (names[2], "c 1.png", "percent-decoded"),
    ]


# --- images from files ----------------------------------------------------------------------


def test_assets_are_made_from_the_sizes_in_the_file(project: Project) -> None:
    images = [("batch_1/1.jpg", 100, 50), ("batch_2/1.jpg", 60, 80), ("2.jpg", 30, 30)]
    boxes = [(i, "x", (1.0, 2.0, 21.0, 22.0)) for i in range(3)]
    session = send(project, {"a.json": coco(images, boxes)}, create_assets=True)
    assert session.report.assets_created == 3
    assert session.report.files[0].matched == {"created": 3}
    made = {a.filename: (a.metadata.width, a.metadata.height) for a in project.assets.list()}
    assert made == {name: (width, height) for name, width, height in images}
    # once more: the same images are found again, none is made twice
    again = send(project, {"a.json": coco(images, boxes)}, create_assets=True)
    assert (again.report.assets_created, again.report.files[0].matched) == (0, {"exact": 3})


@pytest.mark.parametrize("order", [("folder/1.jpg", "1.jpg"), ("1.jpg", "folder/1.jpg")])
def test_two_images_of_one_import_stay_two(project: Project, order: tuple[str, str]) -> None:
    files = {
        f"{i}.xml": voc(name, 100, 100, [("x", (1, 1, 20, 20))]) for i, name in enumerate(order)
    }
    session = send(project, files, create_assets=True)
    assert sorted(a.filename for a in project.assets.list()) == ["1.jpg", "folder/1.jpg"]
    assert session.report.assets_created == 2
    assert all(len(project.annotations.list(name)) == 1 for name in order)


def test_an_image_without_a_size_cannot_hold_pixels(project: Project) -> None:
    data = fourcorner([("a.png", (10, 10, 30, 30), "x")])
    _, log = failure(project, {"a.csv": data}, create_assets=True)
    assert "The size of a.png is needed" in log[0]
    assert project.assets.list().data == []
    fractions = fourcorner([("a.png", (0.1, 0.1, 0.3, 0.3), "x")])
    assert send(project, {"a.csv": fractions}, create_assets=True).report.committed == 1


def test_a_tag_without_a_name_is_a_located_fault(project: Project) -> None:
    register(project, "a.png")
    data = fourcorner([("a.png", (1, 1, 20, 20), "x"), ("a.png", (1, 1, 20, 20), " ")])
    session = project.annotations.create_import_session(on_error="skip")
    with session:
        session.add_bytes(data, "a.csv")
    assert (session.report.committed, session.report.skipped) == (1, 1)
    assert session.get_logs().logs[0].line == 3
    nameless = json.loads(GOOD)
    nameless["categories"][0]["name"] = "  "
    session = project.annotations.create_import_session(on_error="skip")
    with session:
        session.add_bytes(json.dumps(nameless).encode(), "a.json")
    assert (session.report.committed, session.report.skipped) == (0, 1)
    assert "At a.json:1" in session.get_logs().logs[0].message


# --- folders --------------------------------------------------------------------------------


def test_names_of_files_must_differ(project: Project, tmp_path: Path) -> None:
    register(project, "a.png")
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "_annotations.coco.json").write_bytes(GOOD)
    with project.annotations.create_import_session() as session:
        session.add_path(tmp_path / "train" / "_annotations.coco.json")
        session.add_path(tmp_path / "valid" / "_annotations.coco.json")
        with pytest.raises(BadRequestError, match="added already"):
            session.add_path(tmp_path / "valid" / "_annotations.coco.json")
    assert [file.file for file in session.report.files] == [
        "_annotations.coco.json",
        "valid/_annotations.coco.json",
    ]


def test_links_are_followed_and_circles_end(project: Project, tmp_path: Path) -> None:
    register(project, "a.png")
    real = tmp_path / "real"
    (real / "deep").mkdir(parents=True)
    (real / "deep" / "a.json").write_bytes(GOOD)
    folder = tmp_path / "folder"
    folder.mkdir()
    os.symlink(real, folder / "linked")
    os.symlink(real / "deep" / "a.json", folder / "one.json")
    os.symlink(folder, real / "deep" / "back")
    with project.annotations.create_import_session() as session:
        session.add_path(folder)
    (told,) = session.get_logs().logs
    assert (told.code, told.level) == ("linked-twice", "Warning")
    assert told.message == (
        "At linked/deep/back: The folder is linked twice, here and at folder; it was read once."
    )
    assert sorted(file.file for file in session.report.files) == [
        "linked/deep/a.json",
        "one.json",
    ]
    assert len(project.annotations.list()) == 2


def test_hidden_folders_and_other_files_are_left_alone(project: Project, tmp_path: Path) -> None:
    register(project, "a.png")
    (tmp_path / ".git").mkdir()
    for name in (".git/a.json", "good.json", "photo.PNG", "notes.md"):
        (tmp_path / name).write_bytes(GOOD)
    with project.annotations.create_import_session() as session:
        session.add_path(tmp_path)
    assert [file.file for file in session.report.files] == ["good.json"]


def many(project: Project, folder: Path, count: int) -> None:
    register(project, *(f"{i:06}.png" for i in range(count)))
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("cat\ndog\n")
    for i in range(count):
        text = f"{i % 2} 0.5 0.5 0.25 0.5\n" * (i % 3)
        (folder / "labels" / f"{i:06}.txt").write_text(text)
    with project.annotations.create_import_session() as session:
        session.add_path(folder)
    report = session.report
    assert len(report.files) == count + 1
    assert [file.role for file in report.files].count("companion") == 1
    expected = sum(i % 3 for i in range(count))
    assert (report.records, report.committed, report.images) == (expected, expected, count)
    assert session.get_logs().logs == []
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.total_annotations == expected
    assert statistic.annotated_assets == sum(i % 3 > 0 for i in range(count))


def test_thousands_of_files_in_one_session(project: Project, tmp_path: Path) -> None:
    many(project, tmp_path, 2500)


@pytest.mark.skipif("ANNOTARY_SLOW" not in os.environ, reason="set ANNOTARY_SLOW=1 to run it")
def test_a_hundred_thousand_files_in_one_session(project: Project, tmp_path: Path) -> None:
    many(project, tmp_path, 100_000)


def test_thousands_of_bytes_in_one_session(project: Project, home: Path) -> None:
    register(project, *(f"{i}.png" for i in range(1200)))
    with project.annotations.create_import_session() as session:
        for i in range(1200):
            session.add_bytes(voc(f"{i}.png", 400, 200, [("x", (1, 1, 20, 20))]), f"{i}.xml")
    assert session.report.committed == 1200
    assert {file.format for file in session.report.files} == {"pascal_voc"}
    # what was sent is not kept
    assert [path for path in (home / "blobs").rglob("*") if path.is_file()] == []


# --- fifteen defects in one file ------------------------------------------------------------

FIFTEEN = Path(__file__).parents[1] / "formats" / "coco" / "broken" / "fifteen"


def test_fifteen_defects_are_told_in_one_run_each_with_its_line(project: Project) -> None:
    sizes = json.loads((FIFTEEN.parents[1] / "images.json").read_text("utf-8"))
    project.assets.register(
        [{"filename": name, "width": w, "height": h} for name, (w, h) in sizes.items()]
    )
    session = project.annotations.create_import_session()
    with pytest.raises(ImportFailedError) as caught, session:
        session.add_path(FIFTEEN / "instances.json")
    log = session.get_logs().logs
    assert caught.value.total == len(log) == 15
    assert {item.code for item in log} == {
        "out-of-bounds",
        "zero-area",
        "negative-size",
        "value-count",
        "not-a-number",
        "not-finite",
        "unknown-category",
        "unknown-image-id",
        "duplicate-annotation-id",
        "duplicate-image-id",
        "missing-key",
        "too-few-points",
        "size-mismatch",
        "unknown-image",
        "syntax",
    }
    lines = [item.line for item in log]
    assert None not in lines
    assert len(set(lines)) == 15
    assert all(item.message.startswith(f"At instances.json:{item.line}") for item in log)
    assert all(item.hint for item in log)
    report = session.report
    assert report.records == report.rejected
    assert len(project.annotations.list()) == 0
