"""Exports: what is in them, what decides their bytes, and what is said of what is not."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import (
    BadRequestError,
    Client,
    ConflictError,
    LossRefusedError,
    NotFoundError,
    ValidationError,
    formats,
)
from annotary.client.project import Project
from annotary.model import ExportManifest, ExportOptions
from annotary.writing.exporting import split
from tests.samples import coco, random_annotations, rectangle, register, send

WRITERS = [f.name for f in formats.writers()]


def fill(project: Project, seed: int, count: int, images: int = 6) -> None:
    """Images of one size, the last two without annotations, and annotations of all kinds."""
    names = [f"{'ab'[i % 2]}/{i:02}.png" for i in range(images)]
    assets = register(project, *names, width=40, height=20)
    rng = np.random.default_rng(seed)
    project.annotations.create(random_annotations(rng, assets[: max(images - 2, 1)], count))


def members(
    project: Project, folder: Path, **export: Any
) -> tuple[dict[str, bytes], ExportManifest]:
    """The files of an export, named below the project's folder, and its manifest."""
    name = export.pop("format")
    operation = project.annotations.create_export({"format": name, "options": export})
    place = folder / operation.id
    found = project.annotations.download_exported_file(operation.id, str(place))
    prefix = project.id.removeprefix("proj_") + "/"
    assert all(each.startswith(prefix) for each in found.file_names)
    assert len(set(found.file_names)) == len(found.file_names)
    files = {each.removeprefix(prefix): (place / each).read_bytes() for each in found.file_names}
    return files, project.annotations.get_export_manifest(operation.id)


# --- splits ---------------------------------------------------------------------------------

NAMES = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40).map(sorted)
RATIO = st.floats(0, 1)


@given(names=NAMES, ratio=RATIO, seed=st.integers(0, 5))
def test_a_split_is_a_partition_of_the_wanted_size(
    names: list[str], ratio: float, seed: int
) -> None:
    parts = split(names, ExportOptions(split_ratio=ratio, seed=seed))
    assert sorted(i for _, images in parts for i in images) == list(range(len(names)))
    if ratio == 0 or len(names) < 2:
        assert [name for name, _ in parts] == ["dump"]
    else:
        (a, train), (b, validate) = parts
        assert (a, b) == ("train", "validate")
        assert train
        assert validate
        if 0 < round(len(names) * ratio) < len(names):
            assert abs(len(validate) - len(names) * ratio) <= 0.5


@given(
    names=NAMES.filter(lambda names: len(names) > 1),
    more=st.text(min_size=1),
    seed=st.integers(0, 5),
)
def test_a_new_image_moves_at_most_one_other(names: list[str], more: str, seed: int) -> None:
    options = ExportOptions(split_ratio=0.3, seed=seed)

    def validated(all_names: list[str]) -> set[str]:
        return {all_names[i] for i in split(all_names, options)[1][1]}

    wider = sorted({*names, more})
    assert len((validated(names) ^ validated(wider)) - {more}) <= 1


def test_a_split_is_the_same_on_every_machine() -> None:
    names = [f"{i}.png" for i in range(10)]
    parts = split(names, ExportOptions(split_ratio=0.3, seed=1337))
    order = sorted(names, key=lambda name: hashlib.sha256(f"1337:{name}".encode()).digest())
    assert parts[1][1] == sorted(names.index(name) for name in order[:3])
    # written down: changing this changes everybody's splits
    assert parts[1][1] == SPLIT_OF_TEN


SPLIT_OF_TEN = [3, 6, 8]


@pytest.mark.parametrize("ratio", [-0.1, 1.5, float("nan")])
def test_ratios_that_are_none(project: Project, ratio: float) -> None:
    register(project, "a.png", "b.png")
    with pytest.raises(BadRequestError, match="must be from 0 to 1"):
        project.annotations.create_export({"format": "coco", "options": {"split_ratio": ratio}})


