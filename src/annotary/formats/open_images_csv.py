"""Open Images CSV: boxes and image labels of Google's Open Images.

    ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
    image,,dog,1,0.1,0.3,0.1,0.5,,,,,

**Source.** storage.googleapis.com/openimages, "Dataset formats" (V4 to V7). Fractions, in the order
**XMin, XMax, YMin, YMax**; flags are 1, 0 or -1 (not known). ``ImageID`` has no ending; an image
is found by its stem, or by its name where an ending is given.

**Classes.** ``LabelName`` is a machine id (``/m/0bt9lr``); a table ``class-descriptions.csv`` in
the same import gives the names. Machine ids themselves are not kept. Without the table, and
for ids that it does not have, the class is called as written.

**Image labels**, the table without boxes: Classifications; those with confidence 0 say what the
image does *not* show and are skipped. **Masks** (``MaskPath``) are pictures of their own and are
refused.

**Read.** ``IsOccluded``, ``IsTruncated`` and ``IsGroupOf`` become the properties ``occluded``,
``truncated`` and ``iscrowd`` when they are 1; a confidence other than 1 becomes ``score``; all
else that is neither empty nor 0 keeps its column's name. Decimal commas are read.

**Written.** Rectangles with these flags, exactly (a degree of occlusion as 1); a class by its
name; images by their stem,
or by their whole name where two share a stem. **Lost:** images without annotations, image
sizes, attributes, other properties, and the shape of what is no rectangle.
"""

from __future__ import annotations

from annotary.batch import Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.formats.kit.numbers import shortest
from annotary.syntax.csv import Table, first_rows, quoted
from annotary.syntax.source import FileSet, SourceError, SourceFile

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
DESCRIPTIONS = "class-descriptions"
_FLAGS = {"isoccluded": "occluded", "istruncated": "truncated", "isgroupof": "iscrowd"}
_COLUMNS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class OpenImagesCsv(Format):
    """See the module."""

    name = "open_images_csv"
    title = "Open Images CSV"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    header_lines = 1
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        properties=frozenset((*_FLAGS.values(), *_COLUMNS, "score", "Source")),
        empty_images=False,
        classes=False,
        unit="normalized",
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def companion(self, source: SourceFile) -> str | None:
        if source.suffix != ".csv":
            return None
        rows = first_rows(source, 5)
        if not rows or any(len(row) != 2 for row in rows):
            return None
        if [cell.strip().casefold() for cell in rows[0]] == ["labelname", "displayname"]:
            return DESCRIPTIONS
        return (
            DESCRIPTIONS if all(row[0].startswith(("/m/", "/g/", "/t/")) for row in rows) else None
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        table = Table(source)
        columns = tables.Columns(table.header)
        if columns.find(("maskpath",)) is not None:
            raise SourceError(
                "export-only",
                format="The Open Images table of masks",
                detail="each mask is a picture of its own, which the table only names",
                advice="Import the table of boxes, or convert the masks to COCO.",
            )
        descriptions = self._descriptions(source, files)
        image_at, label_at = columns.need(("imageid",), ("labelname",))
        has_boxes = any(columns.find((key,)) is not None for key in _CORNERS)
        box_at = columns.need(*((key,) for key in _CORNERS)) if has_boxes else []
        confidence_at = columns.find(("confidence",))
        rows.normalized = True
        renamed = 0
        for cells in table.records(rows):
            line = table.line
            name, label = cells[image_at], cells[label_at]
            if not name or not label:
                at = label_at if name else image_at
                rows.reject("missing-key", table.place(at), key=table.header[at], record="row")
                continue
            image = rows.image(name, at=line)
            if label in descriptions:
                renamed += 1
                label = descriptions[label]
            if not box_at:
                confidence = cells[confidence_at] if confidence_at is not None else ""
                if confidence in ("0", "0.0"):
                    rows.skip(
                        "skipped-record",
                        line,
                        what=f"The label {label} of {name}",
                        why="its confidence 0 says that the image does not show it",
                        advice="",
                    )
                    continue
                rows.classification(image, rows.tag(label), line, _extra(table, cells, columns))
                continue
            box = table.numbers(rows, cells, box_at)
            if box is not None:
                extra = _extra(table, cells, columns)
                rows.rectangle(image, rows.tag(label), *tables.four(box), line, extra)
        if renamed:
            rows.problem(
                "ignored",
                what=f"The machine id of {renamed} row{'s' * (renamed > 1)}",
                why="the name in the class descriptions stands for it",
                advice="Leave class-descriptions.csv out of the import to keep the ids as names.",
            )

    def _descriptions(self, source: SourceFile, files: FileSet) -> dict[str, str]:
        companion = files.nearest(source, DESCRIPTIONS)
        if companion is None:
            return {}
        table = Table(companion, header=False)
        return {cells[0]: cells[1] for cells in table.records() if len(cells) == 2}

    def write(self, data: Dataset, out: Output) -> None:
        classes = tables.quoted_all(data.names)
        for part in data.parts:
            names = tables.quoted_all(data.members(part, ""))
            with out.file(f"{part.name}.csv") as file:
                file.write(f"{HEADER}\n".encode())
                for batch in part.batches():
                    texts = shortest(batch.coords, point=True)
                    out_rows = []
                    rows = zip(batch.image.tolist(), batch.tag.tolist(), strict=True)
                    at = 0
                    for row, (image, tag) in enumerate(rows):
                        x1, y1, x2, y2 = texts[at : at + 4]
                        at += 4
                        extra = batch.extras.get(row)
                        before, score, after = _written(extra) if extra else ("", "1", ",,,,")
                        out_rows.append(
                            f"{names[image]},{before},{classes[tag]},{score},"
                            f"{x1},{x2},{y1},{y2},{after}"
                        )
                    file.write(tables.lines(out_rows))


def _extra(table: Table, cells: list[str], columns: tables.Columns) -> Extra | None:
    properties: dict[str, object] = {}
    for column, key in enumerate(columns.keys):
        text = cells[column].strip()
        if text in ("", "0") or key in ("imageid", "labelname", *_CORNERS):
            continue
        if key == "confidence":
            try:
                score = table.number(text)
            except ValueError:
                properties["Confidence"] = text
                continue
            if score != 1.0:
                properties["score"] = score
        elif key in _FLAGS and text == "1":
            properties[_FLAGS[key]] = 1
        else:
            properties[table.header[column].strip()] = tables.value(text)
    return Extra(properties=properties) if properties else None


def _written(extra: Extra) -> tuple[str, str, str]:
    """The cells Source, Confidence, and the five flags of an annotation's properties."""
    properties = extra.properties or {}
    flags = []
    for column in _COLUMNS:
        known = properties.get(_FLAGS.get(column.casefold(), ""))
        flags.append(
            "1" if known else quoted(str(properties[column])) if column in properties else ""
        )
    source = quoted(str(properties["Source"])) if "Source" in properties else ""
    return source, quoted(str(properties.get("score", 1))), ",".join(flags)


tables.declare(
    "open_images_csv",
    tables.Header((("imageid",), ("labelname",))),
)

FORMAT = OpenImagesCsv()
