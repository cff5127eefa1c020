"""Pascal VOC's devkit: ``VOCdevkit/VOC2012/{Annotations,JPEGImages,ImageSets/Main}``.

Source: the development kit of 2012, and ``torchvision.datasets.VOCDetection``, which reads
``ImageSets/Main/<set>.txt`` and opens ``JPEGImages/<name>.jpg``, with that ending whatever the
image is. Every image is named so here; its bytes stay as they are, and readers go by those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from annotary.contract.dataset import Dataset
from annotary.contract.names import member_names
from annotary.contract.output import Output
from annotary.writing.layouts.layout import TRAIN, VAL, Layout, role, without_ending

ROOT = "VOCdevkit/VOC2012"


class VocDevkit(Layout):
    """See the module."""

    name = "voc"
    title = "VOCdevkit/VOC2012: Annotations, JPEGImages, ImageSets/Main"
    formats: ClassVar[tuple[str, ...]] = ("pascal_voc",)

    def names(self, names: Sequence[str]) -> list[str]:
        """Flat names that end in ``.jpg``: folders become part of the name."""
        flat = [name.replace("\\", "/").strip("/").replace("/", "_") for name in names]
        return member_names(flat, ".jpg")

    def member(self, path: str) -> str:
        """All annotations lie in one folder, whatever their part."""
        return f"{ROOT}/Annotations/{path.rpartition('/')[2]}"

    def folders(self, parts: Sequence[str]) -> list[str]:
        """One folder for all parts."""
        return [f"{ROOT}/JPEGImages" for _ in parts]

    def finish(self, data: Dataset, out: Output) -> None:
        """The list of every part, and ``trainval`` for what is not kept for tests."""
        sets: dict[str, list[str]] = {}
        for part in data.parts:
            stems = [without_ending(name) for name in part.images.names]
            sets.setdefault(role(part.name), []).extend(stems)
        if TRAIN in sets or VAL in sets:
            sets["trainval"] = sorted(sets.get(TRAIN, []) + sets.get(VAL, []))
        for name, stems in sets.items():
            with out.file(f"{ROOT}/ImageSets/Main/{name}.txt") as file:
                file.write("".join(f"{stem}\n" for stem in stems).encode())


LAYOUT = VocDevkit()
