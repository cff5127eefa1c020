"""YOLO Keras / PyTorch: one line per image with all its boxes, and a class list.

Source: the README of https://github.com/qqwweee/keras-yolo3; Roboflow writes the same as
``_annotations.txt`` with ``_classes.txt``.

What it looks like
------------------

::

    image.png 40,20,120,100,1
    empty.png

that is the image's path, then ``x_min,y_min,x_max,y_max,class`` for each box: pixels from the
top-left corner, the class a line number of ``classes.txt`` from 0. A path alone is an image
without objects.

Written
-------

``<part>.txt`` and ``classes.txt``. In pixels whole numbers are written without a decimal point
and all others in full: trainers that call ``int()`` want rounded boxes, which would not be these.
As fractions on request, which such trainers cannot read at all. Polygons and masks are written as
their boxes; keypoints, classes of whole images, attributes and flags are left out, counted and
said.

Read
----

Boxes are taken from the right, so that a path may hold spaces; where the path has a usual ending,
what follows must be boxes, and each faulty one is told with line and column. All values
between 0 and 1 and at least one with a decimal point: the file is in fractions; else it is in
pixels. A sixth value of a box is a confidence, kept as the property ``score``. The class list is
found as by ``yolo_darknet``. Tolerated: a byte order mark, CRLF, tabs, blank lines, classes
written ``1.0``.
"""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit.label_lines import label_text
from annotary.formats.kit.tables import recognised
from annotary.formats.yolo_darknet.classes import class_list, companion_kind
from annotary.formats.yolo_darknet.write import class_lines, row_boxes
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile

NAMES = ("x_min", "y_min", "x_max", "y_max", "the class number", "the confidence")
SAMPLE_LINES = 200
TOLERANCE = 1e-6

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"{_NUMBER}(?:,{_NUMBER}){{4,5}}")
_LINE = re.compile(rf"\S.*?[ \t]+{_NUMBER}(?:,{_NUMBER}){{4,5}}\s*".encode())
_LIKE_BOX = re.compile(r"[-+.\dnNiI][^\s/\\,]*(?:,[^\s/\\,]*)+")
_IMAGE_END = re.compile(
    r"\.(?:jpe?g|png|bmp|tiff?|webp|gif|mpo|dng|pfm|heic|avif|jp2)(?=\s|$)", re.I
)
_TOKEN = re.compile(r"\S+")


class YoloKerasPytorch(Format):
    """One line per image."""

    name = "yolo_keras_pytorch"
    title = "YOLO Keras / PyTorch"
    family = "yolo"
    extensions = (".txt",)
    reads = True
    writes = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    header_lines = 0
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        class_numbers="dense",
    )

    def companion(self, source: SourceFile) -> str | None:
        return companion_kind(source)

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        head = source.head
        begin = head.lstrip()
        if begin[:1] in b"{[<" or b"," not in begin or b"\0" in begin:
            return False
        if recognised(source):
            return False
        # the first images may be without boxes
        return any(
            _LINE.fullmatch(line) for line in begin.split(b"\n", SAMPLE_LINES)[:SAMPLE_LINES]
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        text, whole = label_text(source)
        rows.normalized = _is_fractions(text)
        rows.id_space = "yolo"
        classes = class_list(source, rows, files)
        tags = classes.declare(rows)
        for at, line in enumerate(text.split("\n"), 1):
            if not line or line.isspace():
                continue
            end = _path_end(line)
            image = rows.image(line[:end].strip(), at=at)
            for found in _TOKEN.finditer(line, end):
                values = found[0].split(",")
                try:
                    xmin, ymin, xmax, ymax = map(float, values[:4])
                    number = classes.number(values[4])
                    extra = _score(values)
                except (ValueError, IndexError):
                    _fault(rows, values, at, found.start() + 1)
                    continue
                tag = tags.get(number)
                if tag is None:
                    place = found.start() + found[0].rindex(values[4]) + 1
                    classes.refuse(rows, number, Location(at, place))
                else:
                    rows.rectangle(image, tag, xmin, ymin, xmax, ymax, at, extra)
        if not whole:
            source.check_utf8()

    def write(self, data: Dataset, out: Output) -> None:
        numbers = data.numbers
        for part in data.parts:
            with out.file(f"{part.name}.txt") as file:
                last: AnnotationBatch | None = None
                texts: list[str] = []
                for image, batch, begin, end in part.by_image():
                    if batch is not None and batch is not last:
                        tags = numbers[batch.tag].tolist()
                        last, texts = batch, _box_texts(batch, tags, whole=not data.normalized)
                    boxes = "".join(texts[begin:end]) if batch is not None else ""
                    file.write(f"{part.images.names[image]}{boxes}\n".encode())
        with out.file("classes.txt") as file:
            file.write(class_lines(data.classes))


def _box_texts(batch: AnnotationBatch, tags: list[int], *, whole: bool) -> list[str]:
    """Every row as a blank and its box; with ``whole``, whole numbers without a point."""
    boxes = row_boxes(batch)
    values = [repr(value) for value in boxes.ravel().tolist()]
    if whole:
        for i in np.flatnonzero(boxes.ravel() % 1 == 0).tolist():
            values[i] = values[i].removesuffix(".0")
    return [f" {','.join(values[4 * i : 4 * i + 4])},{tag}" for i, tag in enumerate(tags)]


def _score(values: list[str]) -> Extra | None:
    if len(values) == 5:
        return None
    if len(values) != 6:
        raise ValueError(values)
    return Extra(properties={"score": float(values[5])})


def _path_end(line: str) -> int:
    """Where an image's path ends and its boxes begin."""
    end = -1
    for found in _IMAGE_END.finditer(line):
        end = found.end()
    if end >= 0:
        return end
    tokens = list(_TOKEN.finditer(line))
    while len(tokens) > 1 and _LIKE_BOX.fullmatch(tokens[-1][0]):
        tokens.pop()
    return tokens[-1].end()


def _is_fractions(text: str) -> bool:
    """Whether all coordinates are fractions; stops at the first that cannot be one."""
    pointed = False
    for line in text.split("\n"):
        for found in _BOX.finditer(line, _path_end(line)) if line.strip() else ():
            values = found[0].split(",")[:4]
            if max(map(float, values)) > 1 + TOLERANCE:
                return False
            pointed = pointed or any("." in value for value in values)
    return pointed


def _fault(rows: RowSink, values: list[str], at: int, column: int) -> None:
    """Reject a box for the first thing that is wrong with it."""
    if len(values) not in (5, 6):
        rows.reject(
            "value-count",
            Location(at, column),
            key=f"The box {','.join(values)[:80]!r}",
            count=len(values),
            expected="5 (x_min,y_min,x_max,y_max,class), or 6 with a confidence",
            advice="Separate boxes by a space, and the values of a box by commas without spaces.",
        )
        return
    for value, name in zip(values, NAMES, strict=False):
        try:
            number = float(value)
        except ValueError:
            rows.reject("not-a-number", Location(at, column), value=value, key=name)
            return
        if name == NAMES[4] and not number.is_integer():
            rows.reject(
                "wrong-type",
                Location(at, column),
                key="The class number",
                detail=f"it is {value}",
                expected="a whole number from 0",
            )
            return
        column += len(value) + 1


FORMAT = YoloKerasPytorch()
