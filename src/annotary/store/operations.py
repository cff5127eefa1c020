"""Operations: pieces of work that may run in the background."""

from __future__ import annotations

import msgspec

from annotary import ids
from annotary.errors import NotFoundError
from annotary.model import (
    Operation,
    OperationProgress,
    OperationProgressWithStatus,
    OperationStatus,
    Overview,
)
from annotary.store.database import Database
from annotary.store.projects import ProjectKey, by_numbers

EXPORT = "nexus.annotations.export"
IMPORT = "nexus.annotations.import"
DELETE = "nexus.annotations.delete"
UPLOAD = "nexus.assets.upload"

_COLUMNS = (
    "no, project, id, kind, overview, message, records, total, created, updated, owner, cancel,"
    " request, result"
)


class OperationRow(msgspec.Struct):
    """An operation as it is stored; ``request`` and ``result`` are JSON."""

    no: int
    project: int
    id: bytes
    kind: str
    overview: Overview
    message: str
    records: int
    total: int
    created: int
    updated: int
    owner: str | None
    cancel: int
    request: str | None
    result: str | None

    @property
    def public(self) -> Operation:
        """The operation as callers see it."""
        status = OperationProgressWithStatus()
        setattr(status, self.overview, 1)
        return Operation(
            id=ids.show("op", self.id),
            kind=self.kind,
            status=OperationStatus(
                overview=self.overview,
                message=self.message,
                progress=OperationProgress(
                    unit="whole operation",
                    with_status=status,
                    records=self.records,
                    total=self.total,
                ),
            ),
            create_date=self.created,
            update_date=self.updated,
        )


def create(
    db: Database, project: ProjectKey, kind: str, owner: str | None, request: bytes = b"null"
) -> OperationRow:
    """Add a queued operation that ``owner`` will work on."""
    id_, now = ids.new_id(), ids.now_ms()
    db.execute(
        "INSERT INTO operations (no, project, id, kind, overview, message, created, updated,"
        " owner, request) VALUES (?, ?, ?, ?, 'Queued', 'Operation queued', ?, ?, ?, ?)",
        (db.reserve("operations"), project.no, id_, kind, now, now, owner, request.decode()),
    )
    return find(db, project, id_)


def find(db: Database, project: ProjectKey, id_: bytes) -> OperationRow:
    """The operation with an id. Raises :class:`NotFoundError`."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM operations WHERE project = ? AND id = ?", (project.no, id_)
    )
    if found is None:
        raise NotFoundError(f"There is no operation {ids.show('op', id_)!r}.")
    return OperationRow(*found)


def by_id(db: Database, id_: bytes) -> OperationRow | None:
    """The operation with an id, of whichever project."""
    found = db.row(f"SELECT {_COLUMNS} FROM operations WHERE id = ?", (id_,))
    return None if found is None else OperationRow(*found)


def project_of(db: Database, operation: OperationRow) -> ProjectKey:
    """The project of an operation, looked up anew in each transaction of its work.

    Raises :class:`NotFoundError` when the project or the operation is gone.
    """
    found = db.row("SELECT project FROM operations WHERE id = ?", (operation.id,))
    keys = [] if found is None else by_numbers(db, found)
    if not keys:
        raise NotFoundError("The project is gone.", hint="It was deleted meanwhile.")
    return keys[0]


def all_of(db: Database, project: ProjectKey) -> list[OperationRow]:
    """The project's operations, newest first."""
    found = db.rows(
        f"SELECT {_COLUMNS} FROM operations WHERE project = ? ORDER BY no DESC", (project.no,)
    )
    return [OperationRow(*each) for each in found]


def unfinished(db: Database) -> list[OperationRow]:
    """Operations of any project that are queued or running, in the order of creation."""
    found = db.rows(
        f"SELECT {_COLUMNS} FROM operations WHERE overview IN ('Queued', 'Running') ORDER BY no",
    )
    return [OperationRow(*each) for each in found]


def set_status(
    db: Database,
    id_: bytes,
    overview: Overview,
    message: str,
    *,
    owner: str | None = None,
    result: bytes | None = None,
) -> None:
    """Move an operation on; a finished one has no owner."""
    db.execute(
        "UPDATE operations SET overview = ?, message = ?, updated = ?, owner = ?,"
        " result = COALESCE(?, result) WHERE id = ?",
        (overview, message, ids.now_ms(), owner, result.decode() if result else None, id_),
    )


def ended_before(db: Database, kind: str, before: int) -> list[bytes]:
    """The ids of finished operations of a kind that ended before a time (ms)."""
    found = db.rows(
        "SELECT id FROM operations WHERE kind = ? AND overview = 'Finished' AND updated < ?",
        (kind, before),
    )
    return [id_ for (id_,) in found]


def set_progress(db: Database, id_: bytes, records: int, total: int) -> None:
    """Record how far an operation is."""
    db.execute(
        "UPDATE operations SET records = ?, total = ?, updated = ? WHERE id = ?",
        (records, total, ids.now_ms(), id_),
    )


def set_owner(db: Database, id_: bytes, owner: str) -> None:
    """Take over an operation from a process that is gone."""
    db.execute("UPDATE operations SET owner = ? WHERE id = ?", (owner, id_))
