"""VIA CSV: the table that the VGG Image Annotator 1 and 2 export.

    filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
    image.png,2191,"{}",1,0,"{""name"":""rect"",""x"":40,""y"":20,""width"":80,""height"":80}","{""label"":""dog""}"

**Source.** ox-vgg/via, ``via-2.x.y/src/via.js``. Three columns hold JSON, quotes doubled. VIA 1.0
begins the header with ``#``. An image without regions has one row with ``"{}"`` as its shape.

Shapes, labels and attributes are those of :mod:`via <annotary.formats.via>`; pixels.

**Read** only; write :mod:`via <annotary.formats.via>`, which VIA loads just as well.
"""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.formats.via import words
from annotary.syntax.csv import Table
from annotary.syntax.source import FileSet, SourceFile


class ViaCsv(Format):
    """See the module."""

    name = "via_csv"
    title = "VGG Image Annotator CSV"
    extensions = (".csv",)
    header_lines = 1
    reads = True
    ReadOptions = words.Options
    project_types = ("ObjectDetection", "Keypoint", "Classification")

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        table = Table(source)
        columns = tables.Columns(table.header)
        name_at, shape_at, attributes_at = columns.need(
            ("filename",), ("region_shape_attributes",), ("region_attributes",)
        )
        file_at = columns.find(("file_attributes",))
        regions = words.Regions(rows)
        seen: set[int] = set()
        ignored = 0
        for cells in table.records(rows):
            line = table.line
            if not cells[name_at]:
                at = table.place(name_at)
                rows.reject("missing-key", at, key="filename", record="row")
                continue
            image = rows.image(cells[name_at], at=line)
            if image not in seen:
                seen.add(image)
                if file_at is not None and cells[file_at] not in ("", "{}"):
                    told = _json(table, rows, cells, file_at)
                    ignored += words.classify(rows, image, line, told) if told else 0
            if cells[shape_at].strip() in ("", "{}"):
                continue
            shape = _json(table, rows, cells, shape_at)
            if shape is not None:
                attributes = _json(table, rows, cells, attributes_at)
                if attributes is not None:
                    regions.add(image, line, shape, attributes)
        regions.flush()
        words.tell_ignored(rows, ignored)


def _json(table: Table, rows: RowSink, cells: list[str], column: int) -> dict[str, Any] | None:
    """The object in a cell, or None when it is none, which is then rejected."""
    try:
        return msgspec.json.decode(cells[column] or "{}", type=dict[str, Any])
    except msgspec.ValidationError:
        rows.reject(
            "wrong-type",
            table.place(column),
            key=table.header[column].strip(),
            detail=f"it is {cells[column][:40]!r}",
            expected="a JSON object",
        )
    except msgspec.DecodeError as error:
        rows.reject(
            "syntax",
            table.place(column),
            kind=f"JSON in {table.header[column].strip()}",
            detail=str(error),
            advice="Quotes inside a cell of a table are doubled.",
        )
    return None


tables.declare(
    "via_csv",
    tables.Header((("region_shape_attributes",), ("region_attributes",))),
)

FORMAT = ViaCsv()
