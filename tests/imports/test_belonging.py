"""Which image a name means: by the place of its file, never by chance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from annotary.client.project import Project
from annotary.conversion.conversion import Conversion
from annotary.reading.inputs import Inputs
from tests.samples import coco, fourcorner, register, send, voc

BOX = (10, 10, 20, 20)


def labelme(name: str) -> bytes:
    points = [[10, 10], [20, 20]]
    shape = {"label": "cat", "points": points, "shape_type": "rectangle", "flags": {}}
    return json.dumps(
        {"version": "5.0", "imagePath": name, "imageHeight": 200, "imageWidth": 400}
        | {"imageData": None, "shapes": [shape], "flags": {}}
    ).encode()


MAKERS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "labelme": ("frame1.json", labelme),
    "voc": ("frame1.xml", lambda name: voc(name, 400, 200, [("cat", BOX)])),
    "coco": ("_annotations.coco.json", lambda name: coco([(name, 400, 200)], [(0, "cat", BOX)])),
}


def stored(project: Project) -> dict[str, int]:
    """How many annotations each image has."""
    return {
        asset.filename: asset.statistic.total_annotations if asset.statistic else 0
        for asset in project.assets.list()
    }


@pytest.mark.parametrize("format_", MAKERS)
@pytest.mark.parametrize(
    ("labels", "pictures"),
    [
        (("seq1", "seq2"), ("seq1", "seq2")),
        (("seq1/labels", "seq2/labels"), ("seq1/images", "seq2/images")),
        (("a/Annotations", "b/Annotations"), ("a/JPEGImages", "b/JPEGImages")),
        (("annotations/train", "annotations/val"), ("images/train", "images/val")),
        (("seq1", ""), ("seq1", "")),
    ],
)
def test_each_file_means_the_image_of_its_own_folder(
    project: Project, format_: str, labels: tuple[str, str], pictures: tuple[str, str]
) -> None:
    name, make = MAKERS[format_]
    images = [f"{folder}/frame1.jpg".lstrip("/") for folder in pictures]
    register(project, *images)
    send(project, {f"{folder}/{name}".lstrip("/"): make("frame1.jpg") for folder in labels})
    assert stored(project) == dict.fromkeys(images, 1)


@pytest.mark.parametrize("format_", MAKERS)
def test_images_of_one_name_in_two_folders_are_two_and_told(project: Project, format_: str) -> None:
    name, make = MAKERS[format_]
    files = {f"{folder}/{name}": make("frame1.jpg") for folder in ("seq1", "seq2", "seq3")}
    session = send(project, files, create_assets=True)
    assert sorted(stored(project).values()) == [1, 1, 1]
    assert [item.code for item in session.get_logs().logs] == ["same-name"]
    assert "seq1" in session.get_logs().logs[0].message


@pytest.mark.parametrize("format_", MAKERS)
def test_an_image_of_a_foreign_folder_is_not_taken(project: Project, format_: str) -> None:
    name, make = MAKERS[format_]
    register(project, "seq2/frame1.jpg")
    files = {f"{folder}/{name}": make("frame1.jpg") for folder in ("seq1", "seq2")}
    session = send(project, files, on_error="skip")
    assert stored(project) == {"seq2/frame1.jpg": 1}
    assert [item.code for item in session.get_logs().logs] == ["unknown-image"]


def test_a_conversion_tells_two_data_sets_apart(tmp_path: Path) -> None:
    for number, tag in enumerate(("cat", "dog"), 1):
        folder = tmp_path / f"ds{number}"
        folder.mkdir()
        data = coco([("0001.jpg", 400, 200)], [(0, tag, BOX)])
        (folder / "annotations.json").write_bytes(data)
        Image.new("RGB", (400, 200)).save(folder / "0001.jpg")
    for images in (None, tmp_path):
        with Inputs.of_annotations() as inputs:
            inputs.add_all([tmp_path / "ds1", tmp_path / "ds2"])
            with Conversion(inputs.sources(), images=images) as found:
                codes = [p.code for p in found.problems]
                assert (len(found.images.names), found.log.errors) == (2, 0)
                assert codes == ([] if images else ["same-name"])


def test_a_prefix_stands_in_front_of_the_images(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.json").write_bytes(coco([("1.jpg", 400, 200)], [(0, "cat", BOX)]))
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_paths([tmp_path / "a", tmp_path / "b"], ["one", "two"])
    assert stored(project) == {"one/1.jpg": 1, "two/1.jpg": 1}


@pytest.mark.parametrize("stem", ["a_jpg.rf.0f3c9e", "v1.2", "a.b.c"])
def test_stems_with_dots_meet_their_pictures(project: Project, stem: str) -> None:
    register(project, f"{stem}.jpg")
    files = {f"labels/{stem}.txt": b"0 .5 .5 .2 .2\n", "classes.txt": b"cat\n"}
    send(project, files, create_assets=True)
    assert stored(project) == {f"{stem}.jpg": 1}


def test_labels_without_pictures_come_first(project: Project) -> None:
    send(project, {"a.txt": b"0 .5 .5 .2 .2\n", "classes.txt": b"cat\n"}, create_assets=True)
    send(project, {"c.json": coco([("a.jpg", 400, 200)], [(0, "x", BOX)])}, create_assets=True)
    assert list(stored(project).values()) == [2]


@pytest.mark.parametrize(
    "address",
    [
        "https://bucket.example/imgs/a%20b.jpg?X-Amz-Signature=0f&x=1",
        "http://h/a%20b.jpg",
        "s3://bucket/imgs/a%20b.jpg",
        "gs://bucket/a b.jpg",
        "file:///home/me/a%20b.jpg",
    ],
)
def test_addresses_are_cut_to_names_in_every_reader(project: Project, address: str) -> None:
    register(project, "a b.jpg")
    files = {
        "a.json": coco([(address, 400, 200)], [(0, "x", BOX)]),
        "b.csv": fourcorner([(address, BOX, "y")]),
        "c.xml": voc(address.replace("&", "&amp;"), 400, 200, [("z", BOX)]),
        "d.json": labelme(address),
    }
    send(project, files)
    assert stored(project) == {"a b.jpg": 4}


def test_addresses_with_one_name_stay_two_images(project: Project) -> None:
    images = [(f"https://h/{part}/1.jpg", 400, 200) for part in ("train", "test")]
    data = coco(images, [(0, "x", BOX), (1, "x", BOX)])
    send(project, {"a.json": data}, create_assets=True)
    assert sorted(stored(project).values()) == [1, 1]


@pytest.mark.parametrize(
    "name",
    ["frame_{:06}.png", "street_{:06}.jpg", "street_frame_{}.png", "images/frame{:05}.png",
     "street/{:04}.png"],
)  # fmt: skip
def test_frames_of_videos_meet_extracted_pictures(project: Project, name: str) -> None:
    register(project, *(name.format(i) for i in (0, 5, 20)))
    images = [(f"street#frame={i}", 400, 200) for i in (0, 5, 20)]
    data = coco(images, [(0, "a", BOX), (1, "a", BOX), (2, "a", BOX)])
    send(project, {"a.json": data}, create_assets=True)
    assert sorted(stored(project).values()) == [1, 1, 1]
