"""YOLO label files: one text file per image, one line per object, and a class list.

Source: the README of https://github.com/AlexeyAB/darknet ("How to train"); for the longer
lines https://docs.ultralytics.com/datasets/ (detect, segment, pose, obb).

What it looks like
------------------

``dump/image.png`` of the class list ``boat``, ``dog`` has its objects in ``dump/image.txt``::

    1 0.2 0.3 0.2 0.4

that is ``class x_centre y_centre width height``: the class is a line number of ``classes.txt``
from 0, the others are fractions of the image's width and height. An empty file is an image
without objects.

Written
-------

``<part>/<image>.txt`` for every image, and ``classes.txt``. Polygons and masks are written as
their boxes; keypoints, classes of whole images, attributes and flags are left out, counted and
said. Numbers are the shortest that read back as the same floats. No line decodes outside the
image, in float64 or float32, and it decodes to the very box wherever two floats can say so.

Read
----

This reader reads the label files of all YOLO formats; a line says by its number of values what
it is:

====================  =====================================================================
values                taken for
====================  =====================================================================
5                     class and box
6                     class, box, confidence (kept as the property ``score``)
5 + K * 2, 5 + K * 3  class, box and K keypoints, where ``data.yaml`` states ``kpt_shape``
even, from 8          class, box and keypoints, where every third value is a visibility of 0, 1
                      or 2; else class, polygon, confidence
odd, from 7           class and polygon (an oriented box is a polygon of four points)
====================  =====================================================================

A pose line whose keypoints all have visibility 0 is a box. Keypoints without visibilities are
visible, but for those at 0, 0, which are not labelled. Visibilities between 0 and 1, as a trained
model writes them, are confidences: kept as the property ``keypoint_scores``, those above 0 visible.
One more value than ``kpt_shape`` asks for is the object's confidence.

Which image a file belongs to: its own name without ``.txt``, with the last folder ``labels``
replaced by ``images``. Class names come from the nearest of ``classes.txt``, ``obj.names`` (any
``*.names``), ``_darknet.labels`` and ``data.yaml``; ``obj.data`` may say which. Without any,
class numbers are the project's tags in their order, and a warning says so.

Tolerated: a byte order mark, CRLF, tabs, blank lines and blanks at either end, classes written
``1.0``. Every faulty line is told with its number and column, and the next one is read.

Not to be seen from a line: some tools write the top-left corner instead of the centre, pixels
instead of fractions, or the confidence second. Where lines do not fit into the image as they
stand but all would in one of those readings, a warning says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, Part
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit.label_lines import (
    LineKind,
    declare,
    fault,
    has_decimal_comma,
    image_name,
    is_number,
    label_text,
    looks_like_labels,
)
from annotary.formats.kit.turned import ROTATION, turned_box
from annotary.formats.yolo_darknet.classes import DATA, NAMES, ClassList, class_list, companion_kind
from annotary.formats.yolo_darknet.write import (
    box_texts,
    class_lines,
    pose_box,
    row_boxes,
    write_labels,
)
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceError, SourceFile, is_at_or_above

BOX = ("the class number", "x_centre", "y_centre", "width", "height", "the confidence")
COUNTS = (
    "5 (class x_centre y_centre width height), 6 with a confidence, or an odd number from 7 "
    "(class and polygon)"
)
TOLERANCE = 1e-6
_WRITTEN = Extra()
"""In place of what a box has besides: it was written already, or refused."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sixth``: what the sixth value of a box is, its confidence or its angle (clockwise)."""

    sixth: Literal["confidence", "degrees", "radians"] = "confidence"


class YoloDarknet(Format):
    """YOLO text, of which this reader knows all kinds."""

    name = "yolo_darknet"
    title = "YOLO Darknet"
    family = "yolo"
    extensions = (".txt", ".names", ".labels", ".data", ".yaml", ".yml")
    reads = True
    writes = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    header_lines = 0
    ReadOptions = Options
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        class_numbers="dense",
        unit="normalized",
        natural="normalized",
    )

    def companion(self, source: SourceFile) -> str | None:
        return companion_kind(source)

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        found = looks_like_labels(source)
        if found == "empty":
            # whether it stands among label files is known when it is read
            files.read_cache[source.name, "yolo-empty"] = True
        elif found == self.name:
            files.read_cache[source.folder, "label-files"] = True
        return found in (self.name, "empty")

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        text, whole = label_text(source)
        if not text.strip() and whole and _stray(source, files):
            raise SourceError("empty-file")
        rows.normalized = True
        rows.id_space = "yolo"
        classes = class_list(source, rows, files)
        image = rows.image(image_name(source.name))
        _Lines(image, classes, rows).read(text)
        if not whole:
            source.check_utf8()

    def write(self, data: Dataset, out: Output) -> None:
        write_labels(data, out, box_lines(data), lambda part: part.name)
        with out.file("classes.txt") as file:
            file.write(class_lines(data.classes))


