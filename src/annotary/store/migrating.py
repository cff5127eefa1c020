"""Bringing a store of an older version up to date.

``migrations/NNNN_name.sql`` runs first, then, where there is one, the function ``migrate`` of
``migrations/stepNNNN.py``: for what SQL cannot do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.resources import files

from annotary.ids import new_id, now_ms
from annotary.store.database import Database


def version(db: Database) -> int:
    """The number of the last migration that a store has seen; 0 for a new one."""
    return int(db.value("PRAGMA user_version"))


@cache
def _scripts() -> list[tuple[int, str]]:
    folder = files("annotary.store").joinpath("migrations")
    return sorted(
        (int(entry.name.split("_")[0]), entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )


def newest() -> int:
    """The number of the last migration that there is."""
    return _scripts()[-1][0]


def migrate(db: Database) -> None:
    """Run what a store has not seen yet, in a transaction that is open."""
    # another process may have migrated while this one waited
    before = version(db)
    steps = files("annotary.store").joinpath("migrations")
    for number, script in _scripts():
        if number > before:
            for statement in _statements(script):
                db.execute(statement)
            if steps.joinpath(f"step{number:04}.py").is_file():
                import_module(f"annotary.store.migrations.step{number:04}").migrate(db)
            db.execute(f"PRAGMA user_version = {number}")
    if before == 0:
        db.execute(
            "INSERT INTO workspace (id, name, owner, created) VALUES (?, ?, ?, ?)",
            (new_id(), "Annotary", "local", now_ms()),
        )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script (``executescript`` would commit by itself)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
