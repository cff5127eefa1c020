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


def upload(project, images, how="same"):
    """A session of images by name, that has ended."""
    with project.assets.create_upload_session(on_existing=how) as session:
        for name, content in images.items():
            session.add_bytes(content, name)
    return session


def contents(project):
    """The bytes of every image by name."""
    found = {}
    for asset in project.assets.list():
        out = BytesIO()
        project._transport.download(asset.url, out)
        found[asset.filename] = out.getvalue()
    return found


OLD = {"a.png": png(), "b.png": png(3, 4)}


def test_images_that_are_there_already_are_left_out_and_counted(project):
    upload(project, OLD)
    again = upload(project, OLD)
    assert again.unchanged == ["a.png", "b.png"]
    assert (again.kept, again.renamed) == ([], {})
    # the one that is new stands between old ones: its bytes must reach its own name
    more = upload(project, {"a.png": OLD["a.png"], "new.png": png(9, 9), "b.png": OLD["b.png"]})
    assert more.unchanged == ["a.png", "b.png"]
    assert contents(project) == {**OLD, "new.png": png(9, 9)}


def test_folders_that_are_added_again_are_compared_with_what_is_kept(project, tmp_path):
    for name, content in OLD.items():
        (tmp_path / name).write_bytes(content)
    for expected in ([], ["a.png", "b.png"]):
        with project.assets.create_upload_session() as session:
            session.add_path(tmp_path)
        assert sorted(session.unchanged) == expected
    changed = bytearray(OLD["a.png"])
    changed[-1] ^= 1  # of equal size: the sum alone tells them apart
    (tmp_path / "a.png").write_bytes(changed)
    with (
        pytest.raises(errors.ConflictError, match=r"'a\.png' already, with other bytes"),
        project.assets.create_upload_session() as session,
    ):
        session.add_path(tmp_path)
    assert contents(project) == OLD


def test_other_bytes_under_a_name_that_is_there_are_refused_with_all_of_the_session(project):
    upload(project, OLD)
    with pytest.raises(errors.ConflictError, match="and 1 more") as told:
        upload(project, {"new.png": png(), "a.png": png(8, 8), "b.png": png(9, 9)})
    assert "rename" in told.value.hint
    assert contents(project) == OLD


def test_skip_leaves_what_is_there_and_says_so(project):
    upload(project, OLD)
    told = upload(project, {"a.png": png(8, 8), "b.png": OLD["b.png"], "c.png": png()}, "skip")
    assert (told.unchanged, told.kept, told.renamed) == (["b.png"], ["a.png"], {})
    assert contents(project) == {**OLD, "c.png": png()}


def test_refuse_takes_no_name_that_is_there(project):
    upload(project, OLD)
    with pytest.raises(errors.ConflictError, match="already"):
        upload(project, {**OLD, "new.png": png()}, "refuse")
    assert contents(project) == OLD


def test_rename_adds_other_bytes_once(project):
    upload(project, OLD)
    new = {"a.png": png(8, 8), "a-2.png": png(9, 9), "b.png": OLD["b.png"]}
    told = upload(project, new, "rename")
    assert (told.unchanged, told.kept, told.renamed) == (["b.png"], [], {"a.png": "a-3.png"})
    expected = {**OLD, "a-2.png": png(9, 9), "a-3.png": png(8, 8)}
    assert contents(project) == expected
    again = upload(project, {"a.png": png(8, 8)}, "rename")
    assert (again.unchanged, again.renamed) == (["a.png"], {})
    assert contents(project) == expected


def test_images_that_were_registered_without_bytes_are_not_taken_for_the_same(project, image):
    with pytest.raises(errors.ConflictError, match="without its bytes"):
        upload(project, {"image.png": png(400, 200)})
    assert upload(project, {"image.png": png(400, 200)}, "skip").kept == ["image.png"]


def test_unknown_ways_are_refused(project):
    with pytest.raises(errors.BadRequestError, match="replace"):
        upload(project, OLD, "replace")
    assert len(project.assets.list()) == 0


def test_many_uploads(project):
    with project.assets.create_upload_session(background=True) as session:
        for i in range(60):
            session.add_bytes(png(i + 1, 3), f"{i}.png")
    session.wait_until_done()
    assert len(list(project.assets.list())) == 60
    assert project.assets.get("41.png").metadata.width == 42
