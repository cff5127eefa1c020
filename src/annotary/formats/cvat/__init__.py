"""CVAT XML 1.1, for images and for video: one XML file for many images.

Defined by CVAT's documentation ("XML annotation format")::

    <annotations>
      <version>1.1</version>
      <meta><task><labels>
        <label><name>dog</name><attributes/></label>
      </labels></task></meta>
      <image id="0" name="image.png" width="400" height="200">
        <box label="dog" occluded="0" xtl="40" ytl="20" xbr="120" ybr="100" z_order="0"/>
      </image>
    </annotations>

Coordinates are pixels, exact decimals, origin top-left, far edges outside.

=============  =====================================  ==========================================
element        geometry                               becomes
=============  =====================================  ==========================================
``box``        ``xtl ytl xbr ybr rotation?``          rectangle; turned (degrees, clockwise,
                                                      about its centre): polygon of 4 points
``polygon``    ``points="x,y;x,y"``                   polygon
``ellipse``    ``cx cy rx ry rotation?``              polygon of 32 points
``points``     ``points``                             keypoints, all visible
``skeleton``   ``points`` elements with a label,      keypoints in the label's order:
               ``outside``, ``occluded``              outside 0, occluded 1, else 2
``mask``       ``left top width height rle``: runs    mask
               along the rows of the box, zeros
               first
``tag``        none                                   classification
``polyline``,                                         skipped, and said
``cuboid``
=============  =====================================  ==========================================

**Read.** Labels of the header become classes in their order, also unused ones; a label with
``parent`` is a part of a skeleton, whose edges come from its drawing. ``<attribute>`` children
become attributes (numbers where the header says ``number``). ``occluded``, ``z_order``,
``group_id``, ``source`` and unknown attributes become properties when they differ from the
default (0, ``manual``); so do ``rotation`` and the ellipse's own numbers. A turned box is written
as a box with its rotation again.

Tasks of one project call their frames alike: an image whose name another task has gets its
``subset`` (else its task) in front, ``Validation/frame_000000``. One that is declared twice by one
task is told.

In ``track`` elements (video) every shape is an object of its frame, with ``track_id``; one that
CVAT interpolated keeps ``keyframe: 0``. A shape with ``outside="1"`` marks where its object is
not to be seen: it is no object. The image of frame 7 is called ``<video>#frame=7``, after the
header's ``source``, or ``frame_000007`` if that names no file.

**Written.** The flavour for images. A polygon in several parts is one ``polygon`` each; holes
are not written. Keypoints are written as skeletons.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, RECTANGLE, AnnotationBatch
from annotary.contract.dataset import ClassEntry, Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.cvat.shape import Labels, Shape, declare
from annotary.formats.kit.numbers import plain, scalar, shortest
from annotary.formats.kit.turned import ROTATION, box_of
from annotary.formats.kit.xml import Record, attribute_text, content, expect_root, root_of
from annotary.geometry import rle
from annotary.syntax.source import FileSet, SourceFile
from annotary.syntax.xml import Element, XmlText

WRITTEN_PROPERTIES = ("occluded", "source", "z_order", "group_id", ROTATION)


class Cvat(Format):
    """CVAT XML 1.1."""

    name = "cvat"
    title = "CVAT XML 1.1"
    extensions = (".xml",)
    reads = True
    writes = True
    project_types = ("ObjectDetection", "Classification", "Keypoint")
    record_paths = ("/annotations/image/*", "/annotations/track")
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        edges=True,
        classification="Classification",
        bitmask="Bitmask",
        attributes=True,
        attribute_types=False,
        properties=frozenset(WRITTEN_PROPERTIES),
        image_sizes=True,
        unit="pixels",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """The root element is ``annotations``."""
        return root_of(source) == "annotations"

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Read image by image and track by track; no more than one is held."""
        expect_root(source, "annotations", self.title)
        xml = XmlText(source)
        rows.locate = xml.locate
        labels, images = Labels(), Images()
        film = _Film()
        for number, child in xml.children(unfinished=frozenset({"image", "track"})):
            if child.tag == "image":
                _image(xml, rows, labels, images, number, child)
            elif child.tag == "track":
                _track(xml, rows, labels, film, number, child)
            elif child.tag == "meta":
                declare(child, labels, rows)
                film.see(child)

    def write(self, data: Dataset, out: Output) -> None:
        """Write one file per part, image by image."""
        for part in data.parts:
            with out.file(f"{part.name}.xml") as file:
                file.write(_header(data.classes).encode())
                shapes: _Shapes | None = None
                for image, batch, begin, end in part.by_image():
                    name = attribute_text(part.images.names[image])
                    size = (
                        f'width="{part.images.widths[image]}" height="{part.images.heights[image]}"'
                    )
                    head = f'  <image id="{image}" name={name} {size}'
                    if batch is None:
                        file.write(f"{head}/>\n".encode())
                        continue
                    if shapes is None or shapes.batch is not batch:
                        shapes = _Shapes(batch, data.classes)
                    body = "".join(map(shapes.text, range(begin, end)))
                    file.write(f"{head}>\n{body}  </image>\n".encode())
                file.write(b"</annotations>\n")


