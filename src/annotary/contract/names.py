"""Names of files in an export: below its folder, and no two alike."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain


def member_names(
    images: Sequence[str], ending: str, keep_folders: bool = True, others: Iterable[str] = ()
) -> list[str]:
    """One file name per image for formats with a file each: the image's stem and ``ending``.

    Where two images share a stem (``a.jpg``, ``a.png``), both keep their own ending in front of
    the new one, so that no file overwrites another: ``a.jpg.txt``, ``a.png.txt``. Names are
    compared without regard to case and Unicode form, since some file systems do. ``others`` are
    images of other parts, from whose stems those of ``images`` shall differ as well. What would
    lead out of the export (a root, ``..``) is left out of a name.
    """

    def stem_of(name: str) -> str:
        folder, slash, base = name.rpartition("/")
        stem, dot, _ = base.rpartition(".")
        stem = stem if stem and dot and not base.endswith(".") else base
        return f"{folder}{slash}{stem}" if keep_folders else stem

    images = [inside(name) for name in images]
    stems = [stem_of(name) for name in images]
    keys = [_folded(stem) for stem in chain(stems, map(stem_of, map(inside, others)))]
    if len(set(keys)) == len(keys):  # as nearly always
        return [stem + ending for stem in stems]
    seen = Counter(keys)
    names = []
    used: set[str] = set()
    for name, stem in zip(images, stems, strict=True):
        chosen = (
            stem
            if seen[_folded(stem)] == 1
            else (name if keep_folders else name.rpartition("/")[2])
        )
        candidate, n = chosen + ending, 2
        while _folded(candidate) in used:
            candidate, n = f"{chosen}~{n}{ending}", n + 1
        used.add(_folded(candidate))
        names.append(candidate)
    return names


def distinct(paths: Iterable[str]) -> list[str]:
    """The paths, each later one of equal ones (see :func:`member_names`) with a number."""
    used: set[str] = set()
    found = []
    for path in paths:
        chosen, n = path, 2
        while _folded(chosen) in used:
            stem, dot, ending = path.rpartition(".")
            chosen, n = f"{stem}~{n}{dot}{ending}" if stem else f"{path}~{n}", n + 1
        used.add(_folded(chosen))
        found.append(chosen)
    return found


def _folded(name: str) -> str:
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).casefold()


def inside(path: str) -> str:
    """A relative path without what would lead out of its folder: a root, ``.`` and ``..``."""
    parts = path.split("/")
    return path if _OUTWARD.isdisjoint(parts) else "/".join(p for p in parts if p not in _OUTWARD)


_OUTWARD = frozenset({"", ".", ".."})
