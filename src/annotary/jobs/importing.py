"""Imports: from a session's files to its commit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from annotary import checksum, formats, routes
from annotary.errors import told
from annotary.jobs.receiver import StoreImages, StoreReceiver
from annotary.jobs.run import Cancelled, HandedBack, Job
from annotary.model import ImportReport
from annotary.problems import Problem
from annotary.reading.session import Reading
from annotary.reading.wishes import Wishes
from annotary.store import Store, changes, imports, operations, tags
from annotary.store.arriving import Arriving, sweep
from annotary.store.attributes import AttributeBook
from annotary.store.blobs import import_folder, rejects_key
from annotary.store.database import Database
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey
from annotary.syntax.source import SourceFile
from annotary.writing.output import ZipOutput

_LOOK_SECONDS = 0.05
"""How often an import looks whether the one before it has ended."""


class ImportRun:
    """One import, from its files to its commit."""

    def __init__(self, store: Store, operation: OperationRow) -> None:
        self._store = store
        self._operation = operation
        self._session: imports.SessionRow

    def __call__(self, job: Job) -> None:
        """Read, check and commit; or commit nothing and say why."""
        who = msgspec.json.decode(self._operation.request or "null", type=changes.Who | None)
        token = changes.WHO.set(who)
        try:
            self._run(job)
        finally:
            changes.WHO.reset(token)

    def _run(self, job: Job) -> None:
        try:
            with self._store.read() as db:
                operations.project_of(db, self._operation)
                self._session = imports.of_operation(db, self._operation.id)
                files = imports.files(db, self._session)
                remarks = [
                    Problem(r.code, r.file, values=dict(r.values))
                    for r in imports.remarks_of(db, self._session)
                ]
            self._options = msgspec.json.decode(self._session.options, type=routes.ImportOptions)
            with ExitStack() as places:
                paths = [self._place(each, places) for each in files]
                sources = [
                    SourceFile(f.filename, path=p, found=bool(f.found), prefix=f.prefix)
                    for f, p in zip(files, paths, strict=True)
                ]
                damaged = (_damage(f, p) for f, p in zip(files, paths, strict=True))
                missing = [each for each in damaged if each is not None]
                self._commit(sources, missing, remarks, job)
        except HandedBack:
            raise  # the files stay for whoever takes the operation up
        except Cancelled:
            self._end("Cancelled", "Cancelled; nothing was committed.")
        except BaseException as error:
            self._end("Errored", f"The import failed: {told(error)} Nothing was committed.")
            raise
        else:
            forget_files(self._store, self._session.id)

    def _place(self, file: imports.FileRow, places: ExitStack) -> Path:
        if file.path is not None:
            return Path(file.path)
        return places.enter_context(self._store.blobs.local(file.blob or ""))

    def _commit(
        self,
        sources: Sequence[SourceFile],
        missing: Sequence[Problem],
        remarks: Sequence[Problem],
        job: Job,
    ) -> None:
        options = self._options
        arriving = Arriving(self._store, *self._begin(job))
        try:
            with self._rejects() as rejects, ExitStack() as closing:
                book = AttributeBook(tags.all_of(arriving.db, arriving.project))
                receiver = StoreReceiver(self._store, arriving, options, job, book)
                closing.callback(receiver.close)
                reading = Reading(
                    StoreImages(arriving, options.create_assets, receiver),
                    receiver,
                    project_tags=[t.name for t in tags.all_of(arriving.db, arriving.project)],
                    check_attributes=book.check,
                    rejects=rejects,
                    wishes=Wishes(options.options, options.repair, options.on_fault, options.lint),
                )
                closing.callback(reading.log.close)
                bad = {problem.file for problem in missing}
                for problem in (*remarks, *missing):
                    reading.tell(problem)
                arriving.cut()
                chosen = formats.get(options.format) if options.format else None
                reading.read([s for s in sources if s.name not in bad], chosen)
                refused = receiver.refuses(reading)
                if not refused:
                    receiver.settle()
                nothing = reading.nothing()
                if nothing is not None:
                    reading.log.add(nothing)
                report = receiver.report(reading)
                kept = not refused and not options.dry_run
                if kept:
                    arriving.settle()
                arriving.cut()
                job.advance(0)
                with self._store.write() as db:
                    operations.project_of(db, self._operation)
                    if kept:
                        receiver.publish(db, report)
                    else:
                        changes.abandon(db, arriving.no)
                    self._finish(db, reading, report, refused)
        except BaseException as error:
            arriving.drop(error)
            with self._store.write() as db:
                changes.abandon(db, arriving.no)
            raise
        finally:
            sweep(self._store)

    def _begin(self, job: Job) -> tuple[ProjectKey, int]:
        """Open the change, once no other import of the project is open."""
        while True:
            with self._store.write() as db:
                project = operations.project_of(db, self._operation)
                other = changes.open_one(db, project)
                if other is None:
                    made = changes.begin(
                        db, project, "import", self._operation.id, self._store.owner
                    )
                    return project, made.no
            if other.owner is not None and self._store.is_dead(other.owner):
                sweep(self._store)
            job.advance(0)
            time.sleep(_LOOK_SECONDS)

    def _finish(self, db: Database, reading: Reading, report: ImportReport, refused: bool) -> None:
        imports.add_logs(db, self._session, reading.log)
        message = _message(report, self._options, refused)
        overview: Any = "Errored" if refused else "Finished"
        imports.set_status(db, self._session, overview, message, report)
        operations.set_progress(db, self._operation.id, report.records, report.records)
        operations.set_status(db, self._operation.id, overview, message)

    @contextmanager
    def _rejects(self) -> Iterator[ZipOutput | None]:
        if not self._options.rejects:
            yield None
            return
        key = rejects_key(self._session.id)
        with self._store.blobs.create(key) as stream, ZipOutput(stream) as out:
            yield out

    def _end(self, overview: Any, message: str) -> None:
        if not hasattr(self, "_session"):  # it is gone, with its project
            return
        with self._store.write() as db:
            imports.set_status(db, self._session, overview, message)
            operations.set_status(db, self._operation.id, overview, message)
        forget_files(self._store, self._session.id)


def _message(report: ImportReport, options: routes.ImportOptions, refused: bool) -> str:
    records = f"{report.records} records: {report.committed} committed"
    if report.updated:
        records += f", {report.updated} updated"
    if report.unchanged:
        records += f", {report.unchanged} unchanged"
    if report.skipped:
        records += f", {report.skipped} skipped"
    if report.rejected:
        records += f", {report.rejected} rejected"
    if report.unread:
        files = "1 file" if report.unread == 1 else f"{report.unread} files"
        records += f"; {files} could not be read"
    if refused:
        would = "would be" if options.dry_run else "was"
        return f"Nothing {would} imported: {report.errors} problems were found. {records}."
    if options.dry_run:
        return (
            f"Dry run, nothing was stored. {records.replace('committed', 'good')}.{_more(report)}"
        )
    return f"Annotation Imported successfully. {records}.{_more(report)}"


def _more(report: ImportReport) -> str:
    """What became of what was there before."""
    said = ""
    if report.removed:
        said += f" {report.removed} that the files lack were deleted."
    if report.conflicts:
        said += f" {report.conflicts} were edited by hand and are kept as they are."
    return said


def _damage(file: imports.FileRow, path: Path) -> Problem | None:
    """What is wrong with the bytes that arrived, compared with what was announced."""
    detail = ""
    try:
        size = path.stat().st_size
        if size != file.size:
            detail = f"{size} bytes arrived of {file.size}"
        elif file.blob is not None and file.crc32c:
            with path.open("rb") as stream:
                found = checksum.to_base64(checksum.crc32c_file(stream))
            if found != file.crc32c:
                detail = f"its CRC-32C is {found}, not {file.crc32c}"
    except OSError as error:
        detail = error.strerror or str(error)
    return Problem("unreadable-file", file.filename, values={"detail": detail}) if detail else None


def forget_files(store: Store, session: bytes) -> None:
    """Remove the files that were sent for a session."""
    store.blobs.delete_below(import_folder(session))
