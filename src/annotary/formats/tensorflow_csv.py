"""TensorFlow object-detection CSV: corners, and the size of the image in every row.

    filename,width,height,class,xmin,ymin,xmax,ymax
    image.png,400,200,dog,40,20,120,100

**Source.** ``xml_to_csv.py`` of datitran/raccoon_dataset, which the TensorFlow Object Detection
tutorials use; Roboflow exports it as ``_annotations.csv``.

``width`` and ``height`` are those of the **image**, in pixels; they are compared with the
image that is known, and with the other rows of the same image.

**Columns, units, text and what is read** as in
:mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`. 0 for a size means that it is not known.

**Written.** Rectangles, exactly, in pixels unless fractions are asked for. **Lost:** images
without annotations, attributes, properties, and the shape of what is no rectangle.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.formats.kit.columns import BoxColumns
from annotary.syntax.csv import quoted
from annotary.syntax.source import FileSet, SourceFile


class TensorflowCsv(Format):
    """See the module."""

    name = "tensorflow_csv"
    title = "TensorFlow Object Detection CSV"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    header_lines = 1
    ReadOptions = BoxColumns
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        empty_images=False,
        image_sizes=True,
        classes=False,
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        tables.read_boxes(source, rows, lengths=False, sizes=True)

    def write(self, data: Dataset, out: Output) -> None:
        classes = tables.quoted_all(data.names)
        for part in data.parts:
            table = part.images
            sizes = zip(table.widths.tolist(), table.heights.tolist(), strict=True)
            names = [
                f"{quoted(name)},{width},{height}"
                for name, (width, height) in zip(table.names, sizes, strict=True)
            ]
            with out.file(f"{part.name}.csv") as file:
                file.write(b"filename,width,height,class,xmin,ymin,xmax,ymax\n")
                for _, images, boxes, labels in tables.box_rows(
                    part, names, classes, normalized=data.normalized
                ):
                    rows = zip(images, labels, boxes, strict=True)
                    file.write(tables.lines(map(",".join, rows)))


tables.declare(
    "tensorflow_csv",
    tables.Header(
        (
            tables.FILE,
            tables.XMIN,
            tables.YMIN,
            tables.XMAX,
            tables.YMAX,
            tables.LABEL,
            tables.WIDTH,
            tables.HEIGHT,
        )
    ),
)

FORMAT = TensorflowCsv()
