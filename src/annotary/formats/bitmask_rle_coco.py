"""COCO with masks, for projects that hold masks: run lengths straight from the store.

Everything that is not said here is as in :mod:`annotary.formats.coco`, whose reader reads this;
the runs are those of :mod:`annotary.geometry.rle`.

The same file as :mod:`annotary.formats.rle_coco` writes: the two names exist because platforms
offer one for outlines and one for masks.
"""

from __future__ import annotations

from annotary.formats.rle_coco import RleCoco


class BitmaskRleCoco(RleCoco):
    name = "bitmask_rle_coco"
    title = "COCO (masks as drawn)"


FORMAT = BitmaskRleCoco()
