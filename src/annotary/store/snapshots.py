"""Snapshots: named states of a project that never change.

A snapshot is the number of the last change in it, and those below that were not published then:
it costs nothing until something changes, and what it needs is not purged.
"""

from __future__ import annotations

import json

import msgspec

from annotary import ids
from annotary.errors import ConflictError, GoneError, NotFoundError
from annotary.store import changes, edits, past, versions
from annotary.store.changes import Change
from annotary.store.database import Database, in_parts
from annotary.store.projects import ProjectKey, purged_upto
from annotary.store.states import State

_COLUMNS = "name, id, upto, open, author, message, created, counts"


class SnapshotRow(msgspec.Struct):
    """A snapshot as it is stored; ``counts`` is JSON."""

    name: str
    id: bytes
    upto: int
    open: list[int]
    author: str
    message: str
    created: int
    counts: str

    @property
    def state(self) -> State:
        """The state that it names."""
        return State(self.upto, tuple(self.open))


def _row(found: tuple[object, ...]) -> SnapshotRow:
    values = list(found)
    values[3] = json.loads(str(values[3]))
    return SnapshotRow(*values)  # type: ignore[arg-type]


def create(
    db: Database, project: ProjectKey, name: str, message: str, counts: bytes
) -> SnapshotRow:
    """Name the present state. Raises :class:`ConflictError` when the name is taken."""
    if db.row("SELECT 1 FROM snapshots WHERE project = ? AND name = ?", (project.no, name)):
        raise ConflictError(
            f"The project has a snapshot {name!r} already.",
            hint="A snapshot never changes: choose another name, or delete the old one first.",
        )
    who = changes.WHO.get() or changes.Who()
    state = project.state
    db.execute(
        f"INSERT INTO snapshots (project, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            project.no, name, ids.new_id(), state.upto, json.dumps(state.open),
            who.author or "local", message or who.message, ids.now_ms(), counts.decode(),
        ),
    )  # fmt: skip
    return find(db, project, name)


def find(db: Database, project: ProjectKey, name: str) -> SnapshotRow:
    """The snapshot with a name. Raises :class:`NotFoundError`."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM snapshots WHERE project = ? AND name = ?", (project.no, name)
    )
    if found is None:
        raise NotFoundError(
            f"There is no snapshot {name!r} in the project.",
            hint="List them with project.snapshots.list().",
        )
    return _row(found)


def at(db: Database, project: ProjectKey, name: str | None) -> ProjectKey:
    """A project as it was: a snapshot's name, or ``#`` and a change's number; None: as it is."""
    if name is None or name == "now":
        return project
    if name.startswith("#") and name[1:].isdecimal():
        state = changes.state_after(db, project, int(name[1:19]))
        was = as_of(project, state.upto, state.open)
        refuse_purged(db, was)
        return was
    state = find(db, project, name).state
    return as_of(project, state.upto, state.open)


def refuse_purged(db: Database, was: ProjectKey) -> None:
    """Raise :class:`GoneError` for a former state of which something is forgotten.

    What is needed for a snapshot is not.
    """
    state = was.state
    if state.now or state.upto >= purged_upto(db, was):
        return
    named = db.rows("SELECT upto, open FROM snapshots WHERE project = ?", (was.no,))
    if (state.upto, state.open) not in [(upto, tuple(json.loads(o))) for upto, o in named]:
        raise GoneError(
            "That state of the project is not kept any more.",
            hint="Start again with the first page. A snapshot keeps a state for ever.",
        )


def as_of(project: ProjectKey, upto: int, open_: tuple[int, ...]) -> ProjectKey:
    """A project as it was in a state; as it is, where nothing has happened since."""
    present = project.state
    if upto > present.upto or (present.upto, present.open) == (upto, open_):
        return project
    return project._replace(state=State(upto, open_))


def all_of(db: Database, project: ProjectKey) -> list[SnapshotRow]:
    """The project's snapshots, the oldest first."""
    found = db.rows(
        f"SELECT {_COLUMNS} FROM snapshots WHERE project = ? ORDER BY created, id", (project.no,)
    )
    return [_row(each) for each in found]


def delete(db: Database, snapshot: SnapshotRow, project: ProjectKey) -> None:
    """Forget a snapshot."""
    db.execute("DELETE FROM snapshots WHERE project = ? AND name = ?", (project.no, snapshot.name))


def restore(change: Change, was: ProjectKey) -> None:
    """Make a project what it was in a state: one change, which can be undone."""
    state = was.state
    if state.now:
        return
    later = _made_since(change, state)
    _restore_things(change, state)
    _restore_annotations(change, was)
    change.settle()
    for noun, no in later:
        change.end(noun, no)


