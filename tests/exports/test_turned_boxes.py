"""Turned boxes: a rectangle with an angle comes in, and goes out as one where a format has such."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from annotary import formats
from annotary.conversion.conversion import Conversion
from annotary.formats.kit.turned import box_of, turned_box
from annotary.model import ExportOptions
from annotary.syntax.source import SourceFile
from annotary.writing.output import FolderOutput

W, H = 640, 480
CVAT = f"""<annotations><version>1.1</version><image id="0" name="a.jpg" width="{W}" height="{H}">
<box label="ship" occluded="0" xtl="200" ytl="200" xbr="300" ybr="260" rotation="30" z_order="0"/>
</image></annotations>"""
ROLABELIMG = f"""<annotation><filename>a.jpg</filename>
<size><width>{W}</width><height>{H}</height><depth>3</depth></size><object><type>robndbox</type>
<name>ship</name><robndbox><cx>250</cx><cy>230</cy><w>100</w><h>60</h><angle>{math.pi / 6}</angle>
</robndbox></object></annotation>"""
LABEL_STUDIO = json.dumps([{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [{
    "id": "r", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
    "original_width": W, "original_height": H, "image_rotation": 0,
    "value": {"x": 40, "y": 50, "width": 10, "height": 20, "rotation": 90,
              "rectanglelabels": ["ship"]}}]}]}])  # fmt: skip
SOURCES = {
    "cvat": ("a.xml", CVAT), "rolabelimg": ("a.xml", ROLABELIMG), "ls": ("a.json", LABEL_STUDIO),
}  # fmt: skip
HOLD_THEM = ("cvat", "label_studio", "pascal_voc", "yolo_obb", "parquet")


def written(source: str, to: str, folder: Path) -> Path:
    file, text = SOURCES[source]
    with (
        Conversion([SourceFile(file, data=text.encode())]) as conversion,
        FolderOutput(folder) as out,
    ):
        assert conversion.log.errors == 0
        manifest = conversion.write(formats.get(to), ExportOptions(on_loss="refuse"), out)
    assert [loss for loss in manifest.losses if loss.count] == []
    return folder


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("to", HOLD_THEM)
def test_no_loss_is_counted_where_corners_say_all(source: str, to: str, tmp_path: Path) -> None:
    written(source, to, tmp_path / "out")


@pytest.mark.parametrize("source", ["cvat", "rolabelimg"])
def test_cvat_has_the_box_and_its_angle(source: str, tmp_path: Path) -> None:
    (file,) = written(source, "cvat", tmp_path / "out").glob("*.xml")
    (box,) = ElementTree.parse(file).getroot().iter("box")
    sides = [float(box.get(key, "")) for key in ("xtl", "ytl", "xbr", "ybr", "rotation")]
    assert sides == pytest.approx([200, 200, 300, 260, 30], abs=1e-6)


def test_label_studio_has_the_rectangle_and_its_angle(tmp_path: Path) -> None:
    folder = written("ls", "label_studio", tmp_path / "out")
    (task,) = json.loads((folder / "dump.json").read_text())
    (result,) = task["annotations"][0]["result"]
    assert result["type"] == "rectanglelabels"
    value: dict[str, Any] = result["value"]
    found = [value[key] for key in ("x", "y", "width", "height", "rotation")]
    assert found == pytest.approx([40, 50, 10, 20, 90], abs=1e-6)
    assert "rotation" not in json.dumps(result.get("meta", {}))


def test_rolabelimg_reads_the_turned_box(tmp_path: Path) -> None:
    (file,) = written("cvat", "pascal_voc", tmp_path / "out").rglob("*.xml")
    (box,) = ElementTree.parse(file).getroot().iter("robndbox")
    found = [float(box.findtext(key, "")) for key in ("cx", "cy", "w", "h", "angle")]
    assert found == pytest.approx([250, 230, 100, 60, math.pi / 6], abs=1e-6)


@pytest.mark.parametrize("degrees", [0.5, 30, 89, 90, 135, 180, 270, -45, 359])
@pytest.mark.parametrize("shift", range(4))
def test_a_box_is_found_in_its_corners_whichever_is_first(degrees: float, shift: int) -> None:
    ring = turned_box(100, 50, 40, 20, degrees)
    ring = ring[2 * shift :] + ring[: 2 * shift]
    found = box_of(ring, {"rotation": degrees})
    assert found is not None
    assert found[:4] == pytest.approx((100, 50, 40, 20), abs=1e-6)


@pytest.mark.parametrize("change", [1.0, -3.0])
def test_corners_that_are_no_box_stay_a_polygon(change: float) -> None:
    ring = turned_box(100, 50, 40, 20, 30)
    ring[0] += change
    assert box_of(ring, {"rotation": 30}) is None
    assert box_of(turned_box(100, 50, 40, 20, 30), {}) is None
