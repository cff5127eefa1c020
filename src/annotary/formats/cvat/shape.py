"""One shape of a CVAT file: its element, as a row."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from annotary.batch import Extra
from annotary.contract.rows import RowSink
from annotary.formats.kit.numbers import attribute, plain, scalar
from annotary.formats.kit.xml import Record
from annotary.geometry import rle
from annotary.geometry.arrays import circle, rotate
from annotary.syntax.xml import Element

STANDARD = frozenset({
    "label", "frame", "outside", "keyframe", "points", "xtl", "ytl", "xbr", "ybr", "rotation",
    "cx", "cy", "rx", "ry", "rle", "left", "top", "width", "height",
})  # fmt: skip
DEFAULTS = {"occluded": "0", "z_order": "0", "source": "manual", "group_id": "0"}


class Labels:
    """What the file's header declares: labels, their skeletons, and how values are written."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str], str] = {}
        self.parts: dict[str, list[str]] = {}

    def value(self, label: str, name: str, text: str) -> Any:
        """An attribute's value: a number where the header says so, or where it looks like one."""
        kind = self.kinds.get((label, name))
        if kind == "number":
            try:
                return float(text)
            except ValueError:
                return text
        return attribute(text) if kind is None else text


class Shape:
    """A shape on its way into the rows; ``size`` is the image's (width, height), 0 if unknown."""

    def __init__(
        self,
        record: Record,
        labels: Labels,
        image: int,
        size: tuple[int, int],
        label: str,
        properties: dict[str, Any],
    ) -> None:
        self.record = record
        self.element = record.element
        self.labels = labels
        self.image = image
        self.size = size
        self.label = label
        self.properties = properties

    def read(self) -> None:
        """One record: a row, a rejection or a skip."""
        rows = self.record.rows
        reader = READERS.get(self.element.tag)
        if reader is None:
            rows.skip("unsupported-shape", self.record.at, shape=self.element.tag, detail="")
        elif not self.label:
            self.record.missing("label", f"<{self.element.tag}>")
        else:
            reader(self)

    # --- what every shape has -------------------------------------------------------------

    def extra(self, **more: Any) -> Extra | None:
        """Attributes, and what the element says that is not its geometry."""
        properties = dict(self.properties)
        for name, text in self.element.attrib.items():
            if name not in STANDARD and DEFAULTS.get(name) != text:
                properties[name] = scalar(text)
        properties |= more
        attributes: dict[str, Any] = {}
        for child in self.element:
            if child.tag != "attribute":
                continue
            name, text = child.get("name", ""), (child.text or "").strip()
            if name in attributes:  # the same name again: a list of words
                before = attributes[name]
                attributes[name] = [
                    *(before if isinstance(before, list) else [plain(before)]),
                    text,
                ]
            else:
                attributes[name] = self.labels.value(self.label, name, text)
        if not properties and not attributes:
            return None
        return Extra(attributes=attributes or None, properties=properties or None)

    def numbers(self, *names: str) -> list[float] | None:
        """The numbers in the attributes; None when one is missing or none, which is rejected."""
        found: list[float] = []
        for name in names:
            value = self.record.attribute_number(name)
            if value is None:
                return None
            found.append(value)
        return found

    def rotation(self) -> float | None:
        """Degrees, clockwise; None when the number cannot be read."""
        return self.record.attribute_number("rotation", 0.0)

    def points(self) -> list[float] | None:
        """``x,y;x,y`` flat, or None after a rejection."""
        text = self.element.get("points")
        if text is None:
            self.record.missing("points", f"<{self.element.tag}>")
            return None
        try:
            flat = [float(number) for number in text.replace(";", ",").split(",")]
        except ValueError:
            flat = []
        if not flat or len(flat) % 2 or text.count(";") != len(flat) // 2 - 1:
            self._bad_points(text)
            return None
        return flat

    def _bad_points(self, text: str) -> None:
        rows, at = self.record.rows, self.record.at
        for pair in text.split(";"):
            numbers = pair.split(",")
            for number in numbers:
                try:
                    float(number)
                except ValueError:
                    rows.reject("not-a-number", at, value=number, key="points")
                    return
            if len(numbers) != 2:
                rows.reject(
                    "value-count",
                    at,
                    key=f"The point {pair!r}",
                    count=len(numbers),
                    expected=2,
                    advice='Points are written "x,y;x,y".',
                )
                return

    @property
    def tag(self) -> int:
        """The number of the shape's class."""
        return self.record.rows.tag(self.label)


def _box(shape: Shape) -> None:
    found = shape.numbers("xtl", "ytl", "xbr", "ybr")
    degrees = shape.rotation() if found is not None else None
    if found is None or degrees is None:
        return
    x0, y0, x1, y1 = found
    rows, at = shape.record.rows, shape.record.at
    if degrees % 360:
        ring = rotate([x0, y0, x0, y1, x1, y1, x1, y0], (x0 + x1) / 2, (y0 + y1) / 2, degrees)
        rows.polygon(shape.image, shape.tag, [ring], at, shape.extra(rotation=degrees))
    else:
        rows.rectangle(shape.image, shape.tag, x0, y0, x1, y1, at, shape.extra())


def _polygon(shape: Shape) -> None:
    ring = shape.points()
    if ring is not None:
        stated = shape.element.get("rotation")
        more = {} if stated is None else {"rotation": scalar(stated)}
        extra = shape.extra(**more)
        shape.record.rows.polygon(shape.image, shape.tag, [ring], shape.record.at, extra)


