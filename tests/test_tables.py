"""Tables, VIA and Parquet: what is written is read back, to the last bit where the unit allows."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.batch import AnnotationBatch, Extra
from annotary.contract.rows import RowSink
from annotary.geometry.rle import Rle, encode_counts
from annotary.model import ExportManifest, ExportOptions
from annotary.syntax.source import FileSet, SourceError, SourceFile
from annotary.writing.exporting import ExportTag, export
from annotary.writing.output import FolderOutput
from tests.formats.harness import Collected, describe, read_folder

BOXES = (
    "csv_fourcorner",
    "csv_widthheight",
    "csv_vott",
    "tensorflow_csv",
    "retinanet_csv",
    "open_images_csv",
)
SIZES = {'a, "b".png': (400, 200), "empty.jpg": (10, 10), "v1.2 é.png": (333, 777)}
TAGS = ["boat", "salt, pepper", "two\nlines"]


class Memory:
    """A project in memory, to export from."""

    project = "0"

    def __init__(self, fill: Callable[[RowSink], None]) -> None:
        self.names = sorted(SIZES)
        self.widths = np.array([SIZES[name][0] for name in self.names], np.int64)
        self.heights = np.array([SIZES[name][1] for name in self.names], np.int64)
        self.tags = [ExportTag(name) for name in TAGS]
        self.ids: Sequence[str] = []
        self.groups: Sequence[Sequence[str]] = []
        self.batches: list[AnnotationBatch] = []
        rows = RowSink("memory", lambda _, batch: self.batches.append(batch))
        for name in self.names:
            rows.image(name)
        for tag in TAGS:
            rows.tag(tag)
        fill(rows)
        rows.flush()
        self.count = sum(map(len, self.batches))

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        assert list(images) == list(range(len(self.names)))
        for batch in self.batches:
            yield batch.take(np.argsort(batch.image, kind="stable"))

    def read_image(self, image: int) -> bytes | None:
        return None


def there_and_back(
    name: str, fill: Callable[[RowSink], None], normalized: bool | None = None
) -> tuple[Collected, ExportManifest, dict[str, bytes]]:
    """What is read from what a format writes, its manifest, and the files."""
    with tempfile.TemporaryDirectory() as folder:
        options = ExportOptions(normalized=normalized)
        out = FolderOutput(Path(folder))
        manifest = export(Memory(fill), formats.get(name), options, out)
        found = read_folder(Path(folder), SIZES)
        files = {p.name: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
    return found, manifest, files


EDGE = st.floats(0.0, 1.0, allow_subnormal=False)
# a side of less than the numbers' own steps is none as soon as it is written as a length
SIDES = st.lists(EDGE, min_size=2, max_size=2).map(sorted).filter(lambda v: v[1] - v[0] > 1e-9)


@st.composite
def boxes(draw: st.DrawFn) -> list[tuple[int, int, float, float, float, float]]:
    found = []
    for _ in range(draw(st.integers(1, 6))):
        xs, ys = draw(SIDES), draw(SIDES)
        image = draw(st.sampled_from([0, 2]))
        found.append((image, draw(st.integers(0, 2)), xs[0], ys[0], xs[1], ys[1]))
    return found


@pytest.mark.parametrize("name", BOXES)
@settings(max_examples=30, deadline=None)
@given(rows=boxes())
def test_fractions_survive_exactly(
    name: str, rows: list[tuple[int, int, float, float, float, float]]
) -> None:
    def fill(sink: RowSink) -> None:
        sink.normalized = True
        for row in rows:
            sink.rectangle(*row)

    found, _, _ = there_and_back(name, fill, normalized=True)
    assert found.log == []
    rows = sorted(rows, key=lambda row: row[0])
    values = [v.tolist() for batch in found.batches for v in map(batch.values, range(len(batch)))]
    assert [o["tag"] for o in found.objects] == [TAGS[row[1]] for row in rows]
    if name == "csv_widthheight":
        # a width is the shortest decimal: it leads to the corner within one unit in the last place
        assert np.allclose(values, [row[2:] for row in rows], rtol=0, atol=3e-16)
    else:
        assert values == [list(row[2:]) for row in rows]


@pytest.mark.parametrize("name", BOXES)
def test_pixels_are_written_as_they_were(name: str) -> None:
    pixels = [(0, 40.0, 20.0, 120.0, 100.0), (0, 10.5, 20.25, 11.0, 30.125), (2, 0, 0, 333, 777)]

    def fill(sink: RowSink) -> None:
        sink.normalized = True
        for image, *box in pixels:
            width, height = SIZES[sorted(SIZES)[image]]
            sink.rectangle(image, 1, *(np.array(box) / (width, height, width, height)).tolist())

    found, manifest, files = there_and_back(name, fill, normalized=False)
    assert found.log == []
    assert len(found.objects) == 3
    assert {o["image"] for o in found.objects} == {'a, "b".png', "v1.2 é.png"}
    if name == "open_images_csv":
        assert manifest.normalized
        return
    text = files["dump.csv"].decode()
    for shown in ("40", "20", "10.5", "20.25"):
        assert f",{shown}," in text.replace(".0,", ",")
    assert ("empty-images" in {loss.code for loss in manifest.losses}) == (name != "retinanet_csv")


@pytest.mark.parametrize("name", ["retinanet_csv", "roboflow_classes_csv", "via", "parquet"])
def test_images_without_annotations_are_written(name: str) -> None:
    def fill(sink: RowSink) -> None:
        sink.normalized = True
        if name == "roboflow_classes_csv":
            sink.classification(0, 0)
        else:
            sink.rectangle(0, 0, 0.1, 0.1, 0.2, 0.2)

    found, manifest, _ = there_and_back(name, fill)
    assert found.log == []
    assert manifest.losses == []
    assert max(report.images for report in found.reading.reports) == 3


def everything(sink: RowSink) -> None:
    sink.normalized = True
    crowd = Extra(properties={"iscrowd": 1, "who": "é"}, attributes={"hair": "long", "label": "x"})
    square = [0.0, 0.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5]
    hole = [0.125, 0.125, 0.25, 0.125, 0.25, 0.25]
    other = [0.75, 0.75, 1.0, 0.75, 1.0, 1.0]
    sink.rectangle(0, 0, 0.25, 0.25, 0.75, 0.5, extra=Extra(attributes={"to": ["a", "b"]}))
    sink.polygon(0, 1, [square, other], extra=crowd, holes=[hole])
    sink.polygon(0, 1, [other])
    sink.keypoints(
        0, 2, [0.25, 0.5, 2, 0.5, 0.5, 1, 0, 0, 0], rings=[other], box=(0.25, 0.5, 0.5, 1)
    )
    sink.keypoints(0, 2, [0.25, 0.5, 2])
    sink.classification(0, 0, extra=Extra(attributes={"sure": 0.5}))
    sink.classification(0, 1)
    sink.classification(2, 1)


@pytest.mark.parametrize("name", ["via", "parquet"])
def test_all_kinds_survive(name: str) -> None:
    def objects(found: Collected) -> list[Any]:
        return sorted(found.objects, key=repr)

    found, manifest, _ = there_and_back(name, everything)
    assert found.log == []
    assert manifest.losses == []
    memory = Memory(everything)
    expected = []
    for batch in memory.scan(range(3)):
        starts = batch.objects().tolist()
        for begin, end in pairwise(starts):
            expected.append(describe(batch, begin, end, memory.names, TAGS))
    for described in expected:
        # keypoints come before their outline and box, rings before holes
        order = ["Keypoints", "Polygon", "Rectangle", "Classification"]
        described["parts"].sort(key=lambda part: order.index(part["kind"]))
    assert objects(found) == sorted(expected, key=repr)


def test_parquet_carries_masks_frames_and_both_units() -> None:
    mask = Rle(777, 333, encode_counts([0, 10, 777 * 333 - 10]))

    def fill(sink: RowSink) -> None:
        sink.normalized = True
        sink.rectangle(0, 0, 0.25, 0.25, 0.75, 0.5, extra=Extra(frame=3, sequence=1))
        sink.bitmask(2, 1, mask, (0.0, 0.0, 1 / 333, 10 / 777))

    for normalized in (True, False):
        found, manifest, _ = there_and_back("parquet", fill, normalized)
        assert found.log == [] and manifest.losses == []
        assert found.objects[0]["frame"] == 3
        assert found.objects[0]["parts"][0]["points"] == [[0.25, 0.25], [0.75, 0.5]]
        assert found.objects[1]["parts"][0]["mask"] == [777, 333, mask.counts.decode()]


def test_parquet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    _, _, files = there_and_back("parquet", everything)
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Exception, match="pyarrow") as caught:
        there_and_back("parquet", everything)
    assert "pip install annotary[parquet]" in str(getattr(caught.value, "hint", ""))
    rows = RowSink("dump.parquet", lambda _, batch: None)
    with pytest.raises(Exception) as refused:
        source = SourceFile("dump.parquet", data=files["dump.parquet"])
        formats.get("parquet").read(source, rows, FileSet())
    assert getattr(refused.value, "code", "") == "missing-package"


def test_open_images_flags_survive() -> None:
    said = {"occluded": 1, "iscrowd": 1, "score": 0.5, "Source": "x, y", "IsTruncated": -1}

    def fill(sink: RowSink) -> None:
        sink.normalized = True
        sink.rectangle(0, 0, 0.25, 0.25, 0.75, 0.5, extra=Extra(properties=dict(said)))

    found, manifest, _ = there_and_back("open_images_csv", fill)
    assert [o["properties"] for o in found.objects] == [said]
    assert {loss.code for loss in manifest.losses} == {"empty-images"}


@pytest.mark.parametrize("name", ["csv_classification", "roboflow_classes_csv"])
def test_classes_of_images_survive(name: str) -> None:
    def fill(sink: RowSink) -> None:
        for image, tag in ((0, 0), (0, 2), (2, 1)):
            sink.classification(image, tag)

    found, _, files = there_and_back(name, fill)
    assert [(o["image"], o["tag"]) for o in found.objects] == [
        ('a, "b".png', TAGS[0]),
        ('a, "b".png', TAGS[2]),
        ("v1.2 é.png", TAGS[1]),
    ]
    table = list(csv.reader(io.StringIO(files["dump.csv"].decode(), newline="")))
    assert {len(row) for row in table} == {len(table[0])}


@pytest.mark.parametrize(
    ("values", "normalized"),
    [
        (["0.1,0.2,0.3,0.4"], True),
        (["0,0,1,1"], False),
        (["0.0,0,1,1"], True),
        (["0.1,0.2,0.3,1.0000001"], True),
        (["0.1,0.2,0.3,1.5"], True),
        (["0,0,2,2"], False),
        (["0.1,0.2,0.3,0.4", "1,1,20.5,30"], False),
        (["0.1,0.2,0.3,inf"], True),
        (["0.1,0.2,0.3,nan"], True),
        (["-0.1,0.2,0.3,x"], True),
        ([], False),
    ],
)
def test_unit_of_a_file(values: list[str], normalized: bool) -> None:
    lines = ["filename,xmin,ymin,xmax,ymax,label", *(f"a.png,{v},dog" for v in values)]
    source = SourceFile("a.csv", data="\n".join(lines).encode())
    rows = RowSink("a.csv", lambda _, batch: None)
    formats.get("csv_fourcorner").read(source, rows, FileSet())
    assert rows.normalized is normalized


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("filename,xmin,ymin,xmax,ymax,label", "a.png,1,2,3,4,dog", "csv_fourcorner"),
        ("class;Y2;x2;y1;X1;Image Name", "dog;1;2;3;4;a.png", "csv_fourcorner"),
        ("filename,x,y,width,height,class", "a.png,1,2,3,4,dog", "csv_widthheight"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a,1,1,d,1,2,3,4", "tensorflow_csv"),
        ("image,label", "a.png,dog", "csv_classification"),
        ("image,label", "a.png,1", "csv_classification"),
        ("image,label,split", "a.png,dog,train", "csv_classification"),
        ("filename, label, name", "a.png, 1, 0", "roboflow_classes_csv"),
        ("filename,left,right,top", "a.png,1,0,0", "roboflow_classes_csv"),
        ("ImageID,Source,LabelName,Confidence", "a,v,/m/1,1", "open_images_csv"),
        ("a.png,1,2,3,4,dog", "b.png,,,,,", "retinanet_csv"),
        ("empty.png,,,,,", "a.png,1,2,3,4,dog", "retinanet_csv"),
        ("TEST,a.png,dog,.1,.2,,,.3,.4,,", "TRAIN,b.png,,,,,,,,,", "csv_automl"),
        ("1,2,3,4,5,6", "1,2,3,4,5,6", ""),
        ("a.png 40,20,120,100,1 40,20,120,100,1", "b.png", ""),
        ("name,age", "Ann,7", ""),
        ("filename,caption", "a.png,A dog", ""),
    ],
)
def test_a_table_belongs_to_one_format(header: str, row: str, name: str) -> None:
    source = SourceFile("a.csv", data=f"{header}\n{row}\n".encode())
    claims = [f.name for f in formats.readers() if f.sniff(source, FileSet())]
    assert claims == ([name] if name else claims)
    assert name or not [c for c in claims if c.endswith("csv") or c.startswith("csv")]


@pytest.mark.parametrize("name", [*BOXES[:2], "csv_classification", "via_csv", "label_studio_csv"])
@pytest.mark.parametrize("data", [b"", b"{}", b'{"a', b"a,b\n1,2\n", b"\x00\x01,\n", b"<a/>"])
def test_a_format_that_was_chosen_wrongly_is_told(name: str, data: bytes) -> None:
    rows = RowSink("a.csv", lambda _, batch: None)
    with pytest.raises(SourceError):
        formats.get(name).read(SourceFile("a.csv", data=data), rows, FileSet())
