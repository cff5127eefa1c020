"""COCO with one mask for each class of an image, for projects that hold masks.

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this;
the runs are those of :mod:`annotary.geometry.rle`.

The same file as :mod:`annotary.formats.rle_semantic_coco` writes: the two names exist because
platforms offer one for outlines and one for masks.
"""

from __future__ import annotations

from annotary.formats.rle_semantic_coco import RleSemanticCoco


class BitmaskRleSemanticCoco(RleSemanticCoco):
    name = "bitmask_rle_semantic_coco"
    title = "COCO (semantic masks as drawn)"


FORMAT = BitmaskRleSemanticCoco()
