"""CSV Four Corners: one row per box, with its two opposite corners.

    filename,xmin,ymin,xmax,ymax,label
    image.png,40,20,120,100,dog

**Source.** Datature Nexus' upload scripts and samples (datature/resources) for the header that
is written; Datature Vi, discolight and Microsoft VoTT for the other headers that are read.

**Columns.** Found by name, in any order, without regard to case and blanks: the file
(``filename``, ``image``, ``image_name``, ``image_path``, ``file``, ``path``, ...), the corners
(``xmin``/``x_min``/``x1``/``left`` and so on) and the class (``label``, ``class``,
``class_name``, ``tag``, ``name``, ``category``). A table that also has ``width`` and
``height`` is :mod:`tensorflow_csv <annotary.formats.tensorflow_csv>`.

**Units.** Fractions of the image or pixels, for the file as a whole: pixels if a value is above
2 or all numbers are integers, else fractions (so that a single 1.04 among fractions is
reported as out of bounds). x to the right, y down, edges continuous.

**Text.** RFC 4180, UTF-8, line feeds. Also read: ``;`` or tab between cells, a line ``sep=;``, a
byte order mark, any line end, decimal commas (``"0,25"``).

**Read.** Every row is a Rectangle. A row with a file name and nothing in its corners declares an
image without objects. Other columns are kept as properties, by their header.

**Written.** Rectangles; fractions or pixels as asked, exactly. **Lost:** images without
annotations, image sizes, attributes, properties, and the shape of what is no rectangle.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.formats.kit.columns import BoxColumns
from annotary.syntax.source import FileSet, SourceFile


class CsvFourCorner(Format):
    """See the module."""

    name = "csv_fourcorner"
    title = "CSV Four Corners"
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
        classes=False,
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        tables.read_boxes(source, rows, lengths=False)

    def write(self, data: Dataset, out: Output) -> None:
        tables.write_boxes(data, out, "filename,xmin,ymin,xmax,ymax,label")


tables.declare(
    "csv_fourcorner",
    tables.Header((tables.FILE, tables.XMIN, tables.YMIN, tables.XMAX, tables.YMAX, tables.LABEL)),
)

FORMAT = CsvFourCorner()
