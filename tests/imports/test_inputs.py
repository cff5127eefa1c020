"""What paths stand for: one walk for every command, archives as folders, and what a file costs."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from annotary import BadRequestError, ImportFailedError
from annotary.cli import main
from annotary.client.project import Project
from annotary.reading import archives
from annotary.reading.inputs import Inputs
from tests.samples import coco, register, send, voc

GOOD = coco([("a.png", 400, 200)], [(0, "cat", (10, 10, 20, 20))])
RESULTS = json.dumps([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])
STRANGERS: dict[str, bytes] = {
    "LICENSE.txt": b"MIT License\n\nCopyright (c) nobody\n",
    "notes.txt": b"Dear diary,\ntoday it rained.\n",
    "empty.txt": b"",
    "blank.json": b" \n",
    "__MACOSX/._x.xml": b"\x00\x05\x16\x07\x00\x02\x00\x00" + bytes(60),
    "~$x.json": b"\x05alice" + bytes(160),
    "page.json": b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "captions_val.json": json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.png", "width": 400, "height": 200}],
            "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}],
        }
    ).encode(),
    "results.json": RESULTS.encode(),
    "urls.csv": b"name,url\na.png,https://example.org/a.png\n",
    "package.json": b'{"name": "x", "version": "1.0.0"}',
    "settings.yaml": b"colour: red\n",
}


def image(path: Path, size: tuple[int, int] = (400, 200)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def command(*arguments: str, code: int = 0, given: bytes | None = None) -> Any:
    result = CliRunner().invoke(main, [*arguments, "--json"], input=given)
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.output if code != 2 else result.stderr)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANNOTARY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    command("project", "create", "pets")
    return tmp_path


# --- one walk ---------------------------------------------------------------------------------


def hindered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good file and a good image, among all that can stand in the way."""
    (folder / "shut").mkdir(parents=True)
    (folder / "good.json").write_bytes(GOOD)
    image(folder / "a.png")
    (folder / "shut" / "b.json").write_bytes(GOOD)
    for ending in ("xml", "png"):
        os.symlink("nowhere", folder / f"dangling.{ending}")
        os.symlink(f"itself.{ending}", folder / f"itself.{ending}")
        os.mkfifo(folder / f"pipe.{ending}")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / f"s.{ending}"))
    os.symlink(".", folder / "circle")
    scandir = os.scandir

    def shut(path: Any) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", shut)


ANNOTATIONS = {
    ("shut", "unreadable-folder"),
    ("dangling.xml", "unreadable-file"),
    ("itself.xml", "unreadable-file"),
}
SPECIAL = [f"{name}.{ending}" for name in ("pipe", "s") for ending in ("xml", "png")]
TOLD = {("circle", "linked-twice"), *((name, "not-a-file") for name in SPECIAL)}


def codes(problems: Any) -> set[tuple[str, str]]:
    return {(each["file"], each["code"]) for each in problems}


def test_every_command_tells_what_stands_in_the_way_and_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hindered(home / "d", monkeypatch)
    found = command("check", "d", code=1)
    assert codes(found["problems"]) == ANNOTATIONS | TOLD
    assert [f["records"] for f in found["files"] if f["role"] == "annotations"] == [1]
    refused = command("import", "pets", "d", "--create-assets", code=1)
    assert codes(refused["logs"]) == ANNOTATIONS | TOLD
    assert refused["session"]["report"]["committed"] == 0
    kept = command("import", "pets", "d", "--create-assets", "--on-error", "skip")
    assert codes(kept["logs"]) == ANNOTATIONS | TOLD
    report = kept["session"]["report"]
    assert (report["committed"], report["unread"], report["errors"]) == (1, 3, 3)
    converted = command("convert", "d", "--to", "coco", "--out", "out", "--on-error", "skip")
    assert codes(converted["reading"]["problems"]) == ANNOTATIONS | TOLD
    assert converted["manifest"]["annotationsInProject"] == 1
    command("project", "create", "pictures")
    added = command("asset", "add", "pictures", "d", code=1)
    pictures = {("shut", "unreadable-folder"), ("dangling.png", "unreadable-file")}
    assert codes(added["problems"]) == pictures | {("itself.png", "unreadable-file")} | TOLD
    assert added["added"] == 1


def test_files_of_other_kinds_are_counted_in_one_line(home: Path) -> None:
    for name in ("a.h5", "b.xlsx", "c.XLSX", "sub/d.mp4", "Makefile", ".hidden"):
        (home / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "d" / name).write_bytes(b"\0")
    (home / "d" / "good.json").write_bytes(GOOD)
    image(home / "d" / "a.png")
    (told,) = command("check", "d")["problems"]
    assert (told["level"], told["code"], told["file"]) == ("Warning", "left-alone", "d")
    assert told["message"] == (
        "5 files of other kinds were left alone: 2 .xlsx, 1 without an ending, 1 .h5, 1 .mp4."
    )


