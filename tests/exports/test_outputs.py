"""Where the files of an export go, whatever images are called."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.client.project import Project
from annotary.contract.names import inside, member_names
from annotary.formats.kit.numbers import shortest
from annotary.processes.writer import SecondWriter, can_help
from annotary.writing import output
from annotary.writing.output import FolderOutput, ZipOutput
from tests.samples import rectangle, register


def test_both_ways_of_writing_are_the_same(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with ZipOutput(stream, "top") as zipped:
        folder = FolderOutput(tmp_path)
        for out in (zipped, folder):
            out.put("a/put.txt", b"text")
            with out.file("a/file.txt") as file:
                file.write(b"te")
                file.write(b"xt")
            out.put("empty.txt", b"")
    digest = hashlib.sha256(b"text").hexdigest()
    assert zipped.digests == folder.digests
    assert folder.digests["a/put.txt"] == folder.digests["a/file.txt"] == digest
    with zipfile.ZipFile(stream) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
        infos = {(i.date_time, i.external_attr, i.compress_type) for i in archive.infolist()}
    assert found == {"top/a/put.txt": b"text", "top/a/file.txt": b"text", "top/empty.txt": b""}
    assert len(infos) == 1
    # no date of today: exports of the same data are the same bytes on any day
    assert {date for date, *_ in infos} == {(1980, 1, 1, 0, 0, 0)}
    files = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*.txt")}
    assert {f"top/{name}": data for name, data in files.items()} == found


@pytest.mark.parametrize(
    "name", ["../../out.jpg", "/root/out.jpg", "a/../../../out.jpg", "./x/out"]
)
def test_no_image_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    out = FolderOutput(home / "export")
    out.put(f"dump/{member_names([name], '.txt')[0]}", b"1")
    out.put(name, b"2")
    with out.file(f"more/{name}") as file:
        file.write(b"3")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 3
    assert all((home / "export") in path.parents for path in written)
    assert sorted(out.digests) == sorted(
        path.relative_to(home / "export").as_posix() for path in written
    )


def test_names_that_become_the_same_stay_apart() -> None:
    found = member_names(["../a.jpg", "a.jpg", "/a.png", "b//c.d.jpg", ".e.jpg", "f."], ".txt")
    assert found == ["a.jpg.txt", "a.jpg~2.txt", "a.png.txt", "b/c.d.txt", ".e.txt", "f..txt"]


@given(st.text("a/."))
def test_inside_is_a_path_below(path: str) -> None:
    found = inside(path)
    assert not {"", ".", ".."} & set(found.split("/")) or found == ""
    assert inside(found) == found


@given(st.lists(st.floats()))
def test_numbers_are_written_as_repr_writes_them(values: list[float]) -> None:
    array = np.array(values, np.float64)
    texts = [repr(value) for value in values]
    assert shortest(array, point=True) == texts
    plain = [t[:-2] if t.endswith(".0") and t != "-0.0" else t for t in texts]
    assert shortest(array) == plain


# --- two processes --------------------------------------------------------------------------

MANY = 3 * output._FEW


def content(number: int) -> bytes:
    """Small files, empty ones, and a few that are larger than what is handed over."""
    return b"x" * (200_000 if number % 400 == 399 else number % 50) + str(number).encode()


@pytest.mark.skipif(not can_help(), reason="there is one processor")
def test_two_processes_write_what_one_would(tmp_path: Path) -> None:
    with FolderOutput(tmp_path) as out:
        for number in range(MANY):
            out.put(f"a{number % 3}/{number} ä.txt", content(number))
        assert out._second is not None
        out.put("a0/0 ä.txt", b"later")
        with out.file("a1/1 ä.txt") as file:
            file.write(b"later too")
    assert out._second is None
    found = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*.txt")}
    expected = {f"a{n % 3}/{n} ä.txt": content(n) for n in range(MANY)}
    assert found == expected | {"a0/0 ä.txt": b"later", "a1/1 ä.txt": b"later too"}
    assert out.digests == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


@pytest.mark.skipif(not can_help(), reason="there is one processor")
def test_a_file_that_the_second_process_cannot_write(tmp_path: Path) -> None:
    second = SecondWriter()
    assert second.take(str(tmp_path / "fine.txt"), b"1")
    assert second.take(str(tmp_path / "missing" / "a.txt"), b"2")
    assert second.take(str(tmp_path / "never.txt"), b"3")
    with pytest.raises(FileNotFoundError) as caught:
        second.finish()
    assert caught.value.filename == str(tmp_path / "missing" / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["fine.txt"]


@pytest.mark.skipif(not can_help(), reason="there is one processor")
@pytest.mark.parametrize("how", ["refuses", "is killed"])
def test_a_second_process_that_ends_is_an_error(tmp_path: Path, how: str) -> None:
    """Whoever goes on putting files hears of it, at the latest when the block is left."""
    with pytest.raises(OSError, match=r"directory|process"), FolderOutput(tmp_path) as out:
        for number in range(20 * MANY):
            out.put(f"a/{number}.txt", b"some text")
            if out._second is not None and number == output._FEW + 10:
                if how == "refuses":
                    assert out._second.take(str(tmp_path / "b" / "x.txt"), b"")
                else:
                    out._second._process.kill()


@pytest.mark.skipif(not can_help(), reason="there is one processor")
def test_an_error_ends_the_second_process(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), FolderOutput(tmp_path) as out:
        for number in range(MANY):
            out.put(f"{number}.txt", b"text")
        assert out._second is not None
        process = out._second._process
        raise ZeroDivisionError
    assert process.poll() is not None


def test_images_of_one_stem_in_two_parts_have_files_of_different_names(
    project: Project, tmp_path: Path
) -> None:
    names = [f"{stem}.{ending}" for stem in "abcdef" for ending in ("png", "jpg")]
    for asset in register(project, *names):
        project.annotations.create(rectangle(asset.id))
    options = {"split_ratio": 0.5, "seed": 5}
    exported = project.annotations.create_export({"format": "yolo_darknet", "options": options})
    got = project.annotations.download_exported_file(exported.id, str(tmp_path))
    stems = [Path(name).name for name in got.file_names if name.endswith(".txt")]
    labels = [name for name in stems if name[0] in "abcdef" and name[1] == "."]
    assert len(labels) == len(set(labels)) == len(names)
