"""CSV Width Height: one row per box, with its top-left corner and its size.

    filename,xmin,ymin,width,height,label
    image.png,40,20,80,80,dog

**Source.** Datature Nexus and Vi (``filename,x,y,width,height,class``) and discolight
(``image_name,x_min,y_min,width,height,label``); the header that is written is our choice
among these.

**Columns.** As in :mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`, with ``x``/``xmin``/
``left`` and ``y``/``ymin``/``top`` for the corner, ``width``/``w`` and ``height``/``h`` for the
box's size. A table with ``xmax`` or ``ymax`` is another format, where width and height are
those of the image.

A column ``bbox`` may hold the whole box as text, ``"[834.0, 222.0, 56.0, 36.0]"``; ``width`` and
``height`` are then the image's. **Options**: the names of the columns, and ``tag``, the class of
rows that name none.

**Units, text, what is read and what is lost** as in ``csv_fourcorner``.

**Written.** The width is the shortest decimal that leads from xmin to xmax.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.formats.kit.columns import BOX, BoxColumns, chosen, read_box_cells
from annotary.syntax.csv import Table
from annotary.syntax.source import FileSet, SourceFile


class CsvWidthHeight(Format):
    """See the module."""

    name = "csv_widthheight"
    title = "CSV Width Height"
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
        columns = tables.Columns(Table(source).header)
        box = chosen(rows.options, "box", BOX)
        if columns.find(box) is not None and columns.find(tables.X) is None:
            read_box_cells(source, rows)
        else:
            tables.read_boxes(source, rows, lengths=True)

    def write(self, data: Dataset, out: Output) -> None:
        tables.write_boxes(data, out, "filename,xmin,ymin,width,height,label", lengths=True)


tables.declare(
    "csv_widthheight",
    tables.Header(
        (tables.FILE, tables.X, tables.Y, tables.WIDTH, tables.HEIGHT, tables.LABEL),
        lacks=(tables.XMAX, tables.YMAX),
    ),
    # Kaggle's wheat: image_id,width,height,bbox,source
    tables.Header((tables.FILE, BOX), lacks=(tables.X, tables.Y, tables.XMAX)),
)

FORMAT = CsvWidthHeight()