def test_the_files_of_a_store_are_not_the_folders_data(home: Path) -> None:
    (home / "good.json").write_bytes(GOOD)
    command("import", "pets", ".", "--create-assets")
    command("export", "pets", "--format", "coco", "--out", "out")
    again = command("check", ".")
    names = {file["file"].rpartition("/")[2] for file in again["files"]}
    assert names == {"good.json", "dump.json", "manifest.json"}


def test_a_pipe_that_is_named_is_refused_at_once(home: Path) -> None:
    os.mkfifo(home / "x.xml")
    assert stat.S_ISFIFO((home / "x.xml").stat().st_mode)
    assert "a pipe" in command("check", "x.xml", code=2)["error"]["message"]


@pytest.mark.parametrize("on_error", ["reject_session", "skip"])
def test_an_unreadable_picture_is_one_problem(home: Path, on_error: str) -> None:
    (home / "d").mkdir()
    (home / "d" / "labels.json").write_bytes(GOOD)
    image(home / "d" / "a.png")
    (home / "d" / "link.png").write_text("../elsewhere.png")
    skip = on_error == "skip"
    found = command(
        *("import", "pets", "d", "--images", "d", "--on-error", on_error), code=0 if skip else 1
    )
    assert codes(found["logs"]) == {("link.png", "unreadable-image")}
    assert found["session"]["report"]["committed"] == (1 if skip else 0)
    checked = command("check", "d", "--images", "d", code=1)
    assert codes(checked["problems"]) == {("link.png", "unreadable-image")}
    assert [file["records"] for file in checked["files"]] == [0, 1]


# --- what a file costs ------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRANGERS)
def test_what_a_walk_finds_costs_a_line_and_what_is_named_may_refuse(
    project: Project, tmp_path: Path, name: str
) -> None:
    register(project, "a.png")
    place = tmp_path / "d" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(STRANGERS[name])
    (tmp_path / "d" / "good.json").write_bytes(GOOD)
    with project.annotations.create_import_session() as session:
        session.add_path(tmp_path / "d")
    report = session.report
    assert (report.committed, report.errors, report.unread) == (1, 0, 0)
    companion = name == "settings.yaml"
    if not companion:
        (told,) = session.get_logs().logs
        assert (told.code, told.level) == ("not-an-annotation-file", "Warning")
        assert told.file == name
    (other,) = [file for file in report.files if file.file == name]
    assert other.role == ("companion" if companion else "ignored")
    # alone it is nothing, whoever named it
    for path in (place, place.parent):
        (tmp_path / "d" / "good.json").unlink(missing_ok=True)
        alone = project.annotations.create_import_session(on_error="skip")
        with pytest.raises(ImportFailedError), alone:
            alone.add_path(path)
        assert "successfully" not in alone.status.message
    assert len(project.annotations.list()) == 1


def test_many_files_without_annotations_are_told_by_reason(
    project: Project, tmp_path: Path
) -> None:
    register(project, "a.png")
    (tmp_path / "good.json").write_bytes(GOOD)
    for i in range(40):
        (tmp_path / f"note{i:02}.txt").write_text(f"Note {i}: it rained.\n")
        (tmp_path / f"~$sheet{i:02}.csv").write_bytes(b"\x05alice" + bytes(100))
    with project.annotations.create_import_session() as session:
        session.add_path(tmp_path)
    messages = [item.message for item in session.get_logs().logs]
    assert len(messages) == 2
    assert all("40 files hold no annotations and were left alone: " in m for m in messages)
    assert all(" and 37 more (" in m for m in messages)
    assert max(map(len, messages)) < 400


