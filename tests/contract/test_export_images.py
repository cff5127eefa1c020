"""Exports with their images, through every door: what a trainer opens is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from annotary import AnnotaryError, BadRequestError, NotFoundError
from annotary.client.project import Project
from tests.samples import rectangle

NAMES = ["a.jpg", "b.png", "sub/c.jpg", "sub/d.png"]


@pytest.fixture
def pictures(tmp_path: Path, project: Project) -> Path:
    """A folder of images that the project has, each with a box."""
    folder = tmp_path / "pictures"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((40 + number, 20), 50).convert("RGB").save(folder / name)
    with project.assets.create_upload_session() as session:
        session.add_path(str(folder))
    project.annotations.create([rectangle(name) for name in NAMES])
    return folder


def exported(project: Project, out: Path, format: str, **options: object) -> Path:
    request = {"format": format, "options": {"images": "copy", **options}}
    operation = project.annotations.create_export(request)
    found = project.annotations.download_exported_file(operation.id, str(out), flat=True)
    assert sorted(found.file_names) == sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    )
    return out


@pytest.mark.parametrize("mode", ["copy", "link"])
@pytest.mark.parametrize("format", ["yolo_ultralytics", "coco", "pascal_voc", "yolo_darknet"])
def test_images_are_written_whole(
    project: Project, pictures: Path, tmp_path: Path, format: str, mode: str
) -> None:
    out = exported(project, tmp_path / "out", format, images=mode)
    found = {path.read_bytes() for path in out.rglob("*") if path.suffix in {".jpg", ".png"}}
    assert found == {(pictures / name).read_bytes() for name in NAMES}


def test_without_images_nothing_but_labels_is_written(
    project: Project, pictures: Path, tmp_path: Path
) -> None:
    out = exported(project, tmp_path / "out", "yolo_ultralytics", images="none")
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".txt", ".yaml"}


def test_what_is_not_at_hand_is_counted(project: Project, pictures: Path, tmp_path: Path) -> None:
    project.assets.register([{"filename": "gone.jpg", "width": 40, "height": 20}])
    request = {"format": "coco", "options": {"images": "copy"}}
    planned = project.annotations.plan_export(request)
    operation = project.annotations.create_export(request)
    manifest = project.annotations.get_export_manifest(operation.id)
    assert {loss.code: loss.count for loss in manifest.losses} == {"images-missing": 1}
    assert list(planned) == manifest.losses
    assert "1 images were not written" in operation.status.message
    assert len(manifest.images) == len(NAMES)
    request["options"]["on_loss"] = "refuse"  # type: ignore[index]
    with pytest.raises(AnnotaryError, match="not at hand"):
        project.annotations.create_export(request)


def test_a_layout_of_another_format_is_refused_at_once(project: Project) -> None:
    with pytest.raises(BadRequestError, match="not for the format coco"):
        project.annotations.create_export({"format": "coco", "options": {"layout": "voc"}})
    with pytest.raises(BadRequestError, match="no layout 'yollo'"):
        project.annotations.create_export({"format": "coco", "options": {"layout": "yollo"}})
    with pytest.raises(BadRequestError, match="one of images"):
        project.annotations.create_export(
            {"format": "csv_classification", "options": {"layout": "imagefolder"}}
        )
    assert list(project.operations.list()) == []


def test_an_export_can_be_deleted(project: Project, pictures: Path, tmp_path: Path) -> None:
    operation = project.annotations.create_export({"format": "coco", "options": {"images": "copy"}})
    assert project.annotations.delete_export(operation.id).deleted
    with pytest.raises(NotFoundError, match="were deleted"):
        project.annotations.download_exported_file(operation.id, str(tmp_path / "out"))
    with pytest.raises(NotFoundError):
        project.annotations.delete_export(operation.id.replace("0", "1"))


def test_coco_lies_as_it_is_handed_out(project: Project, pictures: Path, tmp_path: Path) -> None:
    out = exported(project, tmp_path / "out", "coco", layout="coco", split_ratio=0.5)
    for part in ("train2017", "val2017"):
        found = json.loads((out / f"annotations/instances_{part}.json").read_text())
        assert found["images"]
        assert all((out / part / image["file_name"]).is_file() for image in found["images"])


def test_images_lie_in_the_folder_of_their_class(
    project: Project, pictures: Path, tmp_path: Path
) -> None:
    for name, tag in [("a.jpg", "cat"), ("sub/c.jpg", "cat"), ("b.png", "a/b")]:
        project.annotations.create(
            {"asset_id": name, "tag": tag, "bound_type": "Classification", "bound": []}
        )
    operation = project.annotations.create_export(
        {"format": "csv_classification", "options": {"layout": "imagefolder", "images": "copy"}}
    )
    manifest = project.annotations.get_export_manifest(operation.id)
    assert manifest.images == ["train/cat/a.jpg", "train/a_b/b.png", "train/cat/sub_c.jpg"]
    assert {loss.code: loss.count for loss in manifest.losses}["images-unplaced"] == 1
    project.annotations.download_exported_file(operation.id, str(tmp_path), flat=True)
    assert (tmp_path / "train/cat/a.jpg").read_bytes() == (pictures / "a.jpg").read_bytes()
