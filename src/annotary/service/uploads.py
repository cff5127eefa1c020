"""Uploads of asset files: asked for, sent, and then taken in as one operation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from annotary import ids, routes
from annotary.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
)
from annotary.model import (
    AssetUploadFile,
    AssetUploadMetadata,
    AssetUploadSession,
    AssetUploadTarget,
)
from annotary.service.assets import check_filename
from annotary.service.existing import Existing, Placed
from annotary.service.noun import ServicePart
from annotary.store import assets, operations, projects, uploads
from annotary.store.blobs import asset_key
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey
from annotary.store.uploads import SessionRow

if TYPE_CHECKING:
    from annotary.service.service import Service

_PATIENCE_MS = 2 * 24 * 3600 * 1000


class UploadService(ServicePart):
    """Upload sessions."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._lock = threading.Lock()
        # the files that sessions wait for, so that an arrival need not look at all of them
        self._missing: dict[bytes, set[int]] = {}

    # --- what callers ask for -----------------------------------------------------------------

    def create(self, request: routes.CreateUploadSession) -> AssetUploadSession:
        """Ask for places to send files to; files named by path (embedded) are taken at once."""
        body = request.body
        links = self.service.links
        for file in body.assets:
            check_filename(file.filename)
            if file.path is not None and not links.local:
                raise ForbiddenError("Files of the server cannot be named by path.")
            if not -(1 << 31) <= file.crc32c < 1 << 31:
                raise BadRequestError(
                    f"The checksum of {file.filename} is {file.crc32c}.",
                    hint="crc32c is the CRC-32C of the bytes as a signed 32-bit integer.",
                )
        names = [file.filename for file in body.assets]
        if len(set(names)) < len(names):
            raise BadRequestError("Two of the files have the same name.")
        placed = [Placed(file) for file in body.assets]
        if body.on_existing != "refuse":
            with self.store.read() as db:
                project = self.project(db, request.project_id)
            existing = Existing(self.store, project, links.local)
            placed = existing.place(body.assets, body.on_existing)
        body.assets = [each.file for each in placed if each.existing is None]
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            assets.refuse_taken(db, project, [file.filename for file in body.assets])
            operation = operations.create(
                db, project, operations.UPLOAD, self.store.owner, msgspec.json.encode(body)
            )
            session = uploads.create(db, project, operation.id, msgspec.json.encode(body))
            if not body.assets:  # no file will arrive that could end it
                operations.set_status(db, operation.id, "Finished", "0 assets uploaded.")
        targets = []
        number = 0
        for file, there in placed:
            upload = None
            if there is None:
                if file.path is None:
                    key = asset_key(project.hex, session, number)
                    upload = links.upload(key, file.size, file.crc32c % (1 << 32), file.mime)
                number += 1
            targets.append(
                AssetUploadTarget(
                    metadata=AssetUploadMetadata(
                        filename=file.filename, mime=file.mime, size=file.size, crc32c=file.crc32c
                    ),
                    upload=upload,
                    existing=there,
                )
            )
        return AssetUploadSession(
            id=ids.show("up", session), op_id=ids.show("op", operation.id), assets=targets
        )

    def cancel(self, request: routes.UploadSessionRef) -> routes.Cancelled:
        """Give up an upload whose files have not all arrived."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = uploads.find(db, project, ids.parse("up", request.session_id))
            operation = operations.find(db, project, found.operation)
            if operation.overview not in {"Queued", "Running"}:
                raise ConflictError(f"The upload has ended already: {operation.overview}.")
            operations.set_status(db, operation.id, "Cancelled", "Upload cancelled.")
        self._forget(project, found)
        return routes.Cancelled(cancelled=True, id=request.session_id)

    # --- as files arrive ----------------------------------------------------------------------

    def arrived(self, project_id: str, session_id: str) -> bool:
        """Take an upload in if all its files are there; answers whether they were."""
        with self.store.read() as db:
            project = self.project(db, project_id)
            found = uploads.find(db, project, ids.parse("up", session_id))
        return self._take_in(project, found)

    def awaits(self, key: str) -> AssetUploadFile | None:
        """The file that a blob is to be, where its session still waits for files."""
        _, project, name = key.split("/")
        session, _, number = name.partition("-")
        with self.store.read() as db:
            at = self.project(db, project)
            found = uploads.find(db, at, bytes.fromhex(session))
            if operations.find(db, at, found.operation).overview != "Queued":
                return None
        return found.files.assets[int(number)]

    def received(self, key: str) -> None:
        """A file has arrived as a blob; the last one of a session lets it be taken in."""
        _, project, name = key.split("/")
        session, _, number = name.partition("-")
        raw = bytes.fromhex(session)
        with self._lock:
            left = self._missing.get(raw)
            if left is not None:
                left.discard(int(number))
                if left:
                    return
        with self.store.read() as db:
            at = self.project(db, project)
            found = uploads.find(db, at, raw)
        self._take_in(at, found)

    def resume(self, project: ProjectKey, operation: bytes) -> None:
        """Wait on for the files of a session whose process died."""
        with self.store.write() as db:
            operations.set_status(
                db, operation, "Queued", "Operation queued", owner=self.store.owner
            )
            found = uploads.of_operation(db, operation)
        self._take_in(project, found)

    def expire(self) -> None:
        """End the sessions whose files have not come in time."""
        with self.store.read() as db:
            late = uploads.abandoned(db, ids.now_ms() - _PATIENCE_MS)
            found = [(projects.by_number(db, no), id_) for no, id_ in late]
        for project, id_ in found:
            with self.store.write() as db:
                session = uploads.find(db, project, id_)
                message = "The upload expired: its files have not all arrived."
                operations.set_status(db, session.operation, "Errored", message)
            self._forget(project, session)

    def forget_lost(self, operation: OperationRow) -> None:
        """Remove the files of an upload whose process died."""
        with self.store.read() as db:
            project = operations.project_of(db, operation)
            session = uploads.of_operation(db, operation.id)
        self._forget(project, session)

    # --- inside -------------------------------------------------------------------------------

    def _take_in(self, project: ProjectKey, session: SessionRow) -> bool:
        # looked up and noted in one step: what is not there yet will tell of its arrival later
        with self._lock:
            missing = {
                number
                for number, file in enumerate(session.files.assets)
                if file.path is None
                and self.store.blobs.size(asset_key(project.hex, session.id, number)) is None
            }
            if missing:
                self._missing[session.id] = missing
                return False
            self._missing.pop(session.id, None)
        with self.store.write() as db:
            # of two last files that arrive at once, one begins
            if operations.find(db, project, session.operation).overview != "Queued":
                return True
            operations.set_status(
                db, session.operation, "Running", "Operation running", owner=self.store.owner
            )
        self.service.jobs.run(session.operation, self.service.perform, background=False)
        return True

    def _forget(self, project: ProjectKey, session: SessionRow) -> None:
        for number in range(len(session.files.assets)):
            self.store.blobs.delete(asset_key(project.hex, session.id, number))
