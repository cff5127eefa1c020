"""How a caller wants files to be read: options of their formats, and what is done about faults."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from annotary import formats
from annotary.contract.format import Format
from annotary.errors import BadRequestError

REPAIRS: dict[str, dict[str, str]] = {
    "clip": {"out-of-bounds": "clip"},
    "drop-empty": dict.fromkeys(("zero-area", "negative-size", "too-few-points"), "skip"),
    "drop-outside": {"out-of-bounds": "skip"},
}
"""What ``repair`` names -> what it does about which fault."""

FAULTS = {
    "out-of-bounds": ("clip", "skip", "refuse"),
    **dict.fromkeys(
        ("zero-area", "negative-size", "too-few-points", "not-finite"), ("skip", "refuse")
    ),
}
"""Faults of single shapes, and what can be done about each."""


class Wishes(msgspec.Struct, forbid_unknown_fields=True, dict=True):
    """The caller's choices; :meth:`check` raises for those that nothing knows.

    ``options``: of the files' formats, by name. ``repair``: names in ``REPAIRS``. ``on_fault``:
    a fault's code -> ``clip``, ``skip`` (the record, as a warning) or ``refuse``; it goes before
    ``repair``. ``lint``: whether rules of good practice are looked at, and what they cost.
    """

    options: dict[str, Any] = {}
    repair: Sequence[str] = ()
    on_fault: dict[str, str] = {}
    lint: str = "off"

    def check(self, chosen: Format | None = None) -> None:
        """Raise :class:`BadRequestError` for a choice that nothing knows."""
        for name in self.repair:
            if name not in REPAIRS:
                raise BadRequestError(
                    f"There is no repair {name!r}.", hint=f"Known: {', '.join(REPAIRS)}."
                )
        for code, action in self.on_fault.items():
            if action not in FAULTS.get(code, ()):
                what = f"on_fault cannot {action!r} {code!r}."
                known = "; ".join(f"{key}: {', '.join(value)}" for key, value in FAULTS.items())
                raise BadRequestError(what, hint=f"Known: {known}.")
        readers = [chosen] if chosen else formats.readers()
        known_options = sorted({o for f in readers for o in f.ReadOptions.__struct_fields__})
        for name in self.options:
            if name not in known_options:
                whom = f"The format {chosen.name}" if chosen else "Every format"
                raise BadRequestError(
                    f"{whom} reads files without an option {name!r}.",
                    hint=f"Known: {', '.join(known_options) or 'none'}.",
                )
        for each in readers:
            self.options_of(each)

    def options_of(self, format_: Format) -> Any:
        """Those options that a format knows, as its ``ReadOptions``."""
        known = format_.ReadOptions.__struct_fields__
        mine = {
            # numbers in quotes or not, from a command line or JSON
            name: value if isinstance(value, bool) else str(value)
            for name, value in self.options.items()
            if name in known
        }
        try:
            return msgspec.convert(mine, format_.ReadOptions, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequestError(f"Options to read {format_.name}: {error}.") from None

    @cached_property
    def actions(self) -> dict[str, str]:
        """A fault's code -> what is done about it, where that is not to refuse."""
        found: dict[str, str] = {}
        for name in self.repair:
            found |= REPAIRS[name]
        return {code: do for code, do in {**found, **self.on_fault}.items() if do != "refuse"}


def parsed(pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a dictionary; raises :class:`BadRequestError`."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadRequestError(f"The option {pair!r} has no value.", hint="Write NAME=VALUE.")
        found[name.strip()] = value
    return found
