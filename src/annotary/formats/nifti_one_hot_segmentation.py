"""NIfTI volumes with a channel for each class: 3D masks that may overlap.

Sources: NIfTI-1 and NIfTI-2 (https://nifti.nimh.nih.gov); Datature's page on 3D annotations for
the axis of channels and ``labels.json``.

A file ``<volume>.nii.gz`` has the shape channel, x, y, z (as nibabel shows it; the channel is the
first index, which is the fastest in the file) and voxels of 0 and 1. Channel k, from 0, is the
class with the ``id`` k + 1 in ``labels.json``; see
:mod:`nifti_class_index_segmentation <annotary.formats.nifti_class_index_segmentation>`.

**Written.** ``<part>/<volume>.nii.gz`` (uint8) for every volume with 3D masks, with a channel for
every class, also those without voxels, and ``labels.json``. The affine is the volume's; voxel
sizes stand at x, y and z; ``intent_name`` is ``one-hot``. Masks of one class become one. Flat
annotations are left out, and images without 3D masks.

**Read.** Files of four dimensions with voxels of 0 and 1, of any type. The channels are the first
axis, or the last one (x, y, z, channel), as many tools write it: whichever has as many entries as
``labels.json``, else the shorter, else the first. Without ``labels.json`` classes are called by
their numbers. Any other voxel is a fault of the file. Places are told as the channel's number,
from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit.nifti import NiftiFormat, Opened, Sink, is_channelled, volume_names
from annotary.formats.kit.volumes import (
    ADVICE,
    LABELS_FILE,
    ONE_HOT,
    PROPERTIES,
    Gathered,
    Volume,
    header_of,
    labels_json,
    lying,
)
from annotary.formats.kit.voxels import Chunk, index_chunks, label_chunks
from annotary.problems import Location
from annotary.syntax import nifti
from annotary.syntax.source import FileSet, SourceError, SourceFile

_VALUES = 1 << 25
"""Values of all channels in memory at a time."""


class NiftiOneHot(NiftiFormat):
    """See the module."""

    name = "nifti_one_hot_segmentation"
    title = "NIfTI, a channel per class"
    channels = True
    carries = Carries(
        bitmask3d="Bitmask3d",
        parts=True,
        properties=PROPERTIES,
        empty_images=False,
        image_sizes=True,
        class_numbers="dense",
        class_base=1,
        unit="none",
    )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.locate = lambda at: Location(pointer=f"channel {at}")
        opened = Opened(source, rows, files)
        shape = opened.header.shape
        if len(shape) < 4 or not is_channelled(opened.header) or any(n != 1 for n in shape[4:]):
            detail = f"it has no axis of channels beside x, y and z: its shape is {shape}"
            raise SourceError("wrong-format", format=self.name, detail=detail)
        if opened.header.intent_name == ONE_HOT or _leading(shape, len(opened.names)):
            gathered, first = _first_axis(opened), 1
        else:
            gathered, first = _last_axis(opened), 0
        opened.finish()
        _, height, width = gathered.shape
        image = rows.image(source.name, width, height)
        gathered.deliver(
            rows, image, opened.tag, lambda label: label - 1, lying(opened.header, first)
        )

    def write(self, data: Dataset, out: Output) -> None:
        channels = len(data.classes)
        for part in data.parts:
            members = volume_names(part.images.names)
            for image, batch, begin, end in part.by_image():
                volume = Volume(part.images.names[image], batch, begin, end)
                if volume.shape is None:
                    continue
                shape = (channels, *volume.shape[::-1])
                header = header_of(volume.properties, shape, np.uint8, first=1)
                with (
                    out.file(f"{part.name}/{members[image]}") as file,
                    nifti.packed(cast(IO[bytes], Sink(file))) as packed,
                ):
                    nifti.write(cast(IO[bytes], packed), header, _painted(volume, channels))
        with out.file(LABELS_FILE) as file:
            file.write(labels_json(data.classes, range(1, channels + 1)))


def _leading(shape: tuple[int, ...], classes: int) -> bool:
    """Whether the first axis is the channels', not the fourth."""
    first, last = shape[0], shape[3]
    if classes in (first, last) and first != last:
        return first == classes
    return first <= last


def _first_axis(opened: Opened) -> Gathered:
    """Slices are ``[x, channel]``, for every y and z."""
    channels, width, height, depth = opened.header.shape[:4]
    area = height * width
    gathered = Gathered((depth, height, width))
    step = max(1, _VALUES // (channels * area))
    begin = 0
    held: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for first in range(0, depth, step):
        end = min(first + step, depth)
        whole = opened.stack((end - first) * height).reshape(-1, channels)
        _check(whole.reshape(-1, height, width, channels), first)
        voxel, channel = np.divmod(np.flatnonzero(whole), channels)
        held.append((channel, voxel + (first - begin) * area))
        full = end - begin >= gathered.depth or sum(len(v) for _, v in held) > _VALUES // 2
        if full or end == depth:
            size = (end - begin, height, width)
            channel, voxel = (np.concatenate(column) for column in zip(*held, strict=True))
            for label, text in index_chunks(channel, voxel, (end - begin) * area):
                gathered.add_chunk(label + 1, Chunk((begin, 0, 0), size, text))
            begin, held = end, []
    return gathered


def _last_axis(opened: Opened) -> Gathered:
    """Slices are ``[y, x]``, for every z of every channel."""
    width, height, depth, channels = opened.header.shape[:4]
    gathered = Gathered((depth, height, width))
    for channel in range(channels):
        for begin in range(0, depth, gathered.depth):
            count = min(gathered.depth, depth - begin)
            slab = opened.stack(count)
            _check(slab[..., None], begin, channel)
            for _, text in label_chunks(slab != 0):
                size = (count, height, width)
                gathered.add_chunk(channel + 1, Chunk((begin, 0, 0), size, text))
    return gathered


def _check(whole: NDArray[Any], begin: int, channel: int = 0) -> None:
    """Raise ``SourceError`` for a value in ``[z, y, x, channel]`` that is not 0 or 1."""
    wrong = (whole != 0) & (whole != 1)
    if wrong.any():
        z, y, x, c = (int(v) for v in np.argwhere(wrong)[0])
        detail = (
            f"the voxel {x}, {y}, {z + begin} of channel {c + channel} is "
            f"{whole[z, y, x, c].item()}; voxels of channels are 0 or 1"
        )
        raise SourceError("syntax", kind="one-hot volume", detail=detail, advice=ADVICE)


def _painted(volume: Volume, channels: int) -> Iterator[NDArray[Any]]:
    """Slices ``[x, channel]`` for every y and z."""
    assert volume.shape is not None
    depth, height, width = volume.shape
    step = max(1, _VALUES // (channels * height * width))
    for begin in range(0, depth, step):
        end = min(begin + step, depth)
        whole = np.zeros(((end - begin) * height * width, channels), np.uint8)
        for tag, index in volume.voxels(begin, end):
            whole[index, tag] = 1
        yield from whole.reshape(-1, width, channels)


FORMAT = NiftiOneHot()
