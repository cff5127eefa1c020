"""What belongs to assets beside their rows: groups, and how many annotations they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from annotary.store import past
from annotary.store.database import Database, among
from annotary.store.projects import ProjectKey
from annotary.store.states import State


def groups_of(db: Database, assets: Sequence[int]) -> dict[int, list[str]]:
    """The groups that assets are in now, by their numbers; those in none are left out."""
    found: dict[int, list[str]] = {}
    for marks, part in among(assets):
        for no, name in db.rows(
            f"SELECT asset, name FROM asset_groups WHERE asset IN {marks} ORDER BY asset, name",
            part,
        ):
            found.setdefault(no, []).append(name)
    return found


def tag_counts(db: Database, state: State, assets: Sequence[int]) -> list[tuple[int, int, int]]:
    """How many annotations of each tag assets have, as (asset, tag, number)."""
    found: list[tuple[int, int, int]] = []
    for marks, part in among(assets):
        found += _counts(db, state, marks, part)
    return found


def numbers_of(db: Database, project: ProjectKey, field: str, texts: Sequence[str]) -> list[int]:
    """The assets whose file name (``file``), status or group is one of some texts."""
    found: list[int] = []
    for marks, part in among(texts):
        if field == "group":
            sql = f"SELECT DISTINCT asset FROM asset_groups WHERE project = ? AND name IN {marks}"
        else:
            column = {"file": "filename", "status": "status"}[field]
            sql = f"SELECT no FROM assets WHERE project = ? AND {column} IN {marks}"
        found += [no for (no,) in db.rows(sql, (project.no, *part))]
    return found


def _counts(
    db: Database, state: State, marks: str, assets: Sequence[int]
) -> list[tuple[int, int, int]]:
    """How many annotations of each tag assets have, as (asset, tag, number)."""
    join = f"asset_annotations x JOIN annotations n ON n.seq = x.seq WHERE x.asset IN {marks}"
    if state.now:
        return db.rows(
            f"SELECT x.asset, n.tag, COUNT(*) FROM {join} AND {state.alive('n')}"
            " GROUP BY x.asset, n.tag ORDER BY x.asset, n.tag",
            assets,
        )
    found = db.rows(
        "SELECT n.seq, n.born, n.tag, n.hole, n.grp, n.geometry, n.extra, x.asset"
        f" FROM {join} AND {state.alive('n')}",
        assets,
    )
    places = {"seq": 0, "born": 1, "tag": 2, "hole": 3, "group": 4, "geometry": 5, "extra": 6}
    counts = Counter((each[7], each[2]) for each in past.as_of(db, found, state, places))
    return sorted((asset, tag, number) for (asset, tag), number in counts.items())
