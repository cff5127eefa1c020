"""The colour of each class: once for drawings, reports and pages.

The first colours are as far apart as possible for every kind of colour vision: the least OKLab
distance among the first eight, as deuteranopes see them, is 0.091. More than twenty cannot be told
apart by anybody: later tags are grey until they get a colour of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

PALETTE = (
    "#fe7a67", "#058dfa", "#61fdf7", "#fbe405", "#cfa4fd", "#c958c2", "#14c2ab", "#f4ab00",
    "#65a01f", "#2ae78e", "#e54d7a", "#a9fb8c", "#e07ed8", "#9d71e0", "#fdb6d2", "#b980aa",
    "#c0dd53", "#8ddafc", "#18bc71", "#f68ca4",
)  # fmt: skip
OTHER = "#a3aab8"
CASING = (6, 8, 16, 153)
"""Red, green, blue, opacity (0..255) of what stands under each line, twice as wide."""
INK = "#0b0a0e"
"""Text on a class colour."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class _Tag(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def color(self) -> str | None: ...


def colour(index: int, own: str | None = None) -> str:
    """``#rrggbb`` of a tag by its place in the project's list; its ``own`` colour goes first.

    A colour that is not ``#rrggbb`` is not used.
    """
    if own is not None and _COLOUR.fullmatch(own):
        return own.lower()
    return PALETTE[index] if 0 <= index < len(PALETTE) else OTHER


def of_tags(tags: Iterable[_Tag]) -> dict[str, str]:
    """The colour of each tag, by name."""
    return {tag.name: colour(tag.index, tag.color) for tag in tags}
