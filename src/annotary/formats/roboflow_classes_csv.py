"""Roboflow multi-label CSV: one row per image, one column of 0 and 1 per class.

    filename,boat,dog
    image.png,0,1

**Source.** Roboflow's "Multi Label Classification" export, ``_classes.csv``; roboflow-python,
``roboflow/util/folderparser.py``. Roboflow writes a blank after each comma.

**Read.** Every 1 is a Classification, a record of its own; a row of zeros is an image without
annotations. The columns are the classes, in their order. An empty cell counts as 0.

**Written.** ``<part>.csv`` with every image and every class. **Lost:** every other kind,
attributes, properties.

A table of the same name with ``Pixel Value`` and ``Class`` belongs to Roboflow's semantic masks
and is taken for a companion.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.syntax.csv import Table, first_rows, quoted
from annotary.syntax.source import FileSet, SourceFile

_SET = {"1": True, "1.0": True, "0": False, "0.0": False, "": False}


class RoboflowClassesCsv(Format):
    """See the module."""

    name = "roboflow_classes_csv"
    title = "Roboflow multi-label CSV"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("Classification",)
    header_lines = 1
    carries = Carries(
        classification="Classification", merges=frozenset({"Classification"}), unit="none"
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def companion(self, source: SourceFile) -> str | None:
        if not source.basename.casefold().startswith("_classes"):
            return None
        rows = first_rows(source)
        keys = {tables.key_of(cell) for cell in rows[0]} if rows else set()
        return "mask-classes" if keys == {"pixel_value", "class"} else None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        table = Table(source)
        tables.Columns(table.header[:1]).need(tables.FILE)
        tags = [rows.tag(cell.strip()) for cell in table.header[1:]]
        for cells in table.records(rows):
            line = table.line
            if not cells[0]:
                rows.reject("missing-key", table.place(0), key="filename", record="row")
                continue
            image = rows.image(cells[0], at=line)
            for column, cell in enumerate(cells[1:], 1):
                has = _SET.get(cell.strip())
                if has is None:
                    rows.reject(
                        "wrong-type",
                        table.place(column),
                        key=f"The column {table.header[column].strip()}",
                        detail=f"it is {cell!r}",
                        expected="0 or 1",
                    )
                elif has:
                    rows.classification(image, tags[column - 1], line)

    def write(self, data: Dataset, out: Output) -> None:
        header = ",".join(["filename", *tables.quoted_all(data.names)])
        for part in data.parts:
            with out.file(f"{part.name}.csv") as file:
                file.write(f"{header}\n".encode())
                texts = []
                for image, batch, begin, end in part.by_image():
                    bits = ["0"] * len(data.classes)
                    if batch is not None:
                        for tag in batch.tag[begin:end].tolist():
                            bits[tag] = "1"
                    texts.append(",".join([quoted(part.images.names[image]), *bits]))
                    if len(texts) == 1000:
                        file.write(tables.lines(texts))
                        texts.clear()
                file.write(tables.lines(texts))


FORMAT = RoboflowClassesCsv()
