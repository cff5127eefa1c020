"""What the writers of XML and per-image JSON write is read back as it was, bit for bit."""

from __future__ import annotations

import string
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.batch import BITMASK, KIND_NAMES, AnnotationBatch, Extra
from annotary.contract.dataset import ClassEntry
from annotary.contract.rows import RowSink
from annotary.errors import BadRequestError
from annotary.geometry import rle
from annotary.syntax.source import FileSet
from tests.formats.yolo_writing import Memory, part, write

IMAGES = {
    "a b.png": (400, 200),
    "deep/er/臉書 ü.jpg": (640, 480),
    "empty.png": (64, 48),
    "same.jpg": (10, 10),
    "same.png": (1000, 999),
    "x&<y>\"'.png": (77, 55),
}
CLASSES = ["dog", "b&<o>\"at'", "狗 ü", "unused"]
WORDS = st.text(string.ascii_letters + "&<>\"' é狗", min_size=1).map(str.strip).filter(bool)
BOXES, POLYGONS, CLASS, MASKS, POINTS = (
    "rectangle",
    "polygon",
    "classification",
    "bitmask",
    "keypoints",
)
HOLDS = {
    "pascal_voc": {BOXES, POLYGONS},
    "polygon_single": {BOXES, POLYGONS, CLASS, MASKS, POINTS},
    "createml": {BOXES, CLASS},
    "ibm": {BOXES, CLASS},
    "vott": {BOXES, POLYGONS},
    "cvat": {BOXES, POLYGONS, CLASS, MASKS, POINTS},
    "edge_impulse": {BOXES},
}
PARTS = {"pascal_voc", "polygon_single"}
PROPERTIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "pascal_voc": st.fixed_dictionaries(
        {},
        optional={
            "pose": WORDS.filter(lambda word: word != "Unspecified"),
            "difficult": st.integers(1, 3),
            "truncated": st.floats(0.01, 0.99),
            "occluded": st.just(1),
        },
    ),
    "cvat": st.fixed_dictionaries(
        {},
        optional={
            "occluded": st.just(1),
            "z_order": st.integers(1, 9),
            "group_id": st.integers(1, 9),
            "source": st.just("auto"),
        },
    ),
    "polygon_single": st.dictionaries(
        st.sampled_from(["score", "iscrowd", "ö x", "description"]),
        st.integers(1, 9) | WORDS,
        max_size=2,
    ),
}
ATTRIBUTES = st.dictionaries(
    WORDS, WORDS | st.floats(-1e6, 1e6) | st.lists(WORDS, min_size=2, max_size=3), max_size=2
)


@st.composite
def datasets(draw: st.DrawFn, name: str, normalized: bool) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for image, (width, height) in enumerate(IMAGES.values()):
        if image == 2:
            continue
        # pixels from 2 up: smaller ones, alone in a file, would be taken for fractions
        low, wide, high = (0.0, 1.0, 1.0) if normalized else (2.0, float(width), float(height))
        xs, ys = st.floats(low, wide), st.floats(low, high)
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(sorted(HOLDS[name])))
            tag = draw(st.integers(0, 2))
            extra = None
            if name in PROPERTIES and kind != CLASS:
                extra = Extra(
                    attributes=draw(ATTRIBUTES) or None, properties=draw(PROPERTIES[name]) or None
                )
            given_ = {"extra": extra} if extra and (extra.attributes or extra.properties) else {}
            if kind == BOXES:
                x0, x1 = sorted(draw(st.lists(xs, min_size=2, max_size=2, unique=True)))
                y0, y1 = sorted(draw(st.lists(ys, min_size=2, max_size=2, unique=True)))
                rows.append((kind, image, tag, x0, y0, x1, y1, given_))
            elif kind == POLYGONS:
                most = 3 if name in PARTS else 1
                rings = [
                    [v for _ in range(draw(st.integers(3, 5))) for v in (draw(xs), draw(ys))]
                    for _ in range(draw(st.integers(1, most)))
                ]
                rows.append((kind, image, tag, rings, given_))
            elif kind == POINTS:
                points = [
                    v
                    for _ in range(draw(st.integers(1, 3)))
                    for v in (draw(xs), draw(ys), float(draw(st.integers(0, 2))))
                ]
                rows.append((kind, image, tag, points, given_))
            elif kind == MASKS:
                dense = np.zeros((height, width), bool)
                top, left = draw(st.integers(0, height - 3)), draw(st.integers(0, width - 3))
                bits = draw(st.lists(st.booleans(), min_size=9, max_size=9).filter(any))
                dense[top : top + 3, left : left + 3] = np.reshape(bits, (3, 3))
                mask = rle.from_dense(dense)
                box = np.array(rle.bbox(mask), float)
                if normalized:
                    box /= (width, height, width, height)
                rows.append((kind, image, tag, mask, box.tolist(), given_))
            elif (kind, image, tag) not in rows:
                rows.append((kind, image, tag))
    return rows


def plain(batch: AnnotationBatch, images: list[str], tags: list[str]) -> list[Any]:
    """Objects of a batch, exactly, without their order."""
    found = []
    starts = batch.objects().tolist()
    for begin, end in pairwise(starts):
        extra = batch.extras.get(begin) or Extra()
        masks = [batch.extras[row].mask for row in range(begin, end) if batch.kind[row] == BITMASK]
        found.append(
            (
                images[batch.image[begin]],
                tags[batch.tag[begin]],
                [
                    # a mask is in pixels whatever the unit of its extent
                    (KIND_NAMES[k], [] if k == BITMASK else batch.values(r).tolist())
                    for r, k in enumerate(batch.kind[begin:end].tolist(), begin)
                ],
                masks,
                sorted((extra.attributes or {}).items()),
                # rings of one object have been given a group
                sorted(
                    (k, v)
                    for k, v in (extra.properties or {}).items()
                    if k != "group_id" or end == begin + 1
                ),
            )
        )
    return found


