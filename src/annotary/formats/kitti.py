"""KITTI object labels: one text file per image, one line of 15 fields per object.

Source: the development kit of http://www.cvlibs.net/datasets/kitti/eval_object.php.

What it looks like
------------------

``label_2/000000.txt`` beside ``image_2/000000.png``::

    dog 0.0 0 -10 40 20 120 100 -1 -1 -1 -1000 -1000 -1000 -10

============  ====================================================================  =========
field         meaning                                                               not known
============  ====================================================================  =========
type          the class's name, without spaces
truncated     share of the object that is outside the image, 0 to 1; -1 in DontCare  0
occluded      0 visible, 1 partly, 2 largely, 3 unknown; -1 in DontCare              0
alpha         angle under which it is seen, radians                                 -10
left top right bottom  the box in pixels from the top-left corner
height width length    of the object in metres                                      -1 -1 -1
x y z         its place in the camera's coordinates, metres                         -1000 ...
rotation_y    its turn about the vertical axis, radians                             -10
score         confidence; results only (a sixteenth field)
============  ====================================================================  =========

Edges of the box are taken as continuous: ``right`` is not a pixel that belongs to it.

Written
-------

``<part>/label_2/<image>.txt`` for every image, empty without objects. The properties ``truncated``,
``occluded``, ``alpha``, ``dimensions`` (3 numbers), ``location`` (3), ``rotation_y`` and ``score``
fill their fields; true is 1. Numbers are exact, where KITTI's own have two decimals. A
class's name with white space would break the line: it is written with ``_`` (and a number if that
name is taken), and ``kitti_names.txt`` says what it stands for, a line each: the written name, a
blank, the name (an own addition, read again by this reader). Polygons and masks are written as
their boxes; keypoints, classes of whole images and attributes are left out, counted and said.

Read
----

Fields with the values of "not known" say nothing and are not kept; all others become the
properties above. ``DontCare`` is a class like any other. A type of several words, which some tools
write, is understood where the fields after it are sound. Which image a file belongs to: its own
name without ``.txt``, with the last folder ``label_2`` replaced by ``image_2``. An empty file is
an image without objects. Tolerated: a byte order mark, CRLF, tabs, blank lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit.label_lines import (
    LineKind,
    declare,
    fault,
    image_name,
    is_number,
    label_text,
    looks_like_labels,
)
from annotary.formats.yolo_darknet.write import row_boxes, write_labels
from annotary.syntax.source import FileSet, SourceFile

KITTI_FIELDS = 15
FIELDS = (
    "the type",
    "truncated",
    "occluded",
    "alpha",
    "left",
    "top",
    "right",
    "bottom",
    "height",
    "width",
    "length",
    "x",
    "y",
    "z",
    "rotation_y",
    "score",
)
UNKNOWN_SIZE = [-1.0, -1.0, -1.0]
UNKNOWN_PLACE = [-1000.0, -1000.0, -1000.0]
UNKNOWN_ANGLE = -10.0
PROPERTIES = ("truncated", "occluded", "alpha", "dimensions", "location", "rotation_y", "score")
NAMES_FILE = "kitti_names.txt"
FIELD_COUNT = 15
PLAIN = "0.0 0 -10"
PLAIN_3D = "-1 -1 -1 -1000 -1000 -1000 -10"


class Kitti(Format):
    """KITTI object labels."""

    name = "kitti"
    title = "KITTI"
    extensions = (".txt",)
    reads = True
    writes = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    header_lines = 0
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        properties=frozenset(PROPERTIES),
        classes=False,
        unit="pixels",
        natural="pixels",
    )

    def companion(self, source: SourceFile) -> str | None:
        return "kitti-names" if source.basename.lower() == NAMES_FILE else None

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        found = looks_like_labels(source) == "kitti"
        if found:
            files.read_cache[source.folder, "label-files"] = True
        return found

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        text, whole = label_text(source)
        rows.normalized = False
        image = rows.image(image_name(source.name))
        names = _real_names(source, files)
        for at, line in enumerate(text.split("\n"), 1):
            parts = line.split()
            if not parts:
                continue
            words = _words(parts)
            if len(parts) - words not in (14, 15):
                _wrong_count(rows, at, len(parts))
                continue
            try:
                values = [float(part) for part in parts[words:]]
            except ValueError:
                fault(rows, at, line, FIELDS, first=1)
                continue
            written = parts[0] if words == 1 else " ".join(parts[:words])
            tag = rows.tag(names.get(written, written))
            xmin, ymin, xmax, ymax = values[3:7]
            rows.rectangle(image, tag, xmin, ymin, xmax, ymax, at, _extra(values))
        if not whole:
            source.check_utf8()

    def write(self, data: Dataset, out: Output) -> None:
        names = written_names(data.names)

        def lines(_: Part, batch: AnnotationBatch) -> list[str]:
            return _lines(batch, names)

        write_labels(data, out, lines, lambda part: f"{part.name}/label_2")
        changed = [(a, b) for a, b in zip(names, data.names, strict=True) if a != b]
        if changed:
            with out.file(NAMES_FILE) as file:
                file.write("".join(f"{a} {b}\n" for a, b in changed).encode())


def written_names(names: Sequence[str]) -> list[str]:
    """The names as single words, all different; those that are words already stay."""
    taken = {name for name in names if len(name.split()) == 1 and name == name.strip()}
    written = []
    for name in names:
        word, n = name, 2
        if name not in taken:
            word = base = "_".join(name.split()) or "_"
            while word in taken:
                word, n = f"{base}_{n}", n + 1
            taken.add(word)
        written.append(word)
    return written


def _real_names(source: SourceFile, files: FileSet) -> dict[str, str]:
    companion = files.nearest(source, "kitti-names") if files.companions else None
    if companion is None:
        return {}
    key = (companion.name, "kitti-names")
    found = files.read_cache.get(key)
    if found is None:
        pairs = (line.partition(" ") for _, line in companion.lines())
        found = files.read_cache[key] = {word: name for word, _, name in pairs if name}
    assert isinstance(found, dict)
    return found


def _words(parts: list[str]) -> int:
    """How many words a line's type has: one, unless the line makes sense only with more.

    Some tools write names with spaces. To be taken for part of a name, a word must be no number,
    and 14 or 15 numbers with a valid ``occluded`` must follow.
    """
    if len(parts) <= FIELD_COUNT or _number(parts[1]) is not None:
        return 1
    words = next((i for i, part in enumerate(parts) if i and _number(part) is not None), 1)
    numbers = [_number(part) for part in parts[words:]]
    sound = len(numbers) in (14, 15) and None not in numbers and numbers[1] in (-1, 0, 1, 2, 3)
    return words if sound else 1


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _extra(values: list[float]) -> Extra | None:
    """What the fields say beyond the box."""
    if values[:3] == [0.0, 0.0, UNKNOWN_ANGLE] and values[7:] == [
        *UNKNOWN_SIZE,
        *UNKNOWN_PLACE,
        UNKNOWN_ANGLE,
    ]:
        return None
    found: dict[str, Any] = {}
    if values[0]:
        found["truncated"] = values[0]
    if values[1]:
        found["occluded"] = int(values[1]) if values[1].is_integer() else values[1]
    if values[2] != UNKNOWN_ANGLE:
        found["alpha"] = values[2]
    if values[7:10] != UNKNOWN_SIZE:
        found["dimensions"] = values[7:10]
    if values[10:13] != UNKNOWN_PLACE:
        found["location"] = values[10:13]
    if values[13] != UNKNOWN_ANGLE:
        found["rotation_y"] = values[13]
    if len(values) > 14:
        found["score"] = values[14]
    return Extra(properties=found) if found else None


def _wrong_count(rows: RowSink, at: int, count: int) -> None:
    rows.reject(
        "value-count",
        at,
        key="The line",
        count=count,
        expected="15 (type truncated occluded alpha left top right bottom, 3 sizes, "
        "3 coordinates, rotation_y), or 16 with a score",
        advice="Write what is not known as 0 0 -10 in front of the box and "
        "-1 -1 -1 -1000 -1000 -1000 -10 after it; the type is one word.",
    )


def _lines(batch: AnnotationBatch, names: Sequence[str]) -> list[str]:
    lines = []
    values = [_short(value) for value in row_boxes(batch).ravel().tolist()]
    for row, tag in enumerate(batch.tag.tolist()):
        before, after = PLAIN, PLAIN_3D
        extra = batch.extras.get(row)
        if extra is not None and extra.properties:
            before, after = _fields(extra.properties)
        box = " ".join(values[4 * row : 4 * row + 4])
        lines.append(f"{names[tag]} {before} {box} {after}\n")
    return lines


def _short(value: float) -> str:
    return repr(value).removesuffix(".0")


def _fields(properties: dict[str, Any]) -> tuple[str, str]:
    """The fields in front of the box and behind it."""

    def number(key: str, default: str) -> str:
        value = properties.get(key)
        if isinstance(value, bool):
            return str(int(value))
        return repr(value) if isinstance(value, (int, float)) else default

    def three(key: str, default: str) -> str:
        value = properties.get(key)
        if isinstance(value, (list, tuple)) and len(value) == 3:
            return " ".join(repr(float(v)) for v in value)
        return default

    before = f"{number('truncated', '0.0')} {number('occluded', '0')} {number('alpha', '-10')}"
    after = (
        f"{three('dimensions', '-1 -1 -1')} {three('location', '-1000 -1000 -1000')} "
        f"{number('rotation_y', '-10')}"
    )
    score = number("score", "")
    return before, f"{after} {score}" if score else after


def _looks(parts: list[bytes]) -> bool | None:
    """Whether a line is of KITTI (True), nearly (False), or not at all (None)."""
    count = len(parts)
    numeric = [is_number(part) for part in parts]
    if count >= KITTI_FIELDS and all(numeric[1 - KITTI_FIELDS :]):
        # a class may be called 1: then the box in pixels and the unknown sizes tell
        fields = [float(part) for part in parts[1 - KITTI_FIELDS :]]
        if not numeric[0] or (count <= KITTI_FIELDS + 1 and max(map(abs, fields)) > 2):
            return True
    # or one but for a value or two
    nearly = abs(count - KITTI_FIELDS) <= 3 and sum(numeric[1:]) >= 9
    return False if nearly and not numeric[0] else None


declare(LineKind("kitti", KITTI_FIELDS, _looks, re.compile(r"(?:^|/)label_\d/[^/]*$")))

FORMAT = Kitti()
