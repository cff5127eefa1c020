"""Every example of the SDK's function page, on the embedded store.

``from annotary import Client`` is the only change: keys, ids and paths are placeholders, a
``//`` comment is a typo, and what an example forgot to define is defined first. The first part
takes the examples from the page itself; the second makes the same calls without it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from annotary import Client, ImportFailedError, NotFoundError
from annotary.client.project import Project
from annotary.model import (
    Annotation,
    Asset,
    DeleteResponse,
    ImportSessionLog,
    LocalAnnotations,
    Operation,
    PaginationResponse,
)
from tests.samples import fourcorner, rectangle, register

PAGE = Path(__file__).parents[3] / "shared" / "annotation-sdk-functions.txt"
IMPORT = "from datature.nexus import Client"
HEADINGS = re.compile(
    r"(list|create|get|delete|create_export|download_exported_file|create_import_session"
    r"|ImportSession|add_path|add_bytes|wait_until_done|get_logs|Return|Examples|  • .*)"
)
GOOD = fourcorner([("image.png", (0.1, 0.1, 0.3, 0.5), "dog"), ("image.png", (0, 0, 1, 1), "cat")])
BAD = fourcorner([("image.png", (10, 20, 30, 40), "dog"), ("image.png", (0, 0, 259, 259), "cat")])


def examples(text: str) -> list[str]:
    """The code of every example, in the order of the page."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line == IMPORT:
            found.append([])
            inside = True
        elif HEADINGS.fullmatch(line):
            inside = False
        if inside:
            found[-1].append(line)
    return ["\n".join(lines).strip() + "\n" for lines in found]


EXAMPLES = examples(PAGE.read_text("utf-8")) if PAGE.exists() else []


class Stage(SimpleNamespace):
    """A store with what the examples speak of, and a folder to run them in."""

    project: Project
    asset: Asset
    annotation: Annotation
    folder: Path


