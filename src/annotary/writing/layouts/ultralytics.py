"""Ultralytics YOLO: ``data.yaml``, ``images/<part>/`` and ``labels/<part>/``.

Source: ``img2label_paths`` of Ultralytics: the label file of an image is found by swapping the
last ``/images/`` of its path for ``/labels/`` and its ending for ``.txt``. An image whose own name
holds a folder ``images`` would never be found so: the dataset's own ``images/<part>/`` is left
out of names, and so is any folder of that name further down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from annotary.contract.dataset import Dataset, Part
from annotary.contract.names import distinct, inside
from annotary.writing.layouts.layout import ROLES, Layout, ending_of, without_ending

_IMAGES = "images"


class Ultralytics(Layout):
    """See the module."""

    name = "ultralytics"
    title = "Ultralytics: data.yaml, images/<part>, labels/<part>"
    formats: ClassVar[tuple[str, ...]] = (
        "yolo_ultralytics",
        "yolo_segment",
        "yolo_pose",
        "yolo_obb",
    )

    def names(self, names: Sequence[str]) -> list[str]:
        """Names without a folder ``images``; see :func:`findable`."""
        return findable(names)

    def places(self, data: Dataset, part: Part) -> list[str]:
        """Beside its labels, under the stem of its label file."""
        stems = data.members(part, "")
        return distinct(
            f"{_IMAGES}/{part.name}/{stem}{ending_of(name)}"
            for stem, name in zip(stems, part.images.names, strict=True)
        )


def findable(names: Sequence[str]) -> list[str]:
    """Names that hold no folder ``images``, ``/`` between folders, and no drive or root.

    ``images/train/a.jpg`` becomes ``a.jpg``. Where two names would become one, both keep the
    folders that tell them apart.
    """
    if not any(_IMAGES in name or "\\" in name or ":" in name for name in names):
        return list(names)
    whole = [_clean(name) for name in names]
    short = [_below(name) for name in whole]
    # names without an ending share a label file: they count as equal, too
    seen = Counter(without_ending(name).casefold() for name in short)
    return distinct(
        near if seen[without_ending(near).casefold()] == 1 or near == far else _renamed(far)
        for near, far in zip(short, whole, strict=True)
    )


def _clean(name: str) -> str:
    path = name.replace("\\", "/")
    drive, colon, rest = path.partition(":/")
    return inside(rest if colon and len(drive) == 1 else path)


def _below(name: str) -> str:
    folders = name.split("/")
    if folders[0] == _IMAGES and len(folders) > 2 and folders[1].lower() in ROLES:
        folders = folders[2:]
    return "/".join([f for f in folders[:-1] if f != _IMAGES] + folders[-1:])


def _renamed(name: str) -> str:
    folders = name.split("/")
    kept = [f for f in folders[:-1] if f != _IMAGES]
    # images/a.jpg beside a.jpg: something must tell them apart
    return "/".join([*(kept or [f"{_IMAGES}_"]), folders[-1]])


LAYOUT = Ultralytics()
