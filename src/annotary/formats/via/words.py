"""Regions of the VGG Image Annotator, as its JSON and CSV files have them.

An object of several parts (rings, holes, keypoints with their outline) has no place in VIA: we
write its parts as regions one after the other that share the region attribute
``annotary_object``, which other readers take for an ordinary attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from annotary.batch import KEYPOINTS, POLYGON, RECTANGLE, Extra
from annotary.contract.rows import RowSink
from annotary.formats.kit.json import (
    RefusedError,
    UnsupportedError,
    attribute,
    mapping,
    need,
    number,
    numbers,
    ring_ends,
)
from annotary.geometry.arrays import circle

LABELS = ("label", "labels", "class", "class_name", "category", "name", "type", "tag")
"""Attributes that are the class of a region, the first one found."""
FILE_LABELS = ("label", "labels", "class", "class_name", "category", "tag")

OBJECT = "annotary_object"
HOLE = "annotary_hole"
VISIBILITY = "annotary_visibility"
PROPERTIES = "annotary_properties"
CLASSIFICATIONS = "annotary_labels"
ESCAPE = "annotary_attribute:"
_OURS = (OBJECT, HOLE, VISIBILITY, PROPERTIES, CLASSIFICATIONS)


class Part(msgspec.Struct):
    """One region: its kind, its values as in a batch, and what is said of it."""

    kind: int
    values: list[float]
    labels: list[str]
    extra: Extra | None
    object: str = ""
    hole: bool = False


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``class_attribute``: which one is the class; ``tag``: the class of regions without one."""

    class_attribute: str = ""
    tag: str = ""


def part_of(shape: dict[str, Any], attributes: dict[str, Any], options: Options) -> Part:
    """A region from its two groups of attributes.

    Raises ``RefusedError`` or ``UnsupportedError``.
    """
    kind, values = _geometry(shape, attributes)
    own = options.class_attribute
    names = (own,) if own else LABELS
    labels, rest = _label(attributes, names, single=not own and not options.tag)
    if not labels and options.tag:
        labels = [options.tag]
    if not labels:
        raise RefusedError(
            "no-class", what="attribute", names=", ".join(names), record="region",
            found=", ".join(name for name in attributes if name not in _OURS)[:200] or "none",
            option="class_attribute",
        )  # fmt: skip
    return Part(
        kind,
        values,
        labels,
        _extra(rest, attributes.get(PROPERTIES)),
        str(attributes.get(OBJECT, "")),
        HOLE in attributes,
    )


def _geometry(shape: dict[str, Any], attributes: dict[str, Any]) -> tuple[int, list[float]]:
    def value(key: str) -> float:
        return number(need(shape, key, str(name), key), key)

    name = need(shape, "name", "region", "The name of the shape")
    if name == "rect":
        x, y, width, height = value("x"), value("y"), value("width"), value("height")
        return RECTANGLE, [x, y, x + width, y + height]
    if name in ("polygon", "polyline"):
        xs = numbers(need(shape, "all_points_x", name, "all_points_x"), "all_points_x")
        ys = numbers(need(shape, "all_points_y", name, "all_points_y"), "all_points_y")
        if len(xs) != len(ys):
            raise RefusedError(
                "value-count",
                key="all_points_y",
                count=len(ys),
                expected=len(xs),
                advice="Every point needs an x and a y.",
            )
        if name == "polyline":
            raise UnsupportedError("unsupported-shape", shape="polyline", detail="")
        flat = [0.0] * (2 * len(xs))
        flat[0::2], flat[1::2] = xs, ys
        return POLYGON, ring_ends(flat)
    if name == "circle":
        r = value("r")
        return POLYGON, circle(value("cx"), value("cy"), r, r)
    if name == "ellipse":
        theta = number(shape.get("theta", 0), "theta")
        return POLYGON, circle(value("cx"), value("cy"), value("rx"), value("ry"), theta)
    if name == "point":
        visibility = attributes.get(VISIBILITY, 2)
        return KEYPOINTS, [value("cx"), value("cy"), number(visibility, VISIBILITY)]
    raise UnsupportedError("unsupported-shape", shape=f"shape {name!r}", detail="")


def _label(
    attributes: dict[str, Any], names: Sequence[str], *, single: bool
) -> tuple[list[str], dict[str, Any]]:
    """The classes that attributes name, and the other attributes.

    With ``single``, the only attribute that there is may be the class whatever its name.
    """
    own = {key: value for key, value in attributes.items() if key not in _OURS}
    for name in names:
        if name in own and (labels := _words(own[name])):
            del own[name]
            return labels, own
    if single and len(own) == 1:
        ((name, value),) = own.items()
        return _words(value), {}
    return [], own


