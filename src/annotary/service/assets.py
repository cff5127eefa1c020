"""Assets, their groups, and uploads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from annotary import ids, routes
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    ValidationError,
)
from annotary.imageheader import read_header
from annotary.jobs import Job
from annotary.model import (
    Asset,
    AssetGroup,
    AssetUploadFile,
    AssetUploadMetadata,
    AssetUploadSession,
    AssetUploadTarget,
    DeleteResponse,
    NewAsset,
    PaginationResponse,
)
from annotary.service.part import ServicePart, clamp_limit
from annotary.store import annotations, assets, operations, tags
from annotary.store.assets import AssetRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey


class AssetService(ServicePart):
    """Assets."""

    def list(self, request: routes.ListAssets) -> PaginationResponse[Asset]:
        """A page of assets in the order of ids; ``filename`` matches any part of the name."""
        limit = clamp_limit(request.limit)
        direction, after = ids.read_cursor(request.page) if request.page else ("n", b"")
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = assets.page(
                db,
                project,
                limit=limit + 1,
                direction=direction,
                after=after,
                filename=request.filename,
                status=request.status,
                groups=request.group,
            )
            more = len(found) > limit
            if more:
                found = found[1:] if direction == "p" else found[:limit]
            data = self._public(db, project, found)
        forward = more if direction == "n" else True
        backward = more if direction == "p" else bool(after)
        return PaginationResponse(
            next_page=ids.write_cursor("n", found[-1].id) if found and forward else None,
            prev_page=ids.write_cursor("p", found[0].id) if found and backward else None,
            data=data,
        )

    def get(self, request: routes.AssetRef) -> Asset:
        """An asset by id or file name."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return self._public(db, project, [self.asset(db, project, request.asset_id)])[0]

    def register(self, request: routes.RegisterAssets) -> Sequence[Asset]:
        """Add images that stay where they are, by name and size: all of them, or none."""
        for new in request.body:
            if new.width < 1 or new.height < 1:
                raise ValidationError(
                    f"The size of {new.filename} is {new.width} x {new.height}.",
                    hint="Width and height are pixels, at least 1.",
                )
            check_filename(new.filename)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            refuse_taken(db, project, [new.filename for new in request.body])
            numbers = assets.insert(db, project, request.body)
            rows = assets.by_numbers(db, numbers)
            return self._public(db, project, rows)

    def update(self, request: routes.UpdateAsset) -> Asset:
        """Change an asset's status, groups or custom metadata."""
        body = request.body
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
            custom = body.custom_metadata
            assets.update(
                db,
                project,
                found,
                status=None if body.status is msgspec.UNSET else body.status,
                groups=None if body.groups is msgspec.UNSET else body.groups,
                custom=None if custom is msgspec.UNSET else msgspec.json.encode(custom).decode(),
            )
            changed = self.asset(db, project, ids.show("asset", found.id))
            return self._public(db, project, [changed])[0]

    def delete(self, request: routes.AssetRef) -> DeleteResponse:
        """Remove an asset, its annotations and its file."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
            tags.count(db, annotations.delete_of_asset(db, found.no))
            assets.delete(db, found)
        if found.blob is not None:
            self.store.blobs.delete(found.blob)
        return DeleteResponse(deleted=True, id=ids.show("asset", found.id))

    def groups(self, request: routes.ListGroups) -> Sequence[AssetGroup]:
        """The project's groups, or those named, with counts."""
        with self.store.read() as db:
            return assets.groups(db, self.project(db, request.project_id), request.group)

    def _public(
        self, db: Database, project: ProjectKey, found: Sequence[AssetRow]
    ) -> Sequence[Asset]:
        names = {tag.no: tag.name for tag in tags.all_of(db, project)}
        image = self.service.links.image
        return [assets.describe(db, project, a, image(a.blob, a.path), names) for a in found]


