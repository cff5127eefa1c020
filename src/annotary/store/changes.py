"""Changes: everything that one write does to a project, with its author, time and counts.

Whoever writes does it inside :func:`change`, which gives the number that the new versions of
things carry, and publishes it. An import fills an open change and publishes it at its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from annotary import ids
from annotary.errors import NotFoundError
from annotary.model import NewAsset
from annotary.store import assets, tags, versions
from annotary.store.database import Database, among
from annotary.store.projects import ProjectKey
from annotary.store.states import State
from annotary.store.tags import TagRow

Counts = dict[str, dict[str, int]]
_counts = msgspec.json.Decoder(Counts)

_COLUMNS = (
    "no, project, id, kind, state, author, message, created, published, part_of, undoes,"
    " undone_by, operation, owner, counts, purged"
)


class Who(NamedTuple):
    """Whose write it is, and why."""

    author: str = ""
    message: str = ""
    part_of: bytes | None = None
    """The id of the change that the write is a step of."""


WHO: ContextVar[Who | None] = ContextVar("annotary-who", default=None)
"""Set by each door around its calls."""


class ChangeRow(msgspec.Struct):
    """A change as it is stored."""

    no: int
    project: int
    id: bytes
    kind: str
    state: str
    author: str
    message: str
    created: int
    published: int | None
    part_of: int | None
    undoes: int | None
    undone_by: int | None
    operation: bytes | None
    owner: str | None
    counts: Counts
    purged: int | None


def _change(found: Any) -> ChangeRow:
    values = list(found)
    values[14] = _counts.decode(values[14])
    return ChangeRow(*values)


class Change:
    """A change while it is made: what it is called, and what it has counted so far."""

    def __init__(self, db: Database, project: ProjectKey, no: int) -> None:
        self.db = db
        self.project = project
        self.no = no
        self.counts: Counts = {}
        self.by_tag: Counter[int] = Counter()
        """How many more annotations each tag has, by its number."""

    def count(self, noun: str, what: str, number: int = 1) -> None:
        """Count what is done: ``what`` is added, removed or changed."""
        if number:
            counts = self.counts.setdefault(noun, {})
            counts[what] = counts.get(what, 0) + number

    def settle(self) -> None:
        """Bring the tags' counts up to date."""
        tags.count(self.db, dict(self.by_tag))
        self.by_tag.clear()

    def edit(self, noun: str, no: int) -> None:
        """Keep what an asset, tag or project is; it is about to be edited."""
        versions.keep(self.db, noun, no, self.no)
        self.count(noun + "s", "changed")

    def end(self, noun: str, no: int, row: dict[str, Any] | None = None) -> None:
        """Take an asset or a tag away; it is kept."""
        versions.end(self.db, noun, no, self.no, row)
        self.count(noun + "s", "removed")

    def add_tag(self, name: str, color: str | None = None, description: str | None = None) -> int:
        """Create a tag. Raises :class:`ConflictError` when the name is taken."""
        no = tags.create(self.db, self.project, name, color, description, born=self.no)
        self.count("tags", "added")
        return no

    def ensure_tags(self, names: Sequence[str]) -> dict[str, TagRow]:
        """All tags of the project by name, with those that are named and were missing."""
        known = {tag.name: tag for tag in tags.all_of(self.db, self.project)}
        missing = [name for name in dict.fromkeys(names) if name not in known]
        for name in missing:
            self.add_tag(name)
        if missing:
            known = {tag.name: tag for tag in tags.all_of(self.db, self.project)}
        return known

    def add_assets(
        self, new: Sequence[NewAsset], blobs: Sequence[str | None] | None = None
    ) -> list[int]:
        """Add assets whose names are free; answers their numbers."""
        numbers = assets.insert(self.db, self.project, new, blobs=blobs, born=self.no)
        self.count("assets", "added", len(numbers))
        return numbers

    def ran(self, first: int, count: int) -> None:
        """Remember which rows of annotations are the change's."""
        grown = self.db.execute(
            "UPDATE runs SET last = last + ? WHERE change = ? AND last = ?",
            (count, self.no, first - 1),
        )
        if grown.rowcount == 0:
            self.db.execute(
                "INSERT INTO runs (change, first, last) VALUES (?, ?, ?)",
                (self.no, first, first + count - 1),
            )


@contextmanager
def change(
    db: Database, project: ProjectKey, kind: str, *, undoes: int | None = None
) -> Iterator[Change]:
    """A change of a project that is published with its transaction."""
    made = Change(db, project, db.reserve("changes"))
    yield made
    made.settle()
    _insert(made, kind, "published", ids.now_ms(), undoes=undoes)


def begin(db: Database, project: ProjectKey, kind: str, operation: bytes, owner: str) -> Change:
    """An open change, which nobody sees until :func:`publish`."""
    made = Change(db, project, db.reserve("changes"))
    _insert(made, kind, "open", None, operation=operation, owner=owner)
    return made


def publish(made: Change) -> None:
    """Let everybody see an open change."""
    made.settle()
    made.db.execute(
        "UPDATE changes SET state = 'published', published = ?, owner = NULL, counts = ?"
        " WHERE no = ?",
        (ids.now_ms(), msgspec.json.encode(made.counts).decode(), made.no),
    )


def abandon(db: Database, no: int) -> None:
    """Give up an open change: what it has put into the store is never seen."""
    db.execute("UPDATE changes SET state = 'abandoned', owner = NULL WHERE no = ?", (no,))


