"""The images of an export: found and looked at."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from annotary.syntax.image import is_whole
from annotary.writing.losses import Losses


class Pictures(Protocol):
    """Whoever has the images of an export."""

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        """The file of an image as long as the context is open; None where there is none."""


class UnreadableImageError(Exception):
    """An image that should be there is not, or its bytes are not those that were kept."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """``missing`` or ``damaged``."""


def state(path: Path | None) -> str:
    """``""`` for a file that can be written as it is, else the code of the loss."""
    if path is None:
        return "images-missing"
    try:
        return "" if is_whole(path) else "images-damaged"
    except OSError:
        return "images-missing"


def look(pictures: Pictures, image: int, losses: Losses) -> None:
    """Count what keeps an image from being written."""
    try:
        with pictures.picture(image) as path:
            found = state(path)
    except UnreadableImageError as error:
        found = f"images-{error.kind}"
    if found:
        losses.add(found, 1)
