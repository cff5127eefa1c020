"""DOTA labelTxt: one text file per aerial image, one line of four corners and a class per object.

Source: https://captain-whu.github.io/DOTA/dataset.html, "Annotation format".

What it looks like
------------------

``labelTxt/P0001.txt`` beside ``images/P0001.png``, pixels from the top-left corner::

    imagesource:GoogleEarth
    gsd:0.146343590398
    300.0 30.0 340.0 30.0 340.0 50.0 300.0 50.0 large-vehicle 1

``x1 y1 x2 y2 x3 y3 x4 y4 class difficult``: the corners in order, the class, and whether the object
is difficult (0 or 1; 2 in later versions: very). The two lines at the top are of later versions.

Written
-------

``<part>/labelTxt/<image>.txt`` for every image, empty without objects, without the lines at the
top, which not all readers pass over; only where a class is called like a number, an empty
``imagesource:`` tells the files from others. A polygon of four points as it is, a box as its four
corners, any other polygon or mask as the smallest rectangle in any direction around it, clipped to
the image. The property ``difficult`` fills its field; true is 1. Class names stand as they are,
blanks included: readers that split at blanks want names without.

Read
----

Every object is a polygon of four points. A line may lack the last field; a class of several words
is what stands between the corners and it. Which image a file belongs to: its own name without
``.txt``, with the last folder ``labelTxt`` replaced by ``images``. Tolerated: a byte order mark,
CRLF, tabs, blank lines.
"""

from __future__ import annotations

import re
from typing import ClassVar

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
    image_name,
    is_number,
    label_text,
    looks_like_labels,
)
from annotary.formats.kit.numbers import shortest
from annotary.formats.yolo_darknet.write import write_labels
from annotary.formats.yolo_obb import quadrangles
from annotary.syntax.source import FileSet, SourceFile

_HEADER = re.compile(r"(?:imagesource|gsd)\s*:", re.I)
_FOLDER = re.compile(r"(?:^|/)labeltxt/")
_CORNERS = 8
NAMES = ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4")


def _test(parts: list[bytes]) -> bool | None:
    if _HEADER.match(parts[0].decode("utf-8", "replace")):
        return True
    if len(parts) <= _CORNERS:
        return None
    numeric = [is_number(part) for part in parts[: _CORNERS + 1]]
    if all(numeric[:_CORNERS]):
        # a class that is a number makes a line that other formats have, too
        return None if numeric[_CORNERS] else True
    near = sum(numeric[:_CORNERS]) >= _CORNERS - 1 and not numeric[_CORNERS]
    return False if near else None


declare(LineKind("dota", _CORNERS + 1, _test, _FOLDER))


class Dota(Format):
    """DOTA's labelTxt files."""

    name = "dota"
    title = "DOTA labelTxt"
    extensions = (".txt",)
    reads = True
    writes = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    header_lines = 0
    carries = Carries(
        rectangle="Polygon",
        polygon="Polygon",
        bitmask="Polygon",
        properties=frozenset({"difficult"}),
        classes=False,
        unit="pixels",
        decimals="exact for boxes and polygons of four points, other outlines are written as "
        "the smallest rectangle around them",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return looks_like_labels(source) == self.name

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        text, whole = label_text(source)
        rows.normalized = False
        image = rows.image(image_name(source.name))
        for at, line in enumerate(text.split("\n"), 1):
            parts = line.split()
            if not parts or _HEADER.match(line):
                continue
            if len(parts) < 9:
                rows.reject(
                    "value-count", at, key="The line", count=len(parts), expected="9 or 10",
                    advice="Write x1 y1 x2 y2 x3 y3 x4 y4 class difficult.",
                )  # fmt: skip
                continue
            difficult = parts.pop() if len(parts) > 9 and parts[-1] in ("0", "1", "2") else "0"
            try:
                ring = [float(part) for part in parts[:8]]
            except ValueError:
                fault(rows, at, " ".join(parts[:8]), NAMES)
                continue
            extra = Extra(properties={"difficult": int(difficult)}) if difficult != "0" else None
            rows.polygon(image, rows.tag(" ".join(parts[8:])), [ring], at, extra)
        if not whole:
            source.check_utf8()

    def write(self, data: Dataset, out: Output) -> None:
        names = [" ".join(name.split()) for name in data.names]

        def lines(part: Part, batch: AnnotationBatch) -> list[str]:
            sizes = np.column_stack(part.images.sizes(batch.image))
            quads = np.clip(quadrangles(part, batch), 0.0, np.tile(sizes, 4))
            texts = iter(shortest(quads.ravel(), point=True))
            rings = [" ".join(eight) for eight in zip(*[texts] * 8, strict=True)]
            return [
                f"{ring} {names[tag]} {_difficult(batch.extras.get(row))}\n"
                for row, (ring, tag) in enumerate(zip(rings, batch.tag.tolist(), strict=True))
            ]

        if any(is_number(name.encode()) for name in names):
            # without a mark at their top, such files look like others
            out = _Headed(out)
        write_labels(data, out, lines, lambda part: f"{part.name}/labelTxt")


class _Headed:
    """An output whose files with objects begin as DOTA's later versions do."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self.file = out.file

    def put(self, path: str, data: bytes) -> None:
        """Write a file as a whole."""
        self._out.put(path, b"imagesource:\n" + data if data else data)


def _difficult(extra: Extra | None) -> int:
    value = (extra.properties or {}).get("difficult") if extra is not None else None
    return int(value) if isinstance(value, int) and value in (0, 1, 2) else int(bool(value))


FORMAT = Dota()