def _insert(
    made: Change,
    kind: str,
    state: str,
    published: int | None,
    *,
    undoes: int | None = None,
    operation: bytes | None = None,
    owner: str | None = None,
) -> None:
    who = WHO.get() or Who()
    db = made.db
    part_of = None
    if who.part_of is not None:
        part_of = db.value(
            "SELECT no FROM changes WHERE project = ? AND id = ?", (made.project.no, who.part_of)
        )
    db.execute(
        "INSERT INTO changes (no, project, id, kind, state, author, message, created, published,"
        " part_of, undoes, operation, owner, counts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            made.no, made.project.no, ids.new_id(), kind, state, who.author or "local",
            who.message, ids.now_ms(), published, part_of, undoes, operation, owner,
            msgspec.json.encode(made.counts).decode(),
        ),
    )  # fmt: skip


# --- looking ----------------------------------------------------------------------------------


def find(db: Database, project: ProjectKey, id_: bytes) -> ChangeRow:
    """The published change with an id. Raises :class:`NotFoundError`."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM changes WHERE project = ? AND id = ? AND state = 'published'",
        (project.no, id_),
    )
    if found is None:
        raise NotFoundError(f"There is no change {ids.show('change', id_)!r} in the project.")
    return _change(found)


def by_number(db: Database, no: int) -> ChangeRow:
    """The change with a number."""
    return _change(db.row(f"SELECT {_COLUMNS} FROM changes WHERE no = ?", (no,)))


def numbered(db: Database, project: ProjectKey, no: int) -> ChangeRow | None:
    """The published change of a project with a number, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM changes WHERE project = ? AND no = ? AND state = 'published'",
        (project.no, no),
    )
    return None if found is None else _change(found)


def kinds(db: Database, numbers: Sequence[int]) -> dict[int, str]:
    """The kinds of changes by their numbers; 0, before changes were kept, is none."""
    found: dict[int, str] = {}
    for marks, part in among(numbers):
        sql = f"SELECT no, kind FROM changes WHERE no IN {marks}"
        found.update(db.rows(sql, part))
    return found


def parts(db: Database, no: int) -> list[ChangeRow]:
    """The steps of a change, the last one first."""
    sql = f"SELECT {_COLUMNS} FROM changes WHERE part_of = ? AND state = 'published'"
    return [_change(each) for each in db.rows(f"{sql} ORDER BY no DESC", (no,))]


def page(
    db: Database,
    project: ProjectKey,
    *,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    author: str | None = None,
    kind: str | None = None,
    asset: int | None = None,
) -> list[ChangeRow]:
    """Changes with numbers below ``before``, the last one first, or above ``after``, the first
    one first. Steps of another change are left out.
    """
    where = ["project = ?", "state = 'published'", "part_of IS NULL"]
    values: list[Any] = [project.no]
    for condition, value in (
        ("no < ?", before),
        ("no > ?", after),
        ("author = ?", author),
        ("kind = ?", kind),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if asset is not None:
        where.append(f"no IN ({_OF_ASSET})")
        values += [asset] * _OF_ASSET.count("?")
    order = "ASC" if after is not None else "DESC"
    found = db.rows(
        f"SELECT {_COLUMNS} FROM changes WHERE {' AND '.join(where)} ORDER BY no {order} LIMIT ?",
        (*values, limit),
    )
    return [_change(each) for each in found]


_MARKS = " UNION ".join(
    f"SELECT {number} FROM {source}"
    for number, source in (
        ("born", "versions WHERE noun = 'asset' AND no = ?"),
        ("died", "versions WHERE noun = 'asset' AND no = ?"),
        ("born", "assets WHERE no = ?"),
        ("n.born", "asset_annotations x JOIN annotations n ON n.seq = x.seq WHERE x.asset = ?"),
        ("d.died", "asset_annotations x JOIN dead d ON d.seq = x.seq WHERE x.asset = ?"),
        ("p.born", "asset_annotations x JOIN past p ON p.seq = x.seq WHERE x.asset = ?"),
        ("p.died", "asset_annotations x JOIN past p ON p.seq = x.seq WHERE x.asset = ?"),
    )
)
# a step counts as the change that it is a step of
_OF_ASSET = f"SELECT COALESCE(c.part_of, c.no) FROM changes c WHERE c.no IN ({_MARKS})"


def unfinished(db: Database) -> list[ChangeRow]:
    """Changes of any project that are open or wait to be swept away."""
    found = db.rows(f"SELECT {_COLUMNS} FROM changes WHERE state != 'published'")
    return [_change(each) for each in found]


def open_one(db: Database, project: ProjectKey) -> ChangeRow | None:
    """The open change of a project: there is one at most."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM changes WHERE project = ? AND state = 'open'", (project.no,)
    )
    return None if found is None else _change(found)


def author_of(db: Database, no: int) -> str | None:
    """Who made the change with a number."""
    found: str | None = db.value("SELECT author FROM changes WHERE no = ?", (no,))
    return found


def state_after(db: Database, project: ProjectKey, no: int) -> State:
    """The state that a published change has left behind."""
    row = numbered(db, project, no)
    if row is None:
        raise NotFoundError(
            f"There is no change #{no} in the project.",
            hint="List them with project.changes.list().",
        )
    later = db.rows(
        "SELECT no FROM changes WHERE project = ? AND no < ?"
        " AND (state != 'published' OR published > ?) ORDER BY no",
        (project.no, no, row.published),
    )
    return State(no, tuple(each for (each,) in later))


def sum_of(rows: Sequence[ChangeRow]) -> Counts:
    """The counts of several changes together."""
    total: Counts = {}
    for each in rows:
        for noun, counts in each.counts.items():
            known = total.setdefault(noun, {})
            for what, number in counts.items():
                known[what] = known.get(what, 0) + number
    return total
