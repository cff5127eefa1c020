"""Drawings: the colours of tags at known places, and pictures that cannot be shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from annotary import Client
from annotary.cli import main
from annotary.drawing import overlay
from annotary.drawing.colours import OTHER, PALETTE, colour
from annotary.geometry import rle
from annotary.model import Annotation, MaskBound
from annotary.pictures import MOST_PIXELS, open_picture

RED, BLUE = "#fe7a67", "#058dfa"
GREY = (100, 100, 100)


def near(pixel: object, wanted: str, within: int = 40) -> bool:
    rgb = tuple(int(wanted[at : at + 2], 16) for at in (1, 3, 5))
    return all(abs(a - b) <= within for a, b in zip(pixel, rgb, strict=True))  # type: ignore[call-overload]


def shape(kind: str, bound: object, **more: object) -> Annotation:
    return Annotation("annot_1", "proj_1", "asset_1", "car", kind, bound, **more)  # type: ignore[arg-type]


def drawn(*shapes: Annotation, **more: object) -> Image.Image:
    picture = open_picture(png(Image.new("RGB", (200, 100), GREY)), (200, 100))
    return overlay.draw(picture, shapes, {"car": RED}, labels=False, **more)  # type: ignore[arg-type]


def png(image: Image.Image, format_: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **more)
    return out.getvalue()


def test_the_first_twenty_tags_differ_and_others_are_grey() -> None:
    assert len({colour(at) for at in range(20)}) == 20
    assert colour(20) == colour(10_000) == OTHER


@pytest.mark.parametrize("hostile", ["red", "#fff", "#12345g", '"><script>', "#123456;x"])
def test_only_whole_colours_are_used(hostile: str) -> None:
    assert colour(0, hostile) == PALETTE[0]
    assert colour(0, "#ABCDEF") == "#abcdef"


def test_a_box_has_its_colour_on_its_edge_and_nothing_inside() -> None:
    image = drawn(shape("Rectangle", [[0.1, 0.2], [0.1, 0.8], [0.6, 0.8], [0.6, 0.2]]))
    for edge in ((20, 50), (120, 50), (70, 20), (70, 80)):
        assert near(image.getpixel(edge), RED)
    assert image.getpixel((70, 50)) == GREY
    assert image.size == (200, 100)


def test_a_hole_is_not_filled() -> None:
    outer = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    inner = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    image = drawn(shape("Polygon", outer, group="g"), shape("Polygon", inner, group="g", hole=True))
    assert image.getpixel((40, 50)) != GREY
    assert image.getpixel((100, 50)) == GREY


def test_a_mask_is_tinted_where_it_is() -> None:
    dense = np.zeros((100, 200), bool)
    dense[20:40, 100:150] = True
    coded = rle.from_dense(dense)
    image = drawn(shape("Bitmask", MaskBound((100, 200), coded.counts.decode())))
    changed = np.any(np.asarray(image) != GREY, axis=2)
    assert (changed == dense).mean() > 0.99


def test_keypoints_without_label_are_not_drawn() -> None:
    image = drawn(shape("Keypoints", [[0.2, 0.5, 2], [0.5, 0.5, 1], [0.8, 0.5, 0]]))
    assert near(image.getpixel((40, 50)), RED)
    assert not near(image.getpixel((100, 50)), RED)
    assert image.getpixel((100, 50)) != GREY
    assert image.getpixel((160, 50)) == GREY


def test_what_is_not_meant_is_faint() -> None:
    box = shape("Rectangle", [[0.1, 0.2], [0.1, 0.8], [0.6, 0.8], [0.6, 0.2]])
    pixel = drawn(box, meant=["dog"]).getpixel((20, 50))
    assert pixel != GREY
    assert not near(pixel, RED)


def test_shapes_beyond_the_image_and_without_extent_are_drawn() -> None:
    far = [[-3.0, -3.0], [-2.0, -3.0], [-2.0, -2.0]]
    empty = MaskBound((100, 200), rle.from_dense(np.zeros((100, 200), bool)).counts.decode())
    every = [shape("Polygon", far), shape("Bitmask", empty), shape("Classification", [])]
    every.append(shape("Polygon", [[0.5, 0.5]] * 3))
    assert drawn(*every).size == (200, 100)
    assert overlay.crop(drawn(*every), [(5.0, 5.0), (6.0, 6.0)]).size == (200, 100)


# --- pictures -------------------------------------------------------------------------------


def test_a_turned_picture_is_shown_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = open_picture(png(Image.new("RGB", (60, 40)), "JPEG", exif=exif), (40, 60))
    assert found.image.size == (40, 60)
    assert found.shown


def test_16_bits_are_spread_over_8_and_said() -> None:
    wide = np.linspace(1000, 1400, 40 * 60).reshape(40, 60).astype(np.uint16)
    found = open_picture(png(Image.fromarray(wide), "TIFF"), (60, 40))
    values = np.asarray(found.image)
    assert values.min() < 5
    assert values.max() > 250
    assert "8 bits" in found.note


WHOLE = png(Image.effect_noise((60, 40), 80), "JPEG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no picture"),
        (b"", "empty"),
        (b"not a picture", "not a picture"),
        (WHOLE[: len(WHOLE) // 2], "damaged"),
        (Path("nowhere.png"), "not there"),
    ],
)
def test_a_picture_that_cannot_be_shown_says_why(content: bytes | None, reason: str) -> None:
    found = open_picture(content, (60, 40))
    assert reason in found.note
    assert not found.shown
    written = overlay.draw(found, [], {})
    assert found.image.size == written.size == (60, 40)
    assert len(set(written.get_flattened_data())) > 1


def test_a_picture_that_claims_too_many_pixels_is_not_decoded() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    header = png(Image.new("1", (8, 8)))
    huge = header[:16] + side.to_bytes(4, "big") * 2 + header[24:]
    found = open_picture(huge, (side, side), 320)
    assert not found.shown
    assert max(found.image.size) == 320


# --- commands and the SDK -------------------------------------------------------------------

COCO = {
    "images": [
        {"id": n, "file_name": name, "width": 200, "height": 100}
        for n, name in enumerate(["a.png", "broken.png", "missing.png", "../up/<img>.png"])
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [20, 20, 100, 60]},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [20, 20, 100, 60], "score": 0.5},
        {"id": 3, "image_id": 2, "category_id": 9, "bbox": [20, 20, 100, 60]},
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANNOTARY_HOME", str(tmp_path / "home"))
    (tmp_path / "labels.json").write_text(json.dumps(COCO))
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 100), GREY).save(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "broken.png").write_bytes(b"\x89PNG nothing")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_files_are_drawn_and_every_record_is_counted(folder: Path) -> None:
    said = run("draw", "labels.json", "--images", "images", "--out", "drawn")
    assert "3 records: 2 shown, 1 skipped" in said
    names = sorted(path.name for path in (folder / "drawn").iterdir())
    assert names == ["a.png", "broken.png", "missing.png", "up_img.png"]
    with Image.open(folder / "drawn" / "a.png") as image:
        assert near(image.getpixel((120, 50)), PALETTE[0])
    assert not (folder / "home").exists()


def test_a_tag_chooses_images_and_an_unknown_one_is_refused(folder: Path) -> None:
    run("draw", "labels.json", "--images", "images", "--out", "dogs", "--tag", "dog")
    assert [path.name for path in (folder / "dogs").iterdir()] == ["broken.png"]
    assert "There are: car, dog" in run("draw", "labels.json", "--out", "x", "--tag", "cat", code=2)


def test_a_sample_is_the_same_for_the_same_seed(folder: Path) -> None:
    for out in ("one", "two"):
        run("draw", "labels.json", "--out", out, "--sample", "2", "--seed", "4")
    one, two = (sorted(p.name for p in (folder / out).iterdir()) for out in ("one", "two"))
    assert one == two
    assert len(one) == 2


def test_a_sheet_has_all_tiles(folder: Path) -> None:
    run("draw", "labels.json", "--out", "drawn", "--sheet", "2x1")
    assert sorted(p.name for p in (folder / "drawn").iterdir()) == [
        "sheet-001.png",
        "sheet-002.png",
    ]


def test_neither_a_file_nor_a_project(folder: Path) -> None:
    assert "no file and no project" in run("draw", "nothing", "--out", "x", code=2)
    run("draw", "labels.json", "--out", "x", "--sheet", "0x3", code=2)


def test_assets_annotations_and_projects_draw_themselves(folder: Path) -> None:
    with Client() as client:
        project = client.create_project("p")
        with project.assets.create_upload_session() as upload:
            upload.add_path("images/a.png")
        made = project.annotations.create(
            {
                "asset_id": "a.png",
                "tag": "car",
                "bound_type": "Rectangle",
                "bound": [[0.1, 0.2], [0.1, 0.8], [0.6, 0.8], [0.6, 0.2]],
            }
        )
        asset = project.assets.get("a.png")
        for image in (
            asset.draw(),
            project.assets.draw("a.png"),
            next(iter(project.assets.list())).draw(),
        ):
            assert near(image.getpixel((120, 50)), PALETTE[0])
        part = project.annotations.draw(made)
        assert part.width < 200
        assert project.draw(sample=1, seed=1).size[0] > 320
        shown = asset._repr_mimebundle_()
        assert shown["image/png"].startswith(b"\x89PNG")
