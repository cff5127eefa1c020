"""CSV Classification: one row per image and class.

    filename,label
    image.png,dog

**Source.** The name is Datature Nexus'; the two columns are our own definition. An image with
several classes has several rows.

**Columns.** Found by name as in :mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`; a table
with coordinates is another format. Text as there.

**Read.** Every row is a Classification; a row without a label declares an image that has none.
Other columns are kept as properties, by their header.

**Written.** Classifications. **Lost:** every other kind, images without annotations, attributes
and properties.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.syntax.csv import Table, quoted
from annotary.syntax.source import FileSet, SourceFile


class CsvClassification(Format):
    """See the module."""

    name = "csv_classification"
    title = "CSV Classification"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("Classification",)
    header_lines = 1
    carries = Carries(
        classification="Classification", empty_images=False, classes=False, unit="none"
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        table = Table(source)
        columns = tables.Columns(table.header)
        name_at, label_at = columns.need(tables.FILE, tables.LABEL)
        others = columns.others()
        for cells in table.records(rows):
            line = table.line
            name, label = cells[name_at], cells[label_at]
            if not name:
                key = table.header[name_at].strip()
                rows.reject("missing-key", table.place(name_at), key=key, record="row")
                continue
            image = rows.image(name, at=line)
            if label:
                extra = tables.extra_of(table, cells, others) if others else None
                rows.classification(image, rows.tag(label), line, extra)

    def write(self, data: Dataset, out: Output) -> None:
        classes = tables.quoted_all(data.names)
        for part in data.parts:
            names = part.images.names
            with out.file(f"{part.name}.csv") as file:
                file.write(b"filename,label\n")
                for batch in part.batches():
                    rows = zip(batch.image.tolist(), batch.tag.tolist(), strict=True)
                    file.write(
                        tables.lines(
                            f"{quoted(names[image])},{classes[tag]}" for image, tag in rows
                        )
                    )


tables.declare(
    "csv_classification",
    tables.Header((tables.FILE, tables.LABEL), only=True),
)

FORMAT = CsvClassification()
