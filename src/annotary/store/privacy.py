"""Who may read a store's files: its user, and its group where the folder is the group's to write.

A database holds what links are signed with, and blobs are data of people, so neither is left to
every user of a machine. A folder with other things in it stays as it is: what is ours inside is
closed instead.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

_DATABASE = ("annotary.db", "annotary.db-wal", "annotary.db-shm")
_FOLDERS = ("blobs", "running")

log = logging.getLogger("annotary.store")


def make_private(home: Path) -> int:
    """Make a store's folder and what it needs, and close what others could read.

    Answers the mode that new files are to have. Says so when a store was open to others. Raises
    OSError where the folder cannot be made.
    """
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            home.mkdir(mode=0o700)
    shared = home.stat().st_mode & stat.S_IWGRP
    others = stat.S_IRWXO if shared else stat.S_IRWXG | stat.S_IRWXO
    for name in _FOLDERS:
        if not (home / name).is_dir():
            (home / name).mkdir(mode=0o700, exist_ok=True)
            if shared:
                (home / name).chmod(stat.S_IMODE(home.stat().st_mode) & ~stat.S_IRWXO)
    mode = 0o660 if shared else 0o600
    if os.name == "posix":
        _close(home, others, mode)
    return mode


def _close(home: Path, others: int, mode: int) -> None:
    database = home / _DATABASE[0]
    was = database.exists() and database.stat().st_size > 0
    if not database.exists():  # SQLite gives the files beside it the same mode
        os.close(open_private(database, os.O_CREAT | os.O_RDWR, mode))
    mine = [home / name for name in (*_DATABASE, *_FOLDERS) if (home / name).exists()]
    if {each.name for each in home.iterdir()} <= {*_DATABASE, *_FOLDERS}:
        mine.append(home)
    opened = [each for each in mine if each.stat().st_mode & others]
    if not opened:
        return
    try:
        for each in opened:
            _without(each, others)
        if was:
            for folder, _, files in os.walk(home / "blobs"):
                for name in ("", *files):
                    _without(Path(folder, name), others)
            log.warning("Other users could read the store %s; now they cannot.", home)
    except OSError as error:
        log.warning(
            "Other users can read the store %s, and that cannot be changed: %s.",
            home,
            error.strerror,
        )


def open_private(path: str | Path, flags: int, mode: int) -> int:
    """Open or make a file that has a mode whatever the process's mask is."""
    file = os.open(path, flags, mode)
    if mode & stat.S_IRWXG:
        with suppress(OSError):
            os.fchmod(file, mode)
    return file


def _without(path: Path, others: int) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~others)
