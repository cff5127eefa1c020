"""Every example of the page of the SDK, as it stands there, with the public client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.publicclient.conftest import ROOT

PAGE = ROOT / ".." / "shared" / "annotation-sdk-functions.txt"
CSV = "filename,xmin,ymin,xmax,ymax,label\n{name},1,2,30,40,dog\n"
BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]

_HEADING = re.compile(r"\w+|  •.*")
_SECTIONS = {"Parameters", "NameTypeDescription", "Return", "Examples"}
_START = re.compile(r"from datature|with open\(")


def examples() -> list[tuple[str, str]]:
    """The page's examples, each with the heading that it stands under."""
    if not PAGE.exists():
        return []
    found: list[tuple[str, str]] = []
    heading, code, within = "", [], False
    for line in [*PAGE.read_text("utf-8").splitlines(), "end"]:
        if _HEADING.fullmatch(line):
            if code:
                found.append((heading, "\n".join(code)))
            code, within = [], False
            if not line.startswith(" ") and line not in _SECTIONS:
                heading = line
        elif within or _START.match(line):
            within = True
            code.append(line)
    return found


def prepare(project, code: str, folder: Path, key: str) -> str:
    """The example with its placeholders replaced by what there is; nothing else is changed."""
    asset, *_ = project.assets.list(filters={"filename": "image.png"})
    annotation = project.annotations.create(
        {"asset_id": asset.id, "tag": "dog", "bound_type": "Rectangle", "bound": BOX}
    )
    page = project.annotations.list(pagination={"limit": 1})
    operation = project.annotations.create_export({"format": "csv_fourcorner"})
    for name in (
        "path/to/annotation1.csv",
        "folder/path/to/files/two.csv",
        "path/to/folder/three.csv",
        "path/annotation.csv",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(CSV.format(name="image.png"))
    for pattern, value in (
        (r'"5aa41e8ba\.+"', f'"{key}"'),
        (r'"proj_b705a\.+"', f'"{project.id}"'),
        (r'"NjVhYTE[^"]*"', f'"{page.next_page}"'),
        (r'"asset_6aea3395[^"]*"', f'"{annotation.id}"'),  # the page's slip: an annotation's id
        (r'"asset_[0-9a-f-]{36}"', f'"{asset.id}"'),
        (r'"op_[0-9a-f-]{36}"', f'"{operation.id}"'),
        (
            r'b"bytes/of/file", "filename"',
            repr(CSV.format(name="image.png").encode()) + ', "x.csv"',
        ),
        (r"(?m)^(\s*)//", r"\1#"),
    ):
        code = re.sub(pattern, lambda m, v=value: m.expand(v) if v == r"\1#" else v, code)
    assert "...." not in code
    return code


# What the public client itself does not take, whatever the server: the page's call hands an
# asset to list(), which takes a pagination there.
NOT_TAKEN = {'if annotation.tag == "dog"': "AssertionError"}


@pytest.mark.skipif(not PAGE.exists(), reason="the shared page is not here")
def test_every_example(public, server, ours, tmp_path):
    found = examples()
    assert len(found) >= 14
    headings = {heading for heading, _ in found}
    assert headings >= {
        "list",
        "create",
        "get",
        "delete",
        "create_export",
        "download_exported_file",
        "create_import_session",
        "add_path",
        "add_bytes",
        "wait_until_done",
        "get_logs",
    }
    for number, (heading, code) in enumerate(found):
        project = ours.create_project(f"example {number}")
        images = ["image.png", "other.png"]
        project.assets.register([{"filename": n, "width": 400, "height": 200} for n in images])
        other = {"asset_id": "other.png", "tag": "cat", "bound_type": "Rectangle", "bound": BOX}
        project.annotations.create(other)
        folder = tmp_path / str(number)
        folder.mkdir()
        before = len(list(project.annotations.list()))
        prepared = prepare(project, code, folder, server.key)
        (result,) = public("examples", project.id, [[str(folder), prepared]])
        after = len(list(project.annotations.list()))
        expected = next((e for text, e in NOT_TAKEN.items() if text in code), None)
        if expected is not None:
            assert result["error"] == expected
            continue
        assert "error" not in result, f"{heading}: {code}\n{result}"
        check(heading, result, after - before - 1, folder)


def check(heading: str, result: dict, more: int, folder: Path) -> None:
    """The example has had the effect that the page promises; ``more`` annotations are there."""
    value = result["value"]
    if heading == "list":
        assert result["type"] == "PaginationResponse"
        assert more == 0
    elif heading == "create":
        assert value["tag"] == "boat"
        assert more == 1
    elif heading == "get":
        assert value["tag"] == "dog"
    elif heading == "delete":
        assert value["deleted"]
        assert more == -1
    elif heading == "create_export":
        names = value.get("fileNames") or value["file_names"]
        assert [Path(name).name for name in sorted(names)] == ["train.csv", "validate.csv"]
        assert (folder / "local").is_dir()
    elif heading == "download_exported_file":
        assert value.get("fileNames") or value["file_names"]
    else:  # the import sessions: their logs are empty
        assert more >= 1
