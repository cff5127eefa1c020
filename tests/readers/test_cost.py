"""Twice the input costs every reader at most some twice the steps: many objects, or a deep one.

Steps are lines of Python that run, XML's tree among it (its Python version stands in for the one
in C, whose searches are no steps of ours): the same on every machine and every day.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from test.support.import_helper import import_fresh_module

from annotary import formats
from annotary.contract.dataset import ClassEntry
from annotary.contract.rows import RowSink
from annotary.syntax import xml
from annotary.syntax.source import FileSet, SourceFile
from tests.formats.yolo_writing import Row, part, write

MOST = 2.5
COUNT = 300
SIDE = 4096
SAMPLES = Path(__file__).parents[1] / "formats"


@pytest.fixture(autouse=True)
def tree_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = import_fresh_module("xml.etree.ElementTree", blocked=["_elementtree"])
    for name in ("XML", "Element", "XMLPullParser"):
        monkeypatch.setattr(xml, name, getattr(tree, name))


class Steps:
    """Counts the lines of Python that run."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Steps:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        self.count += 1
        return self._line

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        self.count += 1
        return self._line


def steps(name: str, sources: list[SourceFile]) -> tuple[int, int]:
    """How many steps it takes to read files of a format, and the values that were read."""
    files = FileSet()
    reader = formats.get(name)
    reader = formats.get(reader.read_by) if reader.read_by else reader
    values = 0

    def take(_: RowSink, batch: Any) -> None:
        nonlocal values
        values += len(batch.coords) + len(batch)

    left = []
    for source in sources:
        kind = next((k for f in formats.readers() if (k := f.companion(source))), None)
        if kind:
            files.add(kind, source)
        else:
            left.append(source)
    with Steps() as counted:
        for source in left:
            rows = RowSink(source.name, take)
            reader.read(source, rows, files)
            rows.flush()
    return counted.count, values


def ring(points: int) -> list[float]:
    """A comb: up and down along the image, then back along its lower edge."""
    teeth = points - 2
    flat: list[float] = []
    for i in range(teeth):
        flat += [(i + 1) / (points + 1), 0.25 if i % 2 else 0.5]
    return [*flat, teeth / (points + 1), 0.75, 1 / (points + 1), 0.75]


def boxes(count: int) -> list[Row]:
    return [
        ("rectangle", 0, 0, i / (count + 1), 0.25, (i + 1) / (count + 1), 0.5) for i in range(count)
    ]


def one_polygon(count: int) -> list[Row]:
    return [("polygon", 0, 0, [ring(count)])]


def parts_of_one(count: int) -> list[Row]:
    left = [i / (count + 1) for i in range(count + 1)]
    return [("polygon", 0, 0, [[a, 0.1, b, 0.1, b, 0.2] for a, b in pairwise(left)])]


def one_skeleton(count: int) -> list[Row]:
    return [("keypoints", 0, 1, [v for i in range(count) for v in (i / count, 0.5, 2)])]


def classes(count: int) -> list[Row]:
    return [("classification", 0, i) for i in range(count)]


SHAPES: dict[str, Callable[[int], list[Row]]] = {
    "rectangle": boxes,
    "polygon": one_polygon,
    "parts": parts_of_one,
    "keypoints": one_skeleton,
    "classification": classes,
}
CASES = [
    (f.name, shape)
    for f in formats.writers()
    if (f.reads or f.read_by) and "nifti" not in f.name and "_3d_" not in f.name
    for shape in SHAPES
    if (
        f.carries.parts and f.carries.polygon == "Polygon"
        if shape == "parts"
        else getattr(f.carries, shape) == shape.capitalize()
    )
    # their polygons have four corners
    and (f.name, shape) not in {("yolo_obb", "polygon"), ("dota", "polygon")}
]


