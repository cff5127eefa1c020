"""3D masks: chunks give back the voxels they were made of, whatever slab they are read by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.batch import BITMASK3D, AnnotationBatch, Extra
from annotary.contract.rows import RowSink
from annotary.formats.kit.voxels import (
    Chunk,
    Mask,
    chunk_of,
    extras,
    index_chunks,
    label_chunks,
    slab_depth,
    spans,
    volume_shape,
)

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))


@given(st.data(), SHAPES, st.integers(1, 5), st.integers(1, 5))
def test_labels_come_back_whatever_the_slabs(data, shape, cut, read) -> None:  # type: ignore[no-untyped-def]
    count = int(np.prod(shape))
    values = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    volume = np.array(values, np.uint8).reshape(shape)
    chunks: dict[int, list[Chunk]] = {}
    for z in range(0, shape[0], cut):
        slab = volume[z : z + cut]
        for label, text in label_chunks(slab):
            chunks.setdefault(label, []).append(Chunk((z, 0, 0), slab.shape, text))
    assert set(chunks) == set(np.unique(volume).tolist()) - {0}
    again = np.zeros_like(volume)
    masks = {label: Mask(parts, shape) for label, parts in chunks.items()}
    for z in range(0, shape[0], read):
        end = min(z + read, shape[0])
        flat = again[z:end].reshape(-1)
        for label, mask in masks.items():
            for index in mask.voxels(z, end):
                flat[index] = label
    assert (again == volume).all()


@given(st.data(), SHAPES)
def test_a_box_within_the_volume(data, size) -> None:  # type: ignore[no-untyped-def]
    count = int(np.prod(size))
    bits = data.draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))
    mask = np.array(bits, np.bool_).reshape(size)
    volume = (7, 8, 9)
    offset = tuple(data.draw(st.integers(0, v - s)) for v, s in zip(volume, size, strict=True))
    index = np.flatnonzero(mask)
    ((_, text),) = index_chunks(np.zeros(len(index), np.int64), index, mask.size)
    assert dict(label_chunks(mask)) == {1: text}
    expected = np.zeros(volume, np.bool_)
    z, y, x = offset
    expected[z : z + size[0], y : y + size[1], x : x + size[2]] = mask
    first = data.draw(st.integers(0, 6))
    end = data.draw(st.integers(first + 1, 7))
    found = np.zeros((end - first, 8, 9), np.bool_)
    for index in Mask([Chunk(offset, size, text)], volume).voxels(first, end):
        found.reshape(-1)[index] = True
    assert (found == expected[first:end]).all()


def test_what_a_row_says() -> None:
    chunks = [Chunk((0, 0, 0), (2, 3, 4), "0h0"), Chunk((2, 0, 0), (1, 3, 4), "0<")]
    rows = extras(chunks, (3, 3, 4), "a.nii.gz/liver")
    assert [chunk_of(row) for row in rows] == chunks
    assert [volume_shape(row) for row in rows] == [(3, 3, 4)] * 2
    first, second = (row.aggregation for row in rows)
    assert first is not None
    assert second is not None
    assert first.whole == second.whole
    assert first.whole.chunk_count == 2
    assert [first.this_part.chunk_number, second.this_part.chunk_number] == [0, 1]
    again = extras(chunks, (3, 3, 4), "a.nii.gz/liver")[0].aggregation
    other = extras(chunks, (3, 3, 4), "a.nii.gz/spleen")[0].aggregation
    assert again == first
    assert other is not None
    assert other.whole.id != first.whole.id


def test_damaged_chunks_are_refused() -> None:
    with pytest.raises(ValueError, match="cover 12 voxels; its size 1 x 2 x 5 has 10"):
        spans(Chunk((0, 0, 0), (1, 2, 5), "<"))
    with pytest.raises(ValueError, match="is not"):
        spans(Chunk((0, 0, 0), (1, 2, 5), "\u00e9"))
    outside = extras([Chunk((1, 0, 0), (1, 2, 5), ":")], (1, 2, 5), "a")[0]
    with pytest.raises(ValueError, match="leaves"):
        chunk_of(outside)
    assert chunk_of(Extra()) is None
    assert volume_shape(Extra()) is None


def test_slabs_are_whole_slices_of_bounded_size() -> None:
    assert slab_depth(256, 256) == 64
    assert slab_depth(1, 1) == 1 << 22
    assert slab_depth(1 << 12, 1 << 12) == 1


def test_the_chunks_of_one_object_are_rows_of_one_record() -> None:
    batches: list[AnnotationBatch] = []
    sink = RowSink("a", lambda _, batch: batches.append(batch))
    rows = extras([Chunk((z, 0, 0), (1, 1, 1), "01") for z in range(3)], (3, 1, 1), "a")
    image, tag = sink.image("a"), sink.tag("liver")
    sink.volume(image, tag, rows[0], 7, rows[1:])
    sink.volume(image, tag, rows[0], 8)
    sink.flush()
    assert sink.records == 2
    assert batches[0].kind.tolist() == [BITMASK3D] * 4
    assert batches[0].record.tolist() == [0, 0, 0, 1]
    assert batches[0].at.tolist() == [7, 7, 7, 8]
    assert [batches[0].extras[row] for row in range(3)] == rows