def test_broken_annotation_files_are_not_strangers(project: Project, tmp_path: Path) -> None:
    register(project, "a.png")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "good.json").write_bytes(GOOD)
    broken = {
        "cut.json": GOOD[: len(GOOD) // 2],
        "pointer.xml": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "cut.xml": voc("a.png", 400, 200, [("x", (1, 1, 9, 9))])[:-20],
    }
    for name, data in broken.items():
        (tmp_path / "d" / name).write_bytes(data)
    session = project.annotations.create_import_session()
    with pytest.raises(ImportFailedError), session:
        session.add_path(tmp_path / "d")
    assert {item.file for item in session.get_logs().logs} == set(broken)


def test_nothing_of_the_only_file_under_skip_is_no_success(home: Path) -> None:
    (home / "boxes.csv").write_text("img_id,x_min,x_max,y_min,y_max\na,1,2,3,4\nb,1,2,3,4\n")
    found = command(
        *("import", "pets", "boxes.csv", "--create-assets", "--on-error", "skip"), code=1
    )
    report = found["session"]["report"]
    assert (report["records"], report["committed"], report["unread"]) == (0, 0, 1)
    assert "Nothing was imported" in found["session"]["status"]["message"]
    (home / "good.json").write_bytes(GOOD)
    beside = command(
        *("import", "pets", "boxes.csv", "good.json", "--create-assets", "--on-error", "skip")
    )
    assert beside["session"]["report"]["unread"] == 1
    assert "1 file could not be read" in beside["session"]["status"]["message"]


def test_an_unreadable_file_among_others_loses_no_count(project: Project) -> None:
    register(project, "a.png")
    session = send(project, {"a.json": GOOD, "b.json": b"no"}, on_error="skip")
    assert (session.report.committed, session.report.unread) == (1, 1)


# --- archives and standard input --------------------------------------------------------------


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, f"w:{path.suffix[1:].replace('tgz', 'gz').replace('tar', '')}") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


PACKED: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "x.zip": zipped,
    "X.ZIP": zipped,
    "x.tar": tarred,
    "x.tar.gz": tarred,
    "x.tgz": tarred,
    "x.tar.bz2": tarred,
    "x.tar.xz": tarred,
}
PICTURE = io.BytesIO()
Image.new("RGB", (400, 200)).save(PICTURE, "PNG")
CONTENT = {
    "ds/images/a.png": PICTURE.getvalue(),
    "ds/annotations/a.json": GOOD,
    "ds/README.dataset.txt": b"Made by hand.\n",
    "ds/data.h5": b"\0" * 99,
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("where", ["named", "found"])
def test_archives_are_read_as_folders(home: Path, name: str, where: str) -> None:
    (home / "d").mkdir()
    PACKED[name](home / "d" / name, CONTENT)
    path = f"d/{name}" if where == "named" else "d"
    checked = command("check", path, "--images", path)
    assert [f["records"] for f in checked["files"] if f["role"] == "annotations"] == [1]
    assert ("left-alone" in {p["code"] for p in checked["problems"]}) is True
    found = command("import", "pets", path, "--images", path)
    report = found["session"]["report"]
    assert (report["committed"], report["errors"]) == (1, 0)
    assert "ds/annotations/a.json" in {file["file"] for file in report["files"]}
    converted = command("convert", path, "--to", "coco", "--out", "out", "--images", path)
    assert converted["manifest"]["annotationsInProject"] == 1


def test_what_was_unpacked_is_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(home / "tmp"))
    zipped(home / "x.zip", CONTENT)
    zipped(home / "y.zip", {"nothing.h5": b""})
    command("import", "pets", "x.zip", "--images", "x.zip")
    command("check", "x.zip")
    command("check", "y.zip", code=2)
    command("check", "x.zip", "y.zip", code=2)
    assert list((home / "tmp").iterdir()) == []


def test_an_archive_that_was_unpacked_beside_itself_is_not_read_twice(home: Path) -> None:
    for root in ("in", "in/x"):
        zipped(home / f"{root.replace('/', '-')}.zip", {})
    (home / "here").mkdir()
    archive = zipped(home / "here" / "x.zip", {"labels/a.json": GOOD})
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(home / "here")
    found = command("check", "here")
    assert [file["file"] for file in found["files"]] == ["labels/a.json"]
    assert [p["message"] for p in found["problems"]] == [
        "1 file of another kind was left alone: 1 .zip."
    ]
    (home / "here" / "x").mkdir()
    (home / "here" / "labels").rename(home / "here" / "x" / "labels")
    assert len(command("check", "here")["files"]) == 1


def encrypted(path: Path) -> None:
    zipped(path, {"good.json": GOOD, "secret.json": GOOD})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.rfind(signature)
        data[place + at] |= 1
    path.write_bytes(data)


def test_members_that_cannot_be_read_are_told_and_the_others_read(home: Path) -> None:
    encrypted(home / "e.zip")
    zipped(home / "c.zip", {"good.json": GOOD, "../out.json": GOOD, "/etc/x.json": GOOD})
    with tarfile.open(home / "l.tar", "w") as out:
        info = tarfile.TarInfo("good.json")
        info.size = len(GOOD)
        out.addfile(info, io.BytesIO(GOOD))
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(link)
    for name, words in (
        ("e.zip", "secret.json in the archive cannot be read: it is encrypted."),
        ("c.zip", "and 1 more in the archive cannot be read: its name leads out of the archive."),
        ("l.tar", "link.json in the archive cannot be read: it is a link or a device"),
    ):
        found = command("check", name, code=1)
        (told,) = found["problems"]
        assert (told["code"], told["file"]) == ("unreadable-member", name)
        assert words in told["message"]
        assert [f["records"] for f in found["files"] if f["role"] == "annotations"] == [1]
    assert not (home / "out.json").exists()