def written(name: str, shape: str, count: int) -> list[SourceFile]:
    format_ = formats.get(name)
    skeleton = [f"k{i}" for i in range(count if shape == "keypoints" else 1)]
    entries = [ClassEntry("cat", 1), ClassEntry("dog", 2, skeleton)]
    if shape == "classification":
        entries = [ClassEntry(f"c{i}", i) for i in range(count)]
    unit = format_.carries.unit
    normalized = unit in ("normalized", "none") or format_.carries.natural == "normalized"
    rows = SHAPES[shape](count)
    if not normalized or unit == "pixels":
        normalized = False
        rows = [_pixels(row) for row in rows]
    given = {"normalized": normalized, "options": format_.Options()}
    made = part("dump", {"a.png": (SIDE, SIDE)}, rows)
    made.images.ids = ["asset_1"]
    return write(name, entries, [made], **given).sources()


def _pixels(row: Row) -> Row:
    kind, image, tag, *values = row
    if kind == "rectangle":
        return (kind, image, tag, *(v * SIDE for v in values))
    if kind == "polygon":
        return (kind, image, tag, [[v * SIDE for v in each] for each in values[0]])
    if kind == "keypoints":
        flat = values[0]
        return (kind, image, tag, [v * SIDE if i % 3 < 2 else v for i, v in enumerate(flat)])
    return row


def labelme_web(count: int) -> str:
    points = "".join(f"<pt><x>{i}</x><y>{i * i}</y></pt>" for i in range(count))
    one = f"<object><name>cat</name><polygon>{points}</polygon></object>"
    return f"<annotation><filename>a.png</filename><imagesize/>{one}</annotation>"


def labelme_web_objects(count: int) -> str:
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((0, 0), (9, 0), (9, 9)))
    one = f"<object><name>cat</name><polygon>{points}</polygon></object>"
    return f"<annotation><filename>a.png</filename><imagesize/>{one * count}</annotation>"


def labelbox(count: int) -> str:
    box = {"name": "cat", "bounding_box": {"left": 1, "top": 2, "width": 3, "height": 4}}
    line = {"name": "dog", "polygon": [{"x": i, "y": i * i} for i in range(count)]}
    labels = [{"annotations": {"objects": [box] * count + [line]}}]
    row = {"external_id": "a.png", "global_key": "a.png"}
    return json.dumps({"data_row": row, "projects": {"p": {"labels": labels}}}) + "\n"


def via_csv(count: int) -> str:
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"
    xs = list(range(count))
    shape = {"name": "polygon", "all_points_x": xs, "all_points_y": [x * x for x in xs]}

    def row(shape: dict[str, Any]) -> str:
        cells = [json.dumps(cell).replace('"', '""') for cell in (shape, {"label": "cat"})]
        return 'a.png,1,"{}",1,0,"' + '","'.join(cells) + '"\n'

    box = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}
    return f"{header},region_attributes\n" + row(shape) + count * row(box)


FILES = {
    "labelme_xml": ("a.xml", labelme_web),
    "labelme_xml, many objects": ("a.xml", labelme_web_objects),
    "labelbox": ("a.ndjson", labelbox),
    "via_csv": ("a.csv", via_csv),
}


@pytest.mark.parametrize("case", FILES)
def test_twice_the_file_costs_twice_the_steps(case: str) -> None:
    file, text = FILES[case]
    name = case.partition(",")[0]
    once, few = steps(name, [SourceFile(file, data=text(COUNT).encode())])
    twice, many = steps(name, [SourceFile(file, data=text(2 * COUNT).encode())])
    assert 1.8 * few < many
    assert twice <= MOST * once, f"{once} steps for {few} values, {twice} for {many}"


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_twice_the_input_costs_twice_the_steps(name: str, shape: str) -> None:
    once, few = steps(name, written(name, shape, COUNT))
    twice, many = steps(name, written(name, shape, 2 * COUNT))
    assert few
    assert 1.8 * few < many
    assert twice <= MOST * once, f"{once} steps for {few} values, {twice} for {many}"
