"""A folder per class: ``train/<class>/image.jpg``.

Source: ``torchvision.datasets.ImageFolder``, Ultralytics' classification datasets
(``train``, ``val`` and ``test``) and Hugging Face's ``imagefolder`` all read it. An image lies in
the folder of its first class; the table of the format, which stands at the top, has all of them.
An image without a class lies in no folder and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from annotary.contract.dataset import Dataset, Part
from annotary.contract.names import distinct, inside
from annotary.writing.layouts.layout import Layout, role


class ImageFolder(Layout):
    """See the module."""

    name = "imagefolder"
    title = "A folder per class: train/<class>/image.jpg"
    formats: ClassVar[tuple[str, ...]] = ("csv_classification",)
    needs_images = True

    def part(self, name: str) -> str:
        """``train``, ``val`` or ``test``."""
        return role(name)

    def folders(self, parts: Sequence[str]) -> list[str]:
        """The folders above those of the classes."""
        return list(parts)

    def places(self, data: Dataset, part: Part) -> list[str]:
        """The folder of the image's first class; ``""`` for images without one."""
        first = np.full(len(part.images), -1, np.int64)
        for batch in part.batches():
            images, rows = np.unique(batch.image, return_index=True)
            first[images] = batch.tag[rows]
        classes = distinct(_folder(name) for name in data.names)
        named = iter(
            distinct(
                f"{part.name}/{classes[tag]}/{inside(name).replace('/', '_')}"
                for tag, name in zip(first.tolist(), part.images.names, strict=True)
                if tag >= 0
            )
        )
        return [next(named) if tag >= 0 else "" for tag in first.tolist()]


def _folder(tag: str) -> str:
    name = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in tag).strip()
    return f"_{name}" if name in {"", ".", ".."} else name


LAYOUT = ImageFolder()