def box_lines(data: Dataset) -> Callable[[Part, AnnotationBatch], list[str]]:
    """Every row as ``class x_centre y_centre width height``."""
    numbers = data.numbers

    def lines(_: Part, batch: AnnotationBatch) -> list[str]:
        tags = numbers[batch.tag].tolist() if len(batch) else []
        texts = box_texts(row_boxes(batch))
        return [f"{tag} {text}\n" for tag, text in zip(tags, texts, strict=True)]

    return lines


def _stray(source: SourceFile, files: FileSet) -> bool:
    """Whether an empty file was taken for a label file with nothing to say that it is one.

    What says so: label files or a class list in its folder, a class list above, the folder's name.
    """
    cache = files.read_cache
    if (source.name, "yolo-empty") not in cache or (source.folder, "label-files") in cache:
        return False
    if set(source.folder.lower().split("/")) & {"labels", "label_2", "obj_train_data"}:
        return False
    lists = [*files.companions.get(NAMES, []), *files.companions.get(DATA, [])]
    return not any(is_at_or_above(each.folder, source.folder) for each in lists)


class _Lines:
    """The lines of one label file on their way into ``rows``."""

    def __init__(self, image: int, classes: ClassList, rows: RowSink) -> None:
        self.image = image
        self.classes = classes
        self.tags = classes.declare(rows)
        self.rows = rows
        self.doubtful: list[tuple[int, float]] = []
        """Lines whose sixth value is no confidence, and that value."""
        self.outside = 0
        """Boxes that leave the image, if only by what a float is short of."""

    def read(self, text: str) -> None:
        tags, numbers = self.tags, self.classes.numbers
        image, rectangle = self.image, self.rows.rectangle
        for at, line in enumerate(text.split("\n"), 1):
            parts = line.split()
            if len(parts) == 5:
                try:
                    tag = tags[numbers[parts[0]]]
                    cx, cy = float(parts[1]), float(parts[2])
                    dx, dy = float(parts[3]) / 2, float(parts[4]) / 2
                except (KeyError, ValueError):
                    self._line(line, parts, at)  # a class not seen before, or a fault
                else:
                    rectangle(image, tag, cx - dx, cy - dy, cx + dx, cy + dy, at)
                    if cx < dx or cy < dy or cx + dx > 1 or cy + dy > 1:
                        self.outside += 1
            elif parts:
                self._line(line, parts, at)
        if self.doubtful:
            self._doubt()
        if self.outside:
            _remark(text, self.rows)

    def _line(self, line: str, parts: list[str], at: int) -> None:
        """One line of any kind."""
        count = len(parts)
        if count < 5:
            self.rows.reject(
                "value-count",
                at,
                key="The line",
                count=count,
                expected=COUNTS,
                advice="Write every object on a line of its own, values separated by spaces.",
            )
            return
        try:
            number = self.classes.number(parts[0])
            values = list(map(float, parts[1:]))
        except ValueError:
            fault(self.rows, at, line, BOX if count <= 6 else BOX[:1], whole=0)
            return
        tag = self.tags.get(number)
        if tag is None:
            self.classes.refuse(self.rows, number, Location(at, line.index(parts[0]) + 1))
        elif count <= 6:
            box = _box(values)
            self.outside += min(box) < 0 or max(box) > 1
            extra = self._sixth(values, tag, at) if count == 6 else None
            if extra is not _WRITTEN:
                self.rows.rectangle(self.image, tag, *box, at, extra)
        else:
            self._shape(values, tag, at, number)

    def _sixth(self, values: list[float], tag: int, at: int) -> Extra | None:
        """What the sixth value makes of a box: a score, or a turned box, which is written here."""
        value = values[4]
        unit = getattr(self.rows.options, "sixth", "confidence")
        if unit == "confidence":
            if 0 <= value <= 1:
                return _score(values[4:])
            self.doubtful.append((at, value))
            return Extra(properties={"sixth": value})
        width, height = self.rows.size_of(self.image)
        if not width or not height:
            name = self.rows.image_names[self.image]
            self.rows.reject("unknown-size", at, name=name)
            return _WRITTEN
        cx, cy, w, h = (v * (width, height)[i % 2] for i, v in enumerate(values[:4]))
        degrees = value if unit == "degrees" else float(np.rad2deg(value))
        ring = [v / (width, height)[i % 2] for i, v in enumerate(turned_box(cx, cy, w, h, degrees))]
        turned = Extra(properties={ROTATION: degrees})
        self.rows.polygon(self.image, tag, [ring], at, turned)
        return _WRITTEN

    def _doubt(self) -> None:
        at, value = self.doubtful[0]
        count = len(self.doubtful)
        self.rows.problem(
            "doubtful-value",
            at,
            what=f"{count:,} {'box has' if count == 1 else 'boxes have'} a sixth value outside"
            f" 0..1 ({value})",
            why="that is no confidence, and may be an angle: class x y w h angle",
            advice="Read it as one with --option sixth=degrees or sixth=radians (options={...} in"
            " the SDK). It was kept as the property 'sixth'.",
        )

    def _shape(self, values: list[float], tag: int, at: int, number: int) -> None:
        """A line of at least six values: a polygon, or a box with keypoints."""
        count, rows = len(values), self.rows
        total, per = 0, 3
        if self.classes.kpt_shape is not None:
            keypoints, per = self.classes.kpt_shape
            total = keypoints * per
        if total and count - 4 - total in (0, 1):
            points, score = values[4 : 4 + total], values[4 + total :]
        elif count % 2 == 0:
            rows.polygon(self.image, tag, [values], at)
            return
        elif (count - 4) % 3 == 0 and set(values[6::3]) <= {0.0, 1.0, 2.0}:
            points, per, score = values[4:], 3, []
        else:
            rows.polygon(self.image, tag, [values[:-1]], at, _score(values[-1:]))
            return
        if per == 2:
            pairs = zip(points[::2], points[1::2], strict=True)
            points = [v for x, y in pairs for v in (x, y, 2.0 if x or y else 0.0)]
        if any(points[2::3]):
            extra = _score(score)
            seen = points[2::3]
            if all(0 <= v <= 1 for v in seen) and not set(seen) <= {0.0, 1.0}:
                extra = extra or Extra(properties={})
                extra.properties = {**(extra.properties or {}), "keypoint_scores": seen}
                points[2::3] = [2.0 if v > 0 else 0.0 for v in seen]
            names = self.classes.kpt_names.get(number)
            if names and len(names) < len(points) // 3 and not any(points[3 * len(names) :]):
                points = points[: 3 * len(names)]
            box: tuple[float, ...] | None = _box(values)
            if np.allclose(pose_box(points), box, rtol=0, atol=1e-12):  # type: ignore[arg-type]
                box = None
            rows.keypoints(self.image, tag, points, at, extra, box=box)
        else:
            rows.rectangle(self.image, tag, *_box(values), at, _score(score))


