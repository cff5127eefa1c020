"""Options of the commands that read files: what their formats are told, and what is mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from annotary.reading.wishes import Wishes

REPAIRS = ("clip", "drop-empty", "drop-outside")

_REPAIR = click.option(
    "--repair",
    metavar="NAME,...",
    default="",
    help="What to mend, counted and told: clip (cut shapes off at the edge of their image),"
    " drop-empty (leave out shapes without area), drop-outside (leave out shapes beyond the"
    " image).",
)
_LINT = click.option(
    "--lint",
    type=click.Choice(["off", "warn", "error"]),
    default="off",
    help="Look at rules of good practice, too: doubled, tiny and self-crossing shapes, classes"
    " that differ only in case or blanks.",
)
_OPTION = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of the files' format, as tag=balloon; an unknown one lists those there are.",
)


def read_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--option``, ``--repair`` and ``--lint``, handed on as one ``reading``."""

    @wraps(command)
    def run(*args: Any, options: tuple[str, ...], **given: Any) -> Any:
        return command(*args, reading=_reading(options, given), **given)

    return _OPTION(repairs(run))


def repairs(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--repair`` and ``--lint`` alone, for a command that has an ``--option`` already."""
    return _REPAIR(_LINT(command))


def _reading(options: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    from annotary.reading.wishes import parsed

    return {"options": parsed(options), **taken(given)}


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """What :func:`repairs` has added to a command's arguments, taken out of them."""
    names = [name.strip() for name in given.pop("repair").split(",")]
    return {"repair": [name for name in names if name], "lint": given.pop("lint")}


def wishes(reading: Mapping[str, Any]) -> Wishes:
    """The choices as the reading takes them."""
    from annotary.reading.wishes import Wishes

    return Wishes(**reading)
