"""JSON lines of chat messages with masks' outlines as location tokens. An own definition.

Rows and tokens are those of
:mod:`box_openai_positional_encoding <annotary.formats.box_openai_positional_encoding>`; the
question begins with ``segment``, and the answer has for each object its points, y before x, not
closed, and the class::

    <loc0102><loc0102><loc0512><loc0102><loc0512><loc0307><loc0102><loc0307> dog

Several rings of one object are divided by `` | ``. (PaliGemma's own ``<seg...>`` tokens need a
trained model.)

**Written.** ``<part>.jsonl``. Masks become their outlines along the edges of their pixels,
polygons stay, rectangles become their four corners; holes, keypoints, classes of images,
attributes and properties are left out. A ring that the 1024 steps would make a line becomes its
box. Options as in ``box_openai_positional_encoding``, which reads these files too.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.kit.location_tokens import DECIMALS, Options, write_rows


class BitmaskPositional(Format):
    """See the module."""

    name = "bitmask_openai_positional_encoding"
    title = "JSON lines, masks' outlines as location tokens"
    writes = True
    read_by = "box_openai_positional_encoding"
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Polygon",
        polygon="Polygon",
        bitmask="Polygon",
        parts=True,
        unit="normalized",
        natural="normalized",
        decimals=DECIMALS,
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def write(self, data: Dataset, out: Output) -> None:
        write_rows(data, out, "segment", boxes=False)


FORMAT = BitmaskPositional()
