"""Import sessions: files in, one transaction, and a log of everything that was wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from annotary import checksum, formats, ids, matching, routes
from annotary.batch import AnnotationBatch
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    ImportFailedError,
    InternalServerError,
    NotFoundError,
)
from annotary.jobs import Cancelled, HandedBack, Job
from annotary.matching import Candidate, Match
from annotary.model import (
    DownloadSignedUrl,
    ImportFile,
    ImportFiles,
    ImportFileTarget,
    ImportReport,
    ImportSession,
    ImportSessionLog,
    NewAsset,
    Skeleton,
)
from annotary.output import ZipOutput
from annotary.problems import Problem
from annotary.reading import FileReading, Reading
from annotary.service.attributes import AttributeBook
from annotary.service.part import ServicePart
from annotary.source import SourceFile
from annotary.store import assets, imports, operations, projects, tags
from annotary.store.annotations import Inserter
from annotary.store.database import Database
from annotary.store.imports import SessionRow
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey

MAX_FILES_PER_CALL = 1000
MAX_FILES = 1_000_000
_SUGGEST_FROM = 5000


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
        with self.store.write() as db:
            waiting = imports.waiting(db)
            late = [each for each in waiting if each.expiry < ids.now_ms()]
            for session in late:
                imports.set_status(db, session, "Errored", "The session expired; nothing was done.")
            kept = {each.hex() for each in imports.open_ids(db)}
        folder = self.store.blobs.root / "imports"
        for found in folder.iterdir() if folder.is_dir() else ():
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


class StoreReceiver:
    """Takes checked rows into the store's transaction, file by file, and keeps the counts."""

    def __init__(
        self,
        db: Database,
        project: ProjectKey,
        options: routes.ImportOptions,
        job: Job,
        book: AttributeBook,
    ) -> None:
        self._db = db
        self._book = book
        self._learnt_before = book.state()
        self._project = project
        self._options = options
        self._job = job
        self._inserter = Inserter(db, project)
        self._tags: dict[str, int] = {tag.name: tag.no for tag in tags.all_of(db, project)}
        self._good = 0
        self._rows = 0
        self._saved: Any = None
        self._kept_numbers: Any = None
        self.tags_created: list[str] = []
        self.assets_created = 0
        self._assets_before = 0
        self._tags_before = 0
        self.refused = False
        self.faulty = 0

    def begin_file(self, file: FileReading) -> None:
        """A file starts; with ``reject_file`` all it does can be undone."""
        self._good = self._rows = 0
        self._map = np.zeros(0, np.int32)
        if self._options.on_error == "reject_file":
            self._inserter.settle()
            self._saved = self._inserter.state()
            self._learnt_before = self._book.state()
            self._assets_before = self.assets_created
            self._tags_before = len(self.tags_created)
            self._db.execute("SAVEPOINT file")

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Insert good rows; where the session is lost already, only count them."""
        objects = len(batch.objects()) - 1
        self._good += objects
        self._rows += len(batch)
        if not self.refused:
            self._number_tags(file)
            batch.tag = self._map[batch.tag]
            self._inserter.add(batch)
            if self._options.on_error == "reject_session" and file.session.log.errors:
                self.refused = True
        self._job.advance(objects)

    def end_file(self, file: FileReading) -> None:
        """A file has ended: settle its counts by the session's policy."""
        report, log = file.report, file.session.log
        refused = sum(file.refused.values())
        faulty = file.faulty + refused + file.rows.rejected
        self.faulty += faulty
        report.skipped = file.rows.skipped
        if self._good + faulty + file.rows.skipped != report.records:
            raise InternalServerError(
                f"Records of {report.file} are not all accounted for: {report.records} read, "
                f"{self._good} good, {faulty} faulty, {file.rows.skipped} skipped."
            )
        policy = self._options.on_error
        broken = faulty > 0 or file.broken or log.errors > file.errors_before
        if policy == "reject_session":
            report.committed, report.rejected = self._good, faulty
            self.refused = self.refused or log.errors > 0
        elif policy == "reject_file" and broken:
            report.committed, report.rejected = 0, self._good + faulty
            self._rows = 0
            self._undo_file()
        else:
            report.committed = self._good
            report.skipped += faulty
        report.annotations = self._rows
        if not self.refused and not (policy == "reject_file" and broken):
            self._number_tags(file)
            self._keep_class_numbers(file)
        if policy == "reject_file":
            self._db.execute("RELEASE file")

    def finish(self) -> None:
        """Bring counts, the index by asset and ontologies up to date."""
        tags.count(self._db, self._inserter.finish())
        for tag in tags.all_of(self._db, self._project):
            learnt = self._book.learnt(tag)
            if learnt is not None:
                tags.set_ontology(self._db, tag, learnt)

    def report(self, reading: Reading) -> ImportReport:
        """The whole session's report, checked against what was inserted."""
        policy = self._options.on_error
        refuse = policy == "reject_session" and reading.log.errors > 0
        for file in reading.reports:
            if refuse:
                file.rejected = file.records - file.skipped
                file.committed = file.annotations = 0
        report = ImportReport(
            records=sum(f.records for f in reading.reports),
            committed=sum(f.committed for f in reading.reports),
            skipped=sum(f.skipped for f in reading.reports),
            rejected=sum(f.rejected for f in reading.reports),
            faulty=self.faulty,
            annotations=sum(f.annotations for f in reading.reports),
            images=sum(f.images for f in reading.reports),
            dry_run=self._options.dry_run,
            tags_created=[] if refuse else self.tags_created,
            assets_created=0 if refuse else self.assets_created,
            errors=reading.log.errors,
            warnings=reading.log.warnings,
            files=reading.reports,
            matches=reading.matches,
        )
        if report.records != report.committed + report.skipped + report.rejected:
            raise InternalServerError(f"Records are not all accounted for: {report}.")
        if not refuse and self._inserter.count != report.annotations:
            raise InternalServerError(
                f"{self._inserter.count} annotations were inserted, {report.annotations} reported."
            )
        return report

    # --- inside -----------------------------------------------------------------------------

    def _number_tags(self, file: FileReading) -> None:
        names = file.rows.tag_names
        known = len(self._map)
        if known == len(names):
            return
        # objects of a class without a name are faults; none of them comes here
        new = [name for name in names[known:] if name not in self._tags and name.strip()]
        for name in new:
            self._tags[name] = tags.create(self._db, self._project, name)
        self.tags_created += new
        more = np.array([self._tags.get(name, 0) for name in names[known:]], np.int32)
        self._map = np.concatenate([self._map, more])

    def _keep_class_numbers(self, file: FileReading) -> None:
        """Remember the source's class numbers and skeletons, the first of each family."""
        rows = file.rows
        numbered = rows.id_space and any(number is not None for number in rows.tag_ids)
        if not numbered and not rows.skeletons:
            return
        # a session may have 100,000 files that all share one class list
        seen = (rows.id_space, rows.tag_names, rows.tag_ids, rows.skeletons)
        if seen == self._kept_numbers:
            return
        self._kept_numbers = seen
        stored = {tag.name: tag for tag in tags.all_of(self._db, self._project)}
        taken = {tag.numbers.get(rows.id_space) for tag in stored.values()}
        for name, number in zip(rows.tag_names, rows.tag_ids, strict=True):
            tag = stored.get(name)
            if tag is None:
                continue
            if number is not None and rows.id_space not in tag.numbers and number not in taken:
                tags.set_numbers(self._db, tag.no, tag.numbers | {rows.id_space: number})
        for name, (keypoints, edges) in rows.skeletons.items():
            tag = stored.get(name)
            if tag is not None and tag.skeleton is None:
                tags.set_skeleton(self._db, tag.no, Skeleton(keypoints=keypoints, edges=edges))

    def _undo_file(self) -> None:
        self._db.execute("ROLLBACK TO file")
        self._inserter.restore(self._saved)
        self._book.restore(self._learnt_before)
        self._kept_numbers = None
        self.assets_created = self._assets_before
        del self.tags_created[self._tags_before :]
        self._tags = {tag.name: tag.no for tag in tags.all_of(self._db, self._project)}


