"""Which image a name in a file means, as far as the place of the file decides it.

A file means the image in its own folder first, then those in the folders above and in ``images`` or
``JPEGImages`` there; never one in a folder that has annotation files of its own. Two files of
different folders that bring an image of one name bring two images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from annotary import matching
from annotary.matching import Match
from annotary.problems import Problem
from annotary.reading.images import ImageBook
from annotary.reading.log import ProblemLog
from annotary.syntax.source import SourceFile

_SURE = {"exact", "created", "unicode", "percent-decoded"}
"""Rules that no other folder's image can meet by chance."""


_TRIED = 100


class Name(NamedTuple):
    """An image's name as a file has it, and the one that is looked up."""

    written: str
    used: str
    placed: bool = False
    """The place of the file has decided."""


class Belonging:
    """What a session knows of folders: which have annotation files, which brought which image."""

    def __init__(self, images: ImageBook) -> None:
        self._images = images
        self._folders: set[str] = set()
        self._keys: set[tuple[str, ...]] = set()
        self._brought: dict[str, tuple[str, str]] = {}
        """Names of images that files brought: the folder and the file that was the first."""
        self._twice = 0
        self._example: tuple[str, str, str] | None = None

    def look(self, sources: Sequence[SourceFile]) -> None:
        """Learn where the annotation files lie."""
        self._folders = {source.folder for source in sources}
        self._keys = {matching.folder_key(folder) for folder in self._folders}

    def names(self, source: SourceFile, written: Sequence[str]) -> list[Name]:
        """The names to look up for those that a file has."""
        folder = source.folder
        addresses: dict[str, str] = {}
        plain = []
        for name in written:
            used = name
            if "://" in name:
                used = matching.file_name(name)
                if addresses.setdefault(used, name) != name:
                    used = matching.whole_path(name)
            if source.prefix and not _is_rooted(used, source):
                used = f"{source.prefix}/{used}"
            plain.append(used)
        if not folder or source.prefix:
            return [Name(w, p) for w, p in zip(written, plain, strict=True)]
        where = self._where([p for p in plain if not _is_rooted(p, source)], folder)
        present = self._present([each for tried in where.values() for each in tried])
        found = []
        for name, used in zip(written, plain, strict=True):
            hit = next((each for each in where.get(used, ()) if each in present), None)
            mine = used not in self._brought or self._brought[used][0] == folder
            if hit is not None and (hit != used or mine):
                found.append(Name(name, hit, placed=True))
            elif mine:
                found.append(Name(name, used))
            else:
                first = self._brought[used][1]
                self._twice += 1
                self._example = self._example or (used, first, source.name)
                found.append(Name(name, f"{folder}/{used}", placed=True))
        return found

    def _where(self, names: Sequence[str], folder: str) -> dict[str, list[str]]:
        """The places of each name; of many names, those where some of the first were found."""
        first = {name: matching.places(name, folder) for name in names[:_TRIED]}
        if len(names) <= _TRIED:
            return first
        present = self._present([each for tried in first.values() for each in tried])
        kinds = {i for tried in first.values() for i, each in enumerate(tried) if each in present}
        kept = sorted(kinds | {0})
        return {name: [matching.places(name, folder)[i] for i in kept] for name in names}

    def _present(self, names: Sequence[str]) -> set[str]:
        # a book that takes every name at its word knows none by its place
        look = getattr(self._images, "present", None)
        return set() if look is None else look(names)

    def settled(
        self, source: SourceFile, names: Sequence[Name], matches: Sequence[Match]
    ) -> list[Match]:
        """Matches without those in folders that have annotations of their own."""
        if len(self._folders) < 2:
            return list(matches)
        own = matching.folder_key(source.folder)
        kept = []
        for name, found in zip(names, matches, strict=True):
            if found.rule == "created" and not name.placed:
                self._brought.setdefault(name.used, (source.folder, source.name))
            elif name.placed and found.rule == "exact" and name.used != name.written:
                found = found._replace(rule="place")
            elif found.asset is not None and found.rule not in _SURE:
                there = matching.folder_key(found.asset.filename.rpartition("/")[0])
                if there in self._keys and not matching.related(own, there):
                    found = Match(None)
            kept.append(found)
        return kept

    def tell(self, log: ProblemLog) -> None:
        """Say that images of one name were taken for several."""
        if self._example is None:
            return
        name, first, second = self._example
        values = {"count": self._twice, "name": name, "first": first, "second": second}
        log.add(Problem("same-name", second, values=values))


def _is_rooted(name: str, source: SourceFile) -> bool:
    """Whether a name was made of the file's own path: then it has its folders already."""
    if not source.folder or "/" not in name:
        return False
    stem = source.basename.removesuffix(".gz").rpartition(".")[0] or source.basename
    base = name.rpartition("/")[2]
    return name.count("/") >= source.folder.count("/") + 1 and base in (stem, source.basename)
