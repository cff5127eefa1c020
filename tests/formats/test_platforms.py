"""What the platforms' writers write, their readers read back: the same objects, in order."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.batch import Extra
from annotary.contract.dataset import ClassEntry
from annotary.geometry import rle
from annotary.syntax.source import SourceFile
from tests.formats.harness import describe, read
from tests.formats.yolo_writing import Row, batches, part, write

NAMES = ("label_studio", "supervisely", "darwin", "datumaro")
WIDTH, HEIGHT = 40, 30
IMAGES = {"a.png": (WIDTH, HEIGHT), "sub/臉 書.jpg": (WIDTH, HEIGHT), "z,<&>.jpg": (WIDTH, HEIGHT)}
CLASSES = [
    ClassEntry("boat", 0),
    ClassEntry('dog "&" <cat>', 1),
    ClassEntry("person", 2, ["nose", "tail", "paw"], [(0, 1), (1, 2)]),
    ClassEntry("unused", 3),
]
PERSON = 2

x = st.integers(0, WIDTH * 100).map(lambda v: v / 100 / WIDTH)
y = st.integers(0, HEIGHT * 100).map(lambda v: v / 100 / HEIGHT)
name = st.sampled_from(["colour", "größe", "is it <old>?", "text"])
attributes = st.dictionaries(
    name,
    st.one_of(
        st.text(
            st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5
        ),
        st.floats(-1e6, 1e6, allow_nan=False),
        st.lists(st.sampled_from(["red", "blue", "a b"]), min_size=1, max_size=3, unique=True),
    ),
    max_size=2,
)


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    left, right = sorted(draw(st.lists(x, min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(y, min_size=2, max_size=2, unique=True)))
    return [left, top, right, bottom]


@st.composite
def ring(draw: st.DrawFn, left: float = 0.0, right: float = 1.0) -> list[float]:
    """A convex ring between two fractions of the width."""
    top, bottom = sorted(draw(st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.9]), min_size=2,
                                       max_size=2, unique=True)))  # fmt: skip
    middle = (left + right) / 2
    return [left, top, right, top, right, bottom, middle, min(1.0, bottom + 0.05), left, bottom]


@st.composite
def masks(draw: st.DrawFn) -> rle.Rle:
    dense = np.zeros((HEIGHT, WIDTH), bool)
    left, top = draw(st.integers(0, WIDTH - 3)), draw(st.integers(0, HEIGHT - 3))
    dense[top : top + draw(st.integers(1, 3)), left : left + draw(st.integers(1, 3))] = True
    dense[draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))] = True
    return rle.from_dense(dense)


@st.composite
def row(draw: st.DrawFn, image: int, name: str) -> Row:
    carries = formats.get(name).carries
    extra = Extra(attributes=draw(attributes) or None)
    if carries.properties and draw(st.booleans()):
        extra.properties = {"score": draw(st.floats(0.01, 1))}
    tag = draw(st.sampled_from([0, 1]))
    kind = draw(st.sampled_from(["rectangle", "polygon", "keypoints", "classification", "bitmask"]))
    if kind == "rectangle":
        return kind, image, tag, *draw(boxes()), {"extra": extra}
    if kind == "polygon":
        rings = [draw(ring(0.0, 0.4))]
        holes = []
        if carries.parts and draw(st.booleans()):
            rings.append(draw(ring(0.5, 0.9)))
        if carries.holes and draw(st.booleans()):
            holes.append([0.1, 0.15, 0.2, 0.15, 0.2, 0.2])
            rings[0] = [0.0, 0.1, 0.4, 0.1, 0.4, 0.9, 0.0, 0.9]
        return kind, image, tag, rings, {"extra": extra, "holes": holes}
    if kind == "keypoints":
        points: list[float] = []
        for _ in range(3):
            seen = draw(st.sampled_from([0, 1, 2]))
            points += [draw(x) or 0.5, draw(y) or 0.5, seen] if seen else [0, 0, 0]
        given: dict[str, Any] = {"extra": extra}
        if carries.objects and draw(st.booleans()):
            given["box"] = draw(boxes())
        return kind, image, PERSON, points, given
    if kind == "classification":
        return kind, image, tag
    mask = draw(masks())
    found = rle.bbox(mask)
    extent = [v / (WIDTH, HEIGHT)[i % 2] for i, v in enumerate(found)] if found else []
    return kind, image, tag, mask, {"extent": extent, "extra": extra}


def scaled(rows: list[Row]) -> list[Row]:
    """The rows in pixels."""
    found: list[Row] = []
    size = (WIDTH, HEIGHT)

    def pixels(values: list[float], step: int = 2) -> list[float]:
        return [
            float(np.round(v * size[i % step], 9)) if i % step < 2 else v
            for i, v in enumerate(values)
        ]

    for kind, image, tag, *given_values in rows:
        values: list[Any] = list(given_values)
        named = dict(values.pop()) if values and isinstance(values[-1], dict) else {}
        if kind == "rectangle":
            values = pixels(values)
        elif kind == "polygon":
            values = [[pixels(r) for r in values[0]]]
        elif kind == "keypoints":
            values = [pixels(values[0], 3)]
        for key in ("box", "extent"):
            if named.get(key):
                named[key] = pixels(named[key])
        if "holes" in named:
            named["holes"] = [pixels(hole) for hole in named["holes"]]
        found.append((kind, image, tag, *values, named))
    return found


def expected(rows: list[Row]) -> list[dict[str, Any]]:
    """Objects as the harness describes them, image by image."""
    found = []
    for batch in batches(rows, 1000):
        starts = batch.objects().tolist()
        for begin, end in itertools.pairwise(starts):
            found.append(describe(batch, begin, end, list(IMAGES), [c.name for c in CLASSES]))
    return found


def sortable(objects: list[dict[str, Any]]) -> list[str]:
    """Objects in an order of their own: a format may put the parts of an image together."""
    return sorted(json.dumps(o, sort_keys=True, default=str) for o in objects)


@st.composite
def datasets(draw: st.DrawFn, name: str) -> list[Row]:
    return [
        draw(row(image, name))
        for image in range(len(IMAGES))
        for _ in range(draw(st.integers(0, 3)))
    ]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read(name: str, data: st.DataObject) -> None:
    rows = data.draw(datasets(name))
    own = rows if name == "label_studio" else scaled(rows)
    given_ = {"normalized": name == "label_studio", "options": formats.get(name).Options()}
    out = write(name, CLASSES, [part("dump", IMAGES, own)], **given_)
    again = write(name, CLASSES, [part("dump", IMAGES, own, cut=1)], **given_)
    assert out.members == again.members
    found = read(out.sources(), IMAGES)
    assert found.log == []
    assert sortable(found.objects) == sortable(expected(rows))
    assert sorted(f.file for f in found.reading.reports if f.role == "failed") == []


@pytest.mark.parametrize("name", NAMES)
def test_images_without_objects_are_written(name: str) -> None:
    given_ = {"normalized": False, "options": formats.get(name).Options()}
    out = write(name, CLASSES, [part("train", IMAGES, [])], **given_)
    found = read(out.sources(), None)
    assert found.log == []
    base = {image.rsplit("/", 1)[-1] for image in IMAGES}
    assert {image.rsplit("/", 1)[-1] for image in found.images.names} == base


def test_label_studio_configuration_declares_all_classes_in_order() -> None:
    rows: list[Row] = [("polygon", 0, 1, [[0.1, 0.1, 0.2, 0.1, 0.2, 0.2]])]
    options = formats.get("label_studio").Options(prefix="/data/local-files/?d=")
    out = write("label_studio", CLASSES, [part("dump", IMAGES, rows)], options=options)
    assert json.loads(out.members["dump.json"])[1]["data"]["image"] == (
        "/data/local-files/?d=sub/%E8%87%89%20%E6%9B%B8.jpg"
    )
    found = read(out.sources(), IMAGES)
    assert found.log == []
    assert list(found.classes) == [entry.name for entry in CLASSES]
    assert found.images.names == list(IMAGES)


def test_masks_of_darwin_that_overlap_stay_whole() -> None:
    dense = np.zeros((HEIGHT, WIDTH), bool)
    dense[5:10, 5:10] = True
    whole = rle.from_dense(dense)
    rows: list[Row] = [("bitmask", 0, tag, whole, {"extent": [5, 5, 10, 10]}) for tag in (0, 1, 0)]
    out = write("darwin", CLASSES, [part("dump", IMAGES, rows)], normalized=False)
    found = read(out.sources(), IMAGES)
    assert [o["parts"][0]["mask"][2] for o in found.objects] == [whole.counts.decode()] * 3
    assert [o["tag"] for o in found.objects] == ["boat", CLASSES[1].name, "boat"]


SAMPLES = sorted(
    path
    for name in (*NAMES, "labelbox", "sagemaker", "datature_vi")
    for path in (Path(__file__).parent / name / "sample").rglob("*")
    if path.suffix in (".json", ".ndjson", ".jsonl", ".manifest") and path.name != "meta.json"
)
OTHER = [None, True, 0, -1, 7, 1e300, 10**400, "", "x", "0", [], [1], [[]], [[1, 2]], {}, {"x": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, held in inner:
        found.append((*path, key))
        if isinstance(held, dict | list):
            found += places(held, (*path, key))
    return found


def mangled(text: str, data: st.DataObject) -> str:
    """A JSON text with some of its values replaced or removed."""
    document = json.loads(text)
    if not isinstance(document, dict | list):
        return text
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(document)
        if not found:
            break
        *path, last = data.draw(st.sampled_from(found))
        home = document
        for key in path:
            home = home[key]
        if data.draw(st.booleans()):
            home[last] = copy.deepcopy(data.draw(st.sampled_from(OTHER)))
        else:
            del home[last]
    return json.dumps(document, ensure_ascii=False)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.relative_to(p.parents[2]).as_posix())
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_file_holds_is_read_or_told(path: Path, data: st.DataObject) -> None:
    name = path.relative_to(Path(__file__).parent).parts[0]
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        text = mangled(text, data)
    else:
        lines = text.splitlines()
        chosen = data.draw(st.integers(0, len(lines) - 1))
        lines[chosen] = mangled(lines[chosen], data)
        text = "\n".join(lines)
    # reading accounts for every record, or the harness fails
    read([SourceFile(path.name, data=text.encode())], None, format=name)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.relative_to(p.parents[2]).as_posix())
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_that_breaks_off_is_told(path: Path, data: st.DataObject) -> None:
    name = path.relative_to(Path(__file__).parent).parts[0]
    raw = path.read_bytes().rstrip()
    end = data.draw(st.integers(1, len(raw) - 1))
    found = read([SourceFile(path.name, data=raw[:end])], None, format=name)
    whole = read([SourceFile(path.name, data=raw)], None, format=name)
    assert found.log or path.suffix != ".json"
    assert len(found.objects) <= len(whole.objects)
