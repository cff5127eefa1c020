"""Taking in the files of an upload session: all of them, or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from annotary import checksum
from annotary.errors import ValidationError, told
from annotary.jobs.run import HandedBack, Job
from annotary.model import AssetUploadFile, NewAsset
from annotary.store import Store, assets, changes, holdings, operations, uploads
from annotary.store.blobs import asset_key
from annotary.store.operations import OperationRow
from annotary.syntax.image import read_header


class UploadRun:
    """One upload session whose files are all there.

    A file that is no image fails the operation, which says so; nothing is raised.
    """

    def __init__(self, store: Store, operation: OperationRow) -> None:
        self._store = store
        self._operation = operation

    def __call__(self, job: Job) -> None:
        """Read the files' sizes and register them."""
        id_ = self._operation.id
        new: list[NewAsset] = []
        keys: list[str] = []
        kept: list[tuple[str, int, int]] = []
        try:
            with self._store.read() as db:
                project = operations.project_of(db, self._operation)
                session = uploads.of_operation(db, id_)
            body = session.files
            job.total = len(body.assets)
            keys = [asset_key(project.hex, session.id, n) for n in range(len(body.assets))]
            for key, file in zip(keys, body.assets, strict=True):
                new.append(self._take(key, file, body.groups))
                kept.append((key, new[-1].file_size, self._sum(key, file)))
                job.advance(1)
            with self._store.write() as db:
                project = operations.project_of(db, self._operation)
                assets.refuse_taken(db, project, [each.filename for each in new])
                with changes.change(db, project, "add_assets") as change:
                    change.add_assets(new, keys)
                holdings.remember(db, kept)
                message = f"{len(new)} assets uploaded."
                operations.set_progress(db, id_, len(new), len(new))
                operations.set_status(db, id_, "Finished", message)
        except HandedBack:
            raise
        except Exception as error:
            for key in keys:
                self._store.blobs.delete(key)
            with self._store.write() as db:
                operations.set_status(db, id_, "Errored", told(error))

    def _sum(self, key: str, file: AssetUploadFile) -> int:
        """The CRC-32C of the bytes that are kept; those that were sent must have the announced."""
        with self._store.blobs.open(key) as stream:
            found = checksum.crc32c_file(stream)
        if file.path is None and found != file.crc32c % (1 << 32):
            raise ValidationError(
                f"{file.filename} has the CRC-32C {checksum.to_int32(found)}, announced was "
                f"{file.crc32c}.",
                hint="It was damaged on the way, or has changed meanwhile: send it again.",
            )
        return found

    def _take(self, key: str, file: AssetUploadFile, groups: Sequence[str]) -> NewAsset:
        blobs = self._store.blobs
        if file.path is not None:
            source = Path(file.path)
            header = read_header(source, file.filename)
            blobs.copy_in(key, source)
        else:
            with blobs.local(key) as path:
                header = read_header(path, file.filename)
        return NewAsset(
            filename=file.filename,
            width=header.width,
            height=header.height,
            file_size=blobs.size(key) or 0,
            mime_type=header.mime or file.mime,
            groups=list(groups),
        )
