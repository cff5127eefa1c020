"""What the source says of parts: folders and files called train, valid or test, and ImageSets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from annotary.syntax.source import SourceFile

WORDS = frozenset(
    ["train", "training", "val", "valid", "validation", "validate", "test", "testing"]
)
_IN_STEM = re.compile(r"(?:^|[_.-])(train|valid|validation|val|test)(?:\d{4})?(?:$|[_.-])", re.I)


def part_of(name: str) -> str:
    """The part that a path names: its nearest folder called so, else its file; ``""`` for none."""
    *folders, base = name.replace("\\", "/").split("/")
    for folder in reversed(folders):
        if folder.lower() in WORDS:
            return folder.lower()
        if (found := re.fullmatch(r"(train|val|test)\d{4}", folder, re.I)) is not None:
            return found[1].lower()
    stem = base.rpartition(".")[0] or base
    match = _IN_STEM.search(stem)
    return match[1].lower() if match else ""


def part_of_image(name: str) -> str:
    """The part that the folders of an image's name tell; its own name tells nothing."""
    return part_of(name.rpartition("/")[0] + "/x") if "/" in name else ""


def image_sets(files: Sequence[SourceFile]) -> dict[str, str]:
    """The part of every image that ``ImageSets/Main/<part>.txt`` lists, by its stem."""
    found: dict[str, str] = {}
    for each in files:
        part = each.stem.lower()
        if part not in WORDS:
            continue  # a class's own list, or trainval, which says less
        for line in bytes(each.buffer).decode("utf-8", "replace").splitlines():
            if line.strip():
                found.setdefault(line.split()[0], part)
    return found
