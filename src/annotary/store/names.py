"""Names of assets and tags while things come back: who has one, who lets go of it for a while."""

from __future__ import annotations

from typing import Any

from annotary.matching import key as match_key
from annotary.store import versions
from annotary.store.database import Database

NAMES = {"asset": "filename", "tag": "name"}
"""What of a thing only one in a project has."""


class Names:
    """The names of one transaction; things that have let go of theirs, as they were."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.moved: dict[tuple[str, int], dict[str, Any]] = {}

    def let_go(self, noun: str, no: int) -> None:
        """Free a thing's name for a while."""
        row = versions.live(self._db, noun, no)
        if row is not None and noun in NAMES:
            self.moved[noun, no] = row
            self._db.execute(
                f"UPDATE {versions.TABLES[noun]} SET {NAMES[noun]} = ? WHERE no = ?",
                (f"\0{no}", no),
            )

    def take(self, noun: str, no: int, row: dict[str, Any] | None) -> None:
        """Give a thing back its name, or a free one."""
        if row is None or noun not in NAMES:
            return
        name = row[NAMES[noun]]
        if self.taken(noun, row) is not None:
            name = free_name(self._db, noun, row)[NAMES[noun]]
        self._db.execute(
            f"UPDATE {versions.TABLES[noun]} SET {NAMES[noun]} = ? WHERE no = ?", (name, no)
        )

    def holder(self, noun: str, row: dict[str, Any]) -> int | None:
        """The number of what has a thing's former name now."""
        if noun not in NAMES:
            return None
        found: int | None = self._db.value(
            f"SELECT no FROM {versions.TABLES[noun]} WHERE project = ? AND {NAMES[noun]} = ?",
            (row["project"], row[NAMES[noun]]),
        )
        return found

    def taken(self, noun: str, row: dict[str, Any]) -> int | None:
        if noun not in NAMES:
            return None
        found: int | None = self._db.value(
            f"SELECT born FROM {versions.TABLES[noun]} WHERE project = ? AND {NAMES[noun]} = ?"
            " AND no != ?",
            (row["project"], row[NAMES[noun]], row["no"]),
        )
        return found


def free_name(db: Database, noun: str, row: dict[str, Any]) -> dict[str, str]:
    """A name that nothing has: ``a (restored).jpg``."""
    column = "filename" if noun == "asset" else "name"
    whole = str(row[column])
    folder, slash, name = whole.rpartition("/")
    stem, dot, ending = name.rpartition(".") if noun == "asset" else (name, "", "")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    number = 1
    while True:
        suffix = "restored" if number == 1 else f"restored {number}"
        new = f"{folder}{slash}{stem} ({suffix}){ending}"
        found = db.value(
            f"SELECT 1 FROM {versions.TABLES[noun]} WHERE project = ? AND {column} = ?",
            (row["project"], new),
        )
        if found is None:
            return {column: new} | ({"match_key": match_key(new)} if noun == "asset" else {})
        number += 1
