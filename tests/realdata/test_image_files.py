"""XML and per-image JSON files that nobody here wrote."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotary.geometry import rle
from annotary.syntax.source import SourceFile
from tests.formats import harness

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")

Box = tuple[str, str, float, float, float, float]


def read(
    folder: str, pattern: str, sizes: dict[str, tuple[int, int]] | None = None
) -> harness.Collected:
    base = DATA / folder
    paths = [base] if base.is_file() else sorted(base.glob(pattern))
    root = base.parent if base.is_file() else base
    files = [SourceFile(p.relative_to(root).as_posix(), path=p) for p in paths if p.is_file()]
    assert files, f"{folder} has no {pattern}"
    return harness.read(files, sizes)


def used(found: harness.Collected) -> set[str]:
    return {r.format for r in found.reading.reports if r.role == "annotations"}


def tags(found: harness.Collected) -> Counter[str]:
    return Counter(obj["tag"] for obj in found.objects)


def boxes(found: harness.Collected) -> list[Box]:
    """Boxes in pixels, rounded to a thousandth, sorted."""
    sizes = {c.filename: (c.width, c.height) for c in found.images.pool}
    rows: list[Box] = []
    for obj in found.objects:
        (part,) = obj["parts"]
        assert part["kind"] == "Rectangle"
        scaled = np.round(np.array(part["points"]) * sizes[obj["image"]], 3)
        rows.append((obj["image"], obj["tag"], *scaled.ravel().tolist()))
    return sorted(rows)


# --- the same 100 photographs, 273 boxes ----------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "pattern", "format_"),
    [
        ("same100/gts/imagenet_format/Annotations", "*.xml", "pascal_voc"),
        ("same100/gts/pascalvoc_format", "*.xml", "pascal_voc"),
        ("same100/gts/labelme_format", "*.json", "polygon_single"),
        ("same100/gts/cvat_format", "*.xml", "cvat"),
    ],
)
def test_same100(folder: str, pattern: str, format_: str) -> None:
    found = read(folder, pattern)
    assert found.log == []
    assert used(found) == {format_}
    assert len(found.objects) == 273
    assert len(found.images.names) == 100
    assert len(tags(found)) == 20
    expected = boxes(read("same100/gts/imagenet_format/Annotations", "*.xml"))
    assert [row[:2] for row in boxes(found)] == [row[:2] for row in expected]
    for row, other in zip(boxes(found), expected, strict=True):
        assert row[2:] == pytest.approx(other[2:], abs=0.0011)


def test_same100_keeps_the_pose() -> None:
    found = read("same100/gts/pascalvoc_format", "*.xml")
    text = "".join(p.read_text() for p in (DATA / "same100/gts/pascalvoc_format").glob("*.xml"))
    expected = Counter(p for p in re.findall(r"<pose>(\w+)", text) if p != "Unspecified")
    said = Counter(
        o["properties"]["pose"] for o in found.objects if "pose" in o.get("properties", {})
    )
    assert said == expected
    assert said["Frontal"] > 0


# --- playing cards: VOC and CSV say the same --------------------------------------------------


def test_playing_cards() -> None:
    found = read("playing_cards", "**/*.xml")
    assert found.log == []
    assert used(found) == {"pascal_voc"}
    said = []
    for name in ("train_labels.csv", "test_labels.csv"):
        path = DATA / "playing_cards" / name
        if path.exists():
            with path.open(newline="") as file:
                said += [
                    (
                        r["filename"],
                        r["class"],
                        *(float(r[c]) for c in ("xmin", "ymin", "xmax", "ymax")),
                    )
                    for r in csv.DictReader(file)
                ]
    assert len(found.objects) == 670
    # five digits of a fraction are not enough for a pixel of a photograph: compare in pixels
    assert Counter(boxes(found)) == Counter(said)


# --- four photographs in many tools -----------------------------------------------------------

SIZES = {
    "birds.jpg": (1000, 666),
    "crack.jpeg": (1280, 720),
    "shapes.jpg": (588, 643),
    "strawberry.jpg": (800, 800),
}


def test_same4_createml() -> None:
    found = read("same4/CreateML", "*.json", SIZES)
    assert found.log == []
    assert used(found) == {"createml"}
    assert tags(found)["bird"] == 2
    # labelImg drew these and saved them as VOC too, in whole pixels
    voc = boxes(read("same4/labelImg", "*.xml", SIZES))
    assert len(boxes(found)) == len(voc) == 25
    assert [row[:2] for row in boxes(found)] == [row[:2] for row in voc]


def test_same4_cvat() -> None:
    found = read("same4/cvat1.1", "*.xml", SIZES)
    assert used(found) == {"cvat"}
    assert tags(found) == {"bird": 2, "triangle": 1, "rectangle": 1, "ellipse": 2, "strawberry": 17}
    assert [entry.split(":")[1].split(" ")[0] for entry in found.log] == ["99", "105"]
    assert all("A polyline cannot be stored" in entry for entry in found.log)
    (report,) = found.reading.reports
    assert (report.records, report.skipped, report.rejected) == (25, 2, 0)
    ellipse = next(obj for obj in found.objects if obj["tag"] == "ellipse")
    ring = np.array(ellipse["parts"][0]["points"]) * SIZES["shapes.jpg"]
    cx, cy, rx, ry = ellipse["properties"]["ellipse"]
    assert ((ring - (cx, cy)) ** 2 / (rx**2, ry**2)).sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_same4_labelme() -> None:
    found = read("same4/labelme", "*.json", SIZES)
    assert used(found) == {"polygon_single"}
    assert len(found.log) == 1
    assert "A linestrip cannot be stored" in found.log[0]
    assert tags(found)["strawberry"] == 17
    assert len(read("same4/grapes", "*.json").objects) == 5


def test_same4_labelme_xml_with_masks() -> None:
    found = read("same4/labelme3.0", "**/*", SIZES)
    assert found.log == []
    assert used(found) == {"labelme_xml"}
    masks = [p["mask"] for o in found.objects for p in o["parts"] if p["kind"] == "Bitmask"]
    assert len(masks) == 2
    for number, (height, width, counts) in zip((2, 3), masks, strict=True):
        png = Image.open(DATA / f"same4/labelme3.0/Masks/shapes_mask_{number}.png")
        expected = np.array(png)[..., 3] > 0
        assert (rle.to_dense(rle.Rle(height, width, counts.encode())) == expected).all()


def test_same4_labelme_xml_without_masks_says_so() -> None:
    found = read("same4/labelme3.0", "*.xml", SIZES)
    assert len(found.log) == 2
    assert all("is not part of the import" in entry for entry in found.log)
    assert sum(r.records for r in found.reading.reports) == len(found.objects) + 2


def test_same4_voc_with_masks() -> None:
    found = read("same4/voc1.1", "**/*", SIZES)
    assert found.log == []
    assert used(found) == {"pascal_voc", "voc_masks"}
    assert tags(found) == {"rectangle": 1, "strawberry": 17, "ellipse": 2}
    pixels = np.array(
        Image.open(DATA / "same4/voc1.1/SegmentationObject/shapes.png").convert("RGB")
    )
    for obj in found.objects:
        if obj["tag"] == "ellipse":
            height, width, counts = obj["parts"][0]["mask"]
            mask = rle.to_dense(rle.Rle(height, width, counts.encode()))
            assert len(np.unique(pixels[mask], axis=0)) == 1
            colour = pixels[mask][0]
            assert int((pixels == colour).all(axis=2).sum()) == int(mask.sum())


def test_phones() -> None:
    found = read("same4/phones/vocs", "*.xml")
    assert found.log == []
    assert len(found.objects) == 10


# --- discolight, IBM --------------------------------------------------------------------------


def test_discolight() -> None:
    found = read("discolight/pascalvoc", "*.xml")
    assert found.log == []
    assert len(found.objects) == 76
    assert {o["image"] for o in found.objects} == {"wheat1.jpg", "wheat2.jpg", "wheat3.jpg"}
    more = read("discolight/pascalvoc-additionalvalues", "*.xml")
    assert len(more.objects) == 76
    assert any(o.get("properties") == {"truncated": 1, "difficult": 2} for o in more.objects)


def test_ibm() -> None:
    found = read("ibm/_annotations.json", "")
    assert found.log == []
    assert used(found) == {"ibm"}
    assert len(found.objects) == 197
    assert list(found.classes) == ["not_stop", "stop"]
    assert all(o["parts"] == [{"kind": "Classification", "points": []}] for o in found.objects)
