"""Pascal VOC: one XML file per image, boxes in pixels.

Defined by the VOC devkit (http://host.robots.ox.ac.uk/pascal/VOC), with what labelImg,
Datumaro, CVAT, Roboflow and roLabelImg made of it::

    <annotation>
      <folder>JPEGImages</folder>
      <filename>image.png</filename>
      <size><width>400</width><height>200</height><depth>3</depth></size>
      <segmented>0</segmented>
      <object>
        <name>dog</name>
        <pose>Unspecified</pose>
        <truncated>0</truncated>
        <difficult>0</difficult>
        <bndbox><xmin>40</xmin><ymin>20</ymin><xmax>120</xmax><ymax>100</ymax></bndbox>
      </object>
    </annotation>

**Pixels.** The original data counts pixels from 1 and includes the last one; nearly every tool
since writes plain coordinates from 0, with the far edge outside. Files do not say which they
are. Annotary reads the numbers as they stand and writes them so; ``base=1`` writes the original
convention (the minima plus one, the maxima as they are). Coordinates are written exactly, with
decimals where there are any; ``integers=True`` rounds them to whole pixels, for readers that
insist on ``int``.

**Read.** Elements in any order. The image is the one named in ``<filename>`` (the last part of
``<path>`` without it, the file's own name without either). An object is a ``<polygon>`` (the
Roboflow extension, ``<x1/><y1/><x2/><y2/>...``; several are one object in parts), a
``<robndbox>`` (roLabelImg: centre, size, angle in radians, clockwise) as a polygon of four
points, or its ``<bndbox>``. The box beside a polygon is its extent and is not kept. ``pose``,
``truncated``, ``difficult``, ``occluded`` and everything unknown become properties when they
say something; ``<attributes>`` become attributes. A file whose coordinates all lie within 0..1,
with decimals, is taken for fractions.

**Written.** One file per image, also for images without objects, each in the folder of its
image. Polygons keep their shape in the Roboflow extension, beside the box that every reader
knows; turned boxes have ``<robndbox>`` and ``<rotation>`` as well. Holes, keypoints and image
classes cannot be written. Classes that no object uses are not listed.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np

from annotary.batch import POLYGON, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset, ImageTable
from annotary.contract.format import Carries, Format
from annotary.contract.names import member_names
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.errors import BadRequestError
from annotary.formats.kit.numbers import attribute, plain, shortest
from annotary.formats.kit.turned import ROTATION, box_of, turned_box
from annotary.formats.kit.xml import Record, content, expect_root, inner, is_labelme, root_of, value
from annotary.geometry.arrays import extents
from annotary.syntax.source import FileSet, SourceError, SourceFile
from annotary.syntax.xml import Element, XmlText

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("truncated", "difficult", "occluded")
KNOWN = {"name", "bndbox", "robndbox", "polygon", "attributes", "type"}


_Said = tuple[dict[str, Any], dict[str, Any]]
"""What an object says besides its name and shape: properties and attributes."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``base``: what the first pixel is called; ``integers``: round to whole pixels."""

    base: Literal[0, 1] = 0
    integers: bool = False


