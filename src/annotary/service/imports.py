"""Import sessions: files in, one transaction, and a log of everything that was wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from annotary import checksum, formats, ids, routes
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
)
from annotary.jobs.receiver import StoreImages, StoreReceiver
from annotary.jobs.run import Cancelled, HandedBack, Job
from annotary.model import (
    DownloadSignedUrl,
    ImportFile,
    ImportFiles,
    ImportFileTarget,
    ImportReport,
    ImportSession,
    ImportSessionLog,
)
from annotary.problems import Problem
from annotary.reading.session import Reading
from annotary.service.noun import ServicePart
from annotary.store import imports, operations, projects, tags
from annotary.store.attributes import AttributeBook
from annotary.store.database import Database
from annotary.store.imports import SessionRow
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey
from annotary.syntax.source import SourceFile
from annotary.writing.output import ZipOutput

MAX_FILES_PER_CALL = 1000
MAX_FILES = 1_000_000


class ImportService(ServicePart):
    """Import sessions."""

    def create(self, request: routes.CreateImportSession) -> ImportSession:
        """Start a session; its files are added next."""
        options = request.body or routes.ImportOptions()
        if options.format is not None:
            chosen = formats.get(options.format)
            if not chosen.reads and not chosen.read_by:
                raise BadRequestError(
                    f"The format {options.format} can be exported, not imported.",
                    hint=f"Importable: {', '.join(f.name for f in formats.readers())}.",
                )
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            session = imports.create(db, project, msgspec.json.encode(options))
            return imports.describe(db, project, session)

    def list(self, request: routes.InProject) -> list[ImportSession]:
        """The project's sessions, newest first."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return [imports.describe(db, project, each) for each in imports.all_of(db, project)]

    def get(self, request: routes.ImportSessionRef) -> ImportSession:
        """A session with its counts and, once it has ended, its report."""
        with self.store.read() as db:
            project, session = self._find(db, request)
            found = imports.describe(db, project, session)
        job = self.service.jobs.find(session.operation or b"")
        if job is not None and found.status.overview in {"Queued", "Running"}:
            found.status.overview, found.status.message = "Running", "Running."
            found.status.annotations.with_status.Processed = job.records
        return found

    def logs(self, request: routes.ImportSessionRef) -> ImportSessionLog:
        """All warnings and errors of a session."""
        with self.store.read() as db:
            project, session = self._find(db, request)
            return ImportSessionLog(
                id=ids.show("annotsess", session.id),
                project_id=project.text,
                logs=imports.logs(db, session),
            )

    def rejects(self, request: routes.ImportSessionRef) -> DownloadSignedUrl:
        """Where to fetch the zip of records that were not kept, as files of their own format."""
        with self.store.read() as db:
            _, session = self._find(db, request)
        key = rejects_key(session)
        if not self.store.blobs.path(key).exists():
            raise NotFoundError(
                "The import session has no rejects.",
                hint="Ask for them when it is created (rejects=True); a session in which every "
                "record was kept has none.",
            )
        return self.service.links.download(key)

    def add_files(self, request: routes.AddImportFiles) -> ImportFiles:
        """Announce files; answers where to send the bytes of each."""
        new = request.body.files
        links = self.service.links
        if len(new) > MAX_FILES_PER_CALL:
            raise BadRequestError(
                f"{len(new)} files in one call.", hint=f"Send at most {MAX_FILES_PER_CALL} a call."
            )
        for file in new:
            _check_name(file.filename)
            if file.path is not None and not links.local:
                raise ForbiddenError("Files of the server cannot be named by path.")
        with self.store.write() as db:
            project, session = self._find(db, request)
            self._must_wait(session)
            count, _ = imports.file_totals(db, session)
            if count + len(new) > MAX_FILES:
                raise BadRequestError(
                    f"The session would have {count + len(new)} files.",
                    hint=f"Import at most {MAX_FILES:,} files in one session.",
                )
            keys = [
                None if file.path is not None else f"imports/{session.id.hex()}/{count + i}"
                for i, file in enumerate(new)
            ]
            imports.add_files(db, session, new, keys)
        return ImportFiles(
            id=ids.show("annotsess", session.id),
            project_id=project.text,
            files=[
                ImportFileTarget(
                    filename=file.filename,
                    upload=None
                    if key is None
                    else links.upload(key, file.size, _crc(file), "application/octet-stream"),
                )
                for file, key in zip(new, keys, strict=True)
            ],
        )

    def update(self, request: routes.UpdateImportSession) -> ImportSession:
        """Report a step: ``FilesInserted`` starts the import, ``FilesProcessed`` failed ends it."""
        reached = {each.condition: each.status for each in request.body.status.conditions}
        reference = routes.ImportSessionRef(
            project_id=request.project_id, session_id=request.session_id
        )
        if reached.get("FilesInserted") == "Reached" and self._has_begun(reference):
            return self.get(reference)  # the caller repeats itself
        if "FailedReach" in reached.values():
            with self.store.write() as db:
                _, session = self._find(db, reference)
                if session.overview != "Cancelled":  # or the caller repeats itself
                    self._must_wait(session)
                    imports.set_status(
                        db, session, "Cancelled", "Cancelled by the caller; nothing was committed."
                    )
            self.forget_files(session)
        elif reached.get("FilesInserted") == "Reached":
            self.start(reference, request.body.background)
        return self.get(reference)

    def start(self, reference: routes.ImportSessionRef, background: bool | None) -> None:
        """Run the import of a session whose files are all there."""
        with self.store.write() as db:
            project, session = self._find(db, reference)
            self._must_wait(session)
            options = msgspec.json.decode(session.options, type=routes.ImportOptions)
            operation = operations.create(db, project, operations.IMPORT, self.store.owner)
            imports.set_operation(db, session, operation.id)
            imports.set_status(db, session, "Running", "Running.")
            operations.set_status(
                db, operation.id, "Running", "Operation running", owner=self.store.owner
            )
        self.service.run(
            operation.id,
            ImportRun(self, project, session, options, operation.id),
            background=background,
        )

    def resume(self, operation: OperationRow) -> bool:
        """Run a session's import again whose process died; answers whether that can be done.

        Nothing of it was committed, or it would have ended. Its files must be in the store.
        """
        with self.store.write() as db:
            session = imports.of_operation(db, operation.id)
            if session is None or any(f.blob is None for f in imports.files(db, session)):
                return False
            project = projects.by_number(db, session.project)
            operations.set_owner(db, operation.id, self.store.owner)
        options = msgspec.json.decode(session.options, type=routes.ImportOptions)
        run = ImportRun(self, project, session, options, operation.id)
        self.service.run(operation.id, run, background=True)
        return True

    def awaits(self, key: str) -> bool:
        """Whether a blob is that of a file that a session still waits for."""
        _, session, number = key.split("/")
        with self.store.read() as db:
            return imports.awaits(db, bytes.fromhex(session), int(number) + 1, key, ids.now_ms())

    def expire(self) -> None:
        """End the sessions whose files have not come in time, and remove what ended ones left."""
        folder = self.store.blobs.root / "imports"
        # listed before the sessions are: a folder that is made meanwhile is not in the list
        folders = list(folder.iterdir()) if folder.is_dir() else []
        with self.store.write() as db:
            late = [each for each in imports.waiting(db) if each.expiry < ids.now_ms()]
            for session in late:
                imports.set_status(db, session, "Errored", "The session expired; nothing was done.")
            kept = {each.hex() for each in imports.open_ids(db)}
        for found in folders:
            if found.name not in kept:
                shutil.rmtree(found, ignore_errors=True)

    # --- inside -----------------------------------------------------------------------------

    def _has_begun(self, reference: routes.ImportSessionRef) -> bool:
        with self.store.read() as db:
            return self._find(db, reference)[1].operation is not None

    def _find(self, db: Database, request: Any) -> tuple[ProjectKey, SessionRow]:
        project = self.project(db, request.project_id)
        return project, imports.find(db, project, ids.parse("annotsess", request.session_id))

    def _must_wait(self, session: SessionRow) -> None:
        if session.overview != "Queued":
            raise ConflictError(
                f"The import session is {session.overview}; it takes no more files or steps.",
                hint="Create a new session.",
            )
        if session.expiry < ids.now_ms():
            raise ConflictError("The import session has expired.", hint="Create a new session.")

    def forget_left_files(self) -> None:
        """Remove files of sessions that have ended: whoever ended them may have died just then."""
        left = list((self.store.blobs.root / "imports").glob("*"))
        if not left:
            return
        with self.store.read() as db:
            open_ = imports.unfinished(db)
        for folder in left:
            if folder.name not in open_:
                shutil.rmtree(folder, ignore_errors=True)

    def forget_files(self, session: SessionRow) -> None:
        """Remove the files that were sent for a session."""
        folder = self.store.blobs.root / "imports" / session.id.hex()
        shutil.rmtree(folder, ignore_errors=True)


