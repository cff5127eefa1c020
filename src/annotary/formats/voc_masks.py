"""Pascal VOC segmentation: PNG files whose colours are classes and objects.

Defined by the VOC devkit (http://host.robots.ox.ac.uk/pascal/VOC), with Datumaro's and CVAT's
``labelmap.txt``::

    SegmentationClass/image.png     every pixel in the colour of its class
    SegmentationObject/image.png    every pixel in the colour of its object
    labelmap.txt                    # label:color_rgb:parts:actions
                                    background:0,0,0::
                                    dog:128,0,0::

Both PNG files have the image's size, with a palette or in plain colours. Black is no object; the
colour 224, 224, 192 (index 255) marks edges that belong to nothing. Without ``labelmap.txt`` the
colours are those of VOC's own palette and mean its twenty classes.

**Read.** One mask for every pair of a class and an object; where there is no
``SegmentationObject`` file, one mask per class (objects cannot be told apart). The image is called
as the file, without its ending. Classes are declared in the order of ``labelmap.txt``. A folder
that is imported is not searched for PNG files, since most of those are pictures: add the files of
``SegmentationClass`` and ``SegmentationObject`` by name.

Not written.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from annotary.contract.format import Carries, Format
from annotary.contract.rows import RowSink
from annotary.geometry import rle
from annotary.geometry.imagefile import MASK_PIXELS, open_image
from annotary.problems import NOWHERE, Location
from annotary.syntax.source import FileSet, SourceError, SourceFile

INSTANCES = "voc-instances"
LABEL_MAP = "voc-labelmap"
CLASSES, OBJECTS = "segmentationclass", "segmentationobject"
PNG = b"\x89PNG\r\n\x1a\n"
VOID = 224 << 16 | 224 << 8 | 192
MOST_PIXELS = MASK_PIXELS
NAMES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
)


class VocMasks(Format):
    """Pascal VOC segmentation masks."""

    name = "voc_masks"
    title = "Pascal VOC segmentation masks"
    reads = True
    carries = Carries()

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """A PNG in a folder ``SegmentationClass``."""
        return _folder(source) == CLASSES and source.head.startswith(PNG)

    def companion(self, source: SourceFile) -> str | None:
        """A PNG in a folder ``SegmentationObject``, or the list of colours."""
        if source.basename.lower() == "labelmap.txt":
            return LABEL_MAP
        if _folder(source) == OBJECTS and source.head.startswith(PNG):
            return INSTANCES
        return None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read one image's masks; its pixels are held while it is read."""
        if not source.head.startswith(PNG):
            raise SourceError("wrong-format", format=self.title, detail="it is no PNG")
        rows.locate = lambda _at: NOWHERE
        colours, where = _label_map(files.nearest(source, LABEL_MAP))
        for name in colours.values():
            if name is not None:
                rows.tag(name)
        kinds = pixels(source)
        height, width = kinds.shape
        image = rows.image(source.stem, width, height)
        codes = kinds.astype(np.int64) << 24
        beside = _instances(source, files)
        if beside is not None:
            objects = pixels(beside)
            if objects.shape != kinds.shape:
                raise SourceError(
                    "size-mismatch",
                    name=beside.name,
                    width=objects.shape[1],
                    height=objects.shape[0],
                    asset_width=width,
                    asset_height=height,
                    advice="The two files of an image must have the same size.",
                )
            codes |= objects
        found, place = np.unique(codes, return_inverse=True)
        place = place.reshape(kinds.shape)
        for number, code in enumerate(found.tolist()):
            colour, own = code >> 24, code & 0xFFFFFF
            if colour == VOID or (beside is not None and own == VOID):
                continue
            if colour not in colours:
                rows.reject(
                    "unknown-category",
                    NOWHERE,
                    word="colour",
                    id=f"{colour >> 16}, {colour >> 8 & 255}, {colour & 255}",
                    where=f" in {where}",
                    advice="Add a line label:red,green,blue:: for it to labelmap.txt.",
                )
                continue
            name = colours[colour]
            if name is not None:
                mask = rle.from_dense(place == number)
                rows.bitmask(image, rows.tag(name), mask, rle.bbox(mask) or ())


def _folder(source: SourceFile) -> str:
    return source.folder.rpartition("/")[2].lower()


def _instances(source: SourceFile, files: FileSet) -> SourceFile | None:
    """The object file of the same image: in the folder beside, if there are several."""
    same = [f for f in files.companions.get(INSTANCES, ()) if f.stem == source.stem]
    above = source.folder.rpartition("/")[0]
    near = [f for f in same if f.folder.rpartition("/")[0] == above]
    return next(iter(near or same), None)


def pixels(source: SourceFile) -> NDArray[np.int64]:
    """The colour of every pixel, as red << 16 | green << 8 | blue, [height, width]."""
    try:
        with open_image(io.BytesIO(source.buffer)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise SourceError(
                    "too-large",
                    what="The mask",
                    value=f"{image.width} x {image.height} pixels",
                    limit=MOST_PIXELS,
                    advice="Is this a mask?",
                )
            rgb = np.asarray(image.convert("RGB"), np.int64)
    except SourceError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise _broken(str(error)) from None
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _broken(detail: str) -> SourceError:
    return SourceError("syntax", kind="PNG", detail=detail, advice="Export the mask again.")


def _label_map(source: SourceFile | None) -> tuple[dict[int, str | None], str]:
    """The class of every colour (None: the background), and what says so."""
    if source is None:
        palette = _palette()
        names: list[str | None] = [None, *NAMES.split()]
        return {palette[i]: name for i, name in enumerate(names)}, "the palette of Pascal VOC"
    colours: dict[int, str | None] = {}
    for number, line in source.lines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, *rest = text.split(":")
        try:
            red, green, blue = [int(part) for part in rest[0].split(",")]
            if not all(0 <= part <= 255 for part in (red, green, blue)):
                raise ValueError
        except (IndexError, ValueError):
            raise SourceError(
                "syntax",
                Location(pointer=f"{source.name}:{number}"),
                kind="list of colours",
                detail=f"{text!r} is no line label:red,green,blue:parts:actions",
                advice="Mend the line.",
            ) from None
        code = red << 16 | green << 8 | blue
        colours[code] = None if code == 0 or name == "background" else name
    colours.setdefault(0, None)
    return colours, source.name


def _palette() -> list[int]:
    """VOC's colours: the bits of a class number dealt out to red, green and blue in turn."""
    found: list[int] = []
    for number in range(21):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        found.append(channels[0] << 16 | channels[1] << 8 | channels[2])
    return found


FORMAT = VocMasks()
