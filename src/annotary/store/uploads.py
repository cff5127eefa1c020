"""Upload sessions of asset files, and files that are sent in parts."""

from __future__ import annotations

import msgspec

from annotary import ids, routes
from annotary.errors import ConflictError, NotFoundError
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_files = msgspec.json.Decoder(routes.NewUploadSession)


class SessionRow(msgspec.Struct):
    """An upload session: its operation and the files it was made for."""

    id: bytes
    operation: bytes
    files: routes.NewUploadSession


def create(db: Database, project: ProjectKey, operation: bytes, request: bytes) -> bytes:
    """Add a session; answers its id."""
    id_ = ids.new_id()
    db.execute(
        "INSERT INTO upload_sessions (no, project, id, operation, request, created)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (db.reserve("upload_sessions"), project.no, id_, operation, request.decode(), ids.now_ms()),
    )
    return id_


def find(db: Database, project: ProjectKey, id_: bytes) -> SessionRow:
    """The session with an id. Raises :class:`ConflictError` as the public client expects."""
    found = db.row(
        "SELECT id, operation, request FROM upload_sessions WHERE project = ? AND id = ?",
        (project.no, id_),
    )
    if found is None:
        raise ConflictError(f"There is no upload session {ids.show('up', id_)!r}.")
    return SessionRow(found[0], found[1], _files.decode(found[2]))


def of_operation(db: Database, operation: bytes) -> SessionRow:
    """The session that an operation is of. Raises :class:`NotFoundError`."""
    found = db.row(
        "SELECT id, operation, request FROM upload_sessions WHERE operation = ?", (operation,)
    )
    if found is None:
        raise NotFoundError("The upload session is gone.", hint="It was deleted meanwhile.")
    return SessionRow(found[0], found[1], _files.decode(found[2]))


class MultipartRow(msgspec.Struct):
    """A file of a session that is sent in parts, numbered from 1."""

    id: bytes
    session: bytes
    file: int
    parts: int


def add_multipart(
    db: Database, project: ProjectKey, session: bytes, file: int, parts: int
) -> bytes:
    """Begin to send a file in parts; answers the id."""
    id_ = ids.new_id()
    db.execute(
        "INSERT INTO multipart_uploads (no, project, id, session, file, parts, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (db.reserve("multipart_uploads"), project.no, id_, session, file, parts, ids.now_ms()),
    )
    return id_


def find_multipart(db: Database, project: ProjectKey, id_: bytes) -> MultipartRow:
    """A file in parts. Raises :class:`NotFoundError`."""
    found = db.row(
        "SELECT id, session, file, parts FROM multipart_uploads WHERE project = ? AND id = ?",
        (project.no, id_),
    )
    if found is None:
        raise NotFoundError(f"There is no multipart upload {ids.show('mpu', id_)!r}.")
    return MultipartRow(*found)


def old_multiparts(db: Database, before: int) -> list[MultipartRow]:
    """Files in parts that were begun before a time (ms)."""
    sql = "SELECT id, session, file, parts FROM multipart_uploads WHERE created < ?"
    return [MultipartRow(*each) for each in db.rows(sql, (before,))]


def delete_multipart(db: Database, id_: bytes) -> None:
    """Forget a file in parts."""
    db.execute("DELETE FROM multipart_uploads WHERE id = ?", (id_,))


def has_multipart(db: Database, id_: bytes) -> bool:
    """Whether there is a file in parts with an id."""
    return db.row("SELECT 1 FROM multipart_uploads WHERE id = ?", (id_,)) is not None


def abandoned(db: Database, before: int) -> list[tuple[int, bytes]]:
    """Sessions that wait for files since a time (ms): the number of their project, and their id."""
    return db.rows(
        "SELECT s.project, s.id FROM operations o JOIN upload_sessions s ON s.operation = o.id"
        " WHERE o.overview = 'Queued' AND o.kind = 'nexus.assets.upload' AND s.created < ?",
        (before,),
    )
