"""VoTT CSV: what Microsoft's Visual Object Tagging Tool exports as CSV.

    "image","xmin","ymin","xmax","ymax","label"
    "image.png",40.0,20.0,120.0,100.0,"dog"

**Source.** microsoft/VoTT, ``src/providers/export/csv.ts``: one row per region and tag, the
region's bounding box in pixels, text in quotes.

**Read** by :mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`.

**Written.** Rectangles, exactly. VoTT knows pixels alone; fractions are written when asked for.
**Lost:** as in ``csv_fourcorner``.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.formats.kit import tables


class CsvVott(Format):
    """See the module."""

    name = "csv_vott"
    title = "VoTT CSV"
    extensions = (".csv",)
    writes = True
    read_by = "csv_fourcorner"
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        empty_images=False,
        classes=False,
    )

    def write(self, data: Dataset, out: Output) -> None:
        header = '"image","xmin","ymin","xmax","ymax","label"'
        tables.write_boxes(data, out, header, always_quote=True)


FORMAT = CsvVott()
