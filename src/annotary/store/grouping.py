"""What assets share with others, for all assets of a project at once: groups and custom values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from annotary.store.database import Database
from annotary.store.projects import ProjectKey


def groups_of(db: Database, project: ProjectKey, numbers: Sequence[int]) -> list[Sequence[str]]:
    """The groups of the assets with these numbers, by name."""
    found: dict[int, list[str]] = {}
    for no, name in db.rows(
        "SELECT asset, name FROM asset_groups WHERE project = ? ORDER BY name", (project.no,)
    ):
        found.setdefault(no, []).append(name)
    return [found.get(no, ()) for no in numbers]


def custom_values(db: Database, project: ProjectKey, numbers: Sequence[int], key: str) -> list[str]:
    """One value of the custom metadata of the assets, as text; empty where there is none."""
    found = {
        no: msgspec.json.decode(custom).get(key)
        for no, custom in db.rows(
            "SELECT no, custom FROM assets WHERE project = ? AND custom IS NOT NULL",
            (project.no,),
        )
    }
    values = [found.get(no) for no in numbers]
    return ["" if value is None else str(value) for value in values]
