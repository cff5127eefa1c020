"""Image files opened by their header: no pixel is decoded, and nothing that threads share is set.

``PIL.Image.open`` refuses large images by a limit of the whole process, and warns before. A header
of any size is no danger, and masks have a limit of their own, :data:`MASK_PIXELS`.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MASK_PIXELS = 178_956_970
"""The most pixels that a mask's image may have: Pillow's own limit, whatever it is set to."""

_PREFIX = 16


def open_image(file: IO[bytes]) -> ImageFile:
    """An image whose pixels are still in its file, which stays open.

    Raises ``PIL.UnidentifiedImageError`` (an :class:`OSError`) for what is no image, and nearly
    anything for a damaged header.
    """
    from PIL import Image, UnidentifiedImageError

    prefix = file.read(_PREFIX)
    # the common kinds first, as Pillow does it
    for register in (Image.preinit, Image.init):
        register()
        for kind in Image.ID:
            make, accepts = Image.OPEN[kind]
            accepted = accepts(prefix) if accepts else True
            if not accepted or isinstance(accepted, str):
                continue  # a text says why it cannot be read
            file.seek(0)
            try:
                return make(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue
    raise UnidentifiedImageError("it is not an image")


def open_mask(file: IO[bytes]) -> ImageFile:
    """The same for a mask. Raises :class:`ValueError` when it has too many pixels."""
    image = open_image(file)
    if image.width * image.height > MASK_PIXELS:
        raise ValueError(
            f"it has {image.width} x {image.height} pixels, more than {MASK_PIXELS:,} in all"
        )
    return image
