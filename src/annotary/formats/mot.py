"""MOT Challenge: the boxes of a sequence of frames in one table, with the track of each.

Source: https://arxiv.org/abs/1906.04567 (MOT19), section "Annotation and submission format", and
https://motchallenge.net/instructions/.

What it looks like
------------------

``MOT-X/gt/gt.txt`` beside ``MOT-X/seqinfo.ini`` and the frames ``MOT-X/img1/000001.jpg``::

    1,1,100,100,50,80,1,1,0.8

``frame,id,left,top,width,height,conf,class,visibility``: frames count from 1, pixels. In
ground truth ``conf`` is 1 where the object is to be considered and ``class`` one of 13; in results
(``det.txt``) it is a confidence, and three fields of -1 follow.

Read
----

Each row is a rectangle on its frame, the image ``<sequence>/<imDir>/<six digits><imExt>`` of the
size that ``seqinfo.ini`` states; without that file ``img1`` and ``.jpg`` are taken. ``id`` becomes
the property ``track_id``, ``visibility`` a property where it is not 1, ``conf`` the property
``ignored`` in ground truth where it is 0, and ``score`` in results. Left and top are taken as they
stand, as other readers do, though the paper counts pixels from 1. Boxes that reach beyond the
image, which the annotators were told to draw, are told as such.

Written: not.
"""

from __future__ import annotations

import configparser
import re
from typing import ClassVar

from annotary.batch import Extra
from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.syntax.source import FileSet, SourceFile

CLASSES = (
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
    "crowd",
)
SEQUENCE = "mot-sequence"
_ROW = re.compile(rb"\s*\d+\s*(?:,\s*[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?\s*){5,9}")
_FIELDS = ("frame", "id", "left", "top", "width", "height", "conf", "class", "visibility", "z")
_LOOKED_AT = 8


class Mot(Format):
    """Tables of the MOT Challenge."""

    name = "mot"
    title = "MOT Challenge"
    extensions = (".txt", ".ini")
    reads = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    header_lines = 0

    def companion(self, source: SourceFile) -> str | None:
        named = source.basename.lower() == "seqinfo.ini"
        return SEQUENCE if named and b"[Sequence]" in source.head else None

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        if source.basename.lower() not in ("gt.txt", "det.txt"):
            return False
        lines = [line.strip() for line in source.head.split(b"\n")[:_LOOKED_AT] if line.strip()]
        return sum(_ROW.fullmatch(line) is not None for line in lines) * 2 > len(lines)

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.normalized = False
        about = _Sequence(source, files)
        detections = source.basename.lower() == "det.txt"
        for at, line in source.lines():
            if not line.strip():
                continue
            cells = [cell.strip() for cell in line.split(",")]
            if not 6 <= len(cells) <= 10:
                rows.reject(
                    "value-count", at, key="The line", count=len(cells), expected="6 to 10",
                    advice="Write frame,id,left,top,width,height,conf,class,visibility.",
                )  # fmt: skip
                continue
            values: list[float] = []
            for name, cell in zip(_FIELDS, cells, strict=False):
                try:
                    values.append(float(cell))
                except ValueError:
                    rows.reject("not-a-number", at, value=cell, key=name)
                    break
            if len(values) < len(cells):
                continue
            number = 1 if detections or len(values) < 8 else values[7]
            if not (float(number).is_integer() and 1 <= number <= len(CLASSES)):
                rows.reject(
                    "unknown-category", at, word="class number", id=cells[7],
                    where=f" in the list of {len(CLASSES)} classes", advice="Mend the number.",
                )  # fmt: skip
                continue
            image = rows.image(about.frame(values[0]), about.width, about.height, at)
            left, top, width, height = values[2:6]
            tag = rows.tag(CLASSES[int(number) - 1])
            extra = _extra(values, detections)
            rows.rectangle(image, tag, left, top, left + width, top + height, at, extra)


class _Sequence:
    """What is known of a sequence: its name, its size, and how its frames are called."""

    def __init__(self, source: SourceFile, files: FileSet) -> None:
        # the table stands in gt/ or det/ of the sequence's folder
        self._place = source.folder.rpartition("/")[0]
        self._folder, self._ending = "img1", ".jpg"
        self.width = self.height = 0
        beside = f"{self._place}/seqinfo.ini".lstrip("/")
        for each in files.companions.get(SEQUENCE, []):
            if each.name == beside:
                self._read(each)

    def _read(self, source: SourceFile) -> None:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(bytes(source.buffer).decode("utf-8-sig", "replace"))
            found = parser["Sequence"]
            self._folder = found.get("imDir", self._folder).strip("/")
            self._ending = found.get("imExt", self._ending)
            self.width, self.height = found.getint("imWidth", 0), found.getint("imHeight", 0)
        except (configparser.Error, KeyError, ValueError):
            self.width = self.height = 0

    def frame(self, number: float) -> str:
        """The name of a frame's image."""
        text = f"{int(number):06d}" if number.is_integer() else repr(number)
        return "/".join(part for part in (self._place, self._folder, text + self._ending) if part)


def _extra(values: list[float], detections: bool) -> Extra | None:
    said: dict[str, object] = {}
    if values[1] >= 0:
        said["track_id"] = int(values[1]) if values[1].is_integer() else values[1]
    if len(values) > 6:
        if detections:
            said["score"] = values[6]
        elif values[6] == 0:
            said["ignored"] = True
    if len(values) == 9 and not detections and values[8] != 1:
        said["visibility"] = values[8]
    return Extra(properties=said) if said else None


FORMAT = Mot()
