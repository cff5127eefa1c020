"""Label Studio's regions: results in percent, and the labelling configuration beside them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, UnsupportedError
from annotary.formats.kit.rings import ellipse, turned
from annotary.geometry import rle
from annotary.syntax.source import FileSet, SourceFile
from annotary.syntax.xml import XmlText

CONFIG = "label-studio-config"
CONTROLS = {
    "choices", "textarea", "number", "rating", "taxonomy", "datetime", "ranker", "pairwise",
    "reactcode", "chatmessage",
}  # fmt: skip
"""Types of results that say something about a region, or about the image, without a place."""

_VIEW = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<View\b", re.S)


# --- the configuration ------------------------------------------------------------------------


class Config(msgspec.Struct):
    """What a labelling configuration declares."""

    classes: list[str]
    """Labels of regions and choices: by ``category`` where all have one, else as they come."""
    keypoints: dict[str, list[str]]
    """Labels of keypoints by the name of their control, by ``model_index`` where it is given."""


def is_config(source: SourceFile) -> bool:
    """Whether the file is a labelling configuration: XML whose root is ``View``."""
    return source.first == b"<" and _VIEW.match(source.head) is not None


def config_of(source: SourceFile, files: FileSet) -> Config:
    """The session's configuration; an empty one where there is none, or more than one."""
    companions = files.companions.get(CONFIG, [])
    if len(companions) != 1:
        return Config([], {})
    key = (companions[0].name, CONFIG)
    found = files.read_cache.get(key)
    if not isinstance(found, Config):
        found = files.read_cache[key] = read_config(companions[0])
    return found


def read_config(source: SourceFile) -> Config:
    """Raises ``SourceError`` where the XML is broken."""
    classes: dict[str, int | None] = {}
    keypoints: dict[str, dict[str, int]] = {}
    for _, child in XmlText(source).children():
        for control in child.iter():
            if control.get("perRegion") == "true":
                continue  # its choices are values of attributes
            for number, entry in enumerate(control):
                name = entry.get("alias") or entry.get("value")
                if not name or entry.tag not in ("Label", "Choice"):
                    continue
                if control.tag == "KeyPointLabels":
                    index = entry.get("model_index", "")
                    known = keypoints.setdefault(control.get("name", ""), {})
                    known.setdefault(name, int(index) if index.isdigit() else number)
                else:
                    category = entry.get("category", "")
                    classes.setdefault(name, int(category) if category.isdigit() else None)
    names = list(classes)
    if None not in classes.values():
        names.sort(key=lambda name: classes[name] or 0)
    return Config(names, {c: sorted(p, key=lambda name: p[name]) for c, p in keypoints.items()})


# --- geometry ---------------------------------------------------------------------------------


class Region(msgspec.Struct):
    """Where a region is, in fractions of the image: one of these is given."""

    box: list[float] = []
    ring: list[float] = []
    point: list[float] = []
    mask: rle.Rle | None = None
    extent: list[float] = []
    rotation: float = 0.0


def size_of(result: dict[str, Any]) -> tuple[int, int]:
    """Width and height of the image as the result states them, 0 where it does not."""
    return doc.pixels(result.get("original_width")), doc.pixels(result.get("original_height"))


def region(result: dict[str, Any], value: dict[str, Any]) -> Region:
    """The place that a result's value describes."""
    kind = str(result.get("type", ""))
    if "points" in value:
        flat = doc.pairs(value["points"], "value.points")
        return Region(ring=[v / 100 for v in doc.ring_ends(flat)])
    if "rle" in value or "imageDataURL" in value:
        return _mask(result, value)
    if "radiusX" in value:
        return _ellipse(result, value)
    if "x" in value and "y" in value and kind.startswith("keypoint"):
        return Region(point=[_percent(value, "x"), _percent(value, "y"), 2])
    if "x" in value and "width" in value:
        return box(result, value)
    if "sequence" in value or "vertices" in value or "start" in value:
        raise UnsupportedError("unsupported-shape", shape=f"{kind} region", detail="")
    key = "value.x" if "x" not in value else "value.width"
    raise RefusedError("missing-key", key=key, record="region")


