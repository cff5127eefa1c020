"""What the table formats share: names of columns, recognition by header, units, and writing.

A header's cells are compared without regard to case, blanks round them and a leading ``#``.
Every table belongs to one format: that whose header, declared in its own file, asks for most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, Part
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import automl
from annotary.formats.kit.numbers import shortest
from annotary.problems import NOWHERE, Location
from annotary.syntax.csv import Table, first_rows, quoted
from annotary.syntax.source import SourceError, SourceFile

FILE = (
    "filename", "file_name", "image", "image_name", "image_path", "img_path", "imagefilename",
    "file", "path", "filepath", "file_path", "image_id",
)  # fmt: skip
LABEL = ("label", "class", "class_name", "label_name", "tag", "name", "category", "category_name")
XMIN = ("xmin", "x_min", "x1", "left")
YMIN = ("ymin", "y_min", "y1", "top")
XMAX = ("xmax", "x_max", "x2", "right")
YMAX = ("ymax", "y_max", "y2", "bottom")
X = (*XMIN, "x")
Y = (*YMIN, "y")
WIDTH = ("width", "w")
HEIGHT = ("height", "h")
_COORDINATES = frozenset((*X, *Y, *XMAX, *YMAX, *WIDTH, *HEIGHT))

ABOVE_FRACTIONS = 2.0
"""A value above this settles that a file is in pixels; see :func:`unit_of`."""
_TOLERANCE = 1e-6
_HEAD_ROWS = 20
_NUMBER = re.compile(
    r"\s*[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?\s*|\s*[-+]?(?:nan|inf)\s*"
)


def key_of(cell: str) -> str:
    """A header cell as it is compared."""
    return re.sub(r"[\s-]+", "_", cell.strip().lstrip("#").strip().casefold())


class Columns:
    """Which column of a header holds what; numbers of columns, or None."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = header
        self.keys = [key_of(cell) for cell in header]
        self._used: set[int] = set()

    def find(self, names: Iterable[str]) -> int | None:
        """The column with the first of ``names`` that the header has."""
        for name in names:
            if name in self.keys:
                column = self.keys.index(name)
                self._used.add(column)
                return column
        return None

    def need(self, *roles: Sequence[str]) -> list[int]:
        """The columns of several roles. Raises :class:`SourceError` for one that is missing."""
        found = []
        for names in roles:
            column = self.find(names)
            if column is None:
                header = ", ".join(cell.strip() for cell in self.header) or "no columns"
                raise SourceError("missing-column", NOWHERE, column=names[0], header=header[:200])
            found.append(column)
        return found

    def others(self) -> list[int]:
        """Columns that nothing was looked for in."""
        return [c for c in range(len(self.keys)) if c not in self._used and self.keys[c]]


# --- recognition ------------------------------------------------------------------------------


