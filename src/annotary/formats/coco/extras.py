"""What COCO's records hold besides shape and class: flags, scores, attributes, other fields."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from annotary.batch import Extra
from annotary.formats.coco.records import Annotation
from annotary.geometry.arrays import Floats
from annotary.syntax.json.text import OpenStruct

AREA_TOLERANCE = 1e-3
"""An area that differs by less, relatively, is the computed one and is not kept."""

FLAGS = frozenset({"difficult", "ignore", "is_crowd", "isbbox", "occluded", "truncated"})
"""Fields in which 0 says nothing."""

OF_THE_SHAPE = frozenset({"occluded", "truncated", "difficult", "rotation"})
"""What CVAT writes among the attributes though it is no attribute of the class."""


def kept(
    records: Sequence[Annotation],
    areas: Floats,
    struct: OpenStruct[Annotation],
    consumed: frozenset[str] = frozenset(),
) -> dict[int, Extra]:
    """The number of a record -> what it has to keep; records that have nothing are left out.

    ``areas`` [n] are those of the shapes; ``consumed`` names fields that were read elsewhere.
    """
    properties: dict[int, dict[str, Any]] = {}
    attributes: dict[int, dict[str, Any]] = {}
    for i, record in enumerate(records):
        if record.iscrowd and record.iscrowd not in ("0", "false"):
            properties[i] = {"iscrowd": 1 if record.iscrowd is True else record.iscrowd}
        if record.attributes:
            _attributes(record.attributes, properties.setdefault(i, {}), attributes, i)
    for i in _other_areas(records, areas):
        properties.setdefault(i, {})["area"] = records[i].area
    if struct.extra_fields:
        for i, record in enumerate(records):
            for name, value in struct.extras(record).items():
                if name not in consumed and _says_something(name, value):
                    properties.setdefault(i, {})[name] = value
    found = {i: Extra(properties=one) for i, one in properties.items() if one}
    for i, one in attributes.items():
        found.setdefault(i, Extra()).attributes = one
    return found


def _other_areas(records: Sequence[Annotation], areas: Floats) -> list[int]:
    """Which records state an area above 0 that is not the one of their shape."""
    stated = [record.area for record in records]
    try:
        numbers = np.array(stated, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.array([_float(one) for one in stated], np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        other = np.abs(numbers - areas) > AREA_TOLERANCE * np.maximum(numbers, areas)
        return np.flatnonzero(other & (numbers > 0)).tolist()


def _float(value: Any) -> float:
    """A number, NaN for what is none or beyond all floats."""
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan


def _attributes(
    stated: Any, properties: dict[str, Any], attributes: dict[int, dict[str, Any]], i: int
) -> None:
    """Values as the model has them: text, numbers, lists of text; true and false are text."""
    if not isinstance(stated, dict):
        properties["attributes"] = stated
        return
    found: dict[str, Any] = {}
    for name, value in stated.items():
        if name in OF_THE_SHAPE and (isinstance(value, bool) or name == "rotation"):
            if value:
                properties[name] = value
        elif isinstance(value, list):
            found[name] = [_text(one) for one in value]
        elif value is not None:
            plain = isinstance(value, str | float) or (
                type(value) is int and abs(value) < 2**53  # beyond, no number: an id
            )
            found[name] = value if plain else _text(value)
    if found:
        attributes[i] = found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _says_something(name: str, value: Any) -> bool:
    if value is None or value is False or value in ("", [], {}):
        return False
    return bool(value) or name not in FLAGS


def is_blank(value: Any) -> bool:
    """Whether a field of an image, a class or the file is but a template that nobody filled in."""
    if isinstance(value, dict):
        return all(is_blank(each) for each in value.values())
    if isinstance(value, list):
        return all(is_blank(each) for each in value)
    return not value or value == "none"
