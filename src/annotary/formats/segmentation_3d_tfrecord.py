"""TFRecord of volumes with a label for each voxel. An own definition: there is no common one.

``<part>.tfrecord`` has a record for each volume, ``label_map.pbtxt`` names the classes
(:mod:`tfrecord <annotary.formats.tfrecord>`):

=======================  =========  ==============================================================
key                      type       content
=======================  =========  ==============================================================
volume/filename          bytes      the volume's name
volume/format            bytes      ``nifti``, ``dicom`` or ``raw``, by the name's ending
volume/encoded           bytes      the volume's file; empty where it is not at hand
volume/width, height     int64      as the project knows them
volume/shape             int64 (3)  depth, height, width (z, y, x), where it is known
volume/spacing           float (3)  the distance of voxels along z, y, x
volume/properties        bytes      JSON: ``affine`` and what else was known of how it lies
volume/class/text        bytes      classes of the volume as a whole
volume/class/label       int64      their numbers in the label map
volume/mask/raw          bytes      one number for each voxel, in C order of z, y, x: uint8, or
                                    little-endian uint16 from 256 classes on (int32 from 65,536)
volume/mask/classes      bytes      the names of all classes: the first has the number 1
=======================  =========  ==============================================================

**Written.** For every volume; those without 3D masks have no ``volume/mask/...``. A voxel has
one class: where masks of different classes overlap, the export is refused, or with the option
``overlaps="last"`` the later object has the voxel; masks of one class become one. The format
wants a volume's labels in one record, so they are once in memory. Flat annotations are left out.
Option ``encoded`` (true): put the volumes' files in. **Read** by ``tfrecord``.
"""

from __future__ import annotations

from typing import IO, ClassVar, cast

import msgspec
import numpy as np

from annotary.batch import CLASSIFICATION
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.kit.volumes import PROPERTIES, Overlaps, Volume, smallest_dtype
from annotary.formats.tfrecord.label_map import write_label_map
from annotary.formats.tfrecord.volumes import placed, volume_features
from annotary.formats.tfrecord.write import FAMILY, LABEL_MAP, Features, labels
from annotary.formats.tfrecord.write import Options as _Options
from annotary.syntax.tfrecord import encode_example, write_record


class Options(_Options, frozen=True, forbid_unknown_fields=True):
    """``overlaps``: ``refuse`` an export where classes overlap, or let the ``last`` one win."""

    overlaps: Overlaps = "refuse"


class Segmentation3dTFRecord(Format):
    """See the module."""

    name = "segmentation_3d_tfrecord"
    title = "TFRecord of volumes with 3D masks"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("RGBD",)
    carries = Carries(
        classification="Classification",
        bitmask3d="Bitmask3d",
        parts=True,
        properties=PROPERTIES,
        image_sizes=True,
        class_numbers="dense",
        class_base=1,
        unit="none",
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def write(self, data: Dataset, out: Output) -> None:
        for part in data.parts:
            with out.file(f"{part.name}.tfrecord") as file:
                for image, batch, begin, end in part.by_image():
                    features = volume_features(data, part.images, image)
                    if batch is not None:
                        rows = [r for r in range(begin, end) if batch.kind[r] == CLASSIFICATION]
                        if rows:
                            features |= labels(data, "volume/class", batch.tag[rows].tolist())
                    volume = Volume(part.images.names[image], batch, begin, end)
                    if volume.shape is not None:
                        features |= _mask(data, volume)
                    write_record(cast(IO[bytes], file), encode_example(features))
        with out.file(LABEL_MAP) as file:
            file.write(write_label_map({c.number: c.name for c in data.classes}).encode())


def _mask(data: Dataset, volume: Volume) -> Features:
    assert volume.shape is not None
    numbers = np.arange(1, len(data.classes) + 1, dtype=np.int64)
    dtype = smallest_dtype(len(data.classes)).newbyteorder("<")
    slabs = volume.painted(numbers, dtype, (data.options or Options()).overlaps)
    return placed(volume.shape, volume.properties) | {
        "volume/mask/raw": [b"".join(slab.tobytes() for slab in slabs)],
        "volume/mask/classes": [c.name.encode() for c in data.classes],
    }


FORMAT = Segmentation3dTFRecord()
