"""Exports: asked for, planned and fetched."""

from __future__ import annotations

import msgspec

from annotary import formats, ids, routes
from annotary.errors import ConflictError, NotFoundError
from annotary.jobs.exporting import ExportOrder, StoreOrigin
from annotary.model import DeleteResponse, ExportManifest, ExportResult, Operation
from annotary.query import language
from annotary.service.noun import ServicePart
from annotary.service.operations import CREATED
from annotary.store import operations
from annotary.store.blobs import export_images_key, export_key
from annotary.store.snapshots import at
from annotary.writing import exporting, layouts, parts, selecting

_manifest = msgspec.json.Decoder(ExportManifest)


class ExportService(ServicePart):
    """Exports."""

    def create(self, request: routes.CreateExport) -> Operation:
        """Make an export; the answer is the operation that makes it."""
        body = request.body
        # what can be told at once is not left to the operation
        layouts.chosen(body.options, formats.get(body.format))
        parts.check(body.options)
        selecting.check(body.options)
        if body.options.where is not None:
            language.parse(body.options.where)
        order = ExportOrder(
            format=body.format,
            options=body.options,
            background=body.background,
            local=self.service.links.local,
            snapshot=body.snapshot,
        )
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            at(db, project, body.snapshot)
            operation = operations.create(
                db, project, operations.EXPORT, self.store.owner, msgspec.json.encode(order)
            )
            created = CREATED.get()
            if created is not None:
                created(db, operation.public)
        self.service.run(operation.id, background=body.background)
        with self.store.read() as db:
            return self.service.operations.public(operations.find(db, project, operation.id))

    def plan(self, request: routes.CreateExport) -> routes.ExportPlan:
        """What an export would lose; nothing is written."""
        format_ = formats.get(request.body.format)
        with self.store.read() as db:
            origin = StoreOrigin(
                self.store,
                db,
                at(db, self.project(db, request.project_id), request.body.snapshot),
            )
            options = request.body.options
            chosen = origin.selected(options.where)
            return routes.ExportPlan(losses=exporting.plan(chosen, format_, options))

    def get(self, request: routes.OperationRef) -> ExportResult:
        """An export's state and, once it is finished, where to fetch it."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = operations.find(db, project, ids.parse("op", request.operation_id))
        if found.kind != operations.EXPORT:
            raise NotFoundError(f"The operation {request.operation_id!r} is not an export.")
        result = ExportResult(op_id=ids.show("op", found.id), status=found.overview)
        if found.overview == "Finished":
            if self.store.blobs.size(export_key(found.id)) is None:
                raise NotFoundError(
                    f"The files of the export {request.operation_id!r} were deleted.",
                    hint="Make another one: project.annotations.create_export(...).",
                )
            result.download = self.service.links.download(export_key(found.id))
            result.manifest = _manifest.decode(found.result or "{}")
            listed = export_images_key(found.id)
            if self.service.links.local and self.store.blobs.size(listed) is not None:
                result.images = self.service.links.download(listed)
        return result

    def delete(self, request: routes.OperationRef) -> DeleteResponse:
        """Forget the files of an export; its operation stays, with what it said."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = operations.find(db, project, ids.parse("op", request.operation_id))
        if found.kind != operations.EXPORT:
            raise NotFoundError(f"The operation {request.operation_id!r} is not an export.")
        if found.overview in {"Queued", "Running"}:
            raise ConflictError(
                "The export is not finished.",
                hint="Cancel it first: project.operations.cancel(...).",
            )
        self.store.blobs.delete(export_key(found.id))
        self.store.blobs.delete(export_images_key(found.id))
        return DeleteResponse(id=request.operation_id, deleted=True)
