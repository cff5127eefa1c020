"""The service as a whole: its parts, and taking up what a dead process has left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from annotary import ids, routes
from annotary.jobs.run import Job, Jobs
from annotary.model import Overview
from annotary.service.annotations import AnnotationService
from annotary.service.assets import AssetService
from annotary.service.exports import ExportService, export_key
from annotary.service.imports import ImportService
from annotary.service.links import Links, LocalLinks
from annotary.service.metadata import LogService, MetadataService
from annotary.service.multipart import MultipartService
from annotary.service.objects import ObjectService
from annotary.service.operations import OperationService
from annotary.service.projects import ProjectService, WorkspaceService
from annotary.service.tags import OntologyService, TagService
from annotary.service.uploads import UploadService
from annotary.store import Store, keys
from annotary.store import imports as stored_imports
from annotary.store import operations as stored_operations
from annotary.store.database import SERVER
from annotary.store.operations import OperationRow

_ABANDONED_SECONDS = 3600.0
_ANSWERS_KEPT_MS = 24 * 3600 * 1000


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
        self.exports = ExportService(self)
        self._resume = resume
        self.recover()

    def call(self, route: routes.Route, request: Any) -> Any:
        """Answer a route's request."""
        method: Callable[[Any], Any] = getattr(getattr(self, route.noun), route.verb)
        return method(request)

    def run(
        self, operation: bytes, work: Callable[[Job], None], *, background: bool | None
    ) -> None:
        """Do an operation's work: here, or in the background and waiting as the door is patient.

        ``background``: True returns at once, None waits at most ``links.patience`` seconds.
        """
        if self.links.local:
            self.jobs.run(operation, work, background=bool(background))
            return
        self.jobs.run(operation, work, background=True)
        if not background:
            self.jobs.wait(operation, self.links.patience)

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
        lost = [each for each in left if not self._leave_or_take_up(each)]
        if lost:
            with self.store.write() as db:
                for each in lost:
                    done = _LOST.get(each.kind, "nothing of it was kept")
                    message = f"Interrupted: the process that ran it ended; {done}."
                    stored_operations.set_status(db, each.id, "Errored", message)
                    session = stored_imports.of_operation(db, each.id)
                    if session is not None:
                        overview: Overview = "Errored"
                        stored_imports.set_status(db, session, overview, message)
        for each in lost:
            self._forget_files(each)
        self.imports.forget_left_files()
        with self.store.read() as db:
            self.store.forget_stops(each.id for each in stored_operations.unfinished(db))
        self.store.forget_the_dead()
        self.store.blobs.delete_parts(time.time() - _ABANDONED_SECONDS)

    def _forget_files(self, lost: OperationRow) -> None:
        """Remove the files that a lost operation had been given, or had made."""
        if lost.kind == stored_operations.EXPORT:
            self.store.blobs.delete(export_key(lost.id))
        if lost.kind == stored_operations.IMPORT:
            with self.store.read() as db:
                session = stored_imports.of_operation(db, lost.id)
            if session is not None:
                self.imports.forget_files(session)

    def _leave_or_take_up(self, left: OperationRow) -> bool:
        parts: dict[str, ExportService | ImportService | UploadService] = {
            stored_operations.EXPORT: self.exports,
            stored_operations.IMPORT: self.imports,
            stored_operations.UPLOAD: self.uploads,
        }
        part = parts.get(left.kind)
        if part is None or not (left.owner or "").startswith(SERVER):
            return False
        return part.resume(left) if self._resume else True

    def sweep(self) -> None:
        """End sessions that waited too long for files, and drop answers nobody asks for again."""
        self.imports.expire()
        self.uploads.expire()
        self.multipart.expire()
        with self.store.write() as db:
            keys.forget_answers(db, ids.now_ms() - _ANSWERS_KEPT_MS)

    def close(self, cancel: bool = False) -> None:
        """Finish what runs, or stop it, and close the store."""
        self.jobs.close(cancel)
        self.store.close()


_LOST = {
    stored_operations.IMPORT: "nothing was committed, the store is as it was before the import",
    stored_operations.EXPORT: "there is no file to download",
    stored_operations.DELETE: "nothing was deleted, the store is as it was before",
    stored_operations.UPLOAD: "files that had not arrived are not in the project",
}
