"""Exports: a zip in the blob store, made from one snapshot of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from annotary import checksum, formats, ids, routes
from annotary.batch import AnnotationBatch
from annotary.errors import told
from annotary.jobs.run import Cancelled, HandedBack, Job
from annotary.model import ExportManifest
from annotary.query import language
from annotary.query.selection import Selected
from annotary.store import Store, assets, grouping, holdings, operations, tags
from annotary.store import annotations as stored
from annotary.store.asked import StoredFacts
from annotary.store.blobs import export_images_key, export_key
from annotary.store.database import Database
from annotary.store.operations import OperationRow
from annotary.store.projects import ProjectKey
from annotary.store.snapshots import at
from annotary.writing import exporting
from annotary.writing.exporting import ExportTag
from annotary.writing.output import ZipOutput
from annotary.writing.pictures import UnreadableImageError


class ExportOrder(routes.NewExport):
    """An export as its operation keeps it."""

    local: bool = False
    """Whether who asked for it unpacks it on this machine: then images need not be packed."""


class ExportRun:
    """One export, from its request to its zip."""

    def __init__(self, store: Store, operation: OperationRow) -> None:
        self._store = store
        self._operation = operation

    def __call__(self, job: Job) -> None:
        """Write the zip; or leave none and say why."""
        id_ = self._operation.id
        try:
            body = msgspec.json.decode(self._operation.request or "", type=ExportOrder)
            with self._store.write() as db:
                operations.project_of(db, self._operation)
                operations.set_status(
                    db, id_, "Running", "Operation running", owner=self._store.owner
                )
            with self._store.read() as db:
                project = operations.project_of(db, self._operation)
                whole = StoreOrigin(self._store, db, at(db, project, body.snapshot))
                origin = whole.selected(body.options.where)
                job.total = origin.count
                with ExitStack() as stack:
                    blobs = self._store.blobs
                    stream = stack.enter_context(blobs.create(export_key(id_)))
                    elsewhere = None
                    if body.local and body.options.images != "none":
                        elsewhere = stack.enter_context(blobs.create(export_images_key(id_)))
                    out = stack.enter_context(ZipOutput(stream, project.hex, elsewhere))
                    manifest = exporting.export(
                        origin,
                        formats.get(body.format),
                        body.options,
                        out,
                        job.advance,
                    )
            manifest.snapshot = body.snapshot
            with self._store.write() as db:
                operations.project_of(db, self._operation)
                operations.set_progress(db, id_, job.records, job.records)
                operations.set_status(
                    db,
                    id_,
                    "Finished",
                    export_message(manifest),
                    result=msgspec.json.encode(manifest),
                )
        except HandedBack:
            raise  # the operation stays for whoever takes it up
        except Cancelled:
            self._end("Cancelled by the caller; there is no file to download.", True)
        except BaseException as error:
            self._end(f"The export failed: {told(error)}", False)
            raise

    def _end(self, message: str, cancelled: bool) -> None:
        id_ = self._operation.id
        self._store.blobs.delete(export_key(id_))
        self._store.blobs.delete(export_images_key(id_))
        with self._store.write() as db:
            operations.set_status(db, id_, "Cancelled" if cancelled else "Errored", message)


def export_message(manifest: ExportManifest) -> str:
    """What was written and what could not be carried, in one line."""
    objects = sum(part.objects for part in manifest.parts)
    images = sum(part.images for part in manifest.parts)
    text = f"Operation finished. {objects} objects on {images} images written."
    if manifest.normalized and formats.get(manifest.format).carries.fractions == "unusual":
        text += " Coordinates are fractions, which readers of this format do not expect."
    return " ".join([text, *(loss.text for loss in manifest.losses), *manifest.notes])


class StoreOrigin:
    """One snapshot of a project, as exports see it."""

    def __init__(self, store: Store, db: Database, project: ProjectKey) -> None:
        self._store = store
        self._db = db
        self.project = project.hex
        self._project = project
        self._state = project.state
        listing = assets.listing(db, project)
        self._numbers = [each[0] for each in listing]
        self._files = [(each[5], each[6]) for each in listing]
        self.names = [each[2] for each in listing]
        self.widths = np.array([each[3] for each in listing], np.int64)
        self.heights = np.array([each[4] for each in listing], np.int64)
        self.ids: Sequence[str] = [ids.show("asset", each[1]) for each in listing]
        self.groups: Sequence[Sequence[str]] = grouping.groups_of(db, project, self._numbers)
        self._project = project
        found = tags.all_of(db, project)
        self._tags = {tag.no: place for place, tag in enumerate(found)}
        self.tags = [
            ExportTag(tag.name, tag.numbers, tag.skeleton, {a.name: a.type for a in tag.attributes})
            for tag in found
        ]
        self.count = sum(tag.annotations for tag in found)

    def selected(self, where: str | None) -> StoreOrigin | Selected:
        """What a query means, or everything."""
        if where is None:
            return self
        return Selected(self, language.parse(where), self._facts)

    def _facts(self, batch: AnnotationBatch, images: Sequence[int]) -> StoredFacts:
        numbers = [self._numbers[i] for i in images]
        return StoredFacts(self._db, self._project, batch, numbers)

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images, in their order."""
        return stored.scan(
            self._db, [self._numbers[i] for i in images], self._tags, state=self._state
        )

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file, where the store has it or knows its path.

        Raises :class:`UnreadableImageError` where they cannot be read, or are others.
        """
        path, blob = self._files[image]
        try:
            if blob is None:
                return Path(path).read_bytes() if path is not None else None
            data = self._store.blobs.read(blob)
        except OSError:
            raise UnreadableImageError("missing") from None
        kept = holdings.expected(self._db, blob)
        if kept is not None and kept != (len(data), checksum.crc32c(data)):
            raise UnreadableImageError("damaged")
        return data

    @contextmanager
    def picture(self, image: int) -> Iterator[Path | None]:
        """The image's file, where the store has it or knows its path.

        Raises :class:`UnreadableImageError` where its bytes cannot be read, or are others.
        """
        path, blob = self._files[image]
        if blob is None:
            yield Path(path) if path is not None else None
            return
        with self._store.blobs.local(blob) as found:
            kept = holdings.expected(self._db, blob)
            try:
                if kept is not None and kept != (
                    found.stat().st_size,
                    checksum.crc32c_file(found),
                ):
                    raise UnreadableImageError("damaged")
            except OSError:
                raise UnreadableImageError("missing") from None
            yield found

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every asset's custom metadata, as text."""
        return grouping.custom_values(self._db, self._project, self._numbers, key)
