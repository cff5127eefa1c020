"""Where the files of an export lie: one module for every trainer's expectations."""

from __future__ import annotations

from annotary.contract.format import Format
from annotary.errors import BadRequestError
from annotary.model import ExportOptions
from annotary.writing.layouts import coco, darknet, dota, huggingface, imagefolder, ultralytics, voc
from annotary.writing.layouts.layout import Layout

PLAIN = Layout()
LAYOUTS: tuple[Layout, ...] = (
    ultralytics.LAYOUT,
    darknet.LAYOUT,
    voc.LAYOUT,
    coco.LAYOUT,
    imagefolder.LAYOUT,
    huggingface.LAYOUT,
)
_USUAL: dict[str, Layout] = {
    **dict.fromkeys(ultralytics.LAYOUT.formats, ultralytics.LAYOUT),
    "yolo_darknet": darknet.PLAIN,
    "dota": dota.LAYOUT,
}
"""The layouts of formats that one trainer alone reads, where none is named."""


def chosen(options: ExportOptions, format_: Format) -> Layout:
    """The layout that an export asks for. Raises :class:`BadRequestError` where it makes no sense.

    See :func:`get`; a layout of images alone needs images.
    """
    found = get(options.layout, format_)
    if found.needs_images and options.images == "none":
        raise BadRequestError(
            f"The layout {found.name} is one of images, and none are to be written.",
            hint="Give images='copy' or 'link' (--images copy).",
        )
    return found


def get(name: str, format_: Format) -> Layout:
    """The layout called ``name`` for a format; the format's usual one for no name.

    Raises :class:`BadRequestError` for an unknown name, or a layout of other formats.
    """
    if not name:
        return _USUAL.get(format_.name, PLAIN)
    found = next((each for each in LAYOUTS if each.name == name.lower()), None)
    if found is None:
        raise BadRequestError(
            f"There is no layout {name!r}.",
            hint=f"Known are {', '.join(each.name for each in LAYOUTS)}.",
        )
    if found is ultralytics.LAYOUT and format_.name in imagefolder.LAYOUT.formats:
        return imagefolder.LAYOUT  # what Ultralytics' classification reads
    if format_.name not in found.formats:
        raise BadRequestError(
            f"The layout {found.name} is not for the format {format_.name}.",
            hint=f"It is for {', '.join(found.formats)}.",
        )
    if format_.name == "keypoints_coco":
        return coco.KEYPOINTS
    return found
