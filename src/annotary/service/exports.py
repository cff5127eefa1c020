"""Exports: asked for, planned and fetched."""

from __future__ import annotations

import msgspec

from annotary import formats, ids, routes
from annotary.errors import NotFoundError
from annotary.jobs.exporting import StoreOrigin
from annotary.model import ExportManifest, ExportResult, Operation
from annotary.service.noun import ServicePart
from annotary.store import operations
from annotary.store.blobs import export_key
from annotary.writing import exporting

_manifest = msgspec.json.Decoder(ExportManifest)


class ExportService(ServicePart):
    """Exports."""

    def create(self, request: routes.CreateExport) -> Operation:
        """Make an export; the answer is the operation that makes it."""
        body = request.body
        # what can be told at once is not left to the operation
        formats.get(body.format)
        exporting.split((), body.options)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            operation = operations.create(
                db, project, operations.EXPORT, self.store.owner, msgspec.json.encode(body)
            )
        self.service.run(operation.id, background=body.background)
        with self.store.read() as db:
            return self.service.operations.public(operations.find(db, project, operation.id))

    def plan(self, request: routes.CreateExport) -> routes.ExportPlan:
        """What an export would lose; nothing is written."""
        format_ = formats.get(request.body.format)
        with self.store.read() as db:
            origin = StoreOrigin(self.store, db, self.project(db, request.project_id))
            return routes.ExportPlan(losses=exporting.plan(origin, format_, request.body.options))

    def get(self, request: routes.OperationRef) -> ExportResult:
        """An export's state and, once it is finished, where to fetch it."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = operations.find(db, project, ids.parse("op", request.operation_id))
        if found.kind != operations.EXPORT:
            raise NotFoundError(f"The operation {request.operation_id!r} is not an export.")
        result = ExportResult(op_id=ids.show("op", found.id), status=found.overview)
        if found.overview == "Finished":
            result.download = self.service.links.download(export_key(found.id))
            result.manifest = _manifest.decode(found.result or "{}")
        return result