def _points(shape: Shape) -> None:
    flat = shape.points()
    if flat is not None:
        seen = np.full((len(flat) // 2, 3), 2.0)
        seen[:, :2] = np.reshape(flat, (-1, 2))
        shape.record.rows.keypoints(
            shape.image, shape.tag, seen.ravel().tolist(), shape.record.at, shape.extra()
        )


def _ellipse(shape: Shape) -> None:
    found = shape.numbers("cx", "cy", "rx", "ry")
    degrees = shape.rotation() if found is not None else None
    if found is None or degrees is None:
        return
    cx, cy, rx, ry = found
    ring = circle(cx, cy, rx, ry, float(np.deg2rad(degrees)))
    more: dict[str, Any] = {"ellipse": found}
    if degrees:
        more["rotation"] = degrees
    shape.record.rows.polygon(shape.image, shape.tag, [ring], shape.record.at, shape.extra(**more))


def _tag(shape: Shape) -> None:
    shape.record.rows.classification(shape.image, shape.tag, shape.record.at, shape.extra())


def _mask(shape: Shape) -> None:
    found = shape.numbers("left", "top", "width", "height")
    text = shape.element.get("rle")
    if found is None:
        return
    rows, at = shape.record.rows, shape.record.at
    if text is None:
        shape.record.missing("rle", "<mask>")
        return
    width, height = shape.size
    if not width or not height:
        rows.reject("unknown-size", at, name=rows.image_names[shape.image])
        return
    try:
        runs = [int(run) for run in text.split(",")]
        left, top, columns, lines = map(int, found)
        mask = rle.from_rowmajor_runs(runs, (left, top, columns, lines), height, width)
    except (ValueError, OverflowError) as error:
        rows.reject(
            "wrong-type",
            at,
            key="The mask",
            detail=str(error),
            expected="run lengths along the rows of its box, which lies inside the image",
        )
        return
    rows.bitmask(shape.image, shape.tag, mask, rle.bbox(mask) or (), at, shape.extra())


def _skeleton(shape: Shape) -> None:
    """Points by the order of the label's parts; a part that is not drawn has visibility 0."""
    drawn: dict[str, Element] = {}
    for child in shape.element:
        if child.tag == "points":
            drawn.setdefault(child.get("label", ""), child)
    order = shape.labels.parts.get(shape.label) or list(drawn)
    rows = shape.record.rows
    known = frozenset(order)
    strange = [name for name in drawn if name not in known]
    if strange:
        rows.reject(
            "unknown-category",
            shape.record.place(drawn[strange[0]]),
            word="keypoint",
            id=strange[0],
            where=f" in the skeleton {shape.label}",
            advice=f"The skeleton has: {', '.join(order)}.",
        )
        return
    flat: list[float] = []
    for name in order:
        element = drawn.get(name)
        if element is None:
            flat += (0.0, 0.0, 0.0)
            continue
        record = shape.record
        inner = Shape(
            Record(record.xml, rows, record.number, record.top, element),
            shape.labels,
            shape.image,
            shape.size,
            name,
            {},
        )
        xy = inner.points()
        if xy is None:
            return
        if len(xy) != 2:
            rows.reject(
                "value-count",
                inner.record.at,
                key=f"The keypoint {name}",
                count=len(xy),
                expected=2,
                advice="Every part of a skeleton is one point.",
            )
            return
        outside, occluded = element.get("outside") == "1", element.get("occluded") == "1"
        flat += (*xy, 0.0 if outside else 1.0 if occluded else 2.0)
    rows.keypoints(shape.image, shape.tag, flat, shape.record.at, shape.extra())


READERS: dict[str, Callable[[Shape], None]] = {
    "box": _box,
    "polygon": _polygon,
    "points": _points,
    "ellipse": _ellipse,
    "tag": _tag,
    "mask": _mask,
    "skeleton": _skeleton,
}


def declare(meta: Element, labels: Labels, rows: RowSink) -> None:
    """Take the labels of the file's header: classes, skeletons, types of attributes."""
    edges: dict[str, str] = {}
    for label in meta.iter("label"):
        name = (label.findtext("name") or "").strip()
        if not name:
            continue
        parent = (label.findtext("parent") or "").strip()
        if parent:
            labels.parts.setdefault(parent, []).append(name)
        else:
            rows.tag(name)
        if svg := label.findtext("svg"):
            edges[name] = svg
        for each in label.iter("attribute"):
            kind = (each.findtext("input_type") or "").strip()
            labels.kinds[name, (each.findtext("name") or "").strip()] = kind
    for name, parts in labels.parts.items():
        rows.skeletons[name] = (parts, _edges(edges.get(name, ""), parts))


def _edges(svg: str, parts: list[str]) -> list[tuple[int, int]]:
    """The lines of a skeleton's drawing as pairs of its parts, counted from 0."""

    def said(tag: str, name: str) -> str:
        found = re.search(rf"""\bdata-{name}=(?:"([^"]*)"|'([^']*)')""", tag)
        return html.unescape(found[1] or found[2] or "") if found else ""

    nodes = {}
    for tag in re.findall(r"<circle\b[^>]*>", svg):
        nodes[said(tag, "node-id")] = said(tag, "label-name")
    pairs = []
    for tag in re.findall(r"<line\b[^>]*>", svg):
        a, b = nodes.get(said(tag, "node-from")), nodes.get(said(tag, "node-to"))
        if a in parts and b in parts:
            pairs.append((parts.index(a), parts.index(b)))
    return pairs