class StoreImages:
    """The project's assets, and with ``create_assets`` those that a file brings along."""

    def __init__(
        self, db: Database, project: ProjectKey, create: bool, receiver: StoreReceiver
    ) -> None:
        self._db = db
        self._project = project
        self._create = create
        self._receiver = receiver
        self._names: list[str] | None = None
        self._made: set[int] = set()

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """Match names to assets; see ``annotary.matching``."""
        exact = assets.by_filename(self._db, self._project, names)
        found: list[Match | None] = [
            Match(exact[name], "exact") if name in exact else None for name in names
        ]
        open_ = [i for i, match in enumerate(found) if match is None]
        if open_:
            wanted = {i: matching.keys(names[i]) for i in open_}
            pools = assets.by_key(self._db, self._project, sorted(set().union(*wanted.values())))
            for i in open_:
                pool = {c.asset: c for key in wanted[i] for c in pools.get(key, ())}
                usable = self._apart(names[i], pool.values()) if self._made else pool.values()
                match = matching.match(names[i], usable, loose=not self._create)
                found[i] = match
            if self._create:
                self._add([i for i in open_ if _is_new(found[i])], names, sizes, found)
        return [match or Match(None) for match in found]

    def _apart(self, name: str, pool: Iterable[Candidate]) -> list[Candidate]:
        """Without those that this import made in another folder: they are other images."""
        wanted = _clean(name)
        return [
            c
            for c in pool
            if c.asset not in self._made or not matching.in_other_folder(c.filename, wanted)
        ]

    def _add(
        self,
        new: Sequence[int],
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        found: list[Match | None],
    ) -> None:
        first: dict[str, int] = {}
        for i in new:
            first.setdefault(_clean(names[i]), i)
        items = [
            NewAsset(filename=name, width=max(sizes[i][0], 0), height=max(sizes[i][1], 0))
            for name, i in first.items()
        ]
        numbers = assets.insert(self._db, self._project, items)
        made = {
            item.filename: Candidate(no, item.filename, item.width, item.height)
            for no, item in zip(numbers, items, strict=True)
        }
        self._made.update(numbers)
        for i in new:
            found[i] = Match(made[_clean(names[i])], "created")
        self._receiver.assets_created += len(items)

    def suggest(self, name: str) -> str:
        """Near names, or what to do when there is none."""
        if self._names is None:
            self._names = assets.some_filenames(self._db, self._project, _SUGGEST_FROM)
        if not self._names:
            return (
                "The project has no images yet: upload or register them first, or import with "
                "create_assets=True (--create-assets) to take names and sizes from the file."
            )
        near = matching.nearest(name, self._names)
        if near:
            return f"Did you mean {', '.join(near)}?"
        return "Upload or register the image first, or import with create_assets=True."


def _is_new(match: Match | None) -> bool:
    return match is None or (match.asset is None and not match.ambiguous)


def _clean(name: str) -> str:
    """A name as it can be an asset's: forward slashes, no leading or climbing folders."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    return "/".join(parts) or name


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


def raise_if_failed(session: ImportSession, log: ImportSessionLog) -> None:
    """Raise :class:`ImportFailedError` with the first problems of a session that failed."""
    if session.status.overview not in {"Errored", "Cancelled"}:
        return
    errors = [item.message for item in log.logs if item.level == "Error"]
    shown = "\n\n".join(errors[:3])
    more = f"\n\n... and {len(errors) - 3} more." if len(errors) > 3 else ""
    raise ImportFailedError(
        session.status.message + (f"\n\n{shown}{more}" if errors else ""),
        hint="session.get_logs() has them all; on_error='skip' imports the rest." if errors else "",
        problems=errors[:10],
        total=len(errors),
    )
