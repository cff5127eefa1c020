"""Exports: a zip in the blob store, made from one snapshot of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from annotary import formats, ids, routes
from annotary.batch import AnnotationBatch
from annotary.errors import AnnotaryError, NotFoundError
from annotary.jobs.run import Cancelled, HandedBack, Job
from annotary.model import ExportManifest, ExportRequest, ExportResult, Operation
from annotary.service.noun import ServicePart
from annotary.store import Store, assets, operations, projects, tags
from annotary.store import annotations as stored
from annotary.store.database import Database
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey
from annotary.writing import exporting
from annotary.writing.exporting import ExportTag
from annotary.writing.output import ZipOutput

_manifest = msgspec.json.Decoder(ExportManifest)


class ExportService(ServicePart):
    """Exports."""

    def create(self, request: routes.CreateExport) -> Operation:
        """Make an export; the answer is the operation that makes it."""
        body = request.body
        formats.get(body.format)  # an unknown name is told at once, not by the operation
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            operation = operations.create(
                db, project, operations.EXPORT, self.store.owner, msgspec.json.encode(body)
            )
        self._start(project, operation.id, body, body.background)
        with self.store.read() as db:
            return self.service.operations.public(operations.find(db, project, operation.id))

    def resume(self, operation: OperationRow) -> bool:
        """Make an export again whose process died before it was done."""
        body = msgspec.json.decode(operation.request or "", type=routes.NewExport)
        with self.store.write() as db:
            project = projects.by_number(db, operation.project)
            operations.set_owner(db, operation.id, self.store.owner)
        self._start(project, operation.id, body, True)
        return True

    def _start(
        self, project: ProjectKey, operation: bytes, body: routes.NewExport, background: bool | None
    ) -> None:
        def work(job: Job) -> None:
            self._run(project, operation, body, job)

        self.service.run(operation, work, background=background)

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

    def _run(self, project: ProjectKey, operation: bytes, body: ExportRequest, job: Job) -> None:
        try:
            with self.store.write() as db:
                operations.set_status(
                    db, operation, "Running", "Operation running", owner=self.store.owner
                )
            with self.store.read() as db:
                origin = StoreOrigin(self.store, db, project)
                job.total = origin.count
                with (
                    self.store.blobs.create(export_key(operation)) as stream,
                    ZipOutput(stream, project.hex) as out,
                ):
                    manifest = exporting.export(
                        origin, formats.get(body.format), body.options, out, job.advance
                    )
            with self.store.write() as db:
                operations.set_progress(db, operation, job.records, job.records)
                operations.set_status(
                    db,
                    operation,
                    "Finished",
                    export_message(manifest),
                    result=msgspec.json.encode(manifest),
                )
        except HandedBack:
            raise  # the operation stays for whoever takes it up
        except Cancelled:
            self._end(operation, "Cancelled by the caller; there is no file to download.", True)
        except BaseException as error:
            detail = error.message if isinstance(error, AnnotaryError) else type(error).__name__
            self._end(operation, f"The export failed: {detail}", False)
            raise

    def _end(self, operation: bytes, message: str, cancelled: bool) -> None:
        self.store.blobs.delete(export_key(operation))
        with self.store.write() as db:
            operations.set_status(db, operation, "Cancelled" if cancelled else "Errored", message)


def export_key(operation: bytes) -> str:
    """The blob that an export's zip is kept in."""
    return f"exports/{operation.hex()}.zip"


def export_message(manifest: ExportManifest) -> str:
    """What was written and what could not be carried, in one line."""
    objects = sum(part.objects for part in manifest.parts)
    images = sum(part.images for part in manifest.parts)
    text = f"Operation finished. {objects} objects on {images} images written."
    if manifest.normalized and manifest.format in _OFF_SPEC:
        text += " Coordinates are fractions, which readers of this format do not expect."
    return " ".join([text, *(loss.text for loss in manifest.losses)])


_OFF_SPEC = {"coco", "polygon_coco", "keypoints_coco", "pascal_voc", "createml", "vott"}


class StoreOrigin:
    """One snapshot of a project, as exports see it."""

    def __init__(self, store: Store, db: Database, project: ProjectKey) -> None:
        self._store = store
        self._db = db
        self.project = project.hex
        listing = assets.listing(db, project)
        self._numbers = [each[0] for each in listing]
        self._files = [(each[5], each[6]) for each in listing]
        self.names = [each[2] for each in listing]
        self.widths = np.array([each[3] for each in listing], np.int64)
        self.heights = np.array([each[4] for each in listing], np.int64)
        self.ids: Sequence[str] = [ids.show("asset", each[1]) for each in listing]
        self.groups: Sequence[Sequence[str]] = ()
        found = tags.all_of(db, project)
        self._tags = {tag.no: place for place, tag in enumerate(found)}
        self.tags = [
            ExportTag(tag.name, tag.numbers, tag.skeleton, {a.name: a.type for a in tag.attributes})
            for tag in found
        ]
        self.count = sum(tag.annotations for tag in found)

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images, in their order."""
        return stored.scan(self._db, [self._numbers[i] for i in images], self._tags)

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file, where the store has it or knows its path."""
        path, blob = self._files[image]
        try:
            if blob is not None:
                return self._store.blobs.read(blob)
            return Path(path).read_bytes() if path is not None else None
        except OSError:
            return None
