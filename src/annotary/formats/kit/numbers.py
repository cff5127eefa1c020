"""Numbers and values as text, for formats whose files are text."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from annotary.geometry.arrays import Floats


def shortest(values: Floats, *, point: bool = False) -> list[str]:
    """Floats [n] as the shortest text that reads back the same, as ``repr`` writes it.

    Whole numbers are without ``.0``, unless ``point`` asks for it: fractions of an image keep
    it, since numbers 0 and 1 without a decimal point would be taken for pixels.
    """
    if not len(values):
        return []
    # several times as fast as repr, and the same but for what follows
    joined = _encode(values.tolist())[1:-1]
    found = (joined if point else (joined + b",").replace(b".0,", b",")[:-1]).decode().split(",")
    size = np.abs(values)
    odd = ((size < 1e-4) & (size > 0)) | ~(size < 1e16) | (np.signbit(values) & (size == 0))
    for i in np.flatnonzero(odd).tolist():
        found[i] = repr(float(values[i]))
    return found


_encode = msgspec.json.Encoder().encode


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
        return repr(value) if str(value) == "-0.0" else repr(value).removesuffix(".0")
    return str(value)
