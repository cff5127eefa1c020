"""What a layout is: where the files and images of an export lie, as one trainer expects them.

A layout changes no annotation. It names images as the files shall tell them, says where the
format's own files and the images go, and adds the lists that the trainer starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from annotary.contract.dataset import Dataset, Part
from annotary.contract.names import distinct, inside
from annotary.contract.output import Output

TRAIN, VAL, TEST = "train", "val", "test"
ROLES = {
    "dump": TRAIN,
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validate": VAL,
    "validation": VAL,
    "dev": VAL,
    "test": TEST,
    "testing": TEST,
}
"""What a part is for, by the names that people give it."""


def role(part: str) -> str:
    """What a part is for, by its name; a name that says nothing stands for itself."""
    return ROLES.get(part.lower(), part)


class Layout:
    """The layout of a format that no trainer reads from one fixed place.

    Its files lie where the format's page says, images in ``images/<part>``.
    """

    name: ClassVar[str] = "plain"
    title: ClassVar[str] = "The format's own files, and images in images/<part>"
    formats: ClassVar[tuple[str, ...]] = ()
    """The formats that it is for, the usual one first; empty: all."""
    needs_images: ClassVar[bool] = False
    """Whether an export without images would hold nothing of use."""

    def part(self, name: str) -> str:
        """What the part is called in this layout."""
        return name

    def names(self, names: Sequence[str]) -> list[str]:
        """The images' names as the files shall tell them, in the same order."""
        return list(names)

    def member(self, path: str) -> str:
        """Where a file of the format goes."""
        return path

    def folders(self, parts: Sequence[str]) -> list[str]:
        """The folders in which the trainer looks for the images of the parts."""
        return [f"images/{part}" for part in parts]

    def places(self, data: Dataset, part: Part) -> list[str]:
        """Where every image of a part goes."""
        (folder,) = self.folders([part.name])
        return distinct(f"{folder}/{inside(name)}" for name in part.images.names)

    def finish(self, data: Dataset, out: Output) -> None:
        """Write the lists that the trainer starts from, once all parts are written."""


def without_ending(path: str) -> str:
    """A path without the ending of its file."""
    stem, dot, ending = path.rpartition(".")
    return stem if dot and stem and "/" not in ending else path


def ending_of(path: str) -> str:
    """The ending of a file with its dot, ``""`` where it has none."""
    return path[len(without_ending(path)) :]
