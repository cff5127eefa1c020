"""Import sessions, their files and their logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from annotary import ids
from annotary.errors import ConflictError, NotFoundError
from annotary.model import (
    AnnotationCounts,
    FileCounts,
    ImportFile,
    ImportRemark,
    ImportReport,
    ImportSession,
    ImportSessionAnnotations,
    ImportSessionFiles,
    ImportSessionLogLogItem,
    ImportSessionStatus,
    Overview,
)
from annotary.problems import ERROR, KEPT, MORE, Problem
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

EXPIRY_MS = 24 * 3600 * 1000

_COLUMNS = (
    "no, project, id, operation, overview, message, options, processed, committed,"
    " files_processed, files_failed, created, updated, expiry, report"
)


class SessionRow(msgspec.Struct):
    """An import session as it is stored; ``options`` and ``report`` are JSON."""

    no: int
    project: int
    id: bytes
    operation: bytes | None
    overview: Overview
    message: str
    options: str
    processed: int
    committed: int
    files_processed: int
    files_failed: int
    created: int
    updated: int
    expiry: int
    report: str | None


class FileRow(msgspec.Struct):
    """A file of a session: read at ``path``, or from the blob."""

    no: int
    filename: str
    size: int
    crc32c: str
    path: str | None
    blob: str | None
    found: bool = False
    prefix: str = ""


_problem = msgspec.msgpack.Decoder(Problem)
_report = msgspec.json.Decoder(ImportReport)
_remarks = msgspec.json.Decoder(list[ImportRemark])


def create(db: Database, project: ProjectKey, options: bytes) -> SessionRow:
    """Add a session that waits for its files."""
    id_, now = ids.new_id(), ids.now_ms()
    db.execute(
        "INSERT INTO import_sessions (no, project, id, overview, message, options, created,"
        " updated, expiry) VALUES (?, ?, ?, 'Queued', 'Waiting for files.', ?, ?, ?, ?)",
        (
            db.reserve("import_sessions"),
            project.no,
            id_,
            options.decode(),
            now,
            now,
            now + EXPIRY_MS,
        ),
    )
    return find(db, project, id_)


def find(db: Database, project: ProjectKey, id_: bytes) -> SessionRow:
    """The session with an id. Raises :class:`NotFoundError`."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM import_sessions WHERE project = ? AND id = ?",
        (project.no, id_),
    )
    if found is None:
        raise NotFoundError(f"There is no import session {ids.show('annotsess', id_)!r}.")
    return SessionRow(*found)


def all_of(db: Database, project: ProjectKey) -> list[SessionRow]:
    """The project's sessions, newest first."""
    found = db.rows(
        f"SELECT {_COLUMNS} FROM import_sessions WHERE project = ? ORDER BY no DESC",
        (project.no,),
    )
    return [SessionRow(*each) for each in found]


def of_operation(db: Database, operation: bytes) -> SessionRow:
    """The session that an operation works on. Raises :class:`NotFoundError`."""
    found = db.row(f"SELECT {_COLUMNS} FROM import_sessions WHERE operation = ?", (operation,))
    if found is None:
        raise NotFoundError("The import session is gone.", hint="It was deleted meanwhile.")
    return SessionRow(*found)


def awaits(db: Database, id_: bytes, no: int, blob: str, now: int) -> bool:
    """Whether a session still waits for its file number ``no``, which is to be the given blob."""
    found = db.row(
        "SELECT 1 FROM import_sessions s JOIN import_files f ON f.session = s.no"
        " WHERE s.id = ? AND s.overview = 'Queued' AND s.expiry > ? AND f.no = ? AND f.blob = ?",
        (id_, now, no, blob),
    )
    return found is not None


def open_ids(db: Database) -> list[bytes]:
    """The ids of the sessions that have not ended."""
    sql = "SELECT id FROM import_sessions WHERE overview IN ('Queued', 'Running')"
    return [id_ for (id_,) in db.rows(sql)]


def waiting(db: Database) -> list[SessionRow]:
    """Sessions of any project that still wait for files."""
    found = db.rows(f"SELECT {_COLUMNS} FROM import_sessions WHERE overview = 'Queued'")
    return [SessionRow(*each) for each in found]


def unfinished(db: Database) -> set[str]:
    """The ids, in hexadecimal digits, of all sessions that have not ended."""
    found = db.rows("SELECT id FROM import_sessions WHERE overview IN ('Queued', 'Running')")
    return {id_.hex() for (id_,) in found}


def add_files(
    db: Database, session: SessionRow, new: Sequence[ImportFile], blobs: Sequence[str | None]
) -> None:
    """Add files. Raises :class:`ConflictError` for a name that the session has already."""
    (last,) = db.row(
        "SELECT COALESCE(MAX(no), 0) FROM import_files WHERE session = ?", (session.no,)
    )
    names = [each.filename for each in new]
    taken = db.rows(
        "SELECT j.value FROM json_each(?) j CROSS JOIN import_files f"
        " ON f.session = ? AND f.filename = j.value LIMIT 1",
        (msgspec.json.encode(names).decode(), session.no),
    )
    repeated = taken[0][0] if taken else _first_repeated(names)
    if repeated is not None:
        raise ConflictError(
            f"The session has a file {repeated!r} already.",
            hint="Add each file once; give files of different folders different names.",
        )
    db.many(
        "INSERT INTO import_files (session, no, filename, size, crc32c, path, blob, found, prefix)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                session.no,
                last + i,
                each.filename,
                each.size,
                each.crc32c,
                each.path,
                blob,
                int(each.found),
                each.prefix,
            )
            for i, (each, blob) in enumerate(zip(new, blobs, strict=True), 1)
        ),
    )


