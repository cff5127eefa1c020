"""What operations stand for: one way to do them, whether they begin or are taken up again.

Everything that a piece of work needs is in the rows of its operation, so its id is all that is
handed on. A kind of work is a row of :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from annotary.jobs.exporting import ExportRun
from annotary.jobs.importing import ImportRun
from annotary.jobs.run import Job
from annotary.jobs.uploading import UploadRun
from annotary.store import Store, operations
from annotary.store.operations import OperationRow


class Kind(NamedTuple):
    """A kind of work."""

    work: Callable[[Store, OperationRow], Callable[[Job], None]]
    """Makes the work of an operation."""
    lost: str
    """What is true of the store when the process that worked on it is gone."""


KINDS = {
    operations.IMPORT: Kind(
        ImportRun, "nothing was committed, the store is as it was before the import"
    ),
    operations.EXPORT: Kind(ExportRun, "there is no file to download"),
    operations.UPLOAD: Kind(UploadRun, "files that had not arrived are not in the project"),
}


def perform(store: Store, operation: bytes, job: Job) -> None:
    """Do an operation's work and record how it ended. Does nothing where it has ended already.

    Raises what the work raises, after that was recorded.
    """
    with store.read() as db:
        found = operations.by_id(db, operation)
    if found is not None and found.overview in {"Queued", "Running"}:
        KINDS[found.kind].work(store, found)(job)
