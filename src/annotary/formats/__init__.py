"""All formats, found by listing this folder: one file each, named as the format is.

Files that begin with an underscore are no formats: they hold what a family of formats shares.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path

from annotary.errors import BadRequestError, InternalServerError
from annotary.format import Format


@cache
def names() -> tuple[str, ...]:
    """The names of all formats, sorted."""
    folder = Path(__file__).parent
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")))


@cache
def get(name: str) -> Format:
    """The format called ``name``. Raises :class:`BadRequestError` with the nearest names."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5)
        raise BadRequestError(
            f"There is no format {name!r}.",
            hint=(f"Did you mean {' or '.join(near)}? " if near else "")
            + f"Known: {', '.join(names())}.",
        )
    try:
        found = importlib.import_module(f"annotary.formats.{name}").FORMAT
    except Exception as error:
        raise InternalServerError(
            f"The format {name} cannot be loaded: {type(error).__name__}: {error}.",
            hint="Install Annotary again; if a package is named, install that.",
        ) from error
    assert isinstance(found, Format)
    return found


@cache
def readers() -> tuple[Format, ...]:
    """All formats that can be read."""
    return tuple(f for f in map(get, names()) if f.reads)


@cache
def writers() -> tuple[Format, ...]:
    """All formats that can be written."""
    return tuple(f for f in map(get, names()) if f.writes)


@cache
def extensions() -> frozenset[str]:
    """Endings that some readable format uses: what to pick up from a folder."""
    return frozenset(e for f in readers() for e in f.extensions)