def read_back(name: str, memory: Memory) -> tuple[list[Any], list[RowSink]]:
    found: list[Any] = []
    sinks = []
    format_ = formats.get(name)
    for source in memory.sources():
        assert [f.name for f in formats.readers() if f.sniff(source, FileSet())] == [name]
        rows = RowSink(source.name, lambda r, b: found.extend(plain(b, r.image_names, r.tag_names)))
        format_.read(source, rows, FileSet())
        rows.flush()
        assert rows.problems == []
        sinks.append(rows)
    return found, sinks


@pytest.mark.parametrize("name", sorted(HOLDS))
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_written_back(name: str, data: st.DataObject) -> None:
    carries = formats.get(name).carries
    units = {"pixels": [False], "normalized": [True]}.get(carries.unit, [False, True])
    normalized = data.draw(st.sampled_from(units))
    rows = data.draw(datasets(name, normalized))
    one = part("dump", IMAGES, rows)
    memory = write(name, CLASSES, [one], normalized=normalized)
    found, sinks = read_back(name, memory)
    expected = [o for b in one.batches() for o in plain(b, list(IMAGES), CLASSES)]
    if carries.decimals == "exact":
        assert sorted(map(repr, found)) == sorted(map(repr, expected))
    else:
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a[:2] == b[:2]
            for (kind, values), (other, numbers) in zip(a[2], b[2], strict=True):
                assert kind == other
                assert values == pytest.approx(numbers, rel=1e-12, abs=1e-9)
    images = [image for rows in sinks for image in rows.image_names]
    assert sorted(images) == sorted(IMAGES)
    if carries.image_sizes:
        sizes = [size for rows in sinks for size in rows.image_sizes]
        assert dict(zip(images, sizes, strict=True)) == IMAGES
    if carries.classes:
        assert [rows.tag_names for rows in sinks] == [CLASSES]
    if rows and any(row[0] == BOXES or row[0] == POLYGONS for row in rows):
        assert any(sink.normalized == normalized for sink in sinks)


def voc(rows: list[tuple[Any, ...]], **given_: Any) -> str:
    options = formats.get("pascal_voc").Options(**given_)
    one = part("dump", {"a.png": (10, 10)}, rows)
    memory = write("pascal_voc", CLASSES, [one], normalized=False, options=options)
    (text,) = memory.members.values()
    return text.decode()


def corners(text: str) -> list[float]:
    import re

    return [float(v) for v in re.findall(r"<[xy]m(?:in|ax)>([^<]*)<", text)]


def test_voc_base_and_integers() -> None:
    box = [("rectangle", 0, 0, 0.0, 1.4, 9.6, 10.0)]
    assert corners(voc(box)) == [0, 1.4, 9.6, 10]
    assert corners(voc(box, base=1)) == [1, 2.4, 9.6, 10]
    assert corners(voc(box, integers=True)) == [0, 1, 10, 10]
    assert corners(voc(box, base=1, integers=True)) == [1, 2, 10, 10]


def test_voc_integers_never_lose_a_box() -> None:
    for box in ((9.6, 9.7, 9.9, 9.8), (0.1, 0.1, 0.2, 0.2), (4.4, 4.6, 4.45, 5.4)):
        x0, y0, x1, y1 = corners(voc([("rectangle", 0, 0, *box)], integers=True))
        assert 0 <= x0 < x1 <= 10
        assert 0 <= y0 < y1 <= 10
        assert {x0, y0, x1, y1} <= set(range(11))


def test_voc_refuses_options_that_contradict() -> None:
    options = formats.get("pascal_voc").Options(base=1)
    one = part("dump", {"a.png": (10, 10)}, [])
    with pytest.raises(BadRequestError, match="base=1"):
        write("pascal_voc", CLASSES, [one], normalized=True, options=options)


def test_cvat_writes_skeletons() -> None:
    entry = ClassEntry("pose", 0, ["nose", "tail <1>", "ear"], [(0, 2), (2, 1)])
    rows = [("keypoints", 0, 0, [1.5, 2.0, 2.0, 3.0, 4.0, 0.0, 5.0, 6.0, 1.0])]
    memory = write("cvat", [entry], [part("dump", {"a.png": (10, 10)}, rows)], normalized=False)
    found, (sink,) = read_back("cvat", memory)
    assert found[0][2] == [("Keypoints", rows[0][3])]
    assert sink.skeletons == {"pose": (entry.keypoints, entry.edges)}
    assert sink.tag_names == ["pose"]


def test_labelme_objects_in_parts_get_groups_of_their_own() -> None:
    import json

    ring = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0]
    rows: list[tuple[Any, ...]] = [
        ("polygon", 0, 0, [ring], {"extra": Extra(properties={"group_id": 4})}),
        ("polygon", 0, 0, [ring, ring]),
        ("polygon", 0, 0, [ring, ring]),
    ]
    memory = write(
        "polygon_single", CLASSES, [part("dump", {"a.png": (10, 10)}, rows)], normalized=False
    )
    (text,) = memory.members.values()
    shapes = json.loads(text)["shapes"]
    assert [shape["group_id"] for shape in shapes] == [4, 5, 5, 6, 6]