class PascalVoc(Format):
    """Pascal VOC XML."""

    name = "pascal_voc"
    title = "Pascal VOC XML"
    extensions = (".xml",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    record_paths = ("/annotation/object",)
    carries = Carries(
        fractions="unusual",
        rectangle="Rectangle",
        polygon="Polygon",
        bitmask="Polygon",
        parts=True,
        attributes=True,
        attribute_types=False,
        properties=frozenset({"pose", *FLAGS, ROTATION}),
        image_sizes=True,
        classes=False,
    )
    Options = Options

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """The root element is ``annotation``, and nothing in it is LabelMe's."""
        return root_of(source) == "annotation" and not is_labelme(source.head)

    def companion(self, source: SourceFile) -> str | None:
        """The devkit's lists of images: ``ImageSets/Main/train.txt`` and the like."""
        if source.suffix == ".txt" and "ImageSets" in source.folder.split("/"):
            return "voc-image-set"
        return None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read one image's objects; a file is small enough to be looked at as a whole."""
        expect_root(source, "annotation", self.title)
        xml = XmlText(source)
        rows.locate = xml.locate
        objects: list[tuple[int, Element]] = []
        image = _Image(source)
        broken: SourceError | None = None
        try:
            for number, child in xml.children():
                if child.tag == "object":
                    objects.append((number, child))
                elif number >= 0:
                    image.see(rows, number, child)
        except SourceError as error:
            broken = error
        if broken is None or objects or image.named:
            rows.normalized = _are_fractions(objects)
            index = rows.image(image.name, image.width, image.height, image.at)
            for number, element in objects:
                _object(Record(xml, rows, number, element), index)
        if broken is not None:
            raise broken

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per image."""
        options: Options = data.options or Options()
        if data.normalized and (options.base or options.integers):
            raise BadRequestError(
                "Pascal VOC cannot be written in fractions with base=1 or integers=True.",
                hint="Leave out normalized=True, or the two options: they count pixels.",
            )
        names = [content(name) for name in data.names]
        for part in data.parts:
            members = member_names(part.images.names, ".xml")
            texts: _Objects | None = None
            for image, batch, begin, end in part.by_image():
                if batch is not None and (texts is None or texts.batch is not batch):
                    texts = _Objects(batch, part.images, names, options, data.normalized)
                body = texts.between(begin, end) if texts and batch is not None else ""
                out.put(f"{part.name}/{members[image]}", _document(part.images, image, body))


# --- reading ----------------------------------------------------------------------------------


class _Image:
    """The image that the file is about."""

    def __init__(self, source: SourceFile) -> None:
        self.name = source.stem
        self.named = False
        self.width = self.height = 0
        self.at = 0

    def see(self, rows: RowSink, number: int, child: Element) -> None:
        """Look at a child of the root that is no object."""
        text = (child.text or "").strip()
        if child.tag == "filename" and text:
            self.name, self.named = text, True
            self.at = self.at or XmlText.at(number)
        elif child.tag == "path" and text and not self.named:
            self.name = text.replace("\\", "/").rpartition("/")[2]
        elif child.tag == "size":
            sides = [_side(rows, number, child, name) for name in ("width", "height")]
            self.width, self.height = sides if all(sides) else (0, 0)
            self.at = XmlText.at(number)


def _side(rows: RowSink, number: int, size: Element, name: str) -> int:
    text = inner(size, name)
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        element = size.find(name)
        rows.problem("not-a-number", XmlText.at(number, size, element), value=text, key=f"<{name}>")
        return 0


def _are_fractions(objects: list[tuple[int, Element]]) -> bool:
    """Whether all coordinates lie within 0..1 and some have decimals."""
    decimals = False
    for _, element in objects:
        for shape in element:
            if shape.tag in ("bndbox", "polygon", "robndbox"):
                for corner in shape:
                    if corner.tag == "angle":
                        continue
                    try:
                        number = float(corner.text or "")
                    except ValueError:
                        continue
                    if not -1e-6 <= number <= 1 + 1e-6:
                        return False
                    decimals = decimals or "." in (corner.text or "")
    return decimals


def _object(record: Record, image: int) -> None:
    element, rows = record.element, record.rows
    name = inner(element, "name")
    if not name:
        record.missing("<name>", "object")
        return
    polygons = [p for p in element.findall("polygon") if len(p)]
    turned, boxes = element.findall("robndbox"), element.findall("bndbox")
    if not polygons and not turned and not boxes:
        record.missing("<bndbox>", "object")
        return
    said = _properties(element)
    if polygons:
        rings = []
        for polygon in polygons:
            ring = _ring(record, polygon)
            if ring is None:
                return
            rings.append(ring)
        rows.polygon(image, rows.tag(name), rings, record.at, _extra(*said))
        return
    shapes = turned or boxes
    if len(shapes) > 1:  # each is an object of this class: there is no other way to read it
        rows.problem(
            "dialect",
            record.at,
            what=f"An object has {len(shapes)} boxes",
            advice="Write an <object> for each of them.",
        )
    for shape in shapes:
        if turned:
            _turned(record, image, name, shape, said)
        else:
            _box(record, image, name, shape, said)


def _extra(properties: dict[str, Any], attributes: dict[str, Any]) -> Extra | None:
    if not properties and not attributes:
        return None
    return Extra(attributes=attributes or None, properties=properties or None)


def _box(record: Record, image: int, name: str, box: Element, said: _Said) -> None:
    rows = record.rows
    try:
        xmin, ymin, xmax, ymax = [float(box.findtext(corner, "")) for corner in CORNERS]
    except ValueError:
        for corner in CORNERS:  # told for the first fault; the record is one record
            if record.child_number(box, corner) is None:
                return
        raise AssertionError("a number that could not be read was read") from None
    rows.rectangle(image, rows.tag(name), xmin, ymin, xmax, ymax, record.at, _extra(*said))


def _properties(element: Element) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an object says besides its name and shape: properties and attributes."""
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for child in element:
        tag = child.tag
        if tag in KNOWN:
            if tag == "attributes":
                _attributes(child, attributes)
            continue
        found = value(child)
        if found == "" or (tag == "pose" and found == "Unspecified"):
            continue
        if tag in FLAGS and found == 0:
            continue
        if tag in properties:
            before = properties[tag]
            properties[tag] = [*before, found] if isinstance(before, list) else [before, found]
        else:
            properties[tag] = found
    return properties, attributes


def _attributes(element: Element, attributes: dict[str, Any]) -> None:
    for child in element:
        name = inner(child, "name")
        if not name:
            continue
        text = child.findtext("value") or ""
        before = attributes.get(name)
        if before is None:
            attributes[name] = attribute(text)
        else:  # the same name again: a list of words
            attributes[name] = [*(before if isinstance(before, list) else [plain(before)]), text]


def _ring(record: Record, polygon: Element) -> list[float] | None:
    """The points x1, y1, x2, y2 ... of a polygon, by number."""
    # by name, and looked up once: a search for each would cost the square of their number
    children: dict[str, Element] = {}
    for child in polygon:
        children.setdefault(child.tag, child)
    ring: list[float] = []
    count = sum(1 for child in polygon if child.tag.startswith("x"))
    for i in range(1, max(count, len(polygon) - count) + 1):
        for axis in "xy":
            number = record.number_in(polygon, f"{axis}{i}", children.get(f"{axis}{i}"))
            if number is None:
                return None
            ring.append(number)
    return ring


def _turned(record: Record, image: int, name: str, box: Element, said: _Said) -> None:
    numbers: list[float] = []
    for part in ("cx", "cy", "w", "h", "angle"):
        number = record.child_number(box, part)
        if number is None:
            return
        numbers.append(number)
    cx, cy, w, h, angle = numbers
    degrees = float(np.rad2deg(angle))
    properties, attributes = said
    extra = _extra({**properties, "rotation": degrees}, attributes)
    ring = turned_box(cx, cy, w, h, degrees)
    record.rows.polygon(image, record.rows.tag(name), [ring], record.at, extra)


# --- writing ----------------------------------------------------------------------------------


class _Objects:
    """The text of every object of a batch."""

    def __init__(
        self,
        batch: AnnotationBatch,
        images: ImageTable,
        names: list[str],
        options: Options,
        normalized: bool,
    ) -> None:
        self.batch = batch
        self.first = batch.objects()
        boxes = extents(batch.coords, batch.start)
        begins = self.first[:-1]
        if len(begins) and len(begins) != len(batch):
            low = np.minimum.reduceat(boxes[:, :2], begins)
            high = np.maximum.reduceat(boxes[:, 2:], begins)
            boxes = np.hstack([low, high])
        coords = batch.coords
        if options.integers:
            boxes = _whole(boxes, *images.sizes(batch.image[begins]))
            coords = np.rint(coords)
        if options.base:
            boxes = boxes + np.array([1, 1, 0, 0])
        corners = shortest(boxes.ravel(), point=normalized)
        kinds = batch.kind.tolist()
        points = shortest(coords, point=normalized) if POLYGON in kinds else []
        tags = batch.tag.tolist()
        start = batch.start.tolist()
        bounds = self.first.tolist()
        self.texts: list[str] = []
        for i, (row, end) in enumerate(pairwise(bounds)):
            extra = batch.extras.get(row)
            head, tail = _around(extra) if extra else (_HEAD, "")
            shapes = [
                _polygon((start[r + 1] - start[r]) // 2) % tuple(points[start[r] : start[r + 1]])
                for r in range(row, end)
                if kinds[r] == POLYGON
            ]
            if extra and end == row + 1 and not (options.base or options.integers):
                shapes.append(_robndbox(batch.values(row).tolist(), extra))
            self.texts.append(
                f"  <object>\n    <name>{names[tags[row]]}</name>\n{head}    <bndbox>"
                f"<xmin>{corners[4 * i]}</xmin><ymin>{corners[4 * i + 1]}</ymin>"
                f"<xmax>{corners[4 * i + 2]}</xmax><ymax>{corners[4 * i + 3]}</ymax></bndbox>\n"
                f"{''.join(shapes)}{tail}  </object>\n"
            )

    def between(self, begin: int, end: int) -> str:
        """The objects whose rows lie between two rows."""
        first, last = np.searchsorted(self.first, (begin, end)).tolist()
        return "".join(self.texts[first:last])


_HEAD = "    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n    <difficult>0</difficult>\n"


def _around(extra: Extra) -> tuple[str, str]:
    """What stands before and after an object's box."""
    said = extra.properties or {}
    head = (
        f"    <pose>{content(plain(said.get('pose', 'Unspecified')))}</pose>\n"
        f"    <truncated>{content(plain(said.get('truncated', 0)))}</truncated>\n"
        f"    <difficult>{content(plain(said.get('difficult', 0)))}</difficult>\n"
    )
    if "occluded" in said:
        head += f"    <occluded>{content(plain(said['occluded']))}</occluded>\n"
    if ROTATION in said:
        head += f"    <rotation>{content(plain(said[ROTATION]))}</rotation>\n"
    if not extra.attributes:
        return head, ""
    lines = [
        f"      <attribute><name>{content(name)}</name>"
        f"<value>{content(plain(one))}</value></attribute>\n"
        for name, found in extra.attributes.items()
        for one in (found if isinstance(found, list) else [found])
    ]
    return head, f"    <attributes>\n{''.join(lines)}    </attributes>\n"


def _robndbox(ring: list[float], extra: Extra) -> str:
    """A turned box as roLabelImg has it, beside the polygon; nothing for other shapes."""
    found = box_of(ring, extra.properties)
    if found is None:
        return ""
    values = shortest(np.array([*found[:4], np.deg2rad(found.degrees)]))
    pairs = zip(("cx", "cy", "w", "h", "angle"), values, strict=True)
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in pairs)
    return f"    <robndbox>{inside}</robndbox>\n"


@lru_cache(maxsize=256)
def _polygon(points: int) -> str:
    """A polygon of so many points, with ``%s`` where their coordinates belong."""
    inside = "".join(f"<x{i}>%s</x{i}><y{i}>%s</y{i}>" for i in range(1, points + 1))
    return f"    <polygon>{inside}</polygon>\n"


def _whole(boxes: Any, widths: Any, heights: Any) -> Any:
    """Boxes in whole pixels, none of them without area, none outside its image."""
    rounded = np.rint(boxes)
    for low, high, size in ((0, 2, widths), (1, 3, heights)):
        flat = rounded[:, high] <= rounded[:, low]
        rounded[flat, high] = rounded[flat, low] + 1
        over = flat & (size > 0) & (rounded[:, high] > size)
        rounded[over, low] -= 1
        rounded[over, high] -= 1
    return rounded


def _document(images: ImageTable, image: int, body: str) -> bytes:
    name = images.names[image]
    folder, _, _ = name.rpartition("/")
    return (
        f"<annotation>\n  <folder>{content(folder)}</folder>\n"
        f"  <filename>{content(name)}</filename>\n"
        f"  <size><width>{images.widths[image]}</width><height>{images.heights[image]}</height>"
        f"<depth>3</depth></size>\n  <segmented>0</segmented>\n{body}</annotation>\n"
    ).encode()


FORMAT = PascalVoc()
