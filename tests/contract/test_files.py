"""Imports, exports and operations, through every door."""

from __future__ import annotations

import json

import pytest

from annotary import errors
from tests.contract.conftest import box


def coco(count: int = 3, name: str = "image.png", bad: int | None = None) -> bytes:
    boxes = [
        {"id": i, "image_id": 1, "category_id": 3 if i != bad else 99, "bbox": [i, 20, 80, 80]}
        for i in range(1, count + 1)
    ]
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name, "width": 400, "height": 200}],
            "categories": [{"id": 3, "name": "dog"}],
            "annotations": boxes,
        }
    ).encode()


def test_import(project, image, tmp_path):
    (tmp_path / "in.json").write_bytes(coco())
    with project.annotations.create_import_session() as session:
        session.add_path(tmp_path / "in.json")
    assert session.get_logs().logs == []
    report = session.report
    assert (report.records, report.committed, report.annotations) == (3, 3, 3)
    assert report.files[0].format == "coco"
    found = list(project.annotations.list())
    assert [each.bound[0][0] for each in found] == [1 / 400, 2 / 400, 3 / 400]
    status = session.status
    assert status.overview == "Finished"
    assert status.message.startswith("Annotation Imported successfully.")
    assert status.annotations.with_status.Committed == 3
    assert [s.id for s in project.annotations.list_import_sessions()] == [session.id]
    assert project.annotations.get_import_session(session.id).report == report


