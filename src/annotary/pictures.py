"""Pictures as people can see them: turned, in 8 bits, small enough; or the reason why not.

A picture that cannot be shown is an answer, too: :class:`Picture` then has a plain ground of the
right shape and says what is wrong. Nothing here raises for what a file holds.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 200_000_000
"""Larger pictures are not decoded: a small file may claim any size."""
_GROUND = (34, 37, 46)
_WIDE = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


class Picture(NamedTuple):
    """A picture in RGB, and what was done or is wrong with it (``""``: it is as it was)."""

    image: Image.Image
    note: str
    shown: bool
    """Whether these are the picture's own pixels."""


def open_picture(
    source: Path | bytes | None, size: tuple[int, int], longest: int | None = None
) -> Picture:
    """The picture of a file, in RGB, turned as its EXIF says.

    ``size`` (width, height in pixels) is the shape of the ground that stands for a picture that
    cannot be shown; ``longest`` the longer side in pixels that the picture is reduced to.
    """
    if source is None:
        return absent("no picture", size, longest)
    try:
        if (isinstance(source, Path) and source.stat().st_size == 0) or source == b"":
            return absent("the file is empty", size, longest)
        file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                return absent(f"too large to show ({width} x {height} px)", size, longest)
            if longest is not None:
                opened.draft("RGB", (longest, longest))
            image = ImageOps.exif_transpose(opened)
            note = ""
            if image.mode in _WIDE:
                image, note = _in_8_bits(image), "shown in 8 bits, from its 0.5 to 99.5 percentile"
            image = _in_rgb(image)
    except FileNotFoundError:
        return absent("the picture is not there", size, longest)
    except UnidentifiedImageError:
        return absent("not a picture that can be read", size, longest)
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        reason = str(getattr(error, "strerror", None) or error) or type(error).__name__
        return absent(f"the picture is damaged: {reason}", size, longest)
    return Picture(_reduced(image, longest), note, True)


def absent(reason: str, size: tuple[int, int], longest: int | None = None) -> Picture:
    """The ground that stands for a picture that cannot be shown."""
    width, height = (max(1, side) for side in size)
    scale = min(1.0, (longest or 2000) / max(width, height))
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Picture(Image.new("RGB", shape, _GROUND), reason, False)


def _in_8_bits(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _in_rgb(image: Image.Image) -> Image.Image:
    """What is transparent shows the ground, not whatever stands below it."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in {"RGBA", "LA"}:
        ground = Image.new("RGBA", image.size, (*_GROUND, 255))
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return image.convert("RGB")


def _reduced(image: Image.Image, longest: int | None) -> Image.Image:
    if longest is not None and max(image.size) > longest:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image
