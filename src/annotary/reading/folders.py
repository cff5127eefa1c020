"""What is in a folder: files of the kinds that are looked for, and what stood in the way.

Links are followed, each folder once. Only regular files are answered: nothing that a reader
could wait for. What cannot be looked at is a problem with its place, and the walk goes on.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from annotary.problems import Problem

_SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ENDING = re.compile(r"\.[a-z0-9_~-]{1,12}$")
_KINDS_TOLD = 6
_STORE, _STORE_FILES, _STORE_FOLDERS = "annotary.db", "annotary.", {"blobs", "running"}


class Contents:
    """What a walk found.

    ``files`` are those with the endings that were looked for, sorted folder by folder;
    ``problems`` what could not be looked at; ``others`` the endings of files of other kinds
    and how many of each there are.
    """

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.problems: list[Problem] = []
        self.others: Counter[str] = Counter()


def look(folder: Path, endings: Collection[str], *, beside: Collection[str] = ()) -> Contents:
    """Walk through a folder and those below it for files with these endings (lower case).

    Files with an ending of ``beside`` belong to the data, but are not looked for; they are
    neither answered nor counted. Hidden folders are left out.
    """
    found = Contents()
    wanted, expected = tuple(endings), tuple(beside)
    seen: dict[tuple[int, int], str] = {}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        place = _place(here, folder)
        try:
            at = here.stat()
            with os.scandir(here) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            found.problems.append(_unreadable("unreadable-folder", place, error))
            continue
        first = seen.setdefault((at.st_dev, at.st_ino), place)
        if first != place:
            found.problems.append(Problem("linked-twice", place, values={"first": first}))
            continue
        below = []
        home = any(entry.name == _STORE for entry in entries)
        for entry in entries:
            if home and (entry.name in _STORE_FOLDERS or entry.name.startswith(_STORE_FILES)):
                continue  # a store lies here: its files are not the folder's data
            path = here / entry.name
            looked_for = entry.name.lower().endswith(wanted)
            try:
                # a link that leads nowhere raises here
                mode = entry.stat().st_mode
            except OSError as error:
                if looked_for or (not ending_of(entry.name) and not entry.name.startswith(".")):
                    problem = _unreadable("unreadable-file", _place(path, folder), error)
                    found.problems.append(problem)
                elif not entry.name.lower().endswith(expected):
                    found.others[ending_of(entry.name)] += 1
                continue
            if stat.S_ISDIR(mode):
                if not entry.name.startswith("."):
                    below.append(path)
            elif not stat.S_ISREG(mode):
                kind = _SPECIAL.get(stat.S_IFMT(mode), "something else")
                values = {"kind": kind}
                found.problems.append(Problem("not-a-file", _place(path, folder), values=values))
            elif looked_for:
                found.files.append(path)
            elif not entry.name.startswith(".") and not entry.name.lower().endswith(expected):
                found.others[ending_of(entry.name)] += 1
        waiting += reversed(below)
    return found


def special(path: Path) -> str:
    """What a path is that is neither a file nor a folder (``a pipe``), or nothing."""
    return _SPECIAL.get(stat.S_IFMT(path.stat().st_mode), "")


def left_alone(place: str, others: Counter[str]) -> Problem:
    """The one line that tells of files of other kinds."""
    count = others.total()
    kinds = [f"{number} {ending or 'without an ending'}" for ending, number in _sorted(others)]
    more = len(kinds) - _KINDS_TOLD
    shown = ", ".join(kinds[:_KINDS_TOLD]) + (f" and {more} more kinds" if more > 0 else "")
    files = "1 file of another kind was" if count == 1 else f"{count} files of other kinds were"
    return Problem("left-alone", place, values={"files": files, "kinds": shown})


def _sorted(others: Counter[str]) -> Sequence[tuple[str, int]]:
    return sorted(others.items(), key=lambda item: (-item[1], item[0]))


def _place(path: Path, folder: Path) -> str:
    """A path as the import names it: below the folder that was given."""
    name = path.relative_to(folder).as_posix()
    return (folder.name or str(folder)) if name == "." else name


def _unreadable(code: str, place: str, error: OSError) -> Problem:
    detail = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        detail = "it is a link to a file that is not there"
    return Problem(code, place, values={"detail": detail})


def ending_of(name: str) -> str:
    """The ending of a name, in lower case: ``.tar.gz`` is one."""
    lower = PurePosixPath(name).name.lower()
    found = _ENDING.search(lower)
    if found is None or not found.start():
        return ""
    return ".tar" + found[0] if lower[: found.start()].endswith(".tar") else found[0]
