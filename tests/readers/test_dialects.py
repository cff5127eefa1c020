"""What tools write although no format says so, where it can be read in one way only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annotary import BadRequestError, formats
from annotary.contract.format import Format
from annotary.conversion.conversion import Conversion
from annotary.model import ExportOptions
from annotary.reading.session import Reading
from annotary.reading.wishes import Wishes
from annotary.syntax.source import SourceFile
from annotary.writing.output import FolderOutput
from tests.formats.harness import Collected, Images

SIZES = {"a.jpg": (640, 480), "a.png": (640, 480), "c.png": (640, 480)}


def read(name: str, text: str | bytes, *more: tuple[str, str], **options: Any) -> Collected:
    """Read one file and its companions with a reader's options."""
    data = text.encode() if isinstance(text, str) else text
    found = Collected(Images(SIZES))
    wishes = Wishes(options=options)
    found.reading = Reading(found.images, found, wishes=wishes)
    files = [SourceFile(name, data=data), *(SourceFile(n, data=t.encode()) for n, t in more)]
    found.reading.read(files)
    found.log = [f"{problem.level} {problem.code}: {problem.text}" for problem in found.reading.log]
    return found


def points(found: Collected) -> list[list[list[float]]]:
    """The outline of each object in pixels of 640 x 480."""
    return [
        [[round(x * 640, 6), round(y * 480, 6)] for x, y in part["points"]]
        for each in found.objects
        for part in each["parts"]
    ]


# --- COCO ---------------------------------------------------------------------------------------

PLAIN: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40],
         "segmentation": [[1, 2, 31, 2, 31, 42]]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1.5, 2, 30, 40], "segmentation": []},
    ],
}  # fmt: skip


def changed(path: str, value: Any) -> str:
    document = json.loads(json.dumps(PLAIN))
    *steps, last = path.split("/")
    home = document
    for step in steps:
        home = home[int(step)] if isinstance(home, list) else home[step]
    home[int(last) if isinstance(home, list) else last] = value
    return json.dumps(document, indent=1)


def by_key(name: str) -> dict[str, Any]:
    return {str(7 * i): each for i, each in enumerate(PLAIN[name])}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("annotations/0/segmentation", [1, 2, 31, 2, 31, 42]),
        ("annotations/0/segmentation", ["1", "2", "31", "2", "31", "42"]),
        ("annotations/0/segmentation", [["1", "2.0", "31", "2", "3.1e1", "42"]]),
        ("annotations/1/bbox", ["1.5", "2", "30", 40]),
        ("images/0/width", "640"),
        ("images/0/height", "480.0"),
        ("images", by_key("images")),
        ("categories", by_key("categories")),
        ("annotations", by_key("annotations")),
    ],
)
def test_coco_is_read_as_it_is_meant_with_a_warning(path: str, value: Any) -> None:
    plain, found = read("a.json", json.dumps(PLAIN)), read("a.json", changed(path, value))
    assert plain.log == []
    assert points(found) == points(plain)
    assert {line.partition(":")[0] for line in found.log} == {"Warning dialect"}


@pytest.mark.parametrize("value", [["1", "x", 3, 4], ["1,5", 2, 3, 4], [[1], 2, 3, 4], ["", 1, 2]])
def test_what_may_be_read_in_two_ways_is_refused(value: list[Any]) -> None:
    found = read("a.json", changed("annotations/1/bbox", value))
    assert len(found.objects) == 1
    assert any(line.startswith("Error") for line in found.log)


def test_faults_in_keyed_lists_keep_their_lines() -> None:
    entries = by_key("annotations")
    entries["7"]["bbox"] = [1, "x", 3, 4]
    text = changed("annotations", entries)
    entries["7"]["bbox"] = [1.5, 2, 30, 40]
    line = next(i for i, each in enumerate(text.splitlines(), 1) if '"7": {' in each)
    (problem,) = [p for p in read("a.json", text).reading.log if p.level == "Error"]
    assert problem.location.line == line


# --- Pascal VOC -----------------------------------------------------------------------------------


def test_every_box_of_an_object_is_an_object() -> None:
    boxes = "".join(
        f"<bndbox><xmin>{x}</xmin><ymin>10</ymin><xmax>{x + 50}</xmax><ymax>40</ymax></bndbox>"
        for x in (10, 100, 200)
    )
    text = f"""<annotation><filename>a.jpg</filename>
      <size><width>640</width><height>480</height></size>
      <object><name>car</name><truncated>1</truncated>{boxes}</object></annotation>"""
    found = read("a.xml", text)
    assert [each[0] for each in points(found)] == [[10, 10], [100, 10], [200, 10]]
    assert {each["tag"] for each in found.objects} == {"car"}
    assert all(each["properties"] == {"truncated": 1} for each in found.objects)
    assert [line.partition(":")[0] for line in found.log] == ["Warning dialect"]


# --- files without classes, and their options ---------------------------------------------------

SHAPE = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}


def via(attributes: dict[str, Any]) -> str:
    regions = [{"shape_attributes": SHAPE, "region_attributes": attributes}]
    return json.dumps({"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": regions}})


