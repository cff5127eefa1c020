"""Assets, groups and uploads, through every door."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from annotary import errors
from tests.contract.conftest import box, png


def test_register_and_find(project):
    made = project.assets.register(
        [
            {"filename": "a.png", "width": 10, "height": 20, "groups": ["train"]},
            {"filename": "dir/b c+d.png", "width": 1, "height": 1, "custom_metadata": {"x": 1.5}},
        ]
    )
    assert project.assets.get("a.png") == made[0]
    assert project.assets.get(made[1].id) == made[1]
    assert project.assets.get("dir/b c+d.png").metadata.custom_metadata == {"x": 1.5}
    assert made[0].metadata.groups == ["train"]
    with pytest.raises(errors.NotFoundError, match="no asset"):
        project.assets.get("nope.png")
    with pytest.raises(errors.ConflictError):
        project.assets.register([{"filename": "a.png", "width": 10, "height": 20}])


def test_names_that_look_like_paths_of_the_api(project):
    odd = ["a.png", "a.png/customMetadatas/x", "a.png/logs/y", "b?c#d%2Fe&f+g.png", "x:cancel"]
    project.assets.register([{"filename": name, "width": 10, "height": 20} for name in odd])
    for name in odd:
        assert project.assets.get(name).filename == name
    project.assets.delete(odd[1])
    assert {a.filename for a in project.assets.list()} == set(odd) - {odd[1]}


@pytest.mark.parametrize("name", ["", "../x.png", "a//b.png", "a\\b.png", "/etc/passwd", "a/../b"])
def test_names_that_are_refused(project, name):
    with pytest.raises(errors.BadRequestError):
        project.assets.register([{"filename": name, "width": 10, "height": 20}])


def test_list_filters_and_pages(project):
    images = [
        {"filename": f"img{i:02}.png", "width": 4, "height": 4, "groups": ["odd"] if i % 2 else []}
        for i in range(23)
    ]
    project.assets.register(images)
    assert len(list(project.assets.list(pagination={"limit": 5}))) == 23
    assert len(list(project.assets.list(filters={"groups": ["odd"]}))) == 11
    assert next(iter(project.assets.list(filters={"filename": "IMG1"}))).filename == "img10.png"
    with pytest.raises(errors.BadRequestError):
        project.assets.list(filters={"colour": "red"})


def test_update_and_delete(project, image):
    project.annotations.create(box(image.id))
    changed = project.assets.update("image.png", {"status": "Review", "groups": ["a", "b"]})
    assert changed.status == "Review"
    assert changed.metadata.groups == ["a", "b"]
    assert changed.statistic.total_annotations == 1
    assert [a.id for a in project.assets.list(filters={"status": "Review"})] == [image.id]
    groups = {g.group: g.statistic for g in project.assets.list_groups()}
    assert groups["a"].reviewed_assets == groups["a"].annotated_assets == 1
    assert [g.group for g in project.assets.list_groups(["b"])] == ["b"]
    assert project.assets.delete(image.id).deleted
    assert len(project.annotations.list()) == 0
    assert project.get_info().statistic.total_annotations == 0


def test_upload(project, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.png").write_bytes(png(30, 40))
    (folder / "sub" / "臉書 #1.png").write_bytes(png(5, 6, "blue"))
    with project.assets.create_upload_session(groups=["main", "new"]) as session:
        session.add_path(folder)
        session.add_bytes(png(7, 8), "bytes.png")
    found = {a.filename: a for a in project.assets.list()}
    assert set(found) == {"one.png", "sub/臉書 #1.png", "bytes.png"}
    one = found["one.png"].metadata
    assert (one.width, one.height, one.mime_type) == (30, 40, "image/png")
    assert one.groups == ["main", "new"]
    assert one.file_size == len(png(30, 40))
    assert project.assets.get("sub/臉書 #1.png").metadata.width == 5
    out = BytesIO()
    project._transport.download(found["bytes.png"].url, out)
    assert Image.open(out).size == (7, 8)


def test_upload_of_what_is_no_image(project):
    session = project.assets.create_upload_session()
    with pytest.raises(errors.BadRequestError, match=r"x\.png"), session:
        session.add_bytes(png(), "good.png")
        session.add_bytes(b"not an image", "x.png")
    assert len(project.assets.list()) == 0


def test_upload_twice(project):
    for again in (False, True):
        session = project.assets.create_upload_session()
        session.add_bytes(png(), "a.png")
        if again:
            with pytest.raises(errors.ConflictError):
                session.__exit__(None, None, None)
        else:
            session.__exit__(None, None, None)
    assert len(project.assets.list()) == 1


def test_many_uploads(project):
    with project.assets.create_upload_session(background=True) as session:
        for i in range(60):
            session.add_bytes(png(i + 1, 3), f"{i}.png")
    session.wait_until_done()
    assert len(list(project.assets.list())) == 60
    assert project.assets.get("41.png").metadata.width == 42
