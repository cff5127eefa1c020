"""What the writers of TFRecord, location tokens, raw keypoints and volumes write is read back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.batch import BITMASK3D, KEYPOINTS, KIND_NAMES, AnnotationBatch, Extra
from annotary.contract.dataset import ClassEntry
from annotary.contract.rows import RowSink
from annotary.errors import BadRequestError
from annotary.formats.kit.voxels import Chunk, extras, label_chunks
from annotary.geometry import rle
from annotary.reading.recognise import recognise
from annotary.syntax.source import FileSet, SourceError, SourceFile
from tests.formats.yolo_writing import Memory, part, write

IMAGES = {
    "a b.png": (40, 20),
    "deep/er/臉書 ü.jpg": (64, 48),
    "empty.png": (16, 12),
    "unknown.png": (0, 0),
}
CLASSES = [
    ClassEntry("dog", 2, ["nose", "tail"], [(0, 1)]),
    ClassEntry("b&<o>'\"\\ t", 5),
    ClassEntry("狗 | ü", 9),
    ClassEntry("unused", 10),
]
BOX, POLYGON, POINTS, MASK, CLASS = (
    "rectangle",
    "polygon",
    "keypoints",
    "bitmask",
    "classification",
)
HOLDS = {
    "tfrecord": {BOX, CLASS},
    "polygon_tfrecord": {POLYGON, CLASS},
    "bitmask_tfrecord": {MASK, CLASS},
    "keypoints_tfrecord": {POINTS, BOX, CLASS},
    "classification_tfrecord": {CLASS},
    "classification_3d_tfrecord": {CLASS},
    "box_openai_positional_encoding": {BOX},
    "polygon_openai_positional_encoding": {POLYGON},
    "bitmask_openai_positional_encoding": {POLYGON},
    "keypoints_datature_raw": {BOX, POLYGON, POINTS, MASK, CLASS},
}
WORDS = st.text("ab ü'\"/\\", min_size=1, max_size=5)
PROPERTIES = st.dictionaries(
    st.sampled_from(["difficult", "iscrowd", "truncated", "score", "ö x", "weight"]),
    st.integers(1, 3) | st.floats(0.25, 2) | WORDS,
    max_size=2,
)
ATTRIBUTES = st.dictionaries(WORDS, WORDS | st.floats(-9, 9) | st.lists(WORDS), max_size=2)
THIRTY_TWO = st.integers(0, 1_000_000).map(lambda n: n / 1_000_000)  # six digits


@st.composite
def datasets(draw: st.DrawFn, name: str) -> list[tuple[Any, ...]]:
    carries = formats.get(name).carries
    exact = name == "keypoints_datature_raw"
    fractions = st.floats(0, 1) if exact else THIRTY_TWO
    rows: list[tuple[Any, ...]] = []
    for image, (width, height) in enumerate(IMAGES.values()):
        if image == 2:
            continue
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(sorted(HOLDS[name])))
            tag = draw(st.integers(0, 2))
            extra = Extra()
            if carries.attributes:
                extra.attributes = draw(ATTRIBUTES) or None
            if carries.properties:
                extra.properties = draw(PROPERTIES) or None
            given_ = {"extra": extra} if extra != Extra() else {}
            if kind == BOX:
                x0, x1 = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
                y0, y1 = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
                rows.append((kind, image, tag, x0, y0, x1, y1, given_))
            elif kind == POLYGON:
                rings = [
                    draw(st.lists(fractions, min_size=6, max_size=6))
                    for _ in range(draw(st.integers(1, 3)))
                ]
                holes = [draw(st.lists(fractions, min_size=6, max_size=6))]
                more = {"holes": holes} if carries.holes and draw(st.booleans()) else {}
                rows.append((kind, image, tag, rings, given_ | more))
            elif kind == POINTS:
                points = [
                    v
                    for _ in range(draw(st.integers(1, 3)))
                    for v in (draw(fractions), draw(fractions), float(draw(st.integers(0, 2))))
                ]
                box = {"box": [0.0, 0.0, 1.0, 0.5]} if draw(st.booleans()) else {}
                rows.append((kind, image, tag, points, given_ | box))
            elif kind == MASK and width:
                dense = np.zeros((height, width), bool)
                bits = draw(st.lists(st.booleans(), min_size=9, max_size=9).filter(any))
                dense[3:6, 2:5] = np.reshape(bits, (3, 3))
                mask = rle.from_dense(dense)
                extent = (np.array(rle.bbox(mask)) / (width, height, width, height)).tolist()
                rows.append((kind, image, tag, mask, extent, given_))
            elif kind == CLASS:
                rows.append((kind, image, tag, given_))
    return rows


def plain(batch: AnnotationBatch, images: Sequence[str], tags: Sequence[str]) -> list[Any]:
    found = []
    for begin, end in pairwise(batch.objects().tolist()):
        extra = batch.extras.get(begin) or Extra()
        parts = [
            (KIND_NAMES[batch.kind[row]], bool(batch.hole[row]), batch.values(row).tolist())
            for row in range(begin, end)
        ]
        if parts[0][0] == "Bitmask":
            parts = [("Bitmask", False, [])]
        more = [extra.mask, extra.attributes or {}, extra.properties or {}]
        found.append([images[batch.image[begin]], tags[batch.tag[begin]], parts, more])
    return found


def read_back(memory: Memory | Sequence[SourceFile]) -> tuple[list[Any], list[RowSink], list[Any]]:
    """Objects, sinks, and batches of everything that was written."""
    found: list[Any] = []
    batches: list[AnnotationBatch] = []
    sinks = []
    files = FileSet()
    sources = memory.sources() if isinstance(memory, Memory) else memory
    for each in recognise(sources, files):
        assert each.error is None, (each.source.name, each.error.code, each.error.values)
        if each.format is None:
            assert each.companion
            continue

        def take(rows: RowSink, batch: AnnotationBatch) -> None:
            found.extend(plain(batch, rows.image_names, rows.tag_names))
            batches.append(batch)

        rows = RowSink(each.source.name, take)
        each.format.read(each.source, rows, files)
        rows.flush()
        assert rows.problems == []
        sinks.append(rows)
    return found, sinks, batches


def text(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted", enc_hook=str).decode()


@pytest.mark.parametrize("name", sorted(HOLDS))
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_written_back(name: str, data: st.DataObject) -> None:
    rows = data.draw(datasets(name))
    one = part("dump", IMAGES, rows)
    memory = write(name, CLASSES, [one])
    found, sinks, _ = read_back(memory)
    expected = [o for b in one.batches() for o in plain(b, list(IMAGES), [c.name for c in CLASSES])]
    if "openai" in name:
        assert len(found) == len(expected)
        assert sorted(o[:2] for o in found) == sorted(o[:2] for o in expected)
    else:
        assert sorted(map(text, found)) == sorted(map(text, expected))
    carries = formats.get(name).carries
    (sink,) = sinks
    assert sink.image_names == list(IMAGES)
    if carries.image_sizes:
        assert sink.image_sizes == list(IMAGES.values())
    assert sink.tag_names == [c.name for c in CLASSES]
    if carries.class_numbers == "source":
        assert sink.tag_ids == [2, 5, 9, 10]
    again = write(name, CLASSES, [part("dump", IMAGES, rows)])
    assert again.members == memory.members


def _close(box: list[float], read: Any) -> bool:
    before = np.array(box)
    # a box thinner than a step is made one step wide
    thin = (before[2:] - before[:2]).min() < 1 / 1023
    return bool(np.abs(before - read).max() < (1.501 if thin else 0.501) / 1023)


def _same(before: Any, read: Any) -> bool:
    return before[:2] == read[:2] and _close(before[2][0][2], np.array(read[2][0][2]))


def matched(near: list[list[bool]]) -> int:
    """How many rows can be given a column of their own that they are near to (Kuhn)."""
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, ok in enumerate(near[row]):
            if ok and column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(near)))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_tokens_are_half_a_step_off_at_most(data: st.DataObject) -> None:
    rows = data.draw(datasets("box_openai_positional_encoding"))
    one = part("dump", IMAGES, rows)
    found, _, _ = read_back(write("box_openai_positional_encoding", CLASSES, [one]))
    left = [o for b in one.batches() for o in plain(b, list(IMAGES), [c.name for c in CLASSES])]
    for _, _, parts, _ in found:
        values = np.array(parts[0][2])
        assert (values[2:] > values[:2]).all()
        assert (values >= 0).all()
        assert (values <= 1).all()
    # two boxes may be as near to each other as to their tokens: match all of them at once
    pairs = matched([[_same(o, f) for f in found] for o in left])
    assert len(left) == len(found) == pairs


def test_keypoints_tfrecord_gives_the_names_again() -> None:
    rows = [(POINTS, 0, 0, [0.5, 0.5, 2.0, 0.25, 0.25, 1.0]), (BOX, 1, 1, 0.0, 0.0, 1.0, 1.0)]
    _, (sink,), _ = read_back(write("keypoints_tfrecord", CLASSES, [part("dump", IMAGES, rows)]))
    assert sink.skeletons == {"dog": (["nose", "tail"], [])}


def test_raw_keypoints_give_skeletons_frames_and_pixels_again() -> None:
    extra = Extra(frame=0, sequence=3)
    rows = [(POINTS, 0, 0, [12.5, 5.0, 2.0], {"extra": extra})]
    memory = write(
        "keypoints_datature_raw", CLASSES, [part("dump", IMAGES, rows)], normalized=False
    )
    _, (sink,), (batch,) = read_back(memory)
    assert sink.skeletons == {"dog": (["nose", "tail"], [(0, 1)])}
    assert sink.normalized is False
    assert batch.extras[0] == extra
    bare = memory.members["dump.json"].replace(b'"normalized":false,', b"")
    _, (sink,), _ = read_back([SourceFile("dump.json", data=bare)])
    assert sink.normalized is False


# --- volumes ------------------------------------------------------------------------------------

VOLUMES = [
    "nifti_class_index_segmentation",
    "nifti_one_hot_segmentation",
    "segmentation_3d_tfrecord",
]
AFFINE = [
    [-1.5, 0.0, 0.0, 10.0],
    [0.0, 0.0, 2.0, -20.25],
    [0.0, 0.5, 0.0, 30.0],
    [0.0, 0.0, 0.0, 1.0],
]
LYING = {"affine": AFFINE, "spacing": [1.5, 0.5, 2.0]}


def volume_rows(volume: Any, image: int, cut: int, name: str) -> list[tuple[Any, ...]]:
    """A row for each label of ``[z, y, x]``; label k is the class with the index k - 1."""
    found: dict[int, list[Chunk]] = {}
    for z in range(0, len(volume), cut):
        slab = volume[z : z + cut]
        for label, chunk in label_chunks(slab):
            found.setdefault(label, []).append(Chunk((z, 0, 0), slab.shape, chunk))
    rows = []
    for label, chunks in sorted(found.items()):
        first, *more = extras(chunks, volume.shape, f"{name}{label}")
        first.properties = dict(LYING)
        rows.append(("volume", image, label - 1, first, 0, more))
    return rows


def painted(batch: AnnotationBatch, image: int, ids: Sequence[int | None]) -> Any:
    """The volume of an image, with the class number of every voxel."""
    from annotary.formats.kit.voxels import Mask, chunk_of, volume_shape

    out = None
    for row in np.flatnonzero(batch.image == image).tolist():
        extra = batch.extras[row]
        shape, chunk = volume_shape(extra), chunk_of(extra)
        assert shape is not None
        assert chunk is not None
        out = np.zeros(shape, np.int64) if out is None else out
        for index in Mask([chunk], shape).voxels(0, shape[0]):
            out.reshape(-1)[index] = ids[batch.tag[row]]
    return out


@pytest.mark.parametrize("name", VOLUMES)
@given(
    values=st.lists(st.integers(0, 3), min_size=60, max_size=60).filter(any),
    cut=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_volumes_come_back(name: str, values: list[int], cut: int) -> None:
    volume = np.array(values, np.uint8).reshape(3, 4, 5)
    images = {"a/scan.nii.gz": (5, 4), "other.nii": (5, 4)}
    other = np.ones((2, 4, 5), np.uint8)
    rows = volume_rows(volume, 0, cut, "a") + volume_rows(other, 1, 1, "b")
    classes = [ClassEntry(f"k{i}", i) for i in (1, 2, 3)]
    memory = write(name, classes, [part("dump", images, rows, cut=1)])
    _, sinks, batches = read_back(memory)
    names = [n for sink in sinks for n in sink.image_names]
    assert [n.removeprefix("dump/").replace("r.nii.gz", "r.nii") for n in names] == list(images)
    if len(sinks) == 2:
        a, b = (painted(x, 0, s.tag_ids) for x, s in zip(batches, sinks, strict=True))
    else:
        a, b = (painted(batches[0], i, sinks[0].tag_ids) for i in (0, 1))
    assert (a == volume).all()
    assert (b == other).all()
    for batch in batches:
        first = batch.extras[0].properties or {}
        assert first["affine"] == AFFINE
        assert first["spacing"] == LYING["spacing"]
        assert (batch.kind == BITMASK3D).all()
        objects = batch.objects().tolist()
        assert len(objects) - 1 == len(
            {(i, t) for i, t in zip(batch.image, batch.tag, strict=True)}
        )
    for sink in sinks:
        assert sink.tag_names == ["k1", "k2", "k3"]
        assert set(sink.image_sizes) == {(5, 4)}


def overlapping() -> Any:
    a, b = np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    a[0, 0], b[0, :, 0] = 1, 2
    rows = volume_rows(a, 0, 1, "a") + volume_rows(b, 0, 1, "a")
    return part("dump", {"scan.nii": (2, 2)}, rows)


@pytest.mark.parametrize("name", VOLUMES)
def test_overlaps_are_kept_refused_or_decided(name: str) -> None:
    classes = [ClassEntry("x", 1), ClassEntry("y", 2)]
    options = formats.get(name).Options
    if "one_hot" in name:
        found, _, (batch,) = read_back(write(name, classes, [overlapping()]))
        assert [o[1] for o in found] == ["x", "y"]
        for row, expected in ((0, [0, 1]), (1, [0, 2])):
            one = painted(batch.take(np.array([row])), 0, [1, 1])
            assert np.flatnonzero(one).tolist() == expected
        return
    with pytest.raises(BadRequestError, match=r"overlap \(in 1 voxels"):
        write(name, classes, [overlapping()])
    memory = write(name, classes, [overlapping()], options=options(overlaps="last"))
    _, (sink,), (batch,) = read_back(memory)
    assert painted(batch, 0, sink.tag_ids).tolist() == [[[2, 1], [2, 0]]]


@pytest.mark.parametrize("name", VOLUMES)
def test_masks_that_make_no_sense_are_refused(name: str) -> None:
    rows = volume_rows(np.ones((1, 2, 2), np.uint8), 0, 1, "a")
    rows += volume_rows(np.ones((2, 2, 2), np.uint8), 0, 1, "a")
    with pytest.raises(BadRequestError, match="different sizes"):
        write(name, [ClassEntry("x", 1)], [part("dump", {"s.nii": (2, 2)}, rows)])
    bare = [("volume", 0, 0, Extra())]
    with pytest.raises(BadRequestError, match="says nothing of its place"):
        write(name, [ClassEntry("x", 1)], [part("dump", {"s.nii": (2, 2)}, bare)])
    (wrong,) = extras([Chunk((0, 0, 0), (1, 2, 2), "9")], (1, 2, 2), "a")
    with pytest.raises(BadRequestError, match="cover 9 voxels"):
        rows = [("volume", 0, 0, wrong)]
        write(name, [ClassEntry("x", 1)], [part("dump", {"s.nii": (2, 2)}, rows)])


# --- damage -------------------------------------------------------------------------------------

SAMPLES = (
    "tfrecord",
    "nifti_class_index_segmentation",
    "nifti_one_hot_segmentation",
    "dicom_rtstruct",
    "box_openai_positional_encoding",
    "keypoints_datature_raw",
)


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_files_are_told_never_a_crash(name: str, data: st.DataObject) -> None:
    from tests.formats.harness import sources

    if name == "dicom_rtstruct":
        pytest.importorskip("pydicom")
    originals = sources(Path(__file__).parent / name / "sample")
    victim = data.draw(st.integers(0, len(originals) - 1))
    changed = bytearray(originals[victim].path.read_bytes())  # type: ignore[union-attr]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        what = data.draw(st.sampled_from(["set", "cut", "drop", "repeat"]))
        if what == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del changed[max(at, 1) :]
        elif what == "drop":
            del changed[at : at + data.draw(st.integers(0, 9))]
        else:
            changed[at:at] = changed[at : at + 20]
        if not changed:
            changed = bytearray(b" ")
    session = [
        SourceFile(s.name, data=bytes(changed) if i == victim else s.path.read_bytes())  # type: ignore[union-attr]
        for i, s in enumerate(originals)
    ]
    files = FileSet()
    for each in recognise(session, files):
        if each.format is not None:
            seen: list[int] = []
            rows = RowSink(
                each.source.name, lambda _, b, seen=seen: seen.append(len(b.objects()) - 1)
            )  # type: ignore[misc]
            try:
                each.format.read(each.source, rows, files)
            except SourceError as error:
                assert error.code
            rows.flush()
            assert rows.records == sum(seen) + rows.rejected + rows.skipped
            assert all(problem.text for problem in rows.problems)


def test_kinds_of_keypoints_objects() -> None:
    """The outline of an object with keypoints is a box in the TFRecord of its export."""
    rows = [(POINTS, 0, 0, [0.5, 0.5, 2.0], {"box": [0.25, 0.25, 0.75, 1.0]})]
    found, _, (batch,) = read_back(
        write("keypoints_tfrecord", CLASSES, [part("dump", IMAGES, rows)])
    )
    assert batch.kind.tolist() == [KEYPOINTS, 0]
    assert found[0][2][1][2] == [0.25, 0.25, 0.75, 1.0]