def _box(values: list[float]) -> tuple[float, float, float, float]:
    cx, cy, w, h = values[:4]
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def _score(values: list[float]) -> Extra | None:
    return Extra(properties={"score": values[0]}) if values else None


# --- other ways to read the same numbers ----------------------------------------------------------


def _remark(text: str, rows: RowSink) -> None:
    """Say so when lines leave the image as they stand, but none would in another reading."""
    lines = []
    for line in text.split("\n"):
        parts = line.split()
        if len(parts) in (5, 6):
            try:
                lines.append([float(part) for part in parts[1:]])
            except ValueError:
                continue
    outside = sum(not _centred(*values[:4]) for values in lines)
    if not outside:
        return
    likely, advice = _other_reading(lines)
    if likely:
        rows.problem(
            "other-reading",
            count=outside,
            total=len(lines),
            expected="class x_centre y_centre width height",
            likely=likely,
            advice=advice,
        )


def _other_reading(lines: list[list[float]]) -> tuple[str, str]:
    """Another reading in which every line fits, and what to do about it; or nothing."""
    scored = all(len(values) == 5 and 0 <= values[0] <= 1 for values in lines)
    first = 1 if scored else 0
    boxes = [values[first : first + 4] for values in lines]
    order = "class confidence" if scored else "class"
    if scored and all(_centred(*box) for box in boxes):
        return (
            "class confidence x_centre y_centre width height",
            "These are detections with the confidence in second place; move it to the end.",
        )
    if all(_cornered(*box) for box in boxes):
        return (
            f"{order} x_min y_min width height",
            "The tool that wrote them gave the top-left corner; add half of the width and height.",
        )
    # one pixel of a whole image may say 1: most values decide
    large = sum(max(box) > 1.5 for box in boxes)
    if large * 2 > len(boxes) and all(min(box) >= 0 for box in boxes):
        return (
            f"{order} and four values in pixels",
            "Divide x and width by the image's width, y and height by its height"
            + (", and put the confidence last." if scored else "."),
        )
    return "", ""


def _centred(cx: float, cy: float, w: float, h: float) -> bool:
    low, high = -TOLERANCE, 1 + TOLERANCE
    return cx - w / 2 >= low and cy - h / 2 >= low and cx + w / 2 <= high and cy + h / 2 <= high


def _cornered(x: float, y: float, w: float, h: float) -> bool:
    low, high = -TOLERANCE, 1 + TOLERANCE
    return x >= low and y >= low and x + w <= high and y + h <= high


def _looks(parts: list[bytes]) -> bool | None:
    """Whether a line is of YOLO (True), may be with a fault (False), or is not (None)."""
    count = len(parts)
    numeric = [is_number(part) for part in parts]
    if count == 1 or not numeric[0]:
        return None
    if all(numeric):
        values = [abs(float(part)) for part in parts[1:]]
        if count <= 6:
            return count >= 5 and max(values) <= 1
        large = sum(value > 2 for value in values)
        return False if large * 4 < count else None
    close = sum(numeric) + sum(map(has_decimal_comma, parts))
    return False if count >= 3 and close * 2 >= count else None


declare(LineKind("yolo_darknet", 5, _looks))

FORMAT = YoloDarknet()
