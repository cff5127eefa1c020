"""Darknet: ``obj.data``, ``obj.names``, ``train.txt`` and the images beside their labels.

Source: https://github.com/AlexeyAB/darknet, "How to train to detect your custom objects". The
label file of an image has its path with ``.txt``; ``images`` in a path is swapped for ``labels``
there, too, so names are kept without such a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from annotary.contract.dataset import Dataset, Part
from annotary.contract.names import distinct
from annotary.contract.output import Output
from annotary.writing.layouts.layout import TEST, VAL, Layout, ending_of, role
from annotary.writing.layouts.ultralytics import findable


class BesideLabels(Layout):
    """What ``yolo_darknet`` has where no layout is named: images beside their labels."""

    name = "darknet-plain"
    formats: ClassVar[tuple[str, ...]] = ("yolo_darknet",)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names without a folder ``images``."""
        return findable(names)

    def folders(self, parts: Sequence[str]) -> list[str]:
        """The labels' own folders."""
        return list(parts)

    def places(self, data: Dataset, part: Part) -> list[str]:
        """Beside its labels, under the stem of its label file."""
        (folder,) = self.folders([part.name])
        return distinct(
            f"{folder}/{stem}{ending_of(name)}"
            for stem, name in zip(data.members(part, ""), part.images.names, strict=True)
        )


class Darknet(BesideLabels):
    """See the module."""

    name = "darknet"
    title = "Darknet: obj.data, obj.names, train.txt, obj_train_data/"

    def member(self, path: str) -> str:
        """``<part>/x.txt`` becomes ``obj_<part>_data/x.txt``; the class list, ``obj.names``."""
        if path == "classes.txt":
            return "obj.names"
        part, _, rest = path.partition("/")
        return f"{_folder(part)}/{rest}"

    def folders(self, parts: Sequence[str]) -> list[str]:
        """``obj_train_data`` and its like."""
        return [_folder(part) for part in parts]

    def finish(self, data: Dataset, out: Output) -> None:
        """A list of images for every part, and ``obj.data``, which names the lists."""
        lists: dict[str, str] = {}
        for part in data.parts:
            name = f"{_stem(part.name)}.txt"
            lists.setdefault(role(part.name), name)
            with out.file(name) as file:
                file.write("".join(f"{each}\n" for each in self.places(data, part)).encode())
        first = next(iter(lists.values()), "train.txt")
        count = max((entry.number for entry in data.classes), default=-1) + 1
        lines = [
            f"classes = {count}",
            f"train = {lists.get('train', first)}",
            f"valid = {lists.get(VAL, lists.get(TEST, lists.get('train', first)))}",
            "names = obj.names",
            "backup = backup/",
        ]
        with out.file("obj.data") as file:
            file.write(("\n".join(lines) + "\n").encode())


def _stem(part: str) -> str:
    return {"train": "train", VAL: "valid"}.get(role(part), part)


def _folder(part: str) -> str:
    return f"obj_{_stem(part)}_data"


LAYOUT = Darknet()
PLAIN = BesideLabels()