# --- the same bytes -------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("ratio", [0.0, 0.4])
def test_the_same_data_is_the_same_bytes(name: str, ratio: float, tmp_path: Path) -> None:
    found = []
    for store in ("one", "two"):
        client = Client(home=tmp_path / store)
        if store == "two":  # other ids, other numbers inside
            fill(client.create_project("other"), 9, 5)
        project = client.create_project("same")
        fill(project, 3, 40)
        files, manifest = members(project, tmp_path, format=name, split_ratio=ratio)
        again, _ = members(project, tmp_path, format=name, split_ratio=ratio)
        assert files == again
        assert manifest.files == {
            path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())
        }
        found.append({path: _without_ids(project, data) for path, data in files.items()})
        stems = {"dump"} if ratio == 0 else {"train", "validate"}
        assert {part.name for part in manifest.parts} == stems
        assert all(any(stem in path for path in files) for stem in stems) or "nifti" in name
    assert found[0] == found[1]


def _without_ids(project: Project, data: bytes) -> bytes:
    """The data without ids, which a few formats have a place for."""
    own = project.id.removeprefix("proj_").encode()
    return re.sub(rb"asset_[0-9a-f-]{36}", b"<asset>", data).replace(own, b"<project>")


def test_the_zip_itself_is_the_same_bytes(project: Project, home: Path) -> None:
    fill(project, 1, 20)
    export = {"format": "pascal_voc", "options": {"split_ratio": 0.5, "seed": 3}}
    for _ in range(2):
        project.annotations.create_export(export)
    one, two = (path.read_bytes() for path in (home / "blobs" / "exports").iterdir())
    assert one == two


def test_another_seed_is_another_split(project: Project, tmp_path: Path) -> None:
    fill(project, 1, 20, images=30)
    splits = [
        members(project, tmp_path, format="coco", split_ratio=0.5, seed=seed)[0]["train.json"]
        for seed in (1, 2, 1)
    ]
    assert splits[0] == splits[2] != splits[1]