def box(result: dict[str, Any], value: dict[str, Any]) -> Region:
    """A rectangle, or the ring of a turned one: clockwise in degrees about its top left."""
    x, y = _number(value, "x"), _number(value, "y")
    width, height = _number(value, "width"), _number(value, "height")
    turn = doc.number(value.get("rotation") or 0, "value.rotation")
    right, bottom = x + width, y + height
    if turn % 360 == 0:
        return Region(box=[x / 100, y / 100, right / 100, bottom / 100])
    ring = [x, y, right, y, right, bottom, x, bottom]
    return Region(ring=_turned(result, ring, x, y, turn), rotation=turn)


def _ellipse(result: dict[str, Any], value: dict[str, Any]) -> Region:
    x, y = _number(value, "x"), _number(value, "y")
    turn = doc.number(value.get("rotation") or 0, "value.rotation")
    ring = ellipse(x, y, _number(value, "radiusX"), _number(value, "radiusY"))
    if turn % 360 == 0:
        return Region(ring=[v / 100 for v in ring])
    return Region(ring=_turned(result, ring, x, y, turn), rotation=turn)


def _turned(
    result: dict[str, Any], ring: list[float], x: float, y: float, degrees: float
) -> list[float]:
    """A ring in percent, turned on the image's pixels, in fractions."""
    width, height = size_of(result)
    if not width or not height:
        raise RefusedError(
            "missing-key", key="original_width, original_height", record="turned region"
        )
    scale = (width / 100, height / 100)
    flat = [v * scale[i % 2] for i, v in enumerate(ring)]
    ring = turned(flat, x * scale[0], y * scale[1], degrees)
    return [v / (width, height)[i % 2] for i, v in enumerate(ring)]


def _mask(result: dict[str, Any], value: dict[str, Any]) -> Region:
    width, height = size_of(result)
    if not width or not height:
        raise RefusedError("missing-key", key="original_width, original_height", record="brush")
    try:
        if "rle" in value:
            mask = rle.from_brush(doc.listed(value["rle"], "value.rle"), height, width)
        else:
            data = doc.text(value["imageDataURL"], "value.imageDataURL").partition(",")[2]
            mask = rle.from_png(base64.b64decode(data, validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise RefusedError(
            "wrong-type", key="value.rle" if "rle" in value else "value.imageDataURL",
            detail=str(error), expected=f"a mask of {width} x {height} pixels",
        ) from None  # fmt: skip
    edges = rle.bbox(mask)
    extent = [v / (width, height)[i % 2] for i, v in enumerate(edges)] if edges else []
    return Region(mask=mask, extent=extent)


def _number(value: dict[str, Any], key: str) -> float:
    return doc.number(doc.need(value, key, "region", f"value.{key}"), f"value.{key}")


def _percent(value: dict[str, Any], key: str) -> float:
    return _number(value, key) / 100


# --- labels -----------------------------------------------------------------------------------


def labels_of(value: dict[str, Any]) -> list[str]:
    """All labels in a result's value: under its type's name, whatever that is."""
    found: list[str] = []
    for key, names in value.items():
        if key.endswith("labels"):
            found += [doc.text(name, f"value.{key}") for name in doc.listed(names, f"value.{key}")]
    return found


def answer(kind: str, value: dict[str, Any]) -> str | float | list[str] | None:
    """What a control says, as the value of an attribute; None for nothing."""
    if kind == "choices":
        return [doc.text(c, "value.choices") for c in doc.listed(value.get("choices"), "choices")]
    if kind == "taxonomy":
        return taxonomy(value)
    if kind == "textarea":
        words = value.get("text")
        words = words if isinstance(words, list) else [words]
        return doc.attribute(words[0] if len(words) == 1 else words) if words else None
    held = value.get(kind)
    return None if held is None else doc.attribute(held)


def taxonomy(value: dict[str, Any]) -> list[str]:
    """Paths of a taxonomy, each as one name with ``/`` between its levels."""
    paths = doc.listed(value.get("taxonomy"), "value.taxonomy")
    return [
        "/".join(doc.text(step, "value.taxonomy") for step in doc.listed(path, "value.taxonomy"))
        for path in paths
    ]