def test_bombs_are_refused_before_they_are_unpacked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "UNPACKED", 10_000)
    monkeypatch.setattr(archives, "RATIO", 10)
    bomb = {"a.json": b" " * 1_000_000, "good.json": GOOD}
    for name, pack in (("b.zip", zipped), ("b.tar.gz", tarred)):
        pack(home / name, bomb)
        (told,) = command("check", name, code=1)["problems"]
        assert (told["code"], told["file"]) == ("too-large", name)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MEMBERS", 3)
    zipped(home / "m.zip", {f"{i}.json": GOOD for i in range(4)})
    (told,) = command("check", str(home / "m.zip"), code=1)["problems"]
    assert told["code"] == "too-large"


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tgz"])
def test_a_broken_archive_is_an_error_when_named_and_a_line_when_found(
    home: Path, name: str
) -> None:
    (home / "d").mkdir()
    (home / "d" / name).write_bytes(b"PK\x03\x04 not really")
    (told,) = command("check", f"d/{name}", code=1)["problems"]
    assert told["code"] == "broken-archive"
    (home / "d" / "good.json").write_bytes(GOOD)
    (told,) = command("check", "d")["problems"]
    assert (told["code"], told["level"]) == ("left-archive", "Warning")


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (GOOD, ()),
        (GOOD, ("--format", "coco")),
        (voc("a.png", 400, 200, [("x", (1, 1, 20, 20))]), ()),
    ],
)
def test_standard_input_is_a_file(home: Path, data: bytes, more: tuple[str, ...]) -> None:
    (file,) = command("check", "-", *more, given=data)["files"]
    assert (file["file"], file["records"]) == ("-", 1)
    found = command("import", "pets", "-", "--create-assets", *more, given=data)
    assert found["session"]["report"]["committed"] == 1


def test_an_archive_may_come_on_standard_input(home: Path) -> None:
    given = zipped(home / "x.zip", CONTENT).read_bytes()
    files = command("check", "-", given=given)["files"]
    assert {f["file"] for f in files} == {"ds/annotations/a.json", "ds/README.dataset.txt"}


def test_paths_with_equal_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("v1/train", "v2/train", "x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.json").write_bytes(GOOD)
    inputs = Inputs.of_annotations()
    inputs.add_all([tmp_path / "v1/train", tmp_path / "v2/train", tmp_path / "x"])
    assert [each.name for each in inputs.files] == [
        "v1/train/a.json",
        "v2/train/a.json",
        "tmp/x/a.json".replace("tmp", tmp_path.name),
    ]
    with pytest.raises(BadRequestError, match="added already"):
        Inputs.of_annotations().add_all([tmp_path / "x", tmp_path / "x"])
    prefixed = Inputs.of_annotations()
    prefixed.add_all([tmp_path / "v1/train", tmp_path / "x"], ["one", "two/"])
    assert [(e.name, e.prefix) for e in prefixed.files] == [
        ("one/a.json", "one"),
        ("two/a.json", "two"),
    ]
    with pytest.raises(BadRequestError, match="1 prefixes for 2 paths"):
        Inputs.of_annotations().add_all([tmp_path / "v1", tmp_path / "x"], ["one"])


@pytest.mark.parametrize("header", ["class_id", "label", "age,score", "target", "cat,fold"])
def test_a_column_of_bits_is_no_class_because_of_its_bits(header: str) -> None:
    from annotary.formats.kit import tables
    from annotary.syntax.source import SourceFile

    cells = ",1" * (header.count(",") + 1)
    data = f"image_name,{header}\na.jpg{cells}\nb.jpg{cells}\n".encode()
    assert tables.recognised(SourceFile("a.csv", data=data)) != "roboflow_classes_csv"


def test_a_file_that_is_made_shorter_while_it_is_read_ends_nothing(tmp_path: Path) -> None:
    from annotary.syntax.source import MAP_ABOVE, SourceError, SourceFile

    path = tmp_path / "a.json"
    path.write_bytes(b" " * (MAP_ABOVE * 3) + GOOD)
    mapped = SourceFile("a.json", path=path)
    whole = mapped.buffer
    path.write_bytes(b"")
    assert bytes(whole[-len(GOOD) :]) == GOOD
    mapped.close()
    changed = SourceFile("a.json", path=path)
    path.write_bytes(b" " * MAP_ABOVE * 2)
    assert changed.raw_size == MAP_ABOVE * 2
    path.write_bytes(b" " * MAP_ABOVE)
    with pytest.raises(SourceError) as caught:
        bytes(changed.buffer[:1])
    assert caught.value.code == "changed-file"