# --- counts and losses ----------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 40), ratio=st.sampled_from([0.0, 0.5]))
def test_what_is_not_written_is_said(name: str, seed: int, count: int, ratio: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Client(home=Path(folder) / "store").create_project("p")
        fill(project, seed, count)
        options = {"split_ratio": ratio}
        export = {"format": name, "options": options}
        planned = project.annotations.plan_export(export)
        operation = project.annotations.create_export(export)
        manifest = project.annotations.get_export_manifest(operation.id)
        assert manifest.losses == planned
        assert all(loss.text in operation.status.message for loss in planned)
        assert all(loss.count > 0 for loss in planned)
        assert manifest.annotations_in_project == count
        assert sum(part.images for part in manifest.parts) == 6
        # every object is here alone in its annotation: none is lost without a word
        lost = sum(loss.count for loss in planned if loss.code in {"left-out", "unknown-size"})
        merged = sum(loss.count for loss in planned if loss.code == "merged")
        assert sum(part.objects for part in manifest.parts) == count - lost - merged
        if planned:
            with pytest.raises(LossRefusedError) as caught:
                project.annotations.create_export(
                    {"format": name, "options": options | {"on_loss": "refuse"}}
                )
            assert planned[0].text in str(caught.value)
            refused, *_ = project.operations.list()
            assert refused.status.overview == "Errored"
            with pytest.raises(NotFoundError):
                project.annotations.download_exported_file(refused.id, folder)
        else:
            project.annotations.create_export(
                {"format": name, "options": options | {"on_loss": "refuse"}}
            )
        zips = list((Path(folder) / "store" / "blobs" / "exports").iterdir())
        assert len(zips) == (1 if planned else 2)


@pytest.mark.parametrize("name", WRITERS)
def test_objects_of_parts_and_holes_go_through_every_format(name: str, project: Project) -> None:
    register(project, "a.png", width=40, height=20)
    ring = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    inner = [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]
    part = {"asset_id": "a.png", "tag": "x", "bound_type": "Polygon"}
    whole = project.annotations.create(part | {"bound": ring})
    project.annotations.create(part | {"bound": inner, "hole": True, "group": whole.id})
    box = project.annotations.create(rectangle("a.png", "x"))
    points = [[0.2, 0.2, 2], [0.0, 0.0, 0], [0.8, 0.8, 1]]
    project.annotations.create(
        part | {"bound": points, "bound_type": "Keypoints", "group": box.id, "tag": "x"}
    )
    # a hole whose object was deleted is still data
    lonely = project.annotations.create(part | {"bound": ring, "tag": "y"})
    project.annotations.create(
        part | {"bound": inner, "hole": True, "group": lonely.id, "tag": "y"}
    )
    project.annotations.delete(lonely.id)
    planned = project.annotations.plan_export({"format": name})
    operation = project.annotations.create_export({"format": name})
    assert operation.status.overview == "Finished"
    assert project.annotations.get_export_manifest(operation.id).losses == planned


@pytest.mark.parametrize("name", WRITERS)
def test_an_empty_project_can_be_exported(name: str, project: Project, tmp_path: Path) -> None:
    operation = project.annotations.create_export({"format": name, "options": {"split_ratio": 0.2}})
    assert operation.status.message.startswith("Operation finished. 0 objects on 0 images")
    project.annotations.download_exported_file(operation.id, str(tmp_path))


def test_images_without_annotations_are_kept(project: Project, tmp_path: Path) -> None:
    register(project, "a.png", "b.png", "empty.png")
    project.annotations.create([rectangle("a.png"), rectangle("b.png")])
    files, manifest = members(project, tmp_path, format="coco")
    names = [image["file_name"] for image in json.loads(files["dump.json"])["images"]]
    assert names == ["a.png", "b.png", "empty.png"]
    assert manifest.losses == []
    for name in WRITERS:
        found, manifest = members(project, tmp_path, format=name)
        said = any(loss.code == "empty-images" for loss in manifest.losses)
        kept = any("empty" in path or b"empty" in data for path, data in found.items())
        assert said != kept, name


def test_class_numbers_of_the_source_are_kept(project: Project, tmp_path: Path) -> None:
    data = json.loads(coco())
    data["categories"] = [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}]
    data["annotations"][0]["category_id"] = 90
    register(project, "image.png")
    send(project, {"a.json": json.dumps(data).encode()})
    project.annotations.create(rectangle("image.png", "new"))
    files, manifest = members(project, tmp_path, format="coco")
    assert manifest.classes == {"dog": 90, "cat": 3, "new": 91}
    found = {c["name"]: c["id"] for c in json.loads(files["dump.json"])["categories"]}
    assert found == manifest.classes


# --- options --------------------------------------------------------------------------------


def test_unknown_options_are_refused_with_those_that_exist(project: Project) -> None:
    for export in (
        {"format": "coco", "options": {"splitratio": 0.5}},
        {"format": "coco", "option": {}},
        {"format": "coco", "options": {"seed": "many"}},
    ):
        with pytest.raises(ValidationError, match="is not valid") as caught:
            project.annotations.create_export(export)
        assert "split_ratio" in caught.value.hint or "options" in caught.value.hint
    with pytest.raises(ValidationError, match="is not valid") as one_of:
        project.annotations.create_export({"format": "coco", "options": {"on_loss": "panic"}})
    assert one_of.value.hint == "on_loss is one of allow, refuse, warn."
    with pytest.raises(BadRequestError, match="Options of coco") as refused:
        project.annotations.create_export({"format": "coco", "options": {"extra": {"colour": 1}}})
    assert "It knows:" in refused.value.hint
    with pytest.raises(BadRequestError, match="no format 'yolo_dark'") as unknown:
        project.annotations.create_export({"format": "yolo_dark"})
    assert "yolo_darknet" in unknown.value.hint


def test_normalized_chooses_the_unit(project: Project, tmp_path: Path) -> None:
    register(project, "a.png")
    project.annotations.create(rectangle("a.png", "x", (0.25, 0.5, 0.5, 1)))
    lines = {
        unit: members(project, tmp_path, format="csv_fourcorner", normalized=unit)[0]["dump.csv"]
        for unit in (True, False)
    }
    assert b"0.25,0.5,0.5,1" in lines[True]
    assert b"100,100,200,200" in lines[False].replace(b".0", b"")