def _words(value: Any) -> list[str]:
    """A class as text, or the ticked options of a checkbox."""
    if isinstance(value, dict):
        return [str(key) for key, ticked in value.items() if ticked in (True, "true", 1)]
    if isinstance(value, bool) or value is None:
        return []
    return [text] if (text := str(value).strip()) else []


def _extra(attributes: dict[str, Any], properties: Any) -> Extra | None:
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        if value not in ("", None, {}):
            known = _words(value) if isinstance(value, dict) else attribute(value)
            kept[name.removeprefix(ESCAPE)] = known
    told: dict[str, Any] | None = None
    if isinstance(properties, str):
        try:
            told = msgspec.json.decode(properties, type=dict[str, Any])
        except msgspec.DecodeError:
            kept[PROPERTIES] = properties
    return Extra(attributes=kept or None, properties=told) if kept or told else None


class Regions:
    """Puts the parts of a file's regions together and hands the objects to the sink."""

    def __init__(self, rows: RowSink) -> None:
        self.rows = rows
        self._options = rows.options if isinstance(rows.options, Options) else Options()
        self._object_of = (0, "")
        """The image and the name of the object whose parts are being gathered."""
        self._parts: list[Part] = []
        self._at = 0
        self._failed = False

    def add(self, image: int, at: int, shape: Any, attributes: Any) -> None:
        """One region as it was decoded; what is wrong with it is told."""
        known = mapping_or_empty(attributes)
        name = str(known.get(OBJECT, ""))
        if (image, name) != self._object_of:
            self.flush()
            self._object_of = (image, name)
            self._at = at
        try:
            if shape is None:
                raise RefusedError("missing-key", key="shape_attributes", record="region")
            shape = mapping(shape, "shape_attributes")
            part = part_of(shape, mapping(attributes, "region_attributes"), self._options)
        except (RefusedError, UnsupportedError) as fault:
            if name and self._failed:
                return  # an object is one record: told once
            self._failed = bool(name)
            tell = self.rows.skip if isinstance(fault, UnsupportedError) else self.rows.reject
            tell(fault.code, at, **fault.values)
            return
        if name:
            self._parts.append(part)
        else:
            for label in part.labels:
                self._object(image, self.rows.tag(label), [part], at)

    def flush(self) -> None:
        """Hand on an object of several regions, after its last one."""
        if self._parts and not self._failed:
            tag = self.rows.tag(self._parts[0].labels[0])
            self._object(self._object_of[0], tag, self._parts, self._at)
        self._object_of = (0, "")
        self._parts = []
        self._failed = False

    def _object(self, image: int, tag: int, parts: list[Part], at: int) -> None:
        extra = next((part.extra for part in parts if part.extra), None)
        rings = [p.values for p in parts if p.kind == POLYGON and not p.hole]
        holes = [p.values for p in parts if p.kind == POLYGON and p.hole]
        boxes = [p.values for p in parts if p.kind == RECTANGLE]
        points = [value for p in parts if p.kind == KEYPOINTS for value in p.values]
        if points:
            box = boxes.pop() if boxes else None
            self.rows.keypoints(image, tag, points, at, extra, rings, box, holes)
        elif rings or holes:
            self.rows.polygon(image, tag, rings, at, extra, holes)
        for xmin, ymin, xmax, ymax in boxes:
            self.rows.rectangle(image, tag, xmin, ymin, xmax, ymax, at, extra)


def mapping_or_empty(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def classify(rows: RowSink, image: int, at: int, attributes: dict[str, Any]) -> int:
    """Classifications of the image that its attributes name; answers how many were not used."""
    listed = attributes.get(CLASSIFICATIONS)
    if isinstance(listed, str):
        try:
            for label, values, properties in msgspec.json.decode(listed, type=list[_Labelled]):
                extra = Extra(attributes=values or None, properties=properties or None)
                rows.classification(image, rows.tag(label), at, extra)
            return 0
        except msgspec.DecodeError:
            pass
    labels, rest = _label(attributes, FILE_LABELS, single=False)
    more = _extra(rest, None) if labels else None
    for label in labels:
        rows.classification(image, rows.tag(label), at, more)
    return 0 if labels else sum(value not in ("", None, {}) for value in rest.values())


_Labelled = tuple[str, dict[str, Any] | None, dict[str, Any] | None]


def tell_ignored(rows: RowSink, count: int) -> None:
    """Remark once on the file attributes that were not kept."""
    if count:
        rows.problem(
            "ignored",
            what=f"The value of {count} file attribute{'s' * (count > 1)}",
            why="it describes an image, not an object",
            advice=f"To have one read as the class of the image, call it {FILE_LABELS[0]!r}.",
        )