def add_remarks(db: Database, session: SessionRow, remarks: Sequence[ImportRemark]) -> None:
    """Keep what stood in the way while files were looked for."""
    whole = [*remarks_of(db, session), *remarks]
    db.execute(
        "UPDATE import_sessions SET remarks = ? WHERE no = ?",
        (msgspec.json.encode(whole).decode(), session.no),
    )


def remarks_of(db: Database, session: SessionRow) -> list[ImportRemark]:
    """What stood in the way while files were looked for."""
    (found,) = db.row("SELECT remarks FROM import_sessions WHERE no = ?", (session.no,))
    return _remarks.decode(found)


def _first_repeated(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def files(db: Database, session: SessionRow) -> list[FileRow]:
    """The session's files in the order they were added."""
    found = db.rows(
        "SELECT no, filename, size, crc32c, path, blob, found, prefix FROM import_files"
        " WHERE session = ? ORDER BY no",
        (session.no,),
    )
    return [FileRow(*each) for each in found]


def file_totals(db: Database, session: SessionRow) -> tuple[int, int]:
    """How many files the session has, and their bytes."""
    count, size = db.row(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM import_files WHERE session = ?",
        (session.no,),
    )
    return int(count), int(size)


def set_operation(db: Database, session: SessionRow, operation: bytes) -> None:
    """Tie the session to the operation that works on it."""
    db.execute("UPDATE import_sessions SET operation = ? WHERE no = ?", (operation, session.no))


def set_status(
    db: Database,
    session: SessionRow,
    overview: Overview,
    message: str,
    report: ImportReport | None = None,
) -> None:
    """Move a session on, with the report of what it did."""
    now = ids.now_ms()
    db.execute(
        "UPDATE import_sessions SET overview = ?, message = ?, updated = ? WHERE no = ?",
        (overview, message, now, session.no),
    )
    if report is not None:
        failed = sum(f.role == "failed" for f in report.files)
        db.execute(
            "UPDATE import_sessions SET report = ?, processed = ?, committed = ?,"
            " files_processed = ?, files_failed = ? WHERE no = ?",
            (
                msgspec.json.encode(report).decode(),
                report.records,
                0 if report.dry_run else report.annotations,
                len(report.files) - failed,
                failed,
                session.no,
            ),
        )


def add_logs(db: Database, session: SessionRow, problems: Iterable[Problem]) -> None:
    """Append to the session's log."""
    (last,) = db.row(
        "SELECT COALESCE(MAX(no), 0) FROM import_logs WHERE session = ?", (session.no,)
    )
    now = float(ids.now_ms())
    encode = msgspec.msgpack.Encoder(enc_hook=str).encode
    db.many(
        "INSERT INTO import_logs (session, no, timestamp, level, problem) VALUES (?, ?, ?, ?, ?)",
        (
            (session.no, no, now, problem.level, encode(problem))
            for no, problem in enumerate(problems, last + 1)
        ),
    )


def logs(db: Database, session: SessionRow) -> list[ImportSessionLogLogItem]:
    """Warnings and errors of the session, in the order they were found.

    At most ``KEPT`` of a rule and file; the number of the others follows. What is stored is
    within this already, but for imports of earlier versions.
    """
    items = []
    kept: Counter[tuple[str, str]] = Counter()
    more: dict[tuple[str, str], Problem] = {}
    timestamp = 0.0
    for timestamp, level, encoded in db.rows(
        "SELECT timestamp, level, problem FROM import_logs WHERE session = ? ORDER BY no",
        (session.no,),
    ):
        problem = _problem.decode(encoded)
        which = problem.file, problem.code
        kept[which] += 1
        if kept[which] <= KEPT:
            items.append(_item(timestamp, problem))
            continue
        before = more.get(which)
        values = {"rule": problem.code, "problems": kept[which] - KEPT}
        records = problem.count + (before.count if before else 0)
        strict = level == ERROR
        more[which] = Problem(MORE, problem.file, values=values, count=records, strict=strict)
    return items + [_item(timestamp, each) for each in more.values()]


def _item(timestamp: float, problem: Problem) -> ImportSessionLogLogItem:
    return ImportSessionLogLogItem(
        timestamp=timestamp,
        level=problem.level,
        message=problem.text,
        code=problem.code,
        file=problem.file,
        line=problem.location.line,
        column=problem.location.column,
        pointer=problem.location.pointer,
        hint=problem.hint or None,
    )


def describe(db: Database, project: ProjectKey, session: SessionRow) -> ImportSession:
    """The session as callers see it."""
    count, size = file_totals(db, session)
    open_ = session.overview in {"Queued", "Running"}
    pending = count - session.files_processed - session.files_failed if open_ else 0
    return ImportSession(
        id=ids.show("annotsess", session.id),
        project_id=project.text,
        status=ImportSessionStatus(
            overview=session.overview,
            message=session.message,
            update_date=session.updated,
            annotations=ImportSessionAnnotations(
                with_status=AnnotationCounts(
                    Processed=session.processed, Committed=session.committed
                )
            ),
            files=ImportSessionFiles(
                total_size_bytes=size,
                page_count=-(-count // 1000),
                with_status=FileCounts(
                    Processing=max(pending, 0),
                    Processed=session.files_processed,
                    FailedProcess=session.files_failed,
                ),
            ),
        ),
        expiry_date=session.expiry,
        create_date=session.created,
        update_date=session.updated,
        report=_report.decode(session.report) if session.report else None,
        op_id=ids.show("op", session.operation) if session.operation else None,
    )
