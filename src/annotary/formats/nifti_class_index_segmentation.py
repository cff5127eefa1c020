"""NIfTI label volumes: 3D masks as one number for each voxel.

Sources: NIfTI-1 and NIfTI-2 (https://nifti.nimh.nih.gov); Datature's page on 3D annotations for
the numbers and ``labels.json``.

A file ``<volume>.nii.gz`` has the shape x, y, z of the volume; a voxel is 0 for the background,
or the ``id`` of a class in ``labels.json``, which stands beside the files or above them::

    [{"id": 1, "name": "liver"}, {"id": 2, "name": "spleen"}]

**Written.** ``<part>/<volume>.nii.gz`` for every volume with 3D masks and ``labels.json``. Shape,
affine and voxel sizes are those of the file that was imported (the properties ``affine``,
``spacing`` and ``nifti`` of the masks), else the identity. Voxels are uint8 up to 255 classes,
then uint16. A voxel has one class: where masks of different classes overlap, the export is
refused, or with the option ``overlaps="last"`` the later object has the voxel; masks of one class
become one. Flat annotations are left out, and images without 3D masks.

**Read.** ``.nii`` and ``.nii.gz`` of three dimensions (further ones of size 1), of any integer
type, or floats that are whole numbers. Each class becomes one object, cut into chunks of whole
slices (:mod:`annotary.formats.kit.voxels`), so a volume is never held in memory. The image is the
file's own name; its width is the size along x, its height that along y. Without ``labels.json``,
classes are called by their numbers. Scaling in the header is not applied, and said. A place is told
as the label's number, or the byte in the unpacked file. A broken file gives nothing: a label that
ends too early would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, ClassVar, cast

import msgspec
from numpy.typing import NDArray

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit.nifti import NiftiFormat, Opened, Sink, is_channelled, volume_names
from annotary.formats.kit.volumes import (
    LABELS_FILE,
    PROPERTIES,
    Gathered,
    Overlaps,
    Volume,
    header_of,
    labels_json,
    lying,
    smallest_dtype,
)
from annotary.problems import Location
from annotary.syntax import nifti
from annotary.syntax.source import FileSet, SourceError, SourceFile

_UNNAMED = 4096
"""Most different values without ``labels.json``: with more, it is an image."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``overlaps``: ``refuse`` an export where classes overlap, or let the ``last`` one win."""

    overlaps: Overlaps = "refuse"


class NiftiClassIndex(NiftiFormat):
    """See the module."""

    name = "nifti_class_index_segmentation"
    title = "NIfTI, a class number per voxel"
    carries = Carries(
        bitmask3d="Bitmask3d",
        parts=True,
        properties=PROPERTIES,
        empty_images=False,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="none",
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.locate = lambda at: Location(pointer=f"label {at}")
        opened = Opened(source, rows, files)
        header = opened.header
        if is_channelled(header):
            detail = f"it has more than a volume: its shape is {header.shape}"
            raise SourceError("wrong-format", format=self.name, detail=detail)
        height, width = header.slice_shape
        image = rows.image(source.name, width, height)
        most = 65_535 if opened.names else _UNNAMED
        gathered = Gathered((header.slice_count, height, width), most)
        opened.labels(gathered, 0, header.slice_count)
        opened.finish()
        gathered.deliver(rows, image, opened.tag, lambda label: label, lying(header))

    def write(self, data: Dataset, out: Output) -> None:
        options = data.options or Options()
        dtype = smallest_dtype(int(data.numbers.max(initial=0)))
        for part in data.parts:
            members = volume_names(part.images.names)
            for image, batch, begin, end in part.by_image():
                volume = Volume(part.images.names[image], batch, begin, end)
                if volume.shape is None:
                    continue
                header = header_of(volume.properties, volume.shape[::-1], dtype)
                slabs = volume.painted(data.numbers, dtype, options.overlaps)
                with (
                    out.file(f"{part.name}/{members[image]}") as file,
                    nifti.packed(cast(IO[bytes], Sink(file))) as packed,
                ):
                    nifti.write(cast(IO[bytes], packed), header, _slices(slabs))
        with out.file(LABELS_FILE) as file:
            file.write(labels_json(data.classes, data.numbers.tolist()))


def _slices(slabs: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    for slab in slabs:
        yield from slab


FORMAT = NiftiClassIndex()