def test_import_of_a_folder(project, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for i in range(12):
        (tmp_path / "in" / "deep" / f"{i}.json").write_bytes(coco(2, f"{i}.png"))
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_path(tmp_path / "in")
    assert session.report.assets_created == 12
    assert len(list(project.annotations.list())) == 24


def test_refused_import_has_logs(project, image):
    session = project.annotations.create_import_session()
    with pytest.raises(errors.ImportFailedError) as caught, session:
        session.add_bytes(coco(5, bad=2), "bad.json")
    assert "bad.json" in str(caught.value)
    assert caught.value.total == 1
    (item,) = session.get_logs().logs
    assert (item.level, item.file) == ("Error", "bad.json")
    assert item.message
    assert item.hint
    assert project.annotations.get_import_session_logs(session.id).logs == [item]
    assert len(project.annotations.list()) == 0
    assert session.status.overview == "Errored"


@pytest.mark.parametrize(("policy", "left"), [("skip", 6), ("reject_file", 3)])
def test_policies(project, image, policy, left):
    with project.annotations.create_import_session(on_error=policy) as session:
        session.add_bytes(coco(4, bad=2), "bad.json")
        session.add_bytes(coco(3), "good.json")
    report = session.report
    assert report.records == report.committed + report.skipped + report.rejected == 7
    assert len(list(project.annotations.list())) == left
    assert len(session.get_logs().logs) == 1


def test_dry_run_changes_nothing(project, image):
    with project.annotations.create_import_session(dry_run=True) as session:
        session.add_bytes(coco(), "a.json")
    assert session.report.dry_run
    assert len(project.annotations.list()) == 0
    assert project.tags.list() == []


def test_unknown_image_gets_a_hint(project, image):
    session = project.annotations.create_import_session()
    with pytest.raises(errors.ImportFailedError) as caught, session:
        session.add_bytes(coco(1, "imagee.png"), "a.json")
    assert "image.png" in str(caught.value)


def test_exception_aborts_the_session(project, image):
    session = project.annotations.create_import_session()
    with pytest.raises(ZeroDivisionError), session:
        session.add_bytes(coco(), "a.json")
        raise ZeroDivisionError
    assert session.status.overview == "Cancelled"
    assert len(project.annotations.list()) == 0
    with pytest.raises(errors.BadRequestError):
        session.add_bytes(coco(), "b.json")


def test_empty_session(project):
    session = project.annotations.create_import_session()
    with pytest.raises(errors.BadRequestError, match="no files"), session:
        pass


def test_wrong_options(project):
    with pytest.raises(errors.AnnotaryError):
        project.annotations.create_import_session(format="nope")
    with pytest.raises((errors.AnnotaryError, ValueError)):
        project.annotations.create_import_session(on_error="explode")  # type: ignore[arg-type]


def test_import_in_background(project, image):
    with project.annotations.create_import_session(background=True) as session:
        session.add_bytes(coco(50), "a.json")
    assert session.wait_until_done()
    assert len(list(project.annotations.list())) == 50
    kinds = [op.kind for op in project.operations.list()]
    assert "nexus.annotations.import" in kinds


def test_export(project, image, tmp_path):
    names = [{"filename": f"{i}.png", "width": 10, "height": 10} for i in range(9)]
    more = project.assets.register(names)
    project.annotations.create([box(a.id) for a in more])
    operation = project.annotations.create_export(
        {"format": "csv_fourcorner", "options": {"split_ratio": 0.5, "seed": 7, "normalized": True}}
    )
    assert operation.kind == "nexus.annotations.export"
    assert operation.status.overview == "Finished"
    assert operation.status.progress.with_status.Finished == 1
    assert project.operations.get(operation.id) == operation
    got = project.annotations.download_exported_file(operation.id, str(tmp_path / "out"))
    folder = project.id.removeprefix("proj_")
    assert sorted(got.file_names) == [f"{folder}/train.csv", f"{folder}/validate.csv"]
    lines = sum(
        len((tmp_path / "out" / name).read_text().splitlines()) - 1 for name in got.file_names
    )
    assert lines == 9
    manifest = project.annotations.get_export_manifest(operation.id)
    assert sum(part.objects for part in manifest.parts) == 9
    assert manifest.annotations_in_project == 9


def test_same_export_twice_is_the_same_bytes(project, image):
    project.annotations.create([box(image.id, f"t{i}") for i in range(10)])
    manifests = []
    for _ in range(2):
        operation = project.annotations.create_export({"format": "coco"})
        manifests.append(project.annotations.get_export_manifest(operation.id))
    assert manifests[0] == manifests[1]


def test_losses_are_told_and_can_be_refused(project, image):
    ring = [[0.1, 0.1], [0.5, 0.1], [0.3, 0.7]]
    project.annotations.create(
        {"asset_id": image.id, "tag": "dog", "bound_type": "Polygon", "bound": ring}
    )
    losses = project.annotations.plan_export({"format": "csv_fourcorner"})
    assert losses
    assert all(loss.count for loss in losses)
    with pytest.raises(errors.BadRequestError):
        project.annotations.create_export(
            {"format": "csv_fourcorner", "options": {"on_loss": "refuse"}}
        )


def test_unknown_format(project, image):
    with pytest.raises(errors.BadRequestError) as caught:
        project.annotations.create_export({"format": "yolo9000"})
    assert caught.value.message


def test_operations_of_others_are_not_there(client, project, image):
    project.annotations.create(box(image.id))
    operation = project.annotations.create_export({"format": "coco"})
    other = client.create_project("other")
    for ask in (other.operations.get, other.annotations.download_exported_file):
        with pytest.raises(errors.NotFoundError):
            ask(operation.id)
    with pytest.raises(errors.ConflictError):
        project.operations.cancel(operation.id)


def test_rejects_come_back_as_a_file(project, image, tmp_path):
    with project.annotations.create_import_session(on_error="skip", rejects=True) as session:
        session.add_bytes(coco(4, bad=2), "bad.json")
    names = session.download_rejects(tmp_path / "out")
    assert len(names) == 1
    held = json.loads((tmp_path / "out" / names[0]).read_text())
    assert [each["id"] for each in held["annotations"]] == [2]
    with project.annotations.create_import_session() as session:
        session.add_bytes(coco(1), "good.json")
    with pytest.raises(errors.AnnotaryError):
        session.download_rejects(tmp_path / "none")


def test_cancel_an_import(project):
    data = coco(40_000, "big.png")
    with project.annotations.create_import_session(background=True, create_assets=True) as session:
        session.add_bytes(data, "big.json")
    operation, *_ = project.operations.list()
    try:
        project.operations.cancel(operation.id)
    except errors.ConflictError:
        pytest.skip("the import had ended already")
    done = project.operations.wait_until_done(operation.id, raise_exception_if=None)
    assert done.status.overview == "Cancelled"
    assert project.get_info().statistic.total_annotations == 0
    assert session.status.overview == "Cancelled"