def test_via_says_which_attributes_there_are_and_reads_the_one_that_is_named() -> None:
    text = via({"species": "owl", "age": "3"})
    (line,) = read("a.json", text).log
    assert "the region has species, age" in line
    (found,) = read("a.json", text, class_attribute="species").objects
    assert (found["tag"], found["attributes"]) == ("owl", {"age": "3"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", via({})),
        (
            "wheat.csv",
            'image_id,width,height,bbox,source\na.jpg,640,480,"[10, 20, 30, 40]",usask\n',
        ),
        ("corners.csv", "image,xmin,ymin,xmax,ymax,label\na.jpg,10,20,40,60,\n"),
    ],
)
def test_one_tag_for_all_that_name_none(name: str, text: str) -> None:
    assert read(name, text).objects == []
    found = read(name, text, tag="balloon")
    assert [each["tag"] for each in found.objects] == ["balloon"]
    assert points(found) == [[[10, 20], [40, 60]]]


def test_columns_may_be_named() -> None:
    text = (
        "img_fName,img_w,class_label,bbx_xtl,bbx_ytl,bbx_xbr,bbx_ybr\na.jpg,640,cat,10,20,40,60\n"
    )
    named = {"file": "img_fName", "label": "class_label", "xmin": "bbx_xtl", "ymin": "bbx_ytl",
             "xmax": "bbx_xbr", "ymax": "bbx_ybr"}  # fmt: skip
    found = Collected(Images(SIZES))
    source = SourceFile("a.csv", data=text.encode())
    Reading(found.images, found, wishes=Wishes(options=named)).read(
        [source], formats.get("csv_fourcorner")
    )
    assert points(found) == [[[10, 20], [40, 60]]]


WITH_OPTIONS = [f for f in formats.readers() if f.ReadOptions.__struct_fields__]


@pytest.mark.parametrize("reader", WITH_OPTIONS, ids=lambda f: f.name)
def test_an_unknown_option_lists_the_known(reader: Format) -> None:
    with pytest.raises(BadRequestError) as caught:
        Wishes(options={"no_such": "x"}).check(reader)
    for name in reader.ReadOptions.__struct_fields__:
        assert name in str(caught.value)


# --- a byte order mark, other encodings, other locales ----------------------------------------

TABLE = "image;xmin;ymin;xmax;ymax;label\r\na.jpg;10,5;20;40;60;Käfer\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_other_locales_are_read(encoding: str) -> None:
    found = read("a.csv", TABLE.encode(encoding))
    assert points(found) == [[[10.5, 20], [40, 60]]]
    assert found.objects[0]["tag"] == "Käfer"


# --- a sixth value that is no confidence ----------------------------------------------------------

NAMES = ("classes.txt", "ship\n")


@pytest.mark.parametrize("value", ["35.0", "-0.6", "1.01"])
def test_a_sixth_value_beyond_confidences_is_doubted(value: str) -> None:
    found = read("labels/c.txt", f"0 .5 .5 .2 .2 {value}\n", NAMES)
    assert found.objects[0]["properties"] == {"sixth": float(value)}
    told = [line for line in found.log if line.startswith("Warning doubtful-value")]
    assert len(told) == 1
    assert "class x y w h angle" in told[0]


@pytest.mark.parametrize(("unit", "value"), [("degrees", "90"), ("radians", "1.5707963267948966")])
def test_a_sixth_value_is_read_as_an_angle_when_asked(unit: str, value: str) -> None:
    source = SourceFile("labels/a.txt", data=f"0 .5 .5 .25 .125 {value}\n".encode())
    found = Collected(Images({"a.png": (640, 480)}))
    reading = Reading(found.images, found, wishes=Wishes(options={"sixth": unit}))
    reading.read([source, SourceFile("classes.txt", data=b"ship\n")])
    ((*corners,),) = points(found)
    xs, ys = zip(*corners, strict=True)
    # 160 x 60 about 320, 240, on its side
    assert [min(xs), max(xs), min(ys), max(ys)] == pytest.approx([290, 350, 160, 320], abs=1e-5)
    assert found.objects[0]["properties"]["rotation"] == pytest.approx(90)


# --- tasks that nobody has finished ---------------------------------------------------------------


def test_unfinished_tasks_are_told_apart_from_images_without_objects(tmp_path: Path) -> None:
    empty = {"result": []}
    tasks = [
        {"id": 1, "data": {"image": "neg.jpg"}, "annotations": [empty]},
        {"id": 2, "data": {"image": "todo.jpg"}, "annotations": []},
        {"id": 3, "data": {"image": "skip.jpg"}, "annotations": [{**empty, "was_cancelled": True}]},
        {"id": 4, "data": {"image": "draft.jpg"}, "annotations": [], "drafts": [empty]},
    ]
    source = SourceFile("tasks.json", data=json.dumps(tasks).encode())
    with Conversion([source]) as conversion, FolderOutput(tmp_path) as out:
        conversion.write(formats.get("yolo_darknet"), ExportOptions(), out)
        told = [problem.message for problem in conversion.problems if problem.code == "unfinished"]
    assert [path.stem for path in (tmp_path / "dump").glob("*.txt")] == ["neg"]
    assert len(told) == 3
