"""TFRecord of TensorFlow's Object Detection API: boxes and classes of images.

Sources: TensorFlow's TFRecord framing and ``tf.train.Example``; the keys of the Object
Detection API (``models/research/object_detection/data_decoders/tf_example_decoder.py``).

``dump.tfrecord`` has a record for each image, ``label_map.pbtxt`` beside it names the classes::

    item {
      id: 2
      name: 'dog'
    }

=============================================  ==========  =====================================
key                                            type        content
=============================================  ==========  =====================================
image/filename, image/source_id                bytes       the image's name; an id
image/width, image/height                      int64       pixels, 0 when not known
image/encoded, image/format, image/key/sha256  bytes       the image's file (empty when it is not
                                                           at hand), ``jpeg`` or ``png``, digest
image/class/text, /label                       per class   classes of the image as a whole
image/class/properties, attributes             bytes       per class JSON, see below
image/object/bbox/xmin, xmax, ymin, ymax       float32     per object, fractions of the image
image/object/class/text, /label                per object  the class's name and its id
image/object/difficult, truncated, is_crowd,   int64       per object 0 or 1; only where one is
group_of, occluded                                         set
image/object/properties, attributes            bytes       per object JSON, or empty: an own
                                                           addition, only where there are any
=============================================  ==========  =====================================

**Written.** The table above, for every image, also without objects. Ids begin with 1; those of
the files that were imported are kept. Polygons and masks become their boxes; keypoints are left
out. Coordinates are 32-bit floats. Option ``encoded`` (true): put the images' files in.

**Read.** Also the files of the other TFRecord formats, by their keys: outlines
(:mod:`polygon_tfrecord <annotary.formats.polygon_tfrecord>`), masks as PNG or as numbers,
keypoints, image classes, volumes. A class's name is ``class/text``, or else the label map's name
of ``class/label``. A float is read as the shortest decimal that it stands for. ``weight`` and
``view`` are kept as properties, ``area`` is not: it follows from the shape. Where an object has
keypoints and a mask, the mask is left out, and said. Files may be packed with gzip. A place is
told as the record's number, from 1, its byte offset, and the object's number in it. A wrong
checksum ends the reading; the records before it are kept.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.tfrecord.read import ExampleReader, companion_kind
from annotary.formats.tfrecord.write import FAMILY, FLOAT32, Options, write_images
from annotary.syntax.source import FileSet, SourceFile
from annotary.syntax.tfrecord import looks_like_tfrecord


class TFRecord(Format):
    """See the module."""

    name = "tfrecord"
    title = "TFRecord (Object Detection API)"
    family = FAMILY
    extensions = (".tfrecord", ".record", ".tfrecords", ".pbtxt")
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        classification="Classification",
        bitmask="Rectangle",
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
        unit="normalized",
        natural="normalized",
        decimals=FLOAT32,
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return looks_like_tfrecord(bytes(source.buffer[:12]), len(source.buffer))

    def companion(self, source: SourceFile) -> str | None:
        return companion_kind(source)

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        ExampleReader(source, rows, files).read()

    def write(self, data: Dataset, out: Output) -> None:
        write_images(data, out, lambda *_: {})


FORMAT = TFRecord()
