"""What is in a folder: annotation files, or images. Links are followed, each folder once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from annotary import formats
from annotary.syntax.image import EXTENSIONS


def annotation_files(folder: Path) -> Iterator[Path]:
    """The files of a folder, and of those below it, that some format may read; sorted."""
    return _files(folder, tuple(formats.extensions()), hidden=True)


def images(folder: Path) -> Iterator[Path]:
    """The images of a folder and of those below it, by their endings; sorted."""
    return _files(folder, tuple(EXTENSIONS), hidden=False)


def _files(folder: Path, endings: tuple[str, ...], *, hidden: bool) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for root, below, names in os.walk(folder, followlinks=True):
        place = Path(root).stat()
        if (place.st_dev, place.st_ino) in seen:
            warnings.warn(f"{root} is linked twice and was read once.", stacklevel=3)
            below[:] = []
            continue
        seen.add((place.st_dev, place.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(endings) and (hidden or not name.startswith(".")):
                yield Path(root, name)
