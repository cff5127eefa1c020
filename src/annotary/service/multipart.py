"""Large files of an upload session, sent in parts and put together once all have arrived."""

from __future__ import annotations

from annotary import checksum, ids, routes
from annotary.errors import BadRequestError, ConflictError, NotFoundError
from annotary.model import (
    MultipartAborted,
    MultipartCompleted,
    MultipartUpload,
    PartStatus,
    PartTarget,
)
from annotary.service.noun import ServicePart
from annotary.store import operations, uploads
from annotary.store.blobs import asset_key, parts_folder
from annotary.store.database import Database
from annotary.store.projects import ProjectKey
from annotary.store.uploads import MultipartRow, SessionRow

PART_BYTES = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_PATIENCE_MS = 2 * 24 * 3600 * 1000


class MultipartService(ServicePart):
    """Files in parts."""

    def create(self, request: routes.CreateMultipart) -> MultipartUpload:
        """Begin to send a file of an upload session in parts.

        The parts are numbered from 1 and have ``size // part_count`` bytes each; the last one
        has what is left as well.
        """
        body = request.body
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            session = uploads.find(db, project, ids.parse("up", request.session_id))
            _must_wait(db, project, session)
            number = _place(session, body)
            count = max(1, -(-body.size // PART_BYTES))
            id_ = uploads.add_multipart(db, project, session.id, number, count)
        return MultipartUpload(id=ids.show("mpu", id_), part_count=count)

    def part(self, request: routes.PartRef) -> PartTarget:
        """Where to send a part."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request)
            session = uploads.find(db, project, found.session)
            _must_wait(db, project, session)
        whole = session.files.assets[found.file].size
        size = whole // found.parts
        if request.part == found.parts:
            size = whole - size * (found.parts - 1)
        target = self.service.links.upload(
            part_key(found, request.part), size, None, "application/octet-stream"
        )
        return PartTarget(
            method=target.method,
            url=target.url,
            expiry=target.expiry_date or 0,
            response_headers=[],
            response_body=False,
            headers=target.headers,
        )

    def complete_part(self, request: routes.CompletePart) -> PartStatus:
        """Whether a part has arrived."""
        with self.store.read() as db:
            found = self._find(db, self.project(db, request.project_id), request)
        here = self.store.blobs.size(part_key(found, request.part)) is not None
        return PartStatus(id=request.upload_id, part_number=request.part, completed=here)

    def complete(self, request: routes.MultipartRef) -> MultipartCompleted:
        """Put a file together. Raises where parts are missing or the sum is wrong."""
        blobs = self.store.blobs
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request)
            session = uploads.find(db, project, found.session)
            _must_wait(db, project, session)
        file = session.files.assets[found.file]
        keys = [part_key(found, n) for n in range(1, found.parts + 1)]
        missing = [n for n, part in enumerate(keys, 1) if blobs.size(part) is None]
        if missing:
            raise ConflictError(f"The parts {missing[:10]} of {file.filename} have not arrived.")
        key = asset_key(project.hex, session.id, found.file)
        sum_ = 0
        with blobs.create(key) as out:
            for part in keys:
                with blobs.open(part) as source:
                    while piece := source.read(_CHUNK):
                        sum_ = checksum.crc32c(piece, sum_)
                        out.write(piece)
            if sum_ != file.crc32c % (1 << 32):
                raise BadRequestError(
                    f"The parts of {file.filename} have the CRC-32C {checksum.to_int32(sum_)}, "
                    f"announced was {file.crc32c}.",
                    hint="Send the file again.",
                )
        self._forget(found)
        self.service.uploads.received(key)
        return MultipartCompleted(id=request.upload_id, completed=True)

    def abort(self, request: routes.MultipartRef) -> MultipartAborted:
        """Give up a file in parts."""
        with self.store.read() as db:
            found = self._find(db, self.project(db, request.project_id), request)
        self._forget(found)
        return MultipartAborted(id=request.upload_id, aborted=True)

    def awaits(self, key: str) -> bool:
        """Whether a part is still waited for."""
        with self.store.read() as db:
            return uploads.has_multipart(db, bytes.fromhex(key.split("/")[1]))

    def expire(self) -> None:
        """Remove the parts of files that were never completed."""
        with self.store.write() as db:
            late = uploads.old_multiparts(db, ids.now_ms() - _PATIENCE_MS)
        for found in late:
            self._forget(found)

    # --- inside -------------------------------------------------------------------------------

    def _find(
        self, db: Database, project: ProjectKey, request: routes.MultipartRef
    ) -> MultipartRow:
        found = uploads.find_multipart(db, project, ids.parse("mpu", request.upload_id))
        part = getattr(request, "part", 1)
        if not 1 <= part <= found.parts:
            raise NotFoundError(f"There is no part {part}: there are 1 to {found.parts}.")
        return found

    def _forget(self, found: MultipartRow) -> None:
        with self.store.write() as db:
            uploads.delete_multipart(db, found.id)
        self.store.blobs.delete_below(parts_folder(found.id))


def part_key(found: MultipartRow, part: int) -> str:
    """The blob of a part."""
    return f"{parts_folder(found.id)}/{part}"


def _must_wait(db: Database, project: ProjectKey, session: SessionRow) -> None:
    overview = operations.find(db, project, session.operation).overview
    if overview != "Queued":
        raise ConflictError(f"The upload has ended already: {overview}.")


def _place(session: SessionRow, wanted: routes.LargeFile) -> int:
    for number, file in enumerate(session.files.assets):
        if file.filename == wanted.filename and file.size == wanted.size:
            return number
    raise NotFoundError(f"The session has no file {wanted.filename!r} of {wanted.size} bytes.")