class UploadService(ServicePart):
    """Uploads of asset files: asked for, sent, and then taken in as one operation."""

    def create(self, request: routes.CreateUploadSession) -> AssetUploadSession:
        """Ask for places to send files to; files named by path (embedded) are taken at once."""
        body = request.body
        links = self.service.links
        for file in body.assets:
            check_filename(file.filename)
            if file.path is not None and not links.local:
                raise ForbiddenError("Files of the server cannot be named by path.")
        names = [file.filename for file in body.assets]
        if len(set(names)) < len(names):
            raise BadRequestError("Two of the files have the same name.")
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            refuse_taken(db, project, names)
            operation = operations.create(
                db, project, operations.UPLOAD, self.store.owner, msgspec.json.encode(body)
            )
            session = ids.new_id()
            db.execute(
                "INSERT INTO upload_sessions (project, id, operation, request, created)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    project.no,
                    session,
                    operation.id,
                    msgspec.json.encode(body).decode(),
                    ids.now_ms(),
                ),
            )
        targets = []
        for number, file in enumerate(body.assets):
            upload = None
            if file.path is None:
                key = f"assets/{project.hex}/{session.hex()}-{number}"
                upload = links.upload(key, file.size, file.crc32c, file.mime)
            targets.append(
                AssetUploadTarget(
                    metadata=AssetUploadMetadata(
                        filename=file.filename, mime=file.mime, size=file.size, crc32c=file.crc32c
                    ),
                    upload=upload,
                )
            )
        return AssetUploadSession(
            id=ids.show("up", session), op_id=ids.show("op", operation.id), assets=targets
        )

    def arrived(self, project_id: str, session_id: str) -> bool:
        """Take an upload in once all its files are there; answers whether they were."""
        raw = ids.parse("up", session_id)
        with self.store.read() as db:
            project = self.project(db, project_id)
            found = db.execute(
                "SELECT operation, request FROM upload_sessions WHERE project = ? AND id = ?",
                (project.no, raw),
            ).fetchone()
            if found is None:
                raise ConflictError(f"There is no upload session {session_id!r}.")
            operation = operations.find(db, project, found[0])
        if operation.overview != "Queued":
            return True
        body = msgspec.json.decode(found[1], type=routes.NewUploadSession)
        for number, file in enumerate(body.assets):
            if file.path is None:
                key = f"assets/{project.hex}/{raw.hex()}-{number}"
                if not self.store.blobs.path(key).exists():
                    return False
        self._finish(project, operation.id, raw, body)
        return True

    def _finish(
        self, project: ProjectKey, operation: bytes, session: bytes, body: routes.NewUploadSession
    ) -> None:
        """Take in the files, all or none: read their sizes and register them.

        A file that is no image fails the operation, which says so; the call does not raise.
        """

        def work(job: Job) -> None:
            job.total = len(body.assets)
            new: list[NewAsset] = []
            keys: list[str] = []
            try:
                for number, file in enumerate(body.assets):
                    key = f"assets/{project.hex}/{session.hex()}-{number}"
                    keys.append(key)
                    new.append(self._take(key, file, body.groups))
                    job.advance(1)
                with self.store.write() as db:
                    refuse_taken(db, project, [each.filename for each in new])
                    assets.insert(db, project, new, blobs=keys)
                    message = f"{len(new)} assets uploaded."
                    operations.set_progress(db, operation, len(new), len(new))
                    operations.set_status(db, operation, "Finished", message)
            except Exception as error:
                for key in keys:
                    self.store.blobs.delete(key)
                detail = str(error) if isinstance(error, AnnotaryError) else type(error).__name__
                with self.store.write() as db:
                    operations.set_status(db, operation, "Errored", detail)

        self.service.jobs.run(operation, work, background=False)

    def cancel(self, request: routes.UploadSessionRef) -> routes.Cancelled:
        """Give up an upload whose files have not all arrived."""
        raw = ids.parse("up", request.session_id)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = db.execute(
                "SELECT operation FROM upload_sessions WHERE project = ? AND id = ?",
                (project.no, raw),
            ).fetchone()
            if found is None:
                raise ConflictError(f"There is no upload session {request.session_id!r}.")
            operation = operations.find(db, project, found[0])
            if operation.overview not in {"Queued", "Running"}:
                raise ConflictError(f"The upload has ended already: {operation.overview}.")
            operations.set_status(db, operation.id, "Cancelled", "Upload cancelled.")
        return routes.Cancelled(cancelled=True, id=request.session_id)

    def _take(self, key: str, file: AssetUploadFile, groups: Sequence[str]) -> NewAsset:
        blobs = self.store.blobs
        if file.path is not None:
            source = Path(file.path)
            header = read_header(source, file.filename)
            blobs.copy_in(key, source)
        else:
            header = read_header(blobs.path(key), file.filename)
        return NewAsset(
            filename=file.filename,
            width=header.width,
            height=header.height,
            file_size=blobs.path(key).stat().st_size,
            mime_type=header.mime or file.mime,
            groups=list(groups),
        )


def check_filename(name: str) -> None:
    """Refuse names that could leave a folder, or that nobody can type."""
    parts = name.split("/")
    if (
        not name
        or "\\" in name
        or "\0" in name
        or len(name) > 1024
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise ValidationError(
            f"{name!r} is not a file name.",
            hint="Use a name, with folders before it if need be: 'front/0001.png'.",
        )


def refuse_taken(db: Database, project: ProjectKey, names: Sequence[str]) -> None:
    """Raise :class:`ConflictError` when an asset has one of the names."""
    if len(set(names)) < len(names):
        raise ConflictError("Two of the images have the same file name.")
    taken = sorted(assets.by_filename(db, project, names))
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConflictError(
            f"The project has an asset {taken[0]!r} already{more}.",
            hint="Leave them out, or delete the old ones first.",
        )