def rejects_key(session: SessionRow) -> str:
    """The blob that holds a session's rejects."""
    return f"rejects/{session.id.hex()}.zip"


class ImportRun:
    """One import from its files to its commit: called by the job that runs it."""

    def __init__(
        self,
        service: ImportService,
        project: ProjectKey,
        session: SessionRow,
        options: routes.ImportOptions,
        operation: bytes,
    ) -> None:
        self._service = service
        self._store = service.store
        self._project = project
        self._session = session
        self._options = options
        self._operation = operation

    def __call__(self, job: Job) -> None:
        """Read, check and commit; or commit nothing and say why."""
        try:
            with self._store.read() as db:
                files = imports.files(db, self._session)
            sources = [self._source(each) for each in files]
            missing = [p for p in map(self._uploaded, files) if p is not None]
            self._commit(sources, missing, job)
        except HandedBack:
            raise  # the files stay for whoever takes the operation up
        except Cancelled:
            self._end("Cancelled", "Cancelled; nothing was committed.")
            self._service.forget_files(self._session)
        except BaseException as error:
            detail = str(error) if isinstance(error, AnnotaryError) else type(error).__name__
            self._end("Errored", f"The import failed: {detail} Nothing was committed.")
            self._service.forget_files(self._session)
            raise
        else:
            self._service.forget_files(self._session)

    def _source(self, file: imports.FileRow) -> SourceFile:
        path = Path(file.path) if file.path is not None else self._store.blobs.path(file.blob or "")
        return SourceFile(file.filename, path=path)

    def _uploaded(self, file: imports.FileRow) -> Problem | None:
        """What is wrong with the bytes that arrived, compared with what was announced."""
        detail = ""
        path = Path(file.path) if file.path is not None else self._store.blobs.path(file.blob or "")
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
        return (
            Problem("unreadable-file", file.filename, values={"detail": detail}) if detail else None
        )

    def _commit(self, sources: Sequence[SourceFile], missing: Sequence[Problem], job: Job) -> None:
        options = self._options
        with self._store.write() as db, self._rejects() as rejects:
            book = AttributeBook(tags.all_of(db, self._project))
            receiver = StoreReceiver(db, self._project, options, job, book)
            reading = Reading(
                StoreImages(db, self._project, options.create_assets, receiver),
                receiver,
                project_tags=[tag.name for tag in tags.all_of(db, self._project)],
                check_attributes=book.check,
                rejects=rejects,
            )
            bad = {problem.file for problem in missing}
            for problem in missing:
                reading.log.add(problem)
            chosen = formats.get(options.format) if options.format else None
            reading.read([s for s in sources if s.name not in bad], chosen)
            receiver.finish()
            report = receiver.report(reading)
            refused = reading.log.errors and options.on_error == "reject_session"
            if refused or options.dry_run:
                db.execute("ROLLBACK")
                db.execute("BEGIN IMMEDIATE")
            imports.add_logs(db, self._session, reading.log)
            message = _message(report, options)
            overview: Any = "Errored" if refused else "Finished"
            imports.set_status(db, self._session, overview, message, report)
            operations.set_progress(db, self._operation, report.records, report.records)
            operations.set_status(db, self._operation, overview, message)
        reading.log.close()

    @contextmanager
    def _rejects(self) -> Iterator[ZipOutput | None]:
        if not self._options.rejects:
            yield None
            return
        key = rejects_key(self._session)
        with self._store.blobs.create(key) as stream, ZipOutput(stream) as out:
            yield out

    def _end(self, overview: Any, message: str) -> None:
        with self._store.write() as db:
            imports.set_status(db, self._session, overview, message)
            operations.set_status(db, self._operation, overview, message)


def _message(report: ImportReport, options: routes.ImportOptions) -> str:
    records = f"{report.records} records: {report.committed} committed"
    if report.skipped:
        records += f", {report.skipped} skipped"
    if report.rejected:
        records += f", {report.rejected} rejected"
    if report.errors and options.on_error == "reject_session":
        would = "would be" if options.dry_run else "was"
        return f"Nothing {would} imported: {report.errors} problems were found. {records}."
    if options.dry_run:
        return f"Dry run, nothing was stored. {records.replace('committed', 'good')}."
    return f"Annotation Imported successfully. {records}."


def _check_name(name: str) -> None:
    if not name or "\0" in name or len(name) > 4096:
        raise BadRequestError(f"{name!r} is not a file name.")


def _crc(file: ImportFile) -> int | None:
    try:
        return checksum.from_base64(file.crc32c) if file.crc32c else None
    except ValueError as error:
        raise BadRequestError(
            f"The checksum of {file.filename} is not base64 of four bytes: {error}."
        ) from None
