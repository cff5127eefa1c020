"""TFRecord with a class per image, in the keys of TF-Slim and the Object Detection API.

``<part>.tfrecord`` and ``label_map.pbtxt`` as in :mod:`tfrecord <annotary.formats.tfrecord>`,
without any ``image/object/...``. ``image/class/text`` (bytes) and ``image/class/label`` (int64)
are lists: an image may have several classes, or none. Labels begin with 1, to agree with the label
map, where TF-Slim's own begin with 0.

**Written.** Classes of whole images; everything else is left out. Option ``encoded`` as in
``tfrecord``. **Read** by ``tfrecord``.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.tfrecord.write import FAMILY, Options, write_images


class ClassificationTFRecord(Format):
    """See the module."""

    name = "classification_tfrecord"
    title = "TFRecord with classes of images"
    family = FAMILY
    writes = True
    read_by = "tfrecord"
    project_types = ("Classification",)
    carries = Carries(
        classification="Classification",
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="none",
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def write(self, data: Dataset, out: Output) -> None:
        write_images(data, out, None)


FORMAT = ClassificationTFRecord()
