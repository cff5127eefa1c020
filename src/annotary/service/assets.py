"""Assets and their groups."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import partial

import msgspec

from annotary import ids, routes
from annotary.errors import (
    BadRequestError,
    ForbiddenError,
    ValidationError,
)
from annotary.model import (
    Asset,
    AssetGroup,
    DeleteResponse,
    PaginationResponse,
)
from annotary.query import language
from annotary.service.noun import ServicePart, Walk, selected
from annotary.store import asked, assetgroups, assets, edits, lostassets, tags
from annotary.store.assets import AssetRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey


class AssetService(ServicePart):
    """Assets."""

    def list(self, request: routes.ListAssets) -> PaginationResponse[Asset]:
        """A page of assets in the order of ids; ``filename`` matches any part of the name."""
        for name in ("metadata_query", "filter"):
            if getattr(request, name):
                raise BadRequestError(
                    f"Assets cannot be listed by {name}.",
                    hint="There are: where (a query, see the documentation), group, filename and "
                    "status.",
                )
        with self.store.read() as db:
            at = self.project_at(db, request.project_id, request.at)
            walk = Walk(db, at, request.limit, request.page)
            found = self._page(db, walk, request)
            shown, next_page, prev_page = walk.show(found)
            data = self._public(db, walk.project, shown)
        return PaginationResponse(next_page=next_page, prev_page=prev_page, data=data)

    def _page(self, db: Database, walk: Walk, request: routes.ListAssets) -> Sequence[AssetRow]:
        page = partial(
            assets.page,
            db,
            walk.project,
            filename=request.filename,
            status=request.status,
            groups=request.group,
        )
        if request.where is None:
            return page(**walk.ask())
        query = language.parse(request.where, frozenset({"image"}))
        return selected(
            page, lambda part: asked.meant_assets(db, walk.project, query, part), **walk.ask()
        )

    def get(self, request: routes.GetAsset) -> Asset:
        """An asset by id or file name."""
        with self.store.read() as db:
            project = self.project_at(db, request.project_id, request.at)
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
            with self.change(db, project, "add_assets") as change:
                numbers = change.add_assets(request.body)
            rows = assets.by_numbers(db, numbers)
            return self._public(db, project, rows)

    def update(self, request: routes.UpdateAsset) -> Asset:
        """Change an asset's status, groups or custom metadata."""
        body = request.body
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
            custom = body.custom_metadata
            with self.change(db, project, "update_asset") as change:
                change.edit("asset", found.no)
                assets.update(
                    db,
                    project,
                    found,
                    status=None if body.status is msgspec.UNSET else body.status,
                    groups=None if body.groups is msgspec.UNSET else body.groups,
                    custom=None
                    if custom is msgspec.UNSET
                    else msgspec.json.encode(custom).decode(),
                )
            changed = self.asset(db, project, ids.show("asset", found.id))
            return self._public(db, project, [changed])[0]

    def delete(self, request: routes.AssetRef) -> DeleteResponse:
        """Delete an asset and its annotations; undoing that brings them back."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
            with self.change(db, project, "delete_asset") as change:
                edits.delete_of_asset(change, found.no)
                change.end("asset", found.no)
        self.finally_gone(project)
        return DeleteResponse(deleted=True, id=ids.show("asset", found.id))

    def is_served(self, blob: str) -> bool:
        """Whether a file is the image of an asset, or was when a snapshot was made."""
        with self.store.read() as db:
            return lostassets.has_blob(db, blob)

    def groups(self, request: routes.ListGroups) -> Sequence[AssetGroup]:
        """The project's groups, or those named, with counts."""
        with self.store.read() as db:
            return assetgroups.all_of(db, self.project(db, request.project_id), request.group)

    def _public(
        self, db: Database, project: ProjectKey, found: Sequence[AssetRow]
    ) -> builtins.list[Asset]:
        names = {tag.no: tag.name for tag in tags.all_of(db, project)}
        image = self.service.links.image
        return assets.describe(
            db, project, found, lambda a: image(a.blob, a.path, a.filename), names
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
