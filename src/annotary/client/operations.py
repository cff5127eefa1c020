"""Operations: look at them, wait for them, stop them."""

from __future__ import annotations

import time
from collections.abc import Callable

from annotary import model, routes
from annotary.client.transport import Transport
from annotary.errors import BadRequestError

_STEP_SECONDS = 1.0
_LONGEST = 36_000.0
ENDED = frozenset({"Finished", "Errored", "Cancelled"})


class Operations:
    """``project.operations``."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def list(self) -> list[model.Operation]:
        """All operations of the project, newest first."""
        request = routes.InProject(project_id=self._project_id)
        found: list[model.Operation] = self._transport.call("operations.list", request)
        return found

    def get(self, op_id: str) -> model.Operation:
        """An operation as it is now."""
        request = routes.OperationRef(project_id=self._project_id, operation_id=op_id)
        found: model.Operation = self._transport.call("operations.get", request)
        return found

    def wait_until_done(
        self,
        op_id: str,
        timeout: float = _LONGEST,
        raise_exception_if: str | None = "Errored",
        on_progress: Callable[[model.Operation], None] | None = None,
    ) -> model.Operation:
        """Wait until an operation has ended, at most ``timeout`` seconds; answers it as it is.

        Raises :class:`BadRequestError` when it ended as ``raise_exception_if`` says.
        """
        end = time.monotonic() + timeout
        pause = 0.02
        while True:
            found = self.get(op_id)
            if on_progress is not None:
                on_progress(found)
            if found.status.overview in ENDED or time.monotonic() >= end:
                break
            self._transport.wait(
                self._project_id, op_id, min(pause, max(end - time.monotonic(), 0))
            )
            pause = min(pause * 2, _STEP_SECONDS)
        if found.status.overview == raise_exception_if:
            raise BadRequestError(f"The operation {op_id} failed: {found.status.message}")
        return found

    def cancel(self, op_id: str) -> model.Operation:
        """Ask an operation to stop; nothing of it is kept."""
        request = routes.OperationRef(project_id=self._project_id, operation_id=op_id)
        found: model.Operation = self._transport.call("operations.cancel", request)
        return found
