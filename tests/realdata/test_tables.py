"""Tables and VIA files that other tools wrote."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from annotary.syntax.source import SourceFile
from tests.formats.harness import Collected, read

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is absent")


def sizes(folder: str) -> dict[str, tuple[int, int]]:
    found = {}
    for path in sorted((DATA / folder).glob("*.jpg")):
        with Image.open(path) as image:
            found[path.name] = image.size
    return found


def read_one(path: str, images: dict[str, tuple[int, int]] | None = None) -> Collected:
    return read([SourceFile(Path(path).name, path=DATA / path)], images)


@pytest.mark.parametrize(
    ("folder", "boxes"),
    [("augmentor", 76), ("coco", 76), ("pascalvoc", 76), ("yolodarknet", 76), ("yolokeras", 76)],
)
def test_discolight_four_corners(folder: str, boxes: int) -> None:
    found = read_one(f"discolight/{folder}/annotations.csv", sizes("discolight/augmentor"))
    assert found.log == []
    assert len(found.objects) == boxes
    assert Counter(o["image"] for o in found.objects).keys() == sizes("discolight/augmentor").keys()
    assert found.objects[0]["parts"][0]["points"] == [[0.0, 0.799805], [0.037109, 0.94043]]


def test_discolight_corners_and_sizes_agree() -> None:
    corners = read_one("discolight/annotations.csv", sizes("discolight")).objects
    lengths = read_one("discolight/annotations-wh.csv", sizes("discolight")).objects
    assert len(corners) == len(lengths) == 41
    for a, b in zip(corners, lengths, strict=True):
        for p, q in zip(a["parts"][0]["points"], b["parts"][0]["points"], strict=True):
            assert p == pytest.approx(q, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "line", "point", "good"),
    [
        ("annotations-bbox-below-0", 16, "0.99707, -1.0", 40),
        ("annotations-bbox-greater-img-height", 9, "0.255859, 1.039062", 75),
        ("annotations-bbox-greater-img-width", 8, "1.163086, 0.0", 75),
    ],
)
def test_discolight_out_of_bounds(name: str, line: int, point: str, good: int) -> None:
    found = read_one(f"discolight/augmentor/{name}.csv", sizes("discolight/augmentor"))
    assert len(found.objects) == good
    place = f"At {name}.csv:{line}: "
    assert found.log[0].startswith(f"{place}Point {point} is out of bounds.")
    assert all(text.startswith(place) for text in found.log)


def test_playing_cards_equal_their_voc_files() -> None:
    for part, count in (("test", 143), ("train", 527)):
        found = read_one(f"playing_cards/{part}_labels.csv")
        assert found.log == []
        assert len(found.objects) == count
        table = Counter()
        images = dict(zip(found.images.names, found.images.pool, strict=True))
        for o in found.objects:
            size = images[o["image"]]
            (x1, y1), (x2, y2) = o["parts"][0]["points"]
            box = (x1 * size.width, y1 * size.height, x2 * size.width, y2 * size.height)
            table[o["image"], o["tag"], *(round(v) for v in box)] += 1
        voc: Counter[tuple[object, ...]] = Counter()
        for path in sorted((DATA / "playing_cards" / part).glob("*.xml")):
            root = ET.parse(path).getroot()
            for thing in root.iter("object"):
                box = [
                    int(thing.findtext(f"bndbox/{k}") or "")
                    for k in ("xmin", "ymin", "xmax", "ymax")
                ]
                voc[root.findtext("filename"), thing.findtext("name"), *box] += 1
        assert table == voc


def test_open_images_of_same100() -> None:
    found = read_one(
        "same100/gts/openimages_format/all_bounding_boxes.csv", sizes("same100/images")
    )
    assert found.log == []
    assert len(found.objects) == 273
    assert len(found.classes) == 20
    assert found.objects[0] == {
        "image": "2007_000027.jpg",
        "tag": "person",
        "parts": [{"kind": "Rectangle", "points": [[0.358024691, 0.202], [0.718106996, 0.702]]}],
    }


# the photographs are not at hand; VIA counts in their pixels
SAME4 = {
    "strawberry.jpg": (1000, 1000),
    "shapes.jpg": (1000, 1000),
    "crack.jpeg": (2000, 2000),
    "birds.jpg": (1000, 1000),
}


@pytest.mark.parametrize(("name", "records"), [("csv", 25), ("json", 42)])
def test_via_of_same4(name: str, records: int) -> None:
    found = read_one(f"same4/via/via_region_data.{name}", SAME4)
    report = found.reading.reports[0]
    assert (report.records, len(found.objects), report.skipped) == (records, records - 2, 2)
    assert all("polyline cannot be stored" in text for text in found.log)
    tags = Counter(o["tag"] for o in found.objects)
    assert tags == {
        "strawberry": records - 8,
        "rectangle": 1,
        "triangle": 1,
        "ellipse": 1,
        "circle": 1,
        "bird": 2,
    }


def test_label_studio_table_of_texts_is_refused_for_what_it_is() -> None:
    found = read_one("labelstudio/data/test_export_csv/csv_test2_result.csv")
    assert found.objects == []
    assert len(found.log) == 1
    assert "This table of Label Studio cannot be imported: none of its columns" in found.log[0]