def _restore_things(change: Change, state: State) -> None:
    """Bring back the assets and tags that were edited or deleted since."""
    db, project = change.db, change.project.no
    for noun in ("tag", "asset"):
        column = "filename" if noun == "asset" else "name"
        table = versions.TABLES[noun]
        back = versions.former(db, noun, project, state)
        wanted = {row["no"] for row in back}
        # names are exchanged, or taken by what was made since: those make room first
        for row in back:
            found = db.value(
                f"SELECT no FROM {table} WHERE project = ? AND {column} = ? AND no != ?",
                (project, row[column], row["no"]),
            )
            if found is not None and found not in wanted:
                if noun == "asset":
                    edits.delete_of_asset(change, found)
                    change.end(noun, found)
                else:
                    spare = f"{row[column]} ({found})"
                    change.edit(noun, found)
                    db.execute(f"UPDATE {table} SET {column} = ? WHERE no = ?", (spare, found))
        # all of them let go of their names before the first one takes its former one
        for row in back:
            if versions.live(db, noun, row["no"]) is not None:
                versions.keep(db, noun, row["no"], change.no)
                db.execute(
                    f"UPDATE {table} SET {column} = ? WHERE no = ?", (f"\0{row['no']}", row["no"])
                )
        for row in back:
            before = versions.live(db, noun, row["no"])
            if noun == "tag":
                last = db.value("SELECT MAX(idx) FROM tags WHERE project = ?", (project,))
                if db.row(
                    "SELECT 1 FROM tags WHERE project = ? AND idx = ? AND no != ?",
                    (project, row["idx"], row["no"]),
                ):
                    row = row | {"idx": (last or 0) + 1}
            versions.put(db, noun, row, change.no)
            change.count(noun + "s", "added" if before is None else "changed")


def _made_since(change: Change, state: State) -> list[tuple[str, int]]:
    """The assets and tags that are there now, and were not in a state."""
    db, project = change.db, change.project
    found = []
    for noun, table in (("asset", "assets"), ("tag", "tags")):
        known = {row["no"] for row in versions.former(db, noun, project.no, state)}
        sql = f"SELECT no FROM {table} WHERE project = ? AND {project.state.has('born')}"
        later = db.rows(f"{sql} AND NOT {state.has('born')}", (project.no,))
        found += [(noun, no) for (no,) in later if no not in known]
    return found


def _restore_annotations(change: Change, was: ProjectKey) -> None:
    """Annotations as they were: what it costs is the difference, not the project."""
    db, state, present = change.db, was.state, change.project.state
    mine = f"n.project = {was.no}"
    # what died since comes back
    dead = db.rows(
        "SELECT n.seq, n.tag, d.died FROM dead d CROSS JOIN annotations n ON n.seq = d.seq"
        f" WHERE {_since('d.died', state)} AND {mine} AND {state.alive('n')}"
    )
    db.many(
        f"INSERT INTO gaps (died, until, first, last) VALUES (?, {change.no}, ?, ?)",
        [(died, seq, seq) for seq, _, died in dead],
    )
    db.many("DELETE FROM dead WHERE seq = ?", [(seq,) for seq, _, _ in dead])
    change.by_tag.update(tag for _, tag, _ in dead)
    change.count("annotations", "added", len(dead))
    # what was edited since is what it was
    edited = db.rows(
        "SELECT DISTINCT n.seq FROM past e CROSS JOIN annotations n ON n.seq = e.seq"
        f" WHERE {_since('e.died', state)} AND {mine} AND {present.alive('n')}"
        f" AND {state.alive('n')}"
    )
    for part in in_parts([seq for (seq,) in edited], 5_000):
        now = past.contents(db, part)
        late = {s: c for s, (born, c) in now.items() if not state.includes(born)}
        for seq, content in past.former(db, late, state.includes).items():
            born, before = now[seq]
            if content != before:
                edits.write(change, seq, born, before, content)
                change.count("annotations", "changed")
    # what was made since goes
    edits.kill(
        change,
        "changes c CROSS JOIN runs r ON r.change = c.no"
        " CROSS JOIN annotations n ON n.seq BETWEEN r.first AND r.last",
        f"c.project = {was.no} AND {_since('c.no', state)} AND {mine}",
    )


def _since(column: str, state: State) -> str:
    """SQL: whether the change that a column names is not in a state."""
    later = f"{column} > {state.upto}"
    if state.open:
        later = f"({later} OR {column} IN ({','.join(map(str, state.open))}))"
    return later