# --- reading ----------------------------------------------------------------------------------


class _Film:
    """The video that tracks are of."""

    def __init__(self) -> None:
        self.stem = ""
        self.size = (0, 0)

    def see(self, meta: Element) -> None:
        """Take name and size from the header."""
        for element in meta.iter("source"):
            self.stem = self.stem or PurePosixPath((element.text or "").strip()).stem
        for element in meta.iter("original_size"):
            self.size = (_whole(element.findtext("width")), _whole(element.findtext("height")))

    def name(self, frame: int) -> str:
        """What the image of a frame is called."""
        return f"{self.stem}#frame={frame}" if self.stem else f"frame_{frame:06d}"


def _whole(text: str | None) -> int:
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0


def _size(rows: RowSink, at: int, element: Element) -> tuple[int, int]:
    """The size that an image states; what cannot be read is said and taken for not stated."""
    found = []
    for name in ("width", "height"):
        text = element.get(name, "0")
        value = _whole(text)
        if not value and text.strip("0."):
            rows.problem("not-a-number", at, value=text, key=name)
        found.append(value)
    return (found[0], found[1]) if all(found) else (0, 0)


class Images:
    """The images that a file declares: tasks of a project call their frames alike."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, str, str]] = {}

    def name(self, rows: RowSink, element: Element, name: str, at: int) -> str:
        """The name of an ``<image>``; its subset or task in front where another task has it."""
        task, subset = element.get("task_id", ""), element.get("subset", "")
        mine = task, subset, element.get("id", "")
        first = self._seen.setdefault(name, mine)
        if first == mine:
            return name
        if first[:2] != mine[:2]:
            apart = subset if subset != first[1] else f"task_{task}"
            return self.name(rows, element, f"{apart or f'task_{task}'}/{name}", at)
        rows.problem("repeated-image", at, name=name)
        return name


def _image(
    xml: XmlText, rows: RowSink, labels: Labels, images: Images, number: int, element: Element
) -> None:
    top = xml.at(number)
    name = element.get("name")
    size = _size(rows, top, element)
    image = -1
    if name:
        image = rows.image(images.name(rows, element, name, top), *size, top)
    elif not len(element):
        rows.problem("missing-key", top, key="name", record="<image>")
    order = 1
    for shape in element:
        if image < 0:
            rows.reject("missing-key", top, key="name", record="<image>")
            continue
        record = Record(xml, rows, number, element, shape, order)
        order += 1 if not len(shape) else sum(1 for _ in shape.iter())
        Shape(record, labels, image, size, shape.get("label", ""), {}).read()


def _track(
    xml: XmlText, rows: RowSink, labels: Labels, film: _Film, number: int, element: Element
) -> None:
    label = element.get("label", "")
    track: dict[str, Any] = {}
    for name, text in element.attrib.items():
        if name == "id":
            track["track_id"] = scalar(text)
        elif name != "label" and (name, text) not in {("source", "manual"), ("group_id", "0")}:
            track[name] = scalar(text)
    order = 1
    for shape in element:
        record = Record(xml, rows, number, element, shape, order)
        order += 1 if not len(shape) else sum(1 for _ in shape.iter())
        if shape.get("outside") == "1":
            continue
        frame = record.attribute_number("frame")
        if frame is None:
            continue
        if not frame.is_integer() or frame < 0:
            rows.reject(
                "wrong-type",
                record.at,
                key="frame",
                detail=f"it is {shape.get('frame')}",
                expected="a whole number from 0",
            )
            continue
        properties = dict(track)
        if shape.get("keyframe") == "0":
            properties["keyframe"] = 0
        image = rows.image(film.name(int(frame)), *film.size, record.at)
        Shape(record, labels, image, film.size, label or shape.get("label", ""), properties).read()


# --- writing ----------------------------------------------------------------------------------


def _header(classes: list[ClassEntry]) -> str:
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        "  <meta>\n    <task>\n      <labels>\n"
    ]
    for entry in classes:
        name = content(entry.name)
        kind = "<type>skeleton</type>" if entry.keypoints else "<type>any</type>"
        described = "".join(
            f"<attribute><name>{content(attribute)}</name><mutable>False</mutable>"
            f"<input_type>{'number' if type_ == 'Numeric' else 'text'}</input_type>"
            "<default_value></default_value><values></values></attribute>"
            for attribute, type_ in entry.attributes.items()
        )
        drawing = f"<svg>{content(_svg(entry))}</svg>" if entry.keypoints else ""
        lines.append(
            f"        <label><name>{name}</name>{kind}"
            f"<attributes>{described}</attributes>{drawing}</label>\n"
        )
        lines += [
            f"        <label><name>{content(part)}</name><type>points</type><attributes>"
            f"</attributes><parent>{name}</parent></label>\n"
            for part in entry.keypoints
        ]
    lines.append("      </labels>\n    </task>\n  </meta>\n")
    return "".join(lines)


def _svg(entry: ClassEntry) -> str:
    """The drawing that says which parts of a skeleton are joined."""
    lines = [
        f'<line x1="0" y1="0" x2="0" y2="0" data-type="edge" data-node-from="{a + 1}" '
        f'data-node-to="{b + 1}"></line>'
        for a, b in entry.edges
    ]
    nodes = [
        f'<circle r="1" cx="0" cy="0" data-type="element node" data-element-id="{i}" '
        f'data-node-id="{i}" data-label-name={attribute_text(name)}></circle>'
        for i, name in enumerate(entry.keypoints, 1)
    ]
    return "".join(lines + nodes)


class _Shapes:
    """The text of the rows of a batch."""

    def __init__(self, batch: AnnotationBatch, classes: list[ClassEntry]) -> None:
        self.batch = batch
        self.classes = classes
        self.labels = [attribute_text(entry.name) for entry in classes]
        self.numbers = shortest(batch.coords)
        self.kinds = batch.kind.tolist()
        self.tags = batch.tag.tolist()
        self.starts = batch.start.tolist()

    def text(self, row: int) -> str:
        """One shape."""
        kind = self.kinds[row]
        extra = self.batch.extras.get(row)
        said = (extra.properties if extra else None) or {}
        numbers = self.numbers[self.starts[row] : self.starts[row + 1]]
        inside = ""
        if kind == RECTANGLE and extra is None:
            x0, y0, x1, y1 = numbers
            return (
                f'    <box label={self.labels[self.tags[row]]} source="manual" occluded="0"'
                f' xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" z_order="0"/>\n'
            )
        if kind == RECTANGLE:
            name = "box"
            x0, y0, x1, y1 = numbers
            geometry = f' xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}"'
        elif kind == CLASSIFICATION:
            name, geometry = "tag", ""
        elif kind == BITMASK:
            name = "mask"
            assert extra is not None and extra.mask is not None
            runs, (left, top, width, height) = rle.to_rowmajor_runs(extra.mask)
            text = ", ".join(map(str, runs.tolist()))
            geometry = f' rle="{text}" left="{left}" top="{top}" width="{width}" height="{height}"'
        elif kind == KEYPOINTS:
            name, geometry = "skeleton", ""
            inside = self._parts(numbers, self.classes[self.tags[row]].keypoints)
        else:
            name, geometry = self._outline(row, numbers, said)
        head = f"    <{name} label={self.labels[self.tags[row]]}"
        head += f" source={attribute_text(plain(said.get('source', 'manual')))}"
        if kind != CLASSIFICATION or "occluded" in said:
            head += f" occluded={attribute_text(plain(said.get('occluded', 0)))}"
        head += geometry
        if kind != CLASSIFICATION or "z_order" in said:
            head += f" z_order={attribute_text(plain(said.get('z_order', 0)))}"
        if "group_id" in said:
            head += f" group_id={attribute_text(plain(said['group_id']))}"
        for key, value in ((extra.attributes if extra else None) or {}).items():
            for one in value if isinstance(value, list) else [value]:
                name_ = attribute_text(key)
                inside += f"      <attribute name={name_}>{content(plain(one))}</attribute>\n"
        return f"{head}>\n{inside}    </{name}>\n" if inside else f"{head}/>\n"

    def _outline(self, row: int, numbers: list[str], said: dict[str, Any]) -> tuple[str, str]:
        """A polygon, or the box that it is when it is turned."""
        turned = box_of(self.batch.values(row).tolist(), said) if ROTATION in said else None
        if turned is not None:
            left, top = turned.cx - turned.width / 2, turned.cy - turned.height / 2
            right, bottom = turned.cx + turned.width / 2, turned.cy + turned.height / 2
            sides = shortest(np.round([left, top, right, bottom], 9))
            named = zip(("xtl", "ytl", "xbr", "ybr"), sides, strict=True)
            geometry = "".join(f' {key}="{value}"' for key, value in named)
            return "box", f'{geometry} rotation="{plain(turned.degrees)}"'
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        geometry = f' points="{";".join([f"{x},{y}" for x, y in pairs])}"'
        if ROTATION in said:
            geometry += f" rotation={attribute_text(plain(said[ROTATION]))}"
        return "polygon", geometry

    def _parts(self, numbers: list[str], names: list[str]) -> str:
        lines = []
        for i in range(len(numbers) // 3):
            x, y, visible = numbers[3 * i : 3 * i + 3]
            name = attribute_text(names[i] if i < len(names) else str(i + 1))
            outside, occluded = int(visible == "0"), int(visible == "1")
            lines.append(
                f'      <points label={name} source="manual" outside="{outside}" '
                f'occluded="{occluded}" points="{x},{y}"/>\n'
            )
        return "".join(lines)


FORMAT = Cvat()
