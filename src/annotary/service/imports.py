"""Import sessions: files in, one transaction, and a log of everything that was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from annotary import checksum, formats, ids, routes
from annotary.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError
from annotary.jobs.importing import forget_files
from annotary.model import (
    DownloadSignedUrl,
    ImportFile,
    ImportFiles,
    ImportFileTarget,
    ImportRemark,
    ImportSession,
    ImportSessionLog,
)
from annotary.reading.wishes import Wishes
from annotary.service.noun import ServicePart
from annotary.store import changes, imports, operations
from annotary.store.blobs import import_folder, rejects_key
from annotary.store.database import Database
from annotary.store.imports import SessionRow
from annotary.store.projects import ProjectKey

MAX_FILES_PER_CALL = 1000
MAX_FILES = 1_000_000
MAX_REMARKS = 10_000


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
        named = formats.get(options.format) if options.format else None
        reader = formats.get(named.read_by) if named and named.read_by else named
        Wishes(options.options, options.repair, options.on_fault, options.lint).check(reader)
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
        key = rejects_key(session.id)
        if self.store.blobs.size(key) is None:
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
                None if file.path is not None else f"{import_folder(session.id)}/{count + i}"
                for i, file in enumerate(new)
            ]
            imports.add_files(db, session, new, keys)
            if request.body.remarks:
                self._add_remarks(db, session, request.body.remarks)
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
            forget_files(self.store, session.id)
        elif reached.get("FilesInserted") == "Reached":
            self.start(reference, request.body.background)
        return self.get(reference)

    def start(self, reference: routes.ImportSessionRef, background: bool | None) -> None:
        """Run the import of a session whose files are all there."""
        with self.store.write() as db:
            project, session = self._find(db, reference)
            self._must_wait(session)
            who = msgspec.json.encode(changes.WHO.get() or changes.Who())
            operation = operations.create(db, project, operations.IMPORT, self.store.owner, who)
            imports.set_operation(db, session, operation.id)
            imports.set_status(db, session, "Running", "Running.")
            operations.set_status(
                db, operation.id, "Running", "Operation running", owner=self.store.owner
            )
        self.service.run(operation.id, background=background)

    def awaits(self, key: str) -> bool:
        """Whether a blob is that of a file that a session still waits for."""
        _, session, number = key.split("/")
        with self.store.read() as db:
            return imports.awaits(db, bytes.fromhex(session), int(number) + 1, key, ids.now_ms())

    def expire(self) -> None:
        """End the sessions whose files have not come in time, and remove what ended ones left."""
        # listed before the sessions are: a folder that is made meanwhile is not in the list
        folders = self.store.blobs.names("imports")
        with self.store.write() as db:
            late = [each for each in imports.waiting(db) if each.expiry < ids.now_ms()]
            for session in late:
                imports.set_status(db, session, "Errored", "The session expired; nothing was done.")
            kept = {each.hex() for each in imports.open_ids(db)}
        for found in folders:
            if found not in kept:
                self.store.blobs.delete_below(f"imports/{found}")

    # --- inside -----------------------------------------------------------------------------

    def _add_remarks(self, db: Database, session: SessionRow, new: Sequence[ImportRemark]) -> None:
        known = imports.remarks_of(db, session)
        if len(known) + len(new) > MAX_REMARKS:
            raise BadRequestError(
                f"The session would have {len(known) + len(new)} remarks.",
                hint=f"A session keeps at most {MAX_REMARKS:,}: leave out what cannot be read.",
            )
        for each in new:
            _check_name(each.file)
            if sum(len(text) for text in each.values.values()) > 4096 or len(each.values) > 8:
                raise BadRequestError(f"The remark on {each.file!r} is too long.")
        imports.add_remarks(db, session, new)

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
        left = self.store.blobs.names("imports")
        if not left:
            return
        with self.store.read() as db:
            open_ = imports.unfinished(db)
        for folder in left:
            if folder not in open_:
                self.store.blobs.delete_below(f"imports/{folder}")


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
