"""Assets and their groups."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec

from annotary import ids, routes
from annotary.errors import (
    ForbiddenError,
    ValidationError,
)
from annotary.model import (
    Asset,
    AssetGroup,
    DeleteResponse,
    PaginationResponse,
)
from annotary.service.noun import ServicePart, clamp_limit
from annotary.store import annotations as stored
from annotary.store import assets, tags
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
            if new.path is not None and not self.service.links.local:
                raise ForbiddenError("Files of the server cannot be named by path.")
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            assets.refuse_taken(db, project, [new.filename for new in request.body])
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
            tags.count(db, stored.delete_of_asset(db, found.no))
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
    ) -> builtins.list[Asset]:
        names = {tag.no: tag.name for tag in tags.all_of(db, project)}
        image = self.service.links.image
        return [
            assets.describe(db, project, a, image(a.blob, a.path, a.filename), names) for a in found
        ]


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
