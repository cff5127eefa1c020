"""Operations: looking at them, and stopping them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from annotary import ids, routes
from annotary.errors import ConflictError
from annotary.model import Operation
from annotary.service.noun import ServicePart
from annotary.store import operations
from annotary.store.database import Database
from annotary.store.operations import OperationRow

CREATED: ContextVar[Callable[[Database, Operation], None] | None] = ContextVar(
    "created", default=None
)
"""Told of the operation that a call makes, in the same transaction: a repeat finds both or none."""


class OperationService(ServicePart):
    """Operations."""

    def list(self, request: routes.InProject) -> list[Operation]:
        """The project's operations, newest first."""
        with self.store.read() as db:
            found = operations.all_of(db, self.project(db, request.project_id))
        return [self.public(each) for each in found]

    def get(self, request: routes.OperationRef) -> Operation:
        """An operation with its progress."""
        return self.public(self._find(request))

    def cancel(self, request: routes.OperationRef) -> Operation:
        """Ask an operation to stop; it ends as Cancelled and nothing of it is kept."""
        found = self._find(request)
        if found.overview not in {"Queued", "Running"}:
            raise ConflictError(
                f"The operation has ended already: {found.overview}.",
                hint="Only queued and running operations can be cancelled.",
            )
        self.service.stop(found.id)
        return self.get(request)

    def public(self, found: OperationRow) -> Operation:
        """The operation as callers see it, with the progress of a job of this process."""
        job = self.service.jobs.find(found.id)
        if job is not None and found.overview in {"Queued", "Running"}:
            found.overview = "Running"
            found.message = "Operation running"
            found.records, found.total = job.records, max(job.total, job.records)
        return found.public

    def _find(self, request: routes.OperationRef) -> OperationRow:
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return operations.find(db, project, ids.parse("op", request.operation_id))
