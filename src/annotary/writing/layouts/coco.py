"""COCO as it is handed out: ``annotations/instances_train2017.json`` beside ``train2017/``.

Source: https://cocodataset.org/#download, whose file names Detectron2, MMDetection, DETR and
torchvision's examples take for granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from annotary.writing.layouts.layout import Layout, role


class Coco(Layout):
    """See the module; ``kind`` is what the annotations' files are called."""

    name = "coco"
    title = "COCO 2017: annotations/instances_train2017.json, train2017/"
    formats: ClassVar[tuple[str, ...]] = (
        "coco",
        "polygon_coco",
        "rle_coco",
        "bitmask_rle_coco",
        "rle_semantic_coco",
        "bitmask_rle_semantic_coco",
        "keypoints_coco",
    )

    def part(self, name: str) -> str:
        """``train2017`` and its like."""
        return f"{role(name)}2017"

    def member(self, path: str) -> str:
        """``annotations/instances_<part>.json``."""
        return f"annotations/instances_{path}"

    def folders(self, parts: Sequence[str]) -> list[str]:
        """A folder for every part at the top."""
        return list(parts)


class CocoKeypoints(Coco):
    """The same for keypoints, whose files have another name."""

    def member(self, path: str) -> str:
        """``annotations/person_keypoints_<part>.json``."""
        return f"annotations/person_keypoints_{path}"


LAYOUT = Coco()
KEYPOINTS = CocoKeypoints()
