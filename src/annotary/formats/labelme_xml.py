"""LabelMe 3.0 XML: the web annotation tool of MIT, one file per image.

Defined by the tool (https://github.com/CSAILVision/LabelMeAnnotationTool); Datumaro and CVAT write
it too (as "LabelMe 3.0")::

    <annotation>
      <filename>image.png</filename><folder>boats</folder>
      <imagesize><nrows>200</nrows><ncols>400</ncols></imagesize>
      <object>
        <name>dog</name><deleted>0</deleted><verified>0</verified><occluded>no</occluded>
        <date></date><id>0</id><parts><hasparts></hasparts><ispartof></ispartof></parts>
        <polygon>
          <pt><x>40</x><y>20</y></pt><pt><x>40</x><y>100</y></pt><pt><x>120</x><y>100</y></pt>
          <username>anonymous</username>
        </polygon>
        <attributes>colour=brown, asleep</attributes>
      </object>
    </annotation>

Coordinates are pixels, origin top-left. It is no Pascal VOC, though its root has the same name.

**Read.** A polygon is its points; with ``<type>bounding_box</type>`` and upright, a rectangle. A
``<segm>`` is a mask: its PNG (of the image's size, see-through where the mask is not) must be part
of the import, or the object is skipped, and said; a folder that is imported is not searched for
PNG files, so add them by name. Objects marked as deleted are skipped, and said. In
``<attributes>``, ``name=value`` become attributes and single words attributes that are
``true``. ``occluded``, ``verified``, parts and names of users become properties when they
say something; dates are not kept.

Not written: write ``polygon_single`` for LabelMe.
"""

from __future__ import annotations

import re
from typing import Any

from annotary.batch import Extra
from annotary.contract.format import Carries, Format
from annotary.contract.rows import RowSink
from annotary.formats.kit.numbers import attribute, scalar
from annotary.formats.kit.xml import Record, expect_root, inner, is_labelme, root_of, value
from annotary.geometry import rle
from annotary.syntax.source import FileSet, SourceError, SourceFile
from annotary.syntax.xml import Element, XmlText

MASK = "labelme-mask"
KNOWN = {"name", "deleted", "date", "polygon", "segm", "type", "attributes", "parts", "id"}
PNG = b"\x89PNG\r\n\x1a\n"

_MASK_NAME = re.compile(r".*_mask_\d+\.png", re.I)


class LabelMeXml(Format):
    """LabelMe 3.0 XML."""

    name = "labelme_xml"
    title = "LabelMe 3.0 XML (web tool)"
    extensions = (".xml",)
    reads = True
    project_types = ("ObjectDetection",)
    record_paths = ("/annotation/object",)
    carries = Carries()

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """The root element is ``annotation``, and there is what only LabelMe has."""
        return root_of(source) == "annotation" and is_labelme(source.head)

    def companion(self, source: SourceFile) -> str | None:
        """The PNG of a mask."""
        name = source.basename
        return MASK if _MASK_NAME.fullmatch(name) and source.head.startswith(PNG) else None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read one image's objects; a file is small enough to be looked at as a whole."""
        expect_root(source, "annotation", self.title)
        xml = XmlText(source)
        rows.locate = xml.locate
        objects: list[tuple[int, Element]] = []
        name, size = "", (0, 0)
        try:
            for number, child in xml.children():
                if child.tag == "object":
                    objects.append((number, child))
                elif child.tag == "filename":
                    name = (child.text or "").strip()
                elif child.tag == "imagesize":
                    size = (_whole(inner(child, "ncols")), _whole(inner(child, "nrows")))
        finally:  # also when the text breaks off: what stands before it is read
            image = rows.image(name or source.stem, *size, 0)
            for number, element in objects:
                _object(Record(xml, rows, number, element), image, size, source, files)


def _whole(text: str) -> int:
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0


def _object(
    record: Record, image: int, size: tuple[int, int], source: SourceFile, files: FileSet
) -> None:
    element, rows = record.element, record.rows
    name = inner(element, "name")
    if inner(element, "deleted") == "1":
        rows.skip(
            "skipped-record",
            record.at,
            what=f"The object {name or '(no name)'}",
            why="it is marked as deleted",
            advice="Restore it in LabelMe if it should be kept.",
        )
        return
    if not name:
        record.missing("<name>", "object")
        return
    extra = _extra(element)
    polygon, segment = element.find("polygon"), element.find("segm")
    if segment is not None:
        _segment(record, segment, image, size, (name, extra), source, files)
        return
    if polygon is None:
        record.missing("<polygon>", "object")
        return
    ring: list[float] = []
    for point in polygon.findall("pt"):
        for axis in "xy":
            number = record.child_number(point, axis)
            if number is None:
                return
            ring.append(number)
    tag = rows.tag(name)
    xs, ys = set(ring[::2]), set(ring[1::2])
    kind = inner(element, "type") or inner(polygon, "type")
    if kind == "bounding_box" and len(ring) == 8 and len(xs) == len(ys) == 2:
        rows.rectangle(image, tag, min(xs), min(ys), max(xs), max(ys), record.at, extra)
    else:
        rows.polygon(image, tag, [ring], record.at, extra)


def _segment(
    record: Record,
    segment: Element,
    image: int,
    size: tuple[int, int],
    about: tuple[str, Extra | None],
    source: SourceFile,
    files: FileSet,
) -> None:
    rows = record.rows
    file = inner(segment, "mask")
    name, extra = about
    found = _mask_file(file, source, files)
    if found is None:
        rows.skip(
            "skipped-record",
            record.at,
            what=f"The mask of {name}",
            why=f"its file {file or '(no name)'} is not part of the import",
            advice="Add the PNG files of the folder Masks to the same import.",
        )
        return
    width, height = size
    try:
        png = bytes(found.buffer)
        mask = rle.from_png_patch(png, 0, 0, height, width) if width else rle.from_png(png)
    except (ValueError, SourceError) as error:
        rows.reject(
            "wrong-type",
            record.place(segment),
            key=f"The mask {file}",
            detail=str(error),
            expected="a PNG of the image's size",
        )
        return
    rows.bitmask(image, rows.tag(name), mask, rle.bbox(mask) or (), record.at, extra)


def _mask_file(name: str, source: SourceFile, files: FileSet) -> SourceFile | None:
    """The mask's file: in ``Masks`` beside the annotation if there are several of its name."""
    same = [f for f in files.companions.get(MASK, ()) if name and f.basename == name]
    beside = f"{source.folder}/Masks/{name}".lstrip("/")
    return next((f for f in same if f.name == beside), same[0] if same else None)


def _extra(element: Element) -> Extra | None:
    properties: dict[str, Any] = {}
    for child in element:
        if child.tag in KNOWN:
            continue
        found = value(child)
        if found not in ("", 0, "no"):
            properties[child.tag] = 1 if found == "yes" else found
    parts = element.find("parts")
    related = {p.tag: p.text.strip() for p in parts or () if (p.text or "").strip() and p.text}
    if related:
        properties["id"] = scalar(inner(element, "id"))
        properties |= {key: scalar(text) for key, text in related.items()}
    for shape in ("polygon", "segm"):
        user = inner(element, f"{shape}/username")
        if user and user != "anonymous":
            properties["username"] = user
    attributes: dict[str, Any] = {}
    for word in inner(element, "attributes").split(","):
        name, equals, text = word.strip().partition("=")
        if name:
            attributes[name.strip()] = attribute(text.strip()) if equals else "true"
    if not properties and not attributes:
        return None
    return Extra(attributes=attributes or None, properties=properties or None)


FORMAT = LabelMeXml()