class Header(NamedTuple):
    """The columns that tables of a format have: for each, the names that it may go by.

    ``needs`` are columns that must be there, ``lacks`` those that must not; with ``only`` there are
    no others.
    """

    needs: tuple[Sequence[str], ...]
    lacks: tuple[Sequence[str], ...] = ()
    only: bool = False

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a table with this first row may be of the format."""
        keys = {key_of(cell) for cell in header}
        if any(keys.isdisjoint(names) for names in self.needs):
            return False
        if any(not keys.isdisjoint(names) for names in self.lacks):
            return False
        return not self.only or (
            len(header) == len(self.needs) and keys <= set(chain.from_iterable(self.needs))
        )

    def specific(self) -> tuple[int, int]:
        """How much the header asks for: columns of one name first, then columns at all."""
        return sum(len(names) == 1 for names in self.needs), len(self.needs)


_HEADERS: dict[str, Header] = {}


def declare(format: str, *headers: Header) -> None:
    """Say what the tables of a format look like: each format does so in its own file.

    Of several formats whose headers fit a table, the one that asks for most has it.
    """
    for number, header in enumerate(headers):
        _HEADERS[f"{format} {number}"] = header


def recognised(source: SourceFile) -> str:
    """The name of the table format that the file is of, or ``""``."""
    rows = first_rows(source, 1)
    if not rows:
        return ""
    if len(rows[0]) == automl.WIDTH and automl.is_automl(first_rows(source, _HEAD_ROWS) or rows):
        return "csv_automl"
    fitting = {name: header for name, header in _HEADERS.items() if header.fits(rows[0])}
    if fitting:
        return max(fitting, key=lambda name: (fitting[name].specific(), name)).partition(" ")[0]
    rows = first_rows(source, _HEAD_ROWS) or rows
    if is_one_hot(rows):
        return "roboflow_classes_csv"
    keys = {key_of(cell) for cell in rows[0]}
    if keys & set(FILE) and keys & set(LABEL) and not keys & _COORDINATES:
        return "csv_classification"
    # most rows are enough: the others are faults, to be told by the reader
    if is_retinanet(rows[0]) and 2 * sum(map(is_retinanet, rows)) > len(rows):
        return "retinanet_csv"
    return ""


def is_one_hot(rows: Sequence[Sequence[str]]) -> bool:
    """Whether there is a file column, and 0 or 1 in every other column of most rows."""
    header, *others = rows
    if len(header) < 2 or key_of(header[0]) not in FILE or not others:
        return False
    keys = [key_of(cell) for cell in header[1:]]
    if any(map(_NO_CLASS.fullmatch, keys)) or (len(keys) == 1 and keys[0] in LABEL):
        return False
    good = sum(
        len(row) == len(header) and all(cell.strip() in _BITS for cell in row[1:]) for row in others
    )
    return 2 * good > len(others)


_NO_CLASS = re.compile(
    r"(?:.*_)?(?:id|index|idx|target|score|confidence|probability|age|count|num|number|split"
    r"|fold|year|size)"
)
"""Columns that hold something else than whether a class is there."""
_BITS = {"0", "1", "0.0", "1.0"}


def is_retinanet(row: Sequence[str]) -> bool:
    """Whether the row is ``path,x1,y1,x2,y2,class``, with numbers or five empty cells."""
    if len(row) != 6 or not row[0].strip() or _NUMBER.fullmatch(row[0]):
        return False
    if not any(cell.strip() for cell in row[1:]):
        return True
    return all(_NUMBER.fullmatch(cell.casefold()) for cell in row[1:5])


# --- reading ----------------------------------------------------------------------------------


class Unit:
    """Whether a table's numbers are fractions, and the value that says they are not."""

    def __init__(self, normalized: bool, value: str = "", line: int = 0) -> None:
        self.normalized = normalized
        self.value = value
        self.line = line
        self._small = 0
        self._first = 0

    def look(self, xmax: float, ymax: float, line: int) -> None:
        """Note a box of a file in pixels that looks like fractions."""
        if xmax <= 1.0 and ymax <= 1.0 and not (xmax.is_integer() and ymax.is_integer()):
            self._small += 1
            self._first = self._first or line

    def tell(self, rows: RowSink) -> None:
        """Remark on boxes that look like fractions in a file of pixels."""
        if self._small and self.value:
            rows.problem(
                "mixed-units",
                Location(self._first),
                count=self._small,
                value=self.value,
                line=self.line,
            )


def unit_of(table: Table, columns: Sequence[int]) -> Unit:
    """Whether the numbers in ``columns`` are fractions or pixels, decided for the whole table.

    A value above 2 settles it: pixels, and reading ahead stops there. Fractions are values up to
    1, at least one of them written with decimals; integers alone are pixels. A file whose
    values have decimals and of which the largest lies between 1 and 2 holds fractions, of which
    some are out of bounds: were it pixels, each of its boxes would lie within two pixels of
    the corner, and reading it so would store all of them there without a word.
    """
    decimals = False
    for cells in table.records():
        for column in columns:
            try:
                text = cells[column]
                value = table.number(text)
            except (ValueError, IndexError):
                continue
            if value > ABOVE_FRACTIONS and value != float("inf"):
                return Unit(False, text.strip(), table.line)
            decimals = decimals or not text.strip().lstrip("+-").isdigit()
    return Unit(decimals)


def read_boxes(source: SourceFile, rows: RowSink, *, lengths: bool, sizes: bool = False) -> None:
    """Read a table of boxes: two corners, or (``lengths``) one and the box's size.

    With ``sizes``, the columns ``width`` and ``height`` are those of the image.
    """
    from annotary.formats.kit.columns import chosen, label_column

    table = Table(source)
    columns = Columns(table.header)
    asked = rows.options
    given_tag = getattr(asked, "tag", "")
    (name_at,) = columns.need(chosen(asked, "file", FILE))
    roles = _LENGTHS if lengths else _CORNERS
    box_at = columns.need(*(chosen(asked, role, names) for role, names in roles))
    label_at = label_column(columns, rows)
    size_at = columns.need(WIDTH, HEIGHT) if sizes else []
    others = columns.others()
    unit = unit_of(table, box_at)
    rows.normalized = unit.normalized
    a, b, c, d = box_at
    number = table.number if table.decimal_comma else float
    image_of, tag_of = _Known(), _Known()
    stated: dict[str, tuple[int, int]] = {}
    for cells in table.records(rows):
        line = table.line
        name = cells[name_at]
        label = (cells[label_at] if label_at is not None else "") or given_tag
        if not name or not label:
            if name and not any(cells[i].strip() for i in box_at):
                rows.image(name, *image_size(table, cells, size_at), at=line)
                continue
            missing = label_at if name and label_at is not None else name_at
            rows.reject(
                "missing-key", table.place(missing), key=table.header[missing].strip(), record="row"
            )
            continue
        try:
            x, y, p, q = number(cells[a]), number(cells[b]), number(cells[c]), number(cells[d])
        except ValueError:
            table.numbers(rows, cells, box_at)
            continue
        image = image_of.get(name)
        if image is None:
            width, height = image_size(table, cells, size_at)
            image = image_of[name] = rows.image(name, width, height, line)
            stated[name] = width, height
        elif size_at and not _same_size(table, rows, cells, size_at, stated[name]):
            continue
        tag = tag_of.get(label)
        if tag is None:
            tag = tag_of[label] = rows.tag(label)
        if lengths:
            p, q = x + p, y + q
        if not unit.normalized:
            unit.look(p, q, line)
        extra = extra_of(table, cells, others) if others else None
        rows.rectangle(image, tag, x, y, p, q, line, extra)
    unit.tell(rows)


