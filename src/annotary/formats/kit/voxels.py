"""3D masks: the voxels of one object in a volume, cut into chunks of run lengths.

Voxels are indexed ``[z, y, x]``; a volume has a width (x), a height (y) and a depth (z). A chunk
is a box of voxels; its text is COCO's compressed run lengths (see :mod:`annotary.geometry.rle`)
over the voxels of the box in C order: x fastest, then y, then z. ``Aggregation`` says where the
box stands and how many chunks the object has; boxes without a voxel of the object are left out.
Readers cut volumes into slabs of whole slices, of at most ``SLAB_VOXELS`` voxels, so that neither
reading nor writing holds more of a volume than one slab.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary.batch import Extra
from annotary.geometry.arrays import Ints
from annotary.geometry.rle import decode_counts, encode_counts
from annotary.model import Aggregation, AggregationPart, AggregationWhole, VolumeDimensions

SLAB_VOXELS = 1 << 22
AXES = ["z", "y", "x"]
_NAMESPACE = uuid.UUID("c1b3b1de-6d5c-5a39-9d0b-0e0a3f9f8f7a")

Shape = tuple[int, int, int]
"""Depth, height, width."""


class Chunk(NamedTuple):
    """A box of voxels: where it begins and how large it is (z, y, x), and its run lengths."""

    offset: Shape
    size: Shape
    text: str


def slab_depth(height: int, width: int) -> int:
    """How many slices of this size make a slab."""
    return max(1, SLAB_VOXELS // max(1, height * width))


def label_chunks(slab: NDArray[Any]) -> Iterator[tuple[int, str]]:
    """Every number but 0 in a slab of labels ``[z, y, x]``, with the text of its voxels."""
    flat = slab.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges))
    stops = np.concatenate((edges, [flat.size]))
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    labels, first = np.unique(values[order], return_index=True)
    for label, rows in zip(labels.tolist(), np.split(order, first[1:]), strict=True):
        if label:
            yield int(label), _text(starts[rows], stops[rows], flat.size)


def index_chunks(labels: Ints, index: Ints, size: int) -> Iterator[tuple[int, str]]:
    """Every label with the text of its voxels: their numbers in a box of ``size`` voxels.

    Of each label the numbers must ascend; labels may share voxels.
    """
    order = np.argsort(labels, kind="stable")
    found, first = np.unique(labels[order], return_index=True)
    for label, rows in zip(found.tolist(), np.split(index[order], first[1:]), strict=True):
        apart = np.flatnonzero(np.diff(rows) != 1)
        starts = rows[np.concatenate(([0], apart + 1))]
        stops = rows[np.concatenate((apart, [len(rows) - 1]))] + 1
        yield int(label), _text(starts, stops, size)


def _text(starts: Ints, stops: Ints, size: int) -> str:
    toggles = np.stack((starts, stops), axis=1).reshape(-1)
    toggles = toggles[toggles < size]
    return encode_counts(np.diff(np.concatenate(([0], toggles, [size])))).decode()


def extras(chunks: Sequence[Chunk], volume: Shape, name: str) -> list[Extra]:
    """What the rows of an object hold; ``name`` decides its id: same name, same id."""
    identity = str(uuid.uuid5(_NAMESPACE, name))
    whole = AggregationWhole(
        id=identity, dimensions=_dimensions(volume), chunk_count=len(chunks), axis_labels=AXES
    )
    return [
        Extra(
            aggregation=Aggregation(
                whole=whole,
                this_part=AggregationPart(
                    chunk_number=number,
                    offset=_dimensions(chunk.offset),
                    size=_dimensions(chunk.size),
                ),
            ),
            chunk=chunk.text,
        )
        for number, chunk in enumerate(chunks)
    ]


def _dimensions(shape: Shape) -> VolumeDimensions:
    return VolumeDimensions(height=shape[1], width=shape[2], depth=shape[0])


def _shape(dimensions: VolumeDimensions) -> Shape:
    return dimensions.depth, dimensions.height, dimensions.width


def volume_shape(extra: Extra) -> Shape | None:
    """The size of the whole volume that a row is part of, if it says so."""
    return None if extra.aggregation is None else _shape(extra.aggregation.whole.dimensions)


def chunk_of(extra: Extra) -> Chunk | None:
    """The chunk that a row holds, or None for a row without one.

    Raises ``ValueError`` for a box that leaves its volume.
    """
    if extra.aggregation is None or extra.chunk is None:
        return None
    part = extra.aggregation.this_part
    chunk = Chunk(_shape(part.offset), _shape(part.size), extra.chunk)
    volume = _shape(extra.aggregation.whole.dimensions)
    for begin, count, whole in zip(chunk.offset, chunk.size, volume, strict=True):
        if begin < 0 or count < 0 or begin + count > whole:
            raise ValueError(f"the chunk at {chunk.offset} of size {chunk.size} leaves {volume}")
    return chunk


def spans(chunk: Chunk) -> tuple[Ints, Ints]:
    """Where the voxels that are set start and stop, in the C order of the box.

    Raises ``ValueError`` where the text is no run lengths, or they miss the box.
    """
    runs = decode_counts(chunk.text.encode("utf-8", "surrogatepass"))
    depth, height, width = chunk.size
    if sum(runs.tolist()) != depth * height * width:
        raise ValueError(
            f"the run lengths of a chunk cover {sum(runs.tolist())} voxels; its size "
            f"{depth} x {height} x {width} has {depth * height * width}"
        )
    edges = np.cumsum(runs)
    stops = edges[1::2]
    return edges[::2][: stops.size], stops


class Mask:
    """The voxels of one object, asked for slab by slab; a chunk is decoded once."""

    def __init__(self, chunks: Sequence[Chunk], volume: Shape) -> None:
        self._chunks = chunks
        self._volume = volume
        self._open: dict[int, tuple[Ints, Ints]] = {}

    def voxels(self, first: int, end: int) -> Iterator[Ints]:
        """The set voxels in the slices ``first..end``, chunk by chunk.

        They are numbered in C order from the first voxel of slice ``first``; no more than those
        of the slab are ever unrolled. Slabs must be asked for in order. Raises ``ValueError``
        where the text of a chunk is wrong.
        """
        for number, chunk in enumerate(self._chunks):
            begin, stop = chunk.offset[0], chunk.offset[0] + chunk.size[0]
            if begin >= end or stop <= first:
                continue
            if number not in self._open:
                self._open[number] = spans(chunk)
            yield _unrolled(chunk, self._open[number], self._volume, first, end)
            if stop <= end:
                del self._open[number]


def _unrolled(chunk: Chunk, found: tuple[Ints, Ints], volume: Shape, first: int, end: int) -> Ints:
    z, y, x = chunk.offset
    depth, height, width = chunk.size
    area = height * width
    low, high = max(first - z, 0) * area, min(end - z, depth) * area
    starts, stops = (np.clip(edge, low, high) for edge in found)
    lengths = stops - starts
    shift = starts - np.concatenate(([0], np.cumsum(lengths)[:-1]))
    index = np.arange(int(lengths.sum())) + np.repeat(shift, lengths)
    if (height, width) == volume[1:]:
        return index + (z - first) * area
    slice_, rest = np.divmod(index, max(area, 1))
    row, column = np.divmod(rest, max(width, 1))
    return ((slice_ + z - first) * volume[1] + row + y) * volume[2] + column + x
