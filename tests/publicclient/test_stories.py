"""The public client does its work against the server, unmodified."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.publicclient.conftest import ROOT

DATA = ROOT / ".." / "shared" / "data" / "same100"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")


def png(path: Path, width: int = 40, height: int = 20) -> None:
    out = BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    path.write_bytes(out.getvalue())


def register(project, *names: str) -> None:
    project.assets.register([{"filename": n, "width": 400, "height": 200} for n in names])


def test_workspace(public, project):
    found = public("workspace")
    assert found["info"]["name"] == "Annotary"
    assert project.id in found["projects"]


@needs_data
def test_real_images_and_their_annotations(public, project, tmp_path):
    found = public("upload", project.id, str((DATA / "images").resolve()))
    assert len(found["assets"]) == 100
    assert {a["metadata"]["mimeType"] for a in found["assets"]} == {"image/jpeg"}
    assert found["groups"][0]["statistic"]["totalAssets"] == 100
    assert [op["status"]["overview"] for op in found["operations"]] == ["Finished"]
    with Image.open(DATA / "images" / found["assets"][7]["filename"]) as image:
        size = found["assets"][7]["metadata"]
        assert image.size == (size["width"], size["height"])

    gts = (DATA / "gts").resolve()
    # the boxes that VOC has without attributes are those of COCO: they are there already
    for path, committed in (
        (gts / "coco_format_v1" / "instances_default.json", 273),
        (gts / "pascalvoc_format", 220),
        (gts / "yolo_format", 267),
    ):
        before = project.get_info().statistic.total_annotations
        session = public("imported", project.id, str(path))
        assert session["status"]["overview"] == "Finished"
        assert session["status"]["annotations"]["withStatus"]["Committed"] == committed
        assert project.get_info().statistic.total_annotations == before + committed

    request = {
        "format": "csv_fourcorner",
        "options": {"split_ratio": 0.5, "seed": 1337, "normalized": True},
    }
    operation, got = public("exported", project.id, request, str(tmp_path / "out"))
    assert operation["status"]["overview"] == "Finished"
    folder = project.id.removeprefix("proj_")
    names = got["fileNames"] if "fileNames" in got else got["file_names"]
    assert sorted(names) == [f"{folder}/train.csv", f"{folder}/validate.csv"]
    rows = [len((tmp_path / "out" / name).read_text().splitlines()) - 1 for name in names]
    assert sum(rows) == 273 + 220 + 267
    assert min(rows) > 100

    back = public("download", project.id, str(tmp_path / "images"))
    assert len(back) == 100
    one = DATA / "images" / Path(back[0]).name
    assert (tmp_path / "images" / back[0]).read_bytes() == one.read_bytes()


def test_refused_import_has_logs(public, project, tmp_path):
    register(project, "image.png")
    (tmp_path / "bad.csv").write_text(
        "filename,xmin,ymin,xmax,ymax,label\nimage.png,1,2,500,60,dog\nnope.png,1,2,3,4,dog\n"
    )
    found = public("refused", project.id, str(tmp_path / "bad.csv"))
    assert "get_import_session_logs" in found["message"]
    messages = [item["message"] for item in found["logs"]["logs"]]
    assert len(messages) == 2
    assert messages[0].startswith("At bad.csv:2: ")
    assert "400 x 200" in messages[0]
    assert all(item["level"] == "Error" for item in found["logs"]["logs"])
    assert all(isinstance(item["timestamp"], float) for item in found["logs"]["logs"])
    assert len(project.annotations.list()) == 0


def test_annotations(public, project):
    register(project, "image 1+2.png")
    made, pages, objects, deleted, missing = public("annotated", project.id, "image 1+2.png")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [id_ for page in pages for id_ in page] == [each["id"] for each in made]
    assert len(objects["annotations"]) == 5
    assert len(objects["assets"]) == 1
    assert deleted == {"deleted": True, "id": made[0]["id"]}
    assert "no annotation" in missing
    assert len(project.annotations.list()) == 4


def test_asset(public, project):
    register(project, "front/image.png", "other.png")
    found, changed, listed, made, batch, logs, gone, after, deleted = public(
        "asset", project.id, "front/image.png"
    )
    assert found["filename"] == "front/image.png"
    assert changed["status"] == "Review"
    assert changed["metadata"]["groups"] == ["a", "b"]
    assert [each["id"] for each in listed] == [found["id"]]
    assert made["parent"]["filename"] == "front/image.png"
    assert [len(batch["errors"]), len(batch["customMetadatas"])] == [1, 1]
    assert logs == []
    assert gone["deleted"]
    assert after["customMetadatas"] == []
    assert deleted == {"deleted": True, "id": found["id"]}
    assert [a.filename for a in project.assets.list()] == ["other.png"]


def test_tags_and_ontologies(public, project):
    created, _, three, updated, merged, deleted, left, schema, schemas, users = public(
        "tags", project.id
    )
    assert [t["name"] for t in created] == ["boat"]
    assert [t["index"] for t in three] == [0, 1, 2]
    assert updated[1]["name"] == "vessel"
    assert [t["name"] for t in merged] == ["boat", "vessel"]
    assert deleted["deleted"]
    assert [t["name"] for t in left] == ["boat"]
    assert schema["attributes"][0]["options"]["categories"] == ["A", "B"]
    assert schemas == [schema]
    assert users[0]["accessType"] == "owner"


def test_errors(public, server, project):
    caught = public("errors", project.id, server.make_key("viewer"))
    assert caught["missing"][0] == "NotFoundError"
    assert caught["no project"][0] == "NotFoundError"
    assert caught["wrong key"][0] == "BadRequestError"  # what this client makes of a 401
    assert "secret key is missing or is not valid" in caught["wrong key"][1]
    assert caught["viewer"][0] == "ForbiddenError"


def test_small_jobs_are_done_before_the_answer(public, server, project):
    """The client polls at once and then every 8 seconds: it should never need the second."""
    register(project, "image.png")
    corners = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]
    project.annotations.create(
        {"asset_id": "image.png", "tag": "x", "bound_type": "Rectangle", "bound": corners}
    )
    request = {"format": "coco", "options": {"split_ratio": 0.5, "seed": 1, "normalized": False}}
    operation, _ = public("exported", project.id, request, "out")
    assert operation["status"]["overview"] == "Finished"
    assert server.requests("operations.get", project.id) == 1