_CORNERS = (("xmin", XMIN), ("ymin", YMIN), ("xmax", XMAX), ("ymax", YMAX))
_LENGTHS = (("xmin", X), ("ymin", Y), ("width", WIDTH), ("height", HEIGHT))


def four(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Four numbers of a list."""
    a, b, c, d = values
    return a, b, c, d


class _Known(dict[str, int]):
    """Numbers of names that were seen."""


def image_size(table: Table, cells: Sequence[str], columns: Sequence[int]) -> tuple[int, int]:
    """Width and height as a row states them; (0, 0) where it does not."""
    try:
        width, height = (int(table.number(cells[column])) for column in columns)
    except (ValueError, OverflowError):
        return 0, 0
    return (width, height) if 0 < width < 2**31 and 0 < height < 2**31 else (0, 0)


def _same_size(
    table: Table,
    rows: RowSink,
    cells: Sequence[str],
    columns: Sequence[int],
    first: tuple[int, int],
) -> bool:
    size = image_size(table, cells, columns)
    if size in (first, (0, 0)):
        return True
    rows.reject(
        "wrong-type",
        table.place(columns[0]),
        key="The image's size",
        detail=f"it is {size[0]} x {size[1]} here and {first[0]} x {first[1]} in an earlier row",
        expected="the same in every row of an image",
    )
    return False


def extra_of(table: Table, cells: Sequence[str], columns: Sequence[int]) -> Extra | None:
    """The cells of columns that the format does not know, by the header's names."""
    properties = {table.header[c].strip(): value(cells[c]) for c in columns if cells[c].strip()}
    return Extra(properties=properties) if properties else None


def value(text: str) -> str | int | float:
    """A number where the text is just how that number is written, else the text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text and text[-1].isdigit():  # neither nan nor inf
            return number
    return text


# --- writing ----------------------------------------------------------------------------------


def box_rows(
    part: Part,
    names: Sequence[str],
    classes: Sequence[str],
    *,
    normalized: bool,
    lengths: bool = False,
) -> Iterator[tuple[AnnotationBatch, list[str], list[str], list[str]]]:
    """(batch, image cells, box cells, class cells) of every batch, one text per row.

    ``names`` and ``classes`` are already quoted; a box is four numbers with commas between.
    """
    from annotary.geometry.arrays import extent_lengths

    for batch in part.batches():
        if not len(batch):
            continue
        boxes = batch.coords[batch.start[0] : batch.start[-1]].reshape(-1, 4)
        if lengths:
            boxes = boxes.copy()
            boxes[:, 2] = extent_lengths(boxes[:, 0], boxes[:, 2])
            boxes[:, 3] = extent_lengths(boxes[:, 1], boxes[:, 3])
        texts = shortest(boxes.ravel(), point=normalized)
        joined = [",".join(texts[i : i + 4]) for i in range(0, len(texts), 4)]
        images = [names[i] for i in batch.image.tolist()]
        labels = [classes[i] for i in batch.tag.tolist()]
        yield batch, images, joined, labels


def write_boxes(
    data: Dataset, out: Output, header: str, *, lengths: bool = False, always_quote: bool = False
) -> None:
    """Write ``<part>.csv`` with the columns file, four numbers, class."""
    quote = _in_quotes if always_quote else quoted
    classes = [quote(name) for name in data.names]
    for part in data.parts:
        names = [quote(name) for name in part.images.names]
        with out.file(f"{part.name}.csv") as file:
            file.write(f"{header}\n".encode())
            for _, *columns in box_rows(
                part, names, classes, normalized=data.normalized, lengths=lengths
            ):
                file.write(lines(map(",".join, zip(*columns, strict=True))))


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def lines(texts: Iterable[str]) -> bytes:
    """Texts as the bytes of as many lines."""
    joined = "\n".join(texts)
    return (joined + "\n").encode() if joined else b""


def quoted_all(texts: Iterable[str]) -> list[str]:
    """Every text as a cell."""
    return [quoted(text) for text in texts]
