"""Several pictures on one: tiles of equal size, each with its name below it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_TILE = (320, 240)
_GAP, _FOOT = 10, 24
_GROUND, _PANEL, _TEXT = "#0c0e14", "#07080c", "#a3aab8"


def sheet(tiles: Sequence[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """A sheet in RGB of named pictures, row by row; whole pictures, never cut."""
    rows = max(1, -(-len(tiles) // columns))
    wide, high = _TILE[0] + _GAP, _TILE[1] + _FOOT + _GAP
    page = Image.new("RGB", (columns * wide + _GAP, rows * high + _GAP), _GROUND)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(12)
    for at, (name, image) in enumerate(tiles):
        x, y = _GAP + at % columns * wide, _GAP + at // columns * high
        pen.rectangle((x, y, x + _TILE[0] - 1, y + _TILE[1] - 1), fill=_PANEL)
        small = image.copy()
        small.thumbnail(_TILE, Image.Resampling.LANCZOS)
        page.paste(small, (x + (_TILE[0] - small.width) // 2, y + (_TILE[1] - small.height) // 2))
        pen.text((x + 2, y + _TILE[1] + 5), _short(name, pen, font), fill=_TEXT, font=font)
    return page


def _short(
    name: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    """The end of a name that is too long: it tells more than the folders before it."""
    if pen.textlength(name, font=font) <= _TILE[0]:
        return name
    while len(name) > 1 and pen.textlength(f"...{name}", font=font) > _TILE[0]:
        name = name[1:]
    return f"...{name}"
