"""The size and kind of an image, from its header alone: no pixel is decoded."""

from __future__ import annotations

import io
import mimetypes
from pathlib import Path
from typing import NamedTuple

from annotary.errors import ValidationError
from annotary.geometry.imagefile import open_image
from annotary.problems import Problem

_ORIENTATION = 0x0112
_TURNED = {5, 6, 7, 8}

EXTENSIONS = frozenset(
    [
        ".bmp",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
        ".avif",
        ".jp2",
        ".ppm",
        ".pgm",
        ".pbm",
        ".tga",
    ]
)
"""Endings that are taken for images when a folder is added."""


class ImageHeader(NamedTuple):
    """Width and height in pixels as displayed (EXIF orientation applied), and the MIME type."""

    width: int
    height: int
    mime: str


def read_header(source: Path | bytes, name: str) -> ImageHeader:
    """Read an image's header. Raises :class:`ValidationError` for what is no image."""
    from PIL import Image, UnidentifiedImageError

    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            image = open_image(file)
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
            mime = Image.MIME.get(image.format or "", "")
    except Exception as error:  # a damaged header makes Pillow raise nearly anything
        reason = str(getattr(error, "strerror", None) or error)  # without the path
        if isinstance(error, UnidentifiedImageError):
            reason = "it is not an image"
        raise ValidationError(
            f"The size of {name} cannot be read: {reason}.",
            hint="Supported are the formats of Pillow (JPEG, PNG, TIFF, WebP, BMP, ...). Files of "
            "other kinds can be registered with their size: project.assets.register([...]).",
            problem=Problem("unreadable-image", name, values={"detail": reason}),
        ) from None
    return ImageHeader(width, height, mime or mimetypes.guess_type(name)[0] or "")


def is_whole(path: Path) -> bool:
    """Whether a file holds an image to its end, judged by its first and last bytes.

    False for an empty file, for what is no image though its name says so, and for one that was
    cut off. Files of other kinds (videos, volumes) are whole unless they are empty. Raises
    OSError where there is no file.
    """
    with path.open("rb") as file:
        head = file.read(16)
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        tail = file.read()
    if not size:
        return False
    if head.startswith(_PNG):
        return b"IEND" in tail or b"IEND" in path.read_bytes()
    for magic, end in _ENDS:
        if head.startswith(magic):
            # other bytes may follow the image: then only its pixels can tell
            return end in tail or _decodes(path)
    if head.startswith(b"RIFF"):
        return size >= int.from_bytes(head[4:8], "little") + 8
    return path.suffix.lower() not in EXTENSIONS or _decodes(path)


_TAIL = 64
_PNG = b"\x89PNG\r\n\x1a\n"
_ENDS = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"GIF8", b"\x00\x3b"))


def _decodes(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            open_image(file).load()
    except Exception:  # whatever the decoder stumbles over
        return False
    return True
