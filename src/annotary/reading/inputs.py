"""What the caller's paths stand for: files, what folders and archives hold, standard input.

One way for every command and session: files with their places in the import, and what stood in
the way as problems. What an archive holds is unpacked into a folder that lives as long as the
inputs do.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from annotary import formats
from annotary.errors import BadRequestError, NotFoundError
from annotary.problems import ERROR, Problem
from annotary.reading import archives, folders
from annotary.syntax.image import EXTENSIONS
from annotary.syntax.source import SourceFile

STDIN = "-"


class Input(NamedTuple):
    """A file of an import."""

    name: str
    """Its place in the import, with ``/``."""
    path: Path
    found: bool = False
    """A folder or an archive had it: nobody named it."""
    prefix: str = ""
    """What the caller put in front of the names of its images."""
    unpacked: bool = False
    """It is gone when the inputs are closed."""


class Inputs:
    """The files that paths stand for; close it, or use it in a ``with`` block."""

    def __init__(self, endings: Collection[str], beside: Collection[str] = ()) -> None:
        self.files: list[Input] = []
        self.problems: list[Problem] = []
        """What could not be looked at, and one line for each folder's files of other kinds."""
        self._endings = endings
        self._beside = beside
        self._names: set[str] = set()
        self._folders: list[Path] = []

    @classmethod
    def of_annotations(cls) -> Inputs:
        """Files that some format may read; images may lie between them."""
        return cls(formats.extensions(), EXTENSIONS)

    @classmethod
    def of_images(cls) -> Inputs:
        """Images; annotation files may lie between them."""
        return cls(EXTENSIONS, formats.extensions())

    def add_all(
        self, paths: Sequence[str | os.PathLike[str]], prefixes: Sequence[str] = ()
    ) -> Sequence[Input]:
        """Add several paths; where names of two folders are equal, the folders' names stand first.

        Raises :class:`BadRequestError` for more or fewer prefixes than paths.
        """
        if prefixes and len(prefixes) != len(paths):
            raise BadRequestError(
                f"{len(prefixes)} prefixes for {len(paths)} paths.",
                hint="Give one prefix for each path, in their order.",
            )
        places = [Path(path).expanduser() for path in paths]
        given = [self._look(place) for place in places]
        counts = Counter(name for files in given for name in {file.name for file in files})
        clashing = [any(counts[file.name] > 1 for file in files) for files in given]
        fronts = _fronts([p for p, clash in zip(places, clashing, strict=True) if clash])
        taken: list[Input] = []
        for number, files in enumerate(given):
            prefix = prefixes[number].strip("/") if prefixes else ""
            taken += self._take(files, prefix or fronts.get(places[number], ""), prefix)
        return taken

    def add(self, path: str | os.PathLike[str], prefix: str = "") -> Sequence[Input]:
        """Add a path; answers its files. Raises where there is nothing to read."""
        place = Path(path).expanduser()
        prefix = prefix.strip("/")
        files = self._look(place)
        front = prefix
        if not prefix and any(file.name in self._names for file in files):
            # two splits may each have an _annotations.coco.json
            front = _fronts([place])[place]
        return self._take(files, front, prefix)

    def sources(self) -> list[SourceFile]:
        """The files as readers take them."""
        return [
            SourceFile(each.name, path=each.path, found=each.found, prefix=each.prefix)
            for each in self.files
        ]

    def __enter__(self) -> Inputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._folders = []

    # --- inside -----------------------------------------------------------------------------

    def _take(self, files: Sequence[Input], front: str, prefix: str) -> Sequence[Input]:
        taken = []
        for file in files:
            name = f"{front}/{file.name}" if front else file.name
            if name in self._names:
                raise BadRequestError(
                    f"A file named {name!r} was added already.",
                    hint="Names must differ within a session; add a folder to keep sub-folders "
                    "apart, or give a prefix.",
                )
            self._names.add(name)
            taken.append(file._replace(name=name, prefix=prefix))
        self.files += taken
        return taken

    def _look(self, path: Path) -> list[Input]:
        if str(path) == STDIN:
            given = self._standard_input()
            if archives.looks_like_one(given):
                return self._archive(given, STDIN)
            return [Input(STDIN, given, unpacked=True)]
        if path.is_dir():
            return self._folder(path)
        if not path.exists():
            raise NotFoundError(f"There is no file or folder {path}.")
        kind = folders.special(path)
        if kind:
            raise BadRequestError(
                f"{path} is {kind}, not a file.", hint="Use - to read from standard input."
            )
        if archives.is_archive(path.name):
            return self._archive(path, path.name)
        return [Input(path.name, path)]

    def _folder(self, path: Path) -> list[Input]:
        endings = {*self._endings, *archives.ENDINGS}
        found = folders.look(path, endings, beside=self._beside)
        files = []
        for each in found.files:
            name = each.relative_to(path).as_posix()
            if not archives.is_archive(each.name):
                files.append(Input(name, each, found=True))
                continue
            at = name.rpartition("/")[0]
            inside = self._unpacked(each, name, in_place=True)
            found.problems += inside.problems
            found.others += inside.others
            for member, place in zip(inside.files, self._members(inside), strict=True):
                whole = f"{at}/{place}" if at else place
                files.append(Input(whole, member, found=True, unpacked=True))
        self._tell(path.name or str(path), found)
        if not files and not self.problems:
            raise BadRequestError(
                f"The folder {path} has no {self._what()} files.",
                hint=f"Looked for files ending in {', '.join(sorted(self._endings))}."
                + _others(found),
            )
        return files

    def _archive(self, path: Path, name: str) -> list[Input]:
        found = self._unpacked(path, name)
        self._tell(name, found)
        if not found.files and not any(p.level == ERROR for p in found.problems):
            raise BadRequestError(
                f"The archive {path} has no {self._what()} files.",
                hint=f"Looked for files ending in {', '.join(sorted(self._endings))}."
                + _others(found),
            )
        places = self._members(found)
        return [
            Input(place, member, found=True, unpacked=True)
            for member, place in zip(found.files, places, strict=True)
        ]

    def _what(self) -> str:
        return "image" if set(self._endings) <= EXTENSIONS else "annotation"

    def _unpacked(self, path: Path, name: str, in_place: bool = False) -> folders.Contents:
        folder = self._new_folder()
        return archives.unpack(
            path, name, folder, self._endings, beside=self._beside, in_place=in_place
        )

    def _members(self, found: folders.Contents) -> list[str]:
        folder = self._folders[-1]
        return [each.relative_to(folder).as_posix() for each in found.files]

    def _tell(self, place: str, found: folders.Contents) -> None:
        self.problems += found.problems
        if found.others:
            self.problems.append(folders.left_alone(place, found.others))

    def _standard_input(self) -> Path:
        target = self._new_folder() / "standard-input"
        with target.open("wb") as out:
            shutil.copyfileobj(sys.stdin.buffer, out, 1 << 20)
        return target

    def _new_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="annotary-"))
        self._folders.append(folder)
        return folder


def _fronts(paths: Sequence[Path]) -> dict[Path, str]:
    """What stands in front of the names of each path's files: folders, as many as tell them apart.

    Paths that are equal get the same, for nothing tells them apart.
    """
    folders_ = {path: _folder_of(path).parts[1:] for path in paths}
    for count in range(1, max(map(len, folders_.values()), default=0) + 1):
        fronts = {path: "/".join(parts[-count:]) for path, parts in folders_.items()}
        if len(set(fronts.values())) == len(set(folders_.values())):
            return fronts
    return dict.fromkeys(paths, "")


def _folder_of(path: Path) -> Path:
    """The folder that a path's files would lie in: an archive's is called as the archive."""
    whole = path.absolute()
    if path.is_dir():
        return whole
    for ending in archives.ENDINGS:
        if path.name.lower().endswith(ending):
            return whole.with_name(path.name[: -len(ending)])
    return whole.parent


def _others(found: folders.Contents) -> str:
    if not found.others:
        return ""
    return " " + folders.left_alone("", found.others).message
