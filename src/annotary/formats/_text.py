"""Numbers and values as text, for formats whose files are text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def shortest(values: Iterable[float], *, point: bool = False) -> list[str]:
    """Floats as the shortest text that reads back the same.

    Whole numbers are without ``.0``, unless ``point`` asks for it: fractions of an image keep
    it, since numbers 0 and 1 without a decimal point would be taken for pixels.
    """
    if point:
        return list(map(repr, values))
    return [t[:-2] if t[-2:] == ".0" and t != "-0.0" else t for t in map(repr, values)]


def scalar(text: str) -> str | int | float:
    """A number where the text is exactly how a number is written, else the text itself."""
    try:
        number = float(text)
    except ValueError:
        return text
    if number.is_integer() and str(int(number)) == text:
        return int(number)
    return number if repr(number) == text else text


def attribute(text: str) -> str | float:
    """An attribute's value: as :func:`scalar`, with whole numbers as floats too."""
    value = scalar(text)
    return float(value) if isinstance(value, int) else value


def plain(value: Any) -> str:
    """A number, flag or word as text: flags as 0 and 1, whole numbers without ``.0``."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return shortest([value])[0]
    return str(value)
