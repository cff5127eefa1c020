"""Dictionaries that callers write, as the structs that calls take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from annotary.errors import ValidationError

S = TypeVar("S", bound=msgspec.Struct)


def convert(given: Any, type: type[S], what: str) -> S:
    """A struct from itself or a mapping with snake_case or camelCase keys.

    Raises :class:`ValidationError` that names the field and lists those that exist.
    """
    if isinstance(given, type):
        return given
    if isinstance(given, msgspec.Struct):
        given = msgspec.structs.asdict(given)
    if not isinstance(given, Mapping):
        raise ValidationError(
            f"The {what} is {given!r}; it must be a dictionary or {type.__name__}."
        )
    fields_given = camel(given)
    try:
        return msgspec.convert(fields_given, type)
    except msgspec.ValidationError:
        pass  # perhaps for a number of numpy's among them
    try:
        return msgspec.convert(_plain(fields_given), type)
    except msgspec.ValidationError as error:
        raise ValidationError(
            f"The {what} is not valid: {snake_path(str(error))}.", hint=_hint(type, str(error))
        ) from None


def _hint(type: type[S], error: str) -> str:
    """What the field may hold that the error is about; else which fields there are."""
    path = re.search(r"at `\$\.(\w+)", error)
    for field in msgspec.inspect.type_info(type).fields if path else ():  # type: ignore[attr-defined]
        if path is None or field.encode_name != path[1]:
            continue
        kinds = getattr(field.type, "types", [field.type])
        values = [v for kind in kinds for v in getattr(kind, "values", ())]
        if values:
            return f"{field.name} is one of {', '.join(map(str, values))}."
        if field.name == "bound":
            return (
                "A bound is a list of points in fractions, 0..1: [[x, y], ...], for a Rectangle "
                "[[xmin, ymin], [xmin, ymax], [xmax, ymax], [xmax, ymin]]; pixels are divided by "
                "the image's width and height."
            )
    return f"Its fields: {', '.join(type.__struct_fields__)}."


def page_limit(pagination: Mapping[str, Any]) -> int:
    """The length of a page that a caller asks for. Raises :class:`ValidationError`."""
    limit = pagination.get("limit") or 100
    if not isinstance(limit, int):
        raise ValidationError(
            f"The limit of a page is {limit!r}.", hint="It is a whole number, at most 1000."
        )
    return limit


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy, wherever they are, as those of Python."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def camel(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in camelCase; values that are structs as they are."""
    encoded: dict[str, Any] = {}
    for key, value in given.items():
        name = re.sub(r"_([a-z])", lambda m: m[1].upper(), str(key))
        encoded[name] = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    return encoded


def snake_path(text: str) -> str:
    """msgspec's message with the field names as Python callers know them."""
    return re.sub(
        r"`([^`]+)`",
        lambda m: "`" + re.sub(r"(?<=[a-z])([A-Z])", lambda c: "_" + c[1].lower(), m[1]) + "`",
        text,
    )
