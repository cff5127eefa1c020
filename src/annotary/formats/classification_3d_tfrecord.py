"""TFRecord of volumes with classes. An own definition: there is no common one.

``<part>.tfrecord`` has a record for each volume and ``label_map.pbtxt`` names the classes, with
the keys ``volume/filename``, ``format``, ``encoded``, ``width``, ``height``, ``class/text`` and
``class/label`` of :mod:`segmentation_3d_tfrecord <annotary.formats.segmentation_3d_tfrecord>`, and
``volume/shape`` and ``volume/spacing`` where the volume's file is at hand and is NIfTI.

**Written.** Classes of whole volumes (and images); everything else is left out. Option
``encoded`` (true): put the volumes' files in. **Read** by ``tfrecord``.
"""

from __future__ import annotations

from typing import IO, ClassVar, cast

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.tfrecord.label_map import write_label_map
from annotary.formats.tfrecord.volumes import volume_features
from annotary.formats.tfrecord.write import FAMILY, LABEL_MAP, Options, labels
from annotary.syntax.tfrecord import encode_example, write_record


class Classification3dTFRecord(Format):
    """See the module."""

    name = "classification_3d_tfrecord"
    title = "TFRecord of volumes with classes"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("RGBD", "Classification")
    carries = Carries(
        classification="Classification",
        image_sizes=True,
        class_numbers="source",
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
                        features |= labels(data, "volume/class", batch.tag[begin:end].tolist())
                    write_record(cast(IO[bytes], file), encode_example(features))
        with out.file(LABEL_MAP) as file:
            file.write(write_label_map({c.number: c.name for c in data.classes}).encode())


FORMAT = Classification3dTFRecord()
