"""Label Studio CSV and TSV: the tables that Label Studio exports, one row per annotated task.

    image,id,label,annotator,annotation_id,created_at,updated_at,lead_time
    image.png,1,"[{""x"":10,""y"":10,""width"":20,""height"":40,""rectanglelabels"":[""dog""]}]",1,1,,,1

**Source.** labelstud.io/guide/export ("CSV", "TSV") and the converter in
HumanSignal/label-studio-sdk. A column for each part of the task's data, one for each control of the
labelling configuration, then who annotated when. Regions are JSON, in percent of the image.

**Read.** The image is in the first column whose cells look like the address of one. Of other
columns, those that hold JSON are read: regions as in :mod:`label_studio
<annotary.formats.label_studio>` (rectangle, polygon, ellipse, brush; a keypoint is an object of one
point) and ``choices`` as Classifications. A cell of plain text may be a choice or a part of the
task's data, and the table does not say which: it is a Classification where the labelling
configuration in the same import declares it, otherwise it is counted and said.

Tables of tasks that have no image (text, sound) are refused. **Lost:** who annotated, and when.
The JSON export says more: prefer it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.batch import Extra
from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit import tables
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.formats.label_studio import regions as ls
from annotary.problems import Location
from annotary.syntax.csv import Table, first_rows
from annotary.syntax.source import FileSet, SourceError, SourceFile

_ENDINGS = {
    ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".jfif", ".avif", ".heic",
}  # fmt: skip
_ABOUT = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
_HEAD_ROWS = 50


class LabelStudioCsv(Format):
    """See the module."""

    name = "label_studio_csv"
    title = "Label Studio CSV"
    extensions = (".csv", ".tsv")
    header_lines = 1
    reads = True
    project_types = ("ObjectDetection", "Classification")

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        table = Table(source)
        image_at = _image_column(first_rows(source, _HEAD_ROWS))
        if image_at is None:
            raise SourceError(
                "export-only",
                format="This table of Label Studio",
                detail=f"none of its columns holds an image ({', '.join(table.header)})",
                advice="Its tasks are about text or sound; export tasks about images.",
            )
        rows.normalized = True
        choices = set(ls.config_of(source, files).classes)
        columns = tables.Columns(table.header)
        left: dict[int, int] = {}
        others = [c for c, k in enumerate(columns.keys) if c != image_at and k not in _ABOUT]
        for cells in table.records(rows):
            name = _name(cells[image_at])
            if not name:
                key = table.header[image_at]
                rows.reject("missing-key", table.place(image_at), key=key, record="row")
                continue
            image = rows.image(name, at=table.line)
            for column in others:
                cell = cells[column].strip()
                if cell in choices:
                    rows.classification(image, rows.tag(cell), table.line)
                elif cell and not _answers(table, rows, image, column, cell):
                    left[column] = left.get(column, 0) + 1
        if left:
            named = ", ".join(f"{table.header[c].strip()} ({n})" for c, n in left.items())
            rows.problem(
                "ignored",
                what=f"What stands in {named}",
                why="a table does not say whether it is an answer or a part of the task",
                advice="Export as JSON, or import the labelling configuration (XML) as well.",
            )


def _name(address: str) -> str:
    try:
        return doc.file_name(address)
    except ValueError:  # it only looks like an address
        return address


def _image_column(rows: list[list[str]]) -> int | None:
    for column in range(len(rows[0]) if rows else 0):
        cells = [row[column] for row in rows[1:] if len(row) == len(rows[0]) and row[column]]
        named = sum(PurePosixPath(_name(cell)).suffix.lower() in _ENDINGS for cell in cells)
        if cells and 2 * named > len(cells):
            return column
    return None


def _answers(table: Table, rows: RowSink, image: int, column: int, cell: str) -> bool:
    """Read the regions or choices that a cell holds as JSON; False when it holds neither."""
    if cell[0] not in "[{":
        return False
    place = table.place(column)
    try:
        answer = msgspec.json.decode(cell)
    except msgspec.DecodeError as error:
        if '"original_width"' in cell or 'labels"' in cell:
            name = table.header[column].strip()
            rows.reject(
                "syntax", place, kind=f"JSON in {name}", detail=str(error), advice=doc.BROKEN
            )
            return True
        return False
    if isinstance(answer, dict) and isinstance(answer.get("choices"), list):
        for choice in answer["choices"]:
            rows.classification(image, rows.tag(str(choice)), table.line)
        return True
    regions = [
        item
        for item in (answer if isinstance(answer, list) else [answer])
        if isinstance(item, dict) and any(key.endswith("labels") for key in item)
    ]
    for item in regions:
        _region(rows, image, item, table.line, place)
    return bool(regions) or answer == []


def _region(rows: RowSink, image: int, item: dict[str, Any], line: int, place: Location) -> None:
    kind = next(key for key in item if key.endswith("labels"))
    try:
        region = ls.region({**item, "type": kind}, item)
        labels = ls.labels_of(item)
        if not labels:
            raise RefusedError("missing-key", key=kind, record="region")
    except UnsupportedError as fault:
        rows.skip(fault.code, place, **fault.values)
        return
    except RefusedError as fault:
        rows.reject(fault.code, place, **fault.values)
        return
    for label in labels:
        tag = rows.tag(label)
        turned = {"rotation": region.rotation} if region.rotation else None
        extra = Extra(properties=turned) if turned else None
        if region.box:
            rows.rectangle(image, tag, *tables.four(region.box), line, extra)
        elif region.ring:
            rows.polygon(image, tag, [region.ring], line, extra)
        elif region.mask is not None:
            rows.bitmask(image, tag, region.mask, region.extent, line, extra)
        else:
            rows.keypoints(image, tag, region.point, line, extra)


tables.declare(
    "label_studio_csv",
    tables.Header((("annotation_id",), ("annotator",))),
)

FORMAT = LabelStudioCsv()
