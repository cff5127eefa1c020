"""AutoML Vision CSV: the set of each image, its path, and boxes in fractions, without a header.

    TRAIN,gs://bucket/image.png,dog,0.1,0.1,,,0.3,0.5,,
    TEST,gs://bucket/empty.png,,,,,,,,,

**Source.** Google Cloud, AutoML Vision Object Detection, "Formatting a training data CSV":
``set,path,label``, then the four corners of the box clockwise from the top left,
``x_min,y_min,x_max,y_min,x_max,y_max,x_min,y_max``. The second and the fourth may be left empty.
All coordinates are fractions of the image's width and height, from its top-left corner.

**Read.** Two opposite corners, or four that make an upright box, are a Rectangle; four others are
a Polygon. A row without label and box declares an image without objects. A first row with the
columns' names is passed over. The set is ``TRAIN``, ``TRAINING``, ``VALIDATE``, ``VALIDATION``,
``TEST``, ``UNASSIGNED`` or empty. Of a path with a scheme (``gs://``) the name is taken.

**Parts.** A conversion keeps the sets as parts. A project has no place for them: an import says so.

**Written.** ``<part>.csv``; Rectangles, exactly, always in fractions, by two corners. A part called
train, validate (valid, val) or test is written as ``TRAIN``, ``VALIDATION`` or ``TEST``, anything
else as ``UNASSIGNED``: the service then divides the images itself. Paths are the images' names;
put the address of your bucket before them. **Lost:** image sizes, attributes, properties, unused
classes, and the shape of what is no rectangle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import automl, tables
from annotary.syntax.csv import Table
from annotary.syntax.source import FileSet, SourceFile

_CORNERS = tuple(range(3, automl.WIDTH))
_WORDS = {
    "train": "TRAIN",
    "training": "TRAIN",
    "val": "VALIDATION",
    "valid": "VALIDATION",
    "validate": "VALIDATION",
    "validation": "VALIDATION",
    "test": "TEST",
    "testing": "TEST",
}


class CsvAutoml(Format):
    """See the module."""

    name = "csv_automl"
    title = "AutoML Vision CSV"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    header_lines = 0
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        classes=False,
        unit="normalized",
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.normalized = True
        table = Table(source, header=False)
        clashes: list[int] = []
        for number, cells in enumerate(table.records(rows)):
            if not number and automl.is_header(cells):
                continue
            if len(cells) != automl.WIDTH:
                table.wrong_count(rows, cells, automl.WIDTH)
                continue
            _read_row(rows, table, cells, clashes)
        if clashes:
            rows.problem(
                "doubtful-value",
                rows.place(clashes[0]),
                what="The set of an image",
                why="an earlier row of the image names another one, which was taken"
                + (f"; so in {len(clashes)} rows" if len(clashes) > 1 else ""),
                advice="Name one set for each image.",
            )

    def write(self, data: Dataset, out: Output) -> None:
        classes = tables.quoted_all(data.names)
        for part in data.parts:
            word = _WORDS.get(part.name.casefold(), "UNASSIGNED")
            with out.file(f"{part.name}.csv") as file:
                for texts in _rows_of(part, word, classes):
                    file.write(tables.lines(texts))


def _read_row(rows: RowSink, table: Table, cells: Sequence[str], clashes: list[int]) -> None:
    word, name, label, *corners = cells
    part = automl.SETS.get(word.strip().casefold() or "unassigned")
    full = [bool(cell.strip()) for cell in corners]
    if part is None:
        rows.reject(
            "wrong-type",
            table.place(0),
            key="The set",
            detail=f"it is {word!r}",
            expected="TRAIN, VALIDATION, TEST or UNASSIGNED",
        )
    elif not name.strip():
        rows.reject("missing-key", table.place(1), key="The image's path", record="row")
    elif not any(full) and not label.strip():
        _declare(rows, name, part, table.line, clashes)
    elif not label.strip():
        rows.reject("missing-key", table.place(2), key="The class", record="row with a box")
    elif (values := table.numbers(rows, cells, _filled(full))) is not None:
        image = _declare(rows, name, part, table.line, clashes)
        tag = rows.tag(label)
        if len(values) == 4:
            rows.rectangle(image, tag, *tables.four(values), table.line)
        elif (box := _upright(values)) is not None:
            rows.rectangle(image, tag, *box, table.line)
        else:
            rows.polygon(image, tag, [values], table.line)


def _filled(full: Sequence[bool]) -> Sequence[int]:
    """The cells that are needed: all when a second or fourth corner is there, else the two."""
    return _CORNERS if any(full[2:4]) or any(full[6:]) else (3, 4, 7, 8)


def _upright(values: Sequence[float]) -> tuple[float, float, float, float] | None:
    """The box of four corners, in whatever order they go round, or None where they make none."""
    xs, ys = values[::2], values[1::2]
    box = min(xs), min(ys), max(xs), max(ys)
    corners = list(zip(xs, ys, strict=True))
    all_four = {(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])}
    around = corners[0][0] != corners[2][0] and corners[0][1] != corners[2][1]
    return box if set(corners) == all_four and len(all_four) == 4 and around else None


def _declare(rows: RowSink, name: str, part: str, line: int, clashes: list[int]) -> int:
    image = rows.image(name, at=line)
    if rows.parts.setdefault(image, part) != part:
        clashes.append(line)
    return image


def _rows_of(part: Part, word: str, classes: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a part by batches; images without boxes stand where their name belongs."""
    names = tables.quoted_all(part.images.names)
    following = 0
    for batch, images, boxes, labels in tables.box_rows(part, names, classes, normalized=True):
        texts = []
        for number, image, box, label in zip(
            batch.image.tolist(), images, boxes, labels, strict=True
        ):
            texts += [f"{word},{names[i]},,,,,,,,," for i in range(following, number)]
            following = number + 1
            xmin, ymin, xmax, ymax = box.split(",")
            texts.append(f"{word},{image},{label},{xmin},{ymin},,,{xmax},{ymax},,")
        yield texts
    yield [f"{word},{names[i]},,,,,,,,," for i in range(following, len(names))]


FORMAT = CsvAutoml()