@pytest.fixture
def stage(project: Project, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (asset, _) = register(project, "image.png", "other.png", width=400, height=243)
    project.tags.create("dog")
    project.ontologies.set("dog", [{"name": "Tag Group", "type": "String", "default": "person"}])
    annotation, *_ = project.annotations.create(
        [rectangle(asset.id, tag) for tag in ("dog", "boat", "dog")]
    )
    monkeypatch.setenv("ANNOTARY_HOME", str(home))
    monkeypatch.delenv("ANNOTARY_ENDPOINT", raising=False)
    folder = tmp_path / "work"
    for name in ("path/to/annotation1.csv", "path/annotation.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(GOOD)
    for place in ("folder/path/to/files", "path/to/folder"):
        (folder / place / "deeper").mkdir(parents=True)
        (folder / place / "one.csv").write_bytes(GOOD)
        (folder / place / "deeper" / "two.csv").write_bytes(GOOD)
        (folder / place / "photo.jpg").write_bytes(b"not read")
    monkeypatch.chdir(folder)
    return Stage(project=project, asset=asset, annotation=annotation, folder=folder)


def run(code: str, stage: Stage) -> tuple[Any, dict[str, Any]]:
    """Run an example; answers the value of its last line, and its names."""
    code = code.replace(IMPORT, "from annotary import Client")
    code = re.sub(r"^//", "#", code, flags=re.M)
    code = code.replace("proj_b705a........", stage.project.id)
    code = re.sub(r"asset_6aea3395[-0-9a-f]+", stage.annotation.id, code)
    code = re.sub(r"asset_(?!id)[0-9a-f-]{36}", stage.asset.id, code)
    code = code.replace('b"bytes/of/file"', repr(GOOD))
    if "NjVhYTE0ZDY3YzQ5MThlMTJjYTUyOGRk" in code:
        first = stage.project.annotations.list(pagination={"limit": 1})
        code = code.replace("NjVhYTE0ZDY3YzQ5MThlMTJjYTUyOGRk", first.next_page or "")
    names: dict[str, Any] = {
        "datature": stage.project,
        "download_exported_file": stage.project.annotations.download_exported_file,
    }
    if "op_cf8c538a-bcb5-49a9-82cf-fb0d13b49bb1" in code:
        operation = stage.project.annotations.create_export(EXPORT)
        code = code.replace("op_cf8c538a-bcb5-49a9-82cf-fb0d13b49bb1", operation.id)
    tree = ast.parse(code)
    if isinstance(tree.body[-1], ast.Expr):
        target = ast.Name("_result", ast.Store())
        tree.body[-1] = ast.Assign([target], tree.body[-1].value)
    exec(compile(ast.fix_missing_locations(tree), "example", "exec"), names)
    return names.get("_result"), names


EXPORT = {
    "format": "csv_fourcorner",
    "options": {"split_ratio": 0.5, "seed": 1337, "normalized": True},
}


# --- the page itself ------------------------------------------------------------------------


def list_by_id(result: Any, stage: Stage) -> None:
    assert isinstance(result, PaginationResponse)
    assert [each.asset_id for each in result.data] == [stage.asset.id] * 2
    assert result.data[0].bound_type == "Rectangle"
    (value,) = result.data[1].attributes or []
    assert (value.name, value.value) == ("Tag Group", "person")
    assert value.id.startswith("attri_")
    assert (result.data[1].ontology_id or "").startswith("ontology_")


def list_by_name(result: Any, stage: Stage) -> None:
    assert len(result.data) == 3
    assert result.next_page is None
    assert result.prev_page is None
    assert all(each.attributes is None and each.ontology_id is None for each in result.data)


def created(result: Any, stage: Stage) -> None:
    assert isinstance(result, Annotation)
    assert re.fullmatch(r"annot_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", result.id)
    assert re.fullmatch(r"proj_[0-9a-f]{32}", result.project_id)
    assert (result.asset_id, result.tag) == (stage.asset.id, "boat")
    assert isinstance(result.create_date, int)
    assert result.create_date > 1_700_000_000_000
    assert len(result.bound) == 4  # type: ignore[arg-type]
    assert stage.project.annotations.get(result.id) == result


def got(result: Any, stage: Stage) -> None:
    assert (result.id, result.tag) == (stage.annotation.id, "dog")
    assert [value.name for value in result.attributes] == ["Tag Group"]
    assert result.ontology_id.startswith("ontology_")


def deleted(result: Any, stage: Stage) -> None:
    assert result == DeleteResponse(deleted=True, id=stage.annotation.id)
    with pytest.raises(NotFoundError):
        stage.project.annotations.get(stage.annotation.id)
    assert len(stage.project.annotations.list()) == 2


def downloaded(result: Any, stage: Stage) -> None:
    folder = stage.project.id.removeprefix("proj_")
    names = [f"{folder}/train.csv", f"{folder}/validate.csv"]
    assert result == LocalAnnotations(download_path="local", file_names=names)
    lines = [(stage.folder / "local" / name).read_text("utf-8").splitlines() for name in names]
    # three boxes on image.png; other.png has none, and lines speak of boxes
    assert sum(len(part) - 1 for part in lines) == 3


def imported(count: int) -> Callable[[Any, Stage], None]:
    def check(result: Any, stage: Stage) -> None:
        assert len(list(stage.project.annotations.list())) == 3 + count

    return check


OUTCOMES: list[tuple[str, Callable[[Any, Stage], None]]] = [
    ("list by id", list_by_id),
    ("list by file name", list_by_name),
    ("create by id", created),
    ("create by file name", created),
    ("get", got),
    ("delete", deleted),
    ("delete the first dog", deleted),
    ("create_export", downloaded),
    ("download_exported_file", downloaded),
    ("create_import_session", imported(2 + 4 + 2)),
    ("add_path of a file", imported(2)),
    ("add_path of a folder", imported(4)),
    ("add_bytes", imported(2)),
    ("wait_until_done", imported(2)),
    ("get_logs", imported(2)),
]


@pytest.mark.skipif(not PAGE.exists(), reason=f"the page {PAGE.name} is absent")
def test_the_page_has_the_examples_that_are_tested() -> None:
    assert len(EXAMPLES) == len(OUTCOMES)


@pytest.mark.parametrize("number", range(len(OUTCOMES)), ids=[name for name, _ in OUTCOMES])
def test_example_of_the_page(number: int, stage: Stage) -> None:
    if not EXAMPLES:
        pytest.skip(f"the page {PAGE.name} is absent")
    code, (name, check) = EXAMPLES[number], OUTCOMES[number]
    # two examples open a file in front of the import line
    if "file_bytes" in code and "open(" not in code:
        code = 'with open("path/annotation.csv", "rb") as f:\n  file_bytes = f.read()\n' + code
    result, names = run(code, stage)
    if "background=True" in code:
        names["import_session"].wait_until_done()
    if name == "get_logs":
        log = names["import_session"].get_logs()
        assert (log.id, log.logs) == (names["import_session"].id, [])
    check(result, stage)


# --- the same calls, without the page -------------------------------------------------------


def test_keys_are_not_needed_and_not_minded(stage: Stage, home: Path) -> None:
    assert Client("some key").get_project(stage.project.id).id == stage.project.id
    bare = stage.project.id.removeprefix("proj_")
    assert Client("some key").get_project(bare).id == stage.project.id


def test_list_takes_pages_filters_and_assets(stage: Stage) -> None:
    annotations = stage.project.annotations
    first = annotations.list(pagination={"limit": 2}, filters={"asset_ids": [stage.asset.id]})
    assert (len(first), first.prev_page) == (2, None)
    second = annotations.list(pagination={"limit": 2, "page": first.next_page})
    assert (len(second), second.next_page) == (1, None)
    assert annotations.list(pagination={"limit": 2, "page": second.prev_page}).data == first.data
    assert [each.id for each in first] == [each.id for each in annotations.list()]
    for asset in (stage.asset, stage.asset.id, "image.png"):
        assert len(annotations.list(asset)) == 3
    assert len(annotations.list("other.png")) == 0
    start = annotations.list(pagination={"limit": 1}).next_page
    rest = annotations.list(
        pagination={"limit": 500, "page": start},
        filters={"asset_ids": [stage.asset.id]},
        include_attributes=True,
    )
    list_by_id(rest, stage)


def test_create_one_and_many(stage: Stage) -> None:
    annotations = stage.project.annotations
    created(annotations.create(rectangle(stage.asset.id, "boat")), stage)
    created(annotations.create(rectangle("image.png", "boat")), stage)
    many = annotations.create([rectangle(stage.asset.id, tag) for tag in ("a", "b")])
    assert [each.tag for each in many] == ["a", "b"]
    assert annotations.create([]) == []


def test_get_and_delete(stage: Stage) -> None:
    annotations = stage.project.annotations
    got(annotations.get(stage.annotation.id, include_attributes=True), stage)
    assert annotations.get(stage.annotation.id).attributes is None
    deleted(annotations.delete(stage.annotation.id), stage)
    for unknown in (stage.annotation.id, stage.asset.id, "annot_1", ""):
        with pytest.raises(NotFoundError):
            annotations.delete(unknown)


def test_delete_the_first_with_a_tag(stage: Stage) -> None:
    dogs = [each for each in stage.project.annotations.list(stage.asset) if each.tag == "dog"]
    deleted(stage.project.annotations.delete(dogs[0].id), stage)


def test_export_and_download(stage: Stage) -> None:
    operation = stage.project.annotations.create_export(EXPORT)
    assert isinstance(operation, Operation)
    assert re.fullmatch(r"op_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", operation.id)
    assert operation.kind == "nexus.annotations.export"
    assert operation.status.overview == "Finished"
    assert operation.status.message.startswith("Operation finished")
    assert operation.status.progress.unit == "whole operation"
    counts = msgspec.to_builtins(operation.status.progress.with_status)
    assert {name: n for name, n in counts.items() if n} == {"Finished": 1}
    assert operation.update_date >= operation.create_date > 1_700_000_000_000
    downloaded(stage.project.annotations.download_exported_file(operation.id, "local"), stage)


def test_import_by_path_folder_and_bytes(stage: Stage) -> None:
    session = stage.project.annotations.create_import_session(background=True)
    with session as inside:
        inside.add_path("path/to/annotation1.csv")
        inside.add_path("folder/path/to/files")
        inside.add_bytes(GOOD, "filename")
    assert session.wait_until_done() is True
    assert session.get_logs().logs == []
    imported(8)(None, stage)
    assert [file.file for file in session.report.files] == [
        "annotation1.csv",
        "one.csv",
        "deeper/two.csv",
        "filename",
    ]


def test_the_log_of_a_failed_import_is_the_documented_one(stage: Stage) -> None:
    session = stage.project.annotations.create_import_session()
    with pytest.raises(ImportFailedError), session:
        session.add_bytes(BAD, "test_annotations2.csv")
    log = session.get_logs()
    assert isinstance(log, ImportSessionLog)
    assert log.id == session.id
    assert re.fullmatch(r"annotsess_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", log.id)
    assert log.project_id == stage.project.id
    (item,) = log.logs
    assert isinstance(item.timestamp, float)
    assert item.level == "Error"
    assert item.message == (
        "At test_annotations2.csv:3: Point 259.0, 259.0 is out of bounds.\n\n"
        "Hint: The asset for this annotation has dimensions 400 x 243 pixels."
    )
    assert (item.file, item.line, item.code) == ("test_annotations2.csv", 3, "out-of-bounds")
    assert len(stage.project.annotations.list()) == 3
