"""The images that files may refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from annotary.matching import Match


class ImageBook(Protocol):
    """The images that files may refer to.

    A book that has images may answer with ``present(names)`` which names are exactly theirs; then
    the place of a file decides between images of one name.
    """

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """What each name means; ``sizes`` (width, height) are the file's own, 0 if not stated."""

    def suggest(self, name: str) -> str:
        """Advice on a name that means nothing: near names, if any."""
