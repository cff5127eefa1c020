"""What ``dota`` has: ``<part>/images`` beside ``<part>/labelTxt``, as the data set itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from annotary.writing.layouts.layout import Layout
from annotary.writing.layouts.ultralytics import findable


class Dota(Layout):
    """See the module."""

    name = "dota-plain"
    formats: ClassVar[tuple[str, ...]] = ("dota",)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names without a folder ``images``, which readers take for that of the labels."""
        return findable(names)

    def folders(self, parts: Sequence[str]) -> list[str]:
        """The folders beside those of the labels."""
        return [f"{part}/images" for part in parts]


LAYOUT = Dota()
