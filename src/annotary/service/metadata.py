"""Custom metadata of assets, and their logs."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from annotary import ids, routes
from annotary.errors import AnnotaryError, BadRequestError, NotFoundError
from annotary.model import (
    AssetLog,
    CustomMetadata,
    CustomMetadatas,
    DeleteResponse,
    MetadataBatch,
    MetadataDeleteBatch,
    MetadataDeleteFault,
    MetadataFault,
    MetadataParent,
    PaginationResponse,
)
from annotary.service.noun import ServicePart
from annotary.store import assets, changes
from annotary.store.assets import AssetRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_PREFIX = "custommeta"


class MetadataService(ServicePart):
    """Custom metadata: one set of names and values for each asset."""

    def get(self, request: routes.AssetRef) -> CustomMetadatas:
        """The custom metadata of an asset; none or one."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
        return CustomMetadatas(custom_metadatas=[_public(project, found)] if found.custom else [])

    def put(self, request: routes.PutMetadata) -> CustomMetadata:
        """Add names and values to an asset's; a name it has already gets the new value."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            return self._put(db, project, request.asset_id, request.body)

    def put_many(self, request: routes.PutManyMetadata) -> MetadataBatch:
        """Add to several assets' custom metadata; each that cannot be kept is answered."""
        batch = MetadataBatch(errors=[], custom_metadatas=[])
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            for each in request.body.custom_metadatas:
                try:
                    asset = each.parent.asset_id or each.parent.filename
                    if asset is None:
                        raise BadRequestError("The parent has neither assetId nor filename.")
                    batch.custom_metadatas.append(self._put(db, project, asset, each))
                except AnnotaryError as error:
                    batch.errors.append(MetadataFault(custom_metadata=each, error=error.message))
        return batch

    def delete(self, request: routes.MetadataRef) -> DeleteResponse:
        """Remove all custom metadata of an asset, or the one name that is given."""
        name = unquote(request.metadata_id)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self.asset(db, project, request.asset_id)
            held = _held(found)
            if name == ids.show(_PREFIX, found.id):
                if not held:
                    raise NotFoundError("The asset has no custom metadata.")
                held = {}
            elif name in held:
                del held[name]
            else:
                raise NotFoundError(f"The asset has no custom metadata {name!r}.")
            _keep(db, project, found, held)
        return DeleteResponse(deleted=True, id=name)

    def delete_many(self, request: routes.DeleteManyMetadata) -> MetadataDeleteBatch:
        """Remove the custom metadata with these ids; each that is not there is answered."""
        batch = MetadataDeleteBatch(errors=[])
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            for text in request.body.ids:
                try:
                    found = assets.find(db, project, ids.parse(_PREFIX, text))
                except NotFoundError:
                    found = None
                if found is None or not found.custom:
                    fault = MetadataDeleteFault(id=text, error="There is no such custom metadata.")
                    batch.errors.append(fault)
                else:
                    _keep(db, project, found, {})
        return batch

    def _put(
        self, db: Database, project: ProjectKey, asset_id: str, body: CustomMetadata
    ) -> CustomMetadata:
        if body.parent.frame is not None:
            raise BadRequestError(
                "Custom metadata of single frames is not kept.",
                hint="Leave the frame out, to give it to the asset.",
            )
        found = self.asset(db, project, asset_id)
        _keep(db, project, found, {**_held(found), **body.custom_metadata})
        return _public(project, self.asset(db, project, ids.show("asset", found.id)))


class LogService(ServicePart):
    """Logs of assets. None are kept yet, so lists are empty."""

    def list(self, request: routes.ListAssetLogs) -> PaginationResponse[AssetLog]:
        """What happened to an asset: nothing of that is kept, the list is empty."""
        with self.store.read() as db:
            self.asset(db, self.project(db, request.project_id), request.asset_id)
        return PaginationResponse(data=[])

    def get(self, request: routes.AssetLogRef) -> AssetLog:
        """One entry of an asset's log: there are none."""
        with self.store.read() as db:
            self.asset(db, self.project(db, request.project_id), request.asset_id)
        raise NotFoundError(f"There is no log entry {request.log_id!r}.")


def _held(asset: AssetRow) -> dict[str, str | float | bool]:
    held: dict[str, str | float | bool] = msgspec.json.decode(asset.custom or "{}")
    return held


def _keep(
    db: Database, project: ProjectKey, asset: AssetRow, held: dict[str, str | float | bool]
) -> None:
    with changes.change(db, project, "update_asset") as change:
        change.edit("asset", asset.no)
        assets.update(db, project, asset, custom=msgspec.json.encode(held).decode() if held else "")


def _public(project: ProjectKey, asset: AssetRow) -> CustomMetadata:
    return CustomMetadata(
        id=ids.show(_PREFIX, asset.id),
        parent=MetadataParent(asset_id=ids.show("asset", asset.id), filename=asset.filename),
        custom_metadata=_held(asset),
    )
