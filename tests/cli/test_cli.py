"""The command line as a user meets it: real processes' worth of calls through click's runner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from annotary.cli import main

COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 40, "height": 20},
        {"id": 2, "file_name": "empty.png", "width": 30, "height": 30},
    ],
    "categories": [{"id": 3, "name": "dog"}, {"id": 7, "name": "boat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 2, 8, 8]},
        {"id": 2, "image_id": 1, "category_id": 7, "segmentation": [[1, 1, 9, 1, 9, 9]]},
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ANNOTARY_ENDPOINT", "ANNOTARY_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANNOTARY_HOME", str(tmp_path / "home"))
    (tmp_path / "coco.json").write_text(json.dumps(COCO, indent=1))
    broken = json.loads(json.dumps(COCO))
    broken["annotations"][0]["bbox"] = [30, 2, 18, 8]
    broken["annotations"][1]["category_id"] = 9
    (tmp_path / "broken.json").write_text(json.dumps(broken, indent=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def answer(*arguments: str, code: int = 0) -> dict[str, object]:
    found = json.loads(run(*arguments, "--json", code=code).stdout)
    assert isinstance(found, dict)
    return found


def test_the_main_job(folder: Path) -> None:
    assert "Created pets" in run("project", "create", "pets").output
    imported = run("import", "pets", "coco.json", "--create-assets").output
    assert "2 records: 2 committed" in imported
    assert "pets" in run("project", "list").output
    stats = answer("stats", "pets")
    assert stats["statistic"]["totalAnnotations"] == 2  # type: ignore[index]
    assert stats["statistic"]["totalAssets"] == 2  # type: ignore[index]
    found = json.loads(run("annotation", "list", "pets", "--json").stdout)
    assert {each["tag"] for each in found} == {"dog", "boat"}
    assert "empty.png" in run("asset", "list", "pets").output

    out = run("export", "pets", "--format", "coco", "--out", "out").output
    assert "1 polygons were written as their boxes" in out
    written = json.loads(next((folder / "out").rglob("dump.json")).read_text())
    assert [c["id"] for c in written["categories"]] == [3, 7]
    assert [i["file_name"] for i in written["images"]] == ["a.png", "empty.png"]
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["losses"][0]["count"] == 1
    assert "Deleted pets" in run("project", "delete", "pets", "--yes").output
    assert run("project", "list").output.strip() == "No projects yet."


def test_a_faulty_file_is_refused_with_all_its_faults(folder: Path) -> None:
    run("project", "create", "pets")
    result = run("import", "pets", "broken.json", "--create-assets", code=1)
    assert "At broken.json:" in result.stderr
    assert "Point 48.0, 10.0 is out of bounds." in result.stderr
    assert "The category id 9 is not declared" in result.stderr
    assert "Nothing was imported: 2 problems" in result.output
    assert answer("stats", "pets")["statistic"]["totalAnnotations"] == 0  # type: ignore[index]


def test_rejects_can_be_mended_and_imported(folder: Path) -> None:
    run("project", "create", "pets")
    run(
        *("import", "pets", "broken.json", "--create-assets"),
        *("--on-error", "skip", "--rejects", "rejected"),
    )
    text = (folder / "rejected" / "broken.json").read_text()
    document = json.loads(text)
    document["annotations"][0]["bbox"] = [3, 2, 18, 8]
    document["annotations"][1]["category_id"] = 7
    (folder / "mended.json").write_text(json.dumps(document))
    run("import", "pets", "mended.json")
    assert answer("stats", "pets")["statistic"]["totalAnnotations"] == 2  # type: ignore[index]


def test_dry_run_commits_nothing(folder: Path) -> None:
    run("project", "create", "pets")
    assert "Dry run" in run("import", "pets", "coco.json", "--create-assets", "--dry-run").output
    assert answer("stats", "pets")["statistic"]["totalAssets"] == 0  # type: ignore[index]


def test_check_exits_one_on_errors_and_zero_without(folder: Path) -> None:
    found = answer("check", "broken.json", code=1)
    assert found["errors"] == 2
    assert {p["code"] for p in found["problems"]} == {"out-of-bounds", "unknown-category"}  # type: ignore[attr-defined]
    assert all(p["line"] for p in found["problems"])  # type: ignore[attr-defined]
    assert "0 errors" in run("check", "coco.json").output


def test_convert_needs_no_project(folder: Path) -> None:
    run("convert", "coco.json", "--to", "yolo_darknet", "--out", "yolo")
    assert (folder / "yolo" / "classes.txt").read_text().split() == ["dog", "boat"]
    assert len((folder / "yolo" / "dump" / "a.txt").read_text().splitlines()) == 2
    assert (folder / "yolo" / "dump" / "empty.txt").read_text() == ""
    run("convert", "broken.json", "--to", "yolo_darknet", "--out", "never", code=1)
    assert not (folder / "never").exists()
    assert not (folder / "home").exists()


def test_images_are_added_and_matched(folder: Path) -> None:
    (folder / "pictures").mkdir()
    Image.new("RGB", (40, 20)).save(folder / "pictures" / "a.png")
    Image.new("RGB", (30, 30)).save(folder / "pictures" / "empty.png")
    run("project", "create", "pets")
    run("import", "pets", "coco.json", "--images", "pictures")
    run("convert", "coco.json", "--to", "yolo_darknet", "--out", "yolo")
    run("convert", "yolo", "--to", "pascal_voc", "--out", "voc", "--images", "pictures")
    assert "<width>40</width>" in (folder / "voc" / "dump" / "a.xml").read_text()


def test_plan_and_refuse(folder: Path) -> None:
    run("project", "create", "pets")
    run("import", "pets", "coco.json", "--create-assets")
    plan = run("export", "pets", "--format", "csv_fourcorner", "--plan").output
    assert "1 images without annotations could not be listed." in plan
    refused = run(
        *("export", "pets", "--format", "csv_fourcorner", "--out", "no", "--on-loss", "refuse"),
        code=1,
    )
    assert "cannot carry all" in refused.stderr
    assert not list(folder.glob("no/**/*.csv"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stats", "nowhere"), 2, "There is no project 'nowhere'."),
        (("convert", "coco.json", "--to", "coko", "--out", "x"), 2, "Did you mean"),
        (("import", "pets", "missing.json"), 2, "does not exist"),
        (("export", "pets", "--format", "coco"), 2, "--out"),
    ],
)
def test_wrong_calls_say_how_to_mend_them(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    run("project", "create", "pets")
    assert said in run(*arguments, code=code).stderr


def test_errors_as_json(folder: Path) -> None:
    result = run("stats", "nowhere", "--json", code=2)
    assert json.loads(result.stderr)["error"]["code"] == "NotFoundError"


def test_formats_lists_and_explains(folder: Path) -> None:
    assert "yolo_darknet" in run("formats").output
    assert "COCO" in run("formats", "coco").output
    assert "annotary" in run("completion", "bash").output


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("annotary")
    found = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("annotary")
