"""All formats, found by listing this folder: one file or one folder each, named as the format is.

``kit`` is no format: it holds what several formats share.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path

from annotary.contract.format import Format
from annotary.errors import BadRequestError, InternalServerError


@cache
def names() -> tuple[str, ...]:
    """The names of all formats, sorted."""
    folder = Path(__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")} - {"kit"}
    return tuple(sorted(files | folders))


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