# --- operations -----------------------------------------------------------------------------


def test_in_the_background(project: Project, tmp_path: Path) -> None:
    fill(project, 1, 20)
    operation = project.annotations.create_export({"format": "coco"}, background=True)
    with_progress: list[str] = []
    done = project.operations.wait_until_done(
        operation.id, on_progress=lambda each: with_progress.append(each.status.overview)
    )
    assert done.status.overview == with_progress[-1] == "Finished"
    assert (done.status.progress.records, done.status.progress.total) == (20, 20)
    assert project.annotations.download_exported_file(done.id, str(tmp_path)).file_names


def test_a_failure_in_the_background_is_told_by_waiting(project: Project) -> None:
    fill(project, 1, 20)
    export = {"format": "csv_classification", "options": {"on_loss": "refuse"}}
    operation = project.annotations.create_export(export, background=True)
    with pytest.raises(BadRequestError, match="cannot carry all"):
        project.operations.wait_until_done(operation.id)
    with pytest.raises(NotFoundError, match="ended as Errored"):
        project.annotations.download_exported_file(operation.id)


def test_an_export_can_be_cancelled(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project, 1, 20)
    writing, asked = threading.Event(), threading.Event()
    coco_ = formats.get("coco")
    write = type(coco_).write

    def slowly(self: Any, data: Any, out: Any) -> None:
        writing.set()
        assert asked.wait(60)
        write(self, data, out)

    monkeypatch.setattr(type(coco_), "write", slowly)
    operation = project.annotations.create_export({"format": "coco"}, background=True)
    assert writing.wait(60)
    assert project.operations.cancel(operation.id).status.overview in {"Running", "Cancelled"}
    asked.set()
    done = project.operations.wait_until_done(operation.id)
    assert done.status.overview == "Cancelled"
    assert list((home / "blobs" / "exports").iterdir()) == []
    with pytest.raises(ConflictError, match="ended already"):
        project.operations.cancel(operation.id)
    with pytest.raises(NotFoundError, match="ended as Cancelled"):
        project.annotations.download_exported_file(operation.id)


def test_an_export_is_of_one_moment(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project, 1, 20)
    coco_ = formats.get("coco")
    write = type(coco_).write

    def meanwhile(self: Any, data: Any, out: Any) -> None:
        change = threading.Thread(target=_change, args=(project,))
        change.start()
        change.join()
        write(self, data, out)

    with monkeypatch.context() as patch:
        before, _ = members(project, tmp_path, format="coco")
        patch.setattr(type(coco_), "write", meanwhile)
        during, manifest = members(project, tmp_path, format="coco")
    assert during == before
    assert manifest.annotations_in_project == 20
    assert len(project.annotations.list()) == 1


def _change(project: Project) -> None:
    project.annotations.delete_many([each.id for each in project.annotations.list()])
    project.annotations.create(rectangle("a/00.png", "later"))


def test_an_operation_that_is_no_export(project: Project) -> None:
    (asset,) = register(project, "a.png")
    annotation = project.annotations.create(rectangle(asset.id))
    project.annotations.delete_many([annotation.id])
    (operation,) = project.operations.list()
    with pytest.raises(NotFoundError, match="not an export"):
        project.annotations.download_exported_file(operation.id)


def test_a_download_never_leaves_its_folder(project: Project, home: Path, tmp_path: Path) -> None:
    operation = project.annotations.create_export({"format": "coco"})
    (path,) = (home / "blobs" / "exports").iterdir()
    for name in ("../out.txt", "/out.txt", "a/../../out.txt", "C:/out.txt", "a\\..\\out.txt"):
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, "x")
        with pytest.raises(Exception, match="leave its folder"):
            project.annotations.download_exported_file(operation.id, str(tmp_path / "in" / "deep"))
    assert not list(tmp_path.rglob("out.txt"))
