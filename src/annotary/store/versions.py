"""Versions of the small things: what an asset, a tag or a project was before a change.

A version is the whole row, whatever columns it has; an asset's groups are kept with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from annotary.store.database import Database, among
from annotary.store.states import State

TABLES = {"asset": "assets", "tag": "tags", "project": "projects"}
_COUNTED = ("annotations",)
"""Columns that are counts and not content."""

_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode
_encode = msgspec.msgpack.Encoder().encode


class Version(NamedTuple):
    """A former version of a thing."""

    no: int
    born: int
    died: int
    row: dict[str, Any]


def live(db: Database, noun: str, no: int) -> dict[str, Any] | None:
    """The present row of a thing by its columns; an asset's with ``groups``."""
    result = db.execute(f"SELECT * FROM {TABLES[noun]} WHERE no = ?", (no,))
    values = result.fetchone()
    if values is None:
        return None
    row = dict(zip([column[0] for column in result.description], values, strict=True))
    if noun == "asset":
        found = db.rows("SELECT name FROM asset_groups WHERE asset = ? ORDER BY name", (no,))
        row["groups"] = [name for (name,) in found]
    return row


def content(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is a thing's own: not when it was made, nor what is counted."""
    return {name: row[name] for name in row if name not in (*_COUNTED, "born")}


def keep(db: Database, noun: str, no: int, change: int) -> None:
    """Keep what a thing is, before a change edits it; the row is the change's from now on."""
    row = live(db, noun, no)
    if row is None or row["born"] == change:
        return
    _add(db, noun, row, change)
    db.execute(f"UPDATE {TABLES[noun]} SET born = ? WHERE no = ?", (change, no))


def end(db: Database, noun: str, no: int, change: int, row: dict[str, Any] | None = None) -> None:
    """Keep what a thing is and take it away; ``row`` is what it is, where it had to let go."""
    row = row or live(db, noun, no)
    if row is None:
        return
    if row["born"] != change:
        _add(db, noun, row, change)
    _remove(db, noun, no)


def end_many(db: Database, noun: str, numbers: Sequence[int], change: int) -> None:
    """:func:`end` for many things whose versions are not the change's own."""
    for marks, part in among(numbers):
        result = db.execute(f"SELECT * FROM {TABLES[noun]} WHERE no IN {marks}", part)
        names = [column[0] for column in result.description]
        rows = [dict(zip(names, values, strict=True)) for values in result.fetchall()]
        if noun == "asset":
            groups: dict[int, list[str]] = {}
            for no, name in db.rows(
                f"SELECT asset, name FROM asset_groups WHERE asset IN {marks} ORDER BY name", part
            ):
                groups.setdefault(no, []).append(name)
            for row in rows:
                row["groups"] = groups.get(row["no"], [])
            db.execute(f"DELETE FROM asset_groups WHERE asset IN {marks}", part)
        db.many(
            "INSERT INTO versions (noun, no, project, born, died, row) VALUES (?, ?, ?, ?, ?, ?)",
            [(noun, r["no"], r["project"], r["born"], change, _encode(r)) for r in rows],
        )
        db.execute(f"DELETE FROM {TABLES[noun]} WHERE no IN {marks}", part)


def put(db: Database, noun: str, row: dict[str, Any], change: int) -> None:
    """Make a thing what a row says, whether it is there or not."""
    no = row["no"]
    before = live(db, noun, no)
    if before is not None and before["born"] != change:
        _add(db, noun, before, change)
    new = {name: value for name, value in row.items() if name != "groups"}
    new["born"] = change
    for name in _COUNTED:
        if name in new:
            new[name] = before[name] if before else 0
    if before is not None:
        _remove(db, noun, no)
    names = ", ".join(new)
    marks = ", ".join("?" * len(new))
    db.execute(f"INSERT INTO {TABLES[noun]} ({names}) VALUES ({marks})", tuple(new.values()))
    db.many(
        "INSERT INTO asset_groups (project, name, asset) VALUES (?, ?, ?)",
        [(row["project"], group, no) for group in row.get("groups", ())],
    )


def ended_by(db: Database, change: int) -> Iterator[tuple[str, Version]]:
    """The versions that a change has ended, by noun."""
    for noun, *rest, row in db.rows(
        "SELECT noun, no, born, died, row FROM versions WHERE died = ?", (change,)
    ):
        no, born, died = rest
        yield noun, Version(no, born, died, _decode(row))


def made_by(db: Database, noun: str, no: int, change: int) -> dict[str, Any] | None:
    """What a change has left of a thing, None where it has taken it away."""
    row = live(db, noun, no)
    if row is not None and row["born"] == change:
        return row
    found = db.value(
        "SELECT row FROM versions WHERE noun = ? AND no = ? AND born = ?", (noun, no, change)
    )
    return None if found is None else _decode(found)


def made(db: Database, change: int) -> list[tuple[str, int]]:
    """The things whose present or former version is of a change, as noun and number."""
    found = [
        (noun, no)
        for noun, table in TABLES.items()
        for (no,) in db.rows(f"SELECT no FROM {table} WHERE born = ? AND born > 0", (change,))
    ]
    found += db.rows("SELECT DISTINCT noun, no FROM versions WHERE born = ?", (change,))
    return list(dict.fromkeys(found))


def former(db: Database, noun: str, project: int, state: State) -> list[dict[str, Any]]:
    """What things of a project were in a state, as far as they are not so any more."""
    if state.now:
        return []
    found = db.rows(
        "SELECT row FROM versions WHERE project = ? AND noun = ? AND died > ?"
        f" AND {state.has('born')}",
        (project, noun, state.upto),
    )
    return [_decode(row) for (row,) in found]


def _add(db: Database, noun: str, row: dict[str, Any], change: int) -> None:
    project = row["no"] if noun == "project" else row["project"]
    db.execute(
        "INSERT INTO versions (noun, no, project, born, died, row) VALUES (?, ?, ?, ?, ?, ?)",
        (noun, row["no"], project, row["born"], change, _encode(row)),
    )


def _remove(db: Database, noun: str, no: int) -> None:
    if noun == "asset":
        db.execute("DELETE FROM asset_groups WHERE asset = ?", (no,))
    db.execute(f"DELETE FROM {TABLES[noun]} WHERE no = ?", (no,))
