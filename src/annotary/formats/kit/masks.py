"""Masks as COCO writes them: ``{"size": [height, width], "counts": ...}``."""

from __future__ import annotations

from typing import Any

from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError
from annotary.geometry import rle
from annotary.geometry.rle import Rle


def coco_mask(held: dict[str, Any], key: str) -> Rle:
    """A mask from its size and its counts, compressed or as a list; ``key`` names it.

    Raises :class:`RefusedError` for runs that do not cover the size.
    """
    size = doc.numbers(doc.need(held, "size", "mask", f"{key}.size"), f"{key}.size", 2)
    counts = doc.need(held, "counts", "mask", f"{key}.counts")
    height, width = (doc.whole(side, f"{key}.size") for side in size)
    try:
        if isinstance(counts, list):
            return rle.from_runs(counts, height, width)
        mask = Rle(height, width, doc.text(counts, f"{key}.counts").encode("ascii"))
        if reason := rle.check(mask):
            raise ValueError(reason)
    except (ValueError, TypeError, OverflowError) as error:
        raise RefusedError(
            "wrong-type", key=f"{key}.counts", detail=str(error),
            expected="run lengths that cover the size's height times width",
        ) from None  # fmt: skip
    return mask
