"""The service as a whole: its parts, and taking up what a dead process has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from annotary import routes
from annotary.jobs.run import Job, Jobs
from annotary.jobs.work import KINDS, perform
from annotary.service.annotations import AnnotationService
from annotary.service.assets import AssetService
from annotary.service.exports import ExportService
from annotary.service.history import ChangeService, SnapshotService, TrashService
from annotary.service.imports import ImportService
from annotary.service.links import Links, LocalLinks
from annotary.service.metadata import LogService, MetadataService
from annotary.service.multipart import MultipartService
from annotary.service.objects import ObjectService
from annotary.service.operations import OperationService
from annotary.service.projects import ProjectService, WorkspaceService
from annotary.service.sweeping import forget_old, sweep_files
from annotary.service.tags import OntologyService, TagService
from annotary.service.uploads import UploadService
from annotary.store import Store, purging
from annotary.store import imports as stored_imports
from annotary.store import operations as stored_operations
from annotary.store.arriving import sweep
from annotary.store.operations import OperationRow
from annotary.store.owners import SERVER

_PURGE_SECONDS = 0.2
"""So long at most whoever opens a store forgets what is due."""


class Service:
    """All that can be asked of a store; see ``annotary.routes`` for what that is."""

    def __init__(
        self,
        store: Store,
        links: Links | None = None,
        jobs: Jobs | None = None,
        *,
        resume: bool = False,
    ) -> None:
        self.store = store
        self.links = links or LocalLinks(store.blobs)
        self.jobs = jobs or Jobs()
        self.jobs.asked = store.is_asked_to_stop
        self.workspace = WorkspaceService(self)
        self.projects = ProjectService(self)
        self.annotations = AnnotationService(self)
        self.assets = AssetService(self)
        self.objects = ObjectService(self)
        self.metadata = MetadataService(self)
        self.logs = LogService(self)
        self.uploads = UploadService(self)
        self.multipart = MultipartService(self)
        self.tags = TagService(self)
        self.ontologies = OntologyService(self)
        self.operations = OperationService(self)
        self.imports = ImportService(self)
        self.changes = ChangeService(self)
        self.snapshots = SnapshotService(self)
        self.trash = TrashService(self)
        self.exports = ExportService(self)
        self._resume = resume
        self.export_days = 0.0
        """After so many days the files of exports are removed; 0: never."""
        self.recover()

    def call(self, route: routes.Route, request: Any) -> Any:
        """Answer a route's request."""
        method: Callable[[Any], Any] = getattr(getattr(self, route.noun), route.verb)
        return method(request)

    def perform(self, job: Job) -> None:
        """Do the work of a job's operation."""
        perform(self.store, job.id, job)

    def run(self, operation: bytes, *, background: bool | None) -> None:
        """Do an operation's work: here, or in the background and waiting as the door is patient.

        ``background``: True returns at once, None waits at most ``links.patience`` seconds.
        """
        if self.links.local:
            self.jobs.run(operation, self.perform, background=bool(background))
            return
        self.jobs.run(operation, self.perform, background=True)
        if not background:
            self.jobs.wait(operation, self.links.patience)

    def stop(self, operation: bytes) -> None:
        """Ask an operation to stop, whichever process works on it."""
        job = self.jobs.find(operation)
        if job is not None:
            job.cancel()
        else:
            self.store.ask_to_stop(operation)

    def recover(self) -> None:
        """End the operations whose process is gone: nothing of them was done, and they say so.

        An import, an export or a delete is one transaction, or one file that appears whole; a
        process that died in the middle has left the store as it was before. A server takes up
        what a dead server was working on instead: as the end of an operation is recorded in the
        transaction that is its effect, what has no end has had no effect, and is done again.
        """
        with self.store.read() as db:
            left = [
                each
                for each in stored_operations.unfinished(db)
                if each.owner is not None and self.store.is_dead(each.owner)
            ]
        # what dead imports have put in nobody has seen, and nobody will
        sweep(self.store)
        lost = [each for each in left if not self._leave_or_take_up(each)]
        if lost:
            with self.store.write() as db:
                for each in lost:
                    done = KINDS[each.kind].lost if each.kind in KINDS else _NOTHING
                    message = f"Interrupted: the process that ran it ended; {done}."
                    stored_operations.set_status(db, each.id, "Errored", message)
                    if each.kind == stored_operations.IMPORT:
                        session = stored_imports.of_operation(db, each.id)
                        stored_imports.set_status(db, session, "Errored", message)
        for each in lost:
            if each.kind == stored_operations.UPLOAD:
                self.uploads.forget_lost(each)
        self.imports.forget_left_files()
        sweep_files(self.store, whole=self._resume)
        with self.store.read() as db:
            self.store.forget_stops(each.id for each in stored_operations.unfinished(db))
        self.store.forget_the_dead()
        purging.sweep(self.store, _PURGE_SECONDS)

    def _leave_or_take_up(self, left: OperationRow) -> bool:
        if left.kind not in KINDS or not (left.owner or "").startswith(SERVER):
            return False
        if not self._resume:
            return True
        with self.store.write() as db:
            if left.kind == stored_operations.IMPORT:
                # what callers of the dead process named by path is not in the store
                session = stored_imports.of_operation(db, left.id)
                if any(f.blob is None for f in stored_imports.files(db, session)):
                    return False
            project = stored_operations.project_of(db, left)
            stored_operations.set_owner(db, left.id, self.store.owner)
        if left.kind == stored_operations.UPLOAD:
            self.uploads.resume(project, left.id)
        else:
            self.run(left.id, background=True)
        return True

    def sweep(self) -> None:
        """End sessions that waited too long for files, and remove what nobody needs any more."""
        self.imports.expire()
        self.uploads.expire()
        self.multipart.expire()
        sweep(self.store)
        purging.sweep(self.store)
        forget_old(self.store, self.export_days)
        sweep_files(self.store, whole=True)

    def close(self, cancel: bool = False) -> None:
        """Finish what runs, or stop it, and close the store."""
        self.jobs.close(cancel)
        self.store.close()


_NOTHING = "nothing was deleted, the store is as it was before"
