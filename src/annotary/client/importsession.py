"""An import of annotation files, as a ``with`` block."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from annotary import checksum, model, routes
from annotary.client.operations import ENDED, Operations
from annotary.client.transport import Transport
from annotary.client.unpacking import fetch_zip
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ImportFailedError,
    NotFoundError,
)

_PER_CALL = 1000
_POLL_SECONDS = 1.0
_LOCAL_POLL_SECONDS = 0.05


class ImportSession:
    """Add files inside a ``with`` block; the import runs when it ends.

    ``report`` says what became of every file and record, ``get_logs()`` what was wrong.
    """

    def __init__(
        self, transport: Transport, created: model.ImportSession, *, background: bool
    ) -> None:
        self._transport = transport
        self._background = background
        self._project_id = created.project_id
        self.id = created.id
        self._names: set[str] = set()
        self._pending: list[tuple[model.ImportFile, bytes | Path]] = []
        self._found = created
        self._started = False
        self.on_progress: Callable[[model.ImportSession], None] | None = None

    def __enter__(self) -> ImportSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            # what went wrong in the block is the news, not that the server is gone, too
            with suppress(AnnotaryError):
                self._patch("FilesProcessed", "FailedReach")
            return
        if not self._names:
            self._patch("FilesProcessed", "FailedReach")
            raise BadRequestError(
                "The import session has no files.", hint="Call session.add_path(...) in the block."
            )
        self._send()
        self._started = True
        self._patch("FilesInserted", "Reached")
        if not self._background:
            self.wait_until_done()

    # --- files --------------------------------------------------------------------------------

    def add_path(self, file_path: str | os.PathLike[str]) -> ImportSession:
        """Add a file, or all annotation files of a folder and the folders below it.

        Files of a folder keep their place in it as part of their name. Images and files with
        endings that no format uses are left out. Links are followed.
        """
        path = Path(file_path).expanduser()
        if path.is_dir():
            count = 0
            from annotary import formats  # here: the client is loaded without the engine
            from annotary.reading import folders

            for found in folders.annotation_files(path):
                self._add(found.relative_to(path).as_posix(), found)
                count += 1
            if not count:
                endings = ", ".join(sorted(formats.extensions()))
                raise BadRequestError(
                    f"The folder {path} has no annotation files.",
                    hint=f"Looked for files ending in {endings}.",
                )
            return self
        if not path.exists():
            raise NotFoundError(f"There is no file or folder {path}.")
        name = path.name
        if name in self._names:
            # two splits may each have an _annotations.coco.json
            name = f"{path.absolute().parent.name}/{path.name}"
        self._add(name, path)
        return self

    def add_bytes(self, file_bytes: bytes, filename: str) -> ImportSession:
        """Add a file's content under a name; the name's ending counts."""
        self._add(filename, bytes(file_bytes))
        return self

    def _add(self, name: str, content: bytes | Path) -> None:
        if self._found.status.overview != "Queued":
            raise BadRequestError("The import session takes no more files.")
        if name in self._names:
            raise BadRequestError(
                f"A file named {name!r} was added already.",
                hint="Names must differ within a session; add a folder to keep sub-folders apart.",
            )
        self._names.add(name)
        if isinstance(content, Path):
            file = model.ImportFile(filename=name, size=content.stat().st_size)
            if self._transport.local:
                file.path = str(content.absolute())
            else:
                with content.open("rb") as stream:
                    file.crc32c = checksum.to_base64(checksum.crc32c_file(stream))
        else:
            sum_ = checksum.to_base64(checksum.crc32c(content))
            file = model.ImportFile(filename=name, size=len(content), crc32c=sum_)
        self._pending.append((file, content))
        if len(self._pending) >= _PER_CALL:
            self._send()

    def _send(self) -> None:
        if not self._pending:
            return
        request = routes.AddImportFiles(
            project_id=self._project_id,
            session_id=self.id,
            body=routes.NewImportFiles(files=[file for file, _ in self._pending]),
        )
        answer: model.ImportFiles = self._transport.call("imports.add_files", request)
        uploads = [
            (target.upload, content)
            for target, (_, content) in zip(answer.files, self._pending, strict=True)
            if target.upload is not None
        ]
        self._pending = []
        self._transport.upload_all(uploads)

    # --- what became of it ---------------------------------------------------------------------

    def wait_until_done(self, timeout: float = 36_000.0) -> bool:
        """Wait until the import has ended; True when it was committed (or the dry run is done).

        Raises :class:`~annotary.errors.ImportFailedError` when it was refused,
        :class:`~annotary.errors.BadRequestError` when it was never started.
        """
        if not self._started and self._found.status.overview not in ENDED:
            raise BadRequestError(
                "The import session has not been started: there is nothing to wait for.",
                hint="Add files in a with block; the import starts when the block ends.",
            )
        end = time.monotonic() + timeout
        pause = 0.01
        longest = _LOCAL_POLL_SECONDS if self._transport.local else _POLL_SECONDS
        while True:
            found = self.refresh()
            if self.on_progress is not None:
                self.on_progress(found)
            if found.status.overview in ENDED:
                break
            if time.monotonic() >= end:
                return False
            if found.op_id is not None:
                self._transport.wait(self._project_id, found.op_id, pause)
            else:
                time.sleep(pause)
            pause = min(pause * 2, longest)
        if found.status.overview != "Finished":
            self._raise()
        return True

    def cancel(self, timeout: float = 60.0) -> model.ImportSession:
        """Ask the import to stop, and wait until it has; the answer says how it ended.

        ``Cancelled``: nothing was imported. ``Finished``: it was too late, all is committed.
        ``Running``: it has not ended after ``timeout`` seconds; it will.
        """
        end = time.monotonic() + timeout
        found = self.refresh()
        while found.status.overview not in ENDED and time.monotonic() < end:
            # it may start, or end, at this very moment
            with suppress(ConflictError):
                if found.op_id is None:
                    self._patch("FilesProcessed", "FailedReach")
                else:
                    Operations(self._transport, self._project_id).cancel(found.op_id)
            if found.op_id is not None:
                self._transport.wait(self._project_id, found.op_id, _POLL_SECONDS)
            found = self.refresh()
        return found

    def refresh(self) -> model.ImportSession:
        """The session as it is now."""
        request = routes.ImportSessionRef(project_id=self._project_id, session_id=self.id)
        self._found = self._transport.call("imports.get", request)
        return self._found

    @property
    def status(self) -> model.ImportSessionStatus:
        """Where the session stands."""
        return self.refresh().status

    @property
    def report(self) -> model.ImportReport:
        """What became of the import, file by file: formats, matches, counts.

        Raises :class:`~annotary.errors.BadRequestError` before the import has ended.
        """
        found = self._found.report or self.refresh().report
        if found is None:
            raise BadRequestError(
                "The import has not ended, or was aborted: there is no report.",
                hint=""
                if self._started
                else "Add files in a with block; the import starts when the block ends.",
            )
        return found

    def get_logs(self) -> model.ImportSessionLog:
        """Warnings and errors; empty when nothing was wrong."""
        request = routes.ImportSessionRef(project_id=self._project_id, session_id=self.id)
        found: model.ImportSessionLog = self._transport.call("imports.logs", request)
        return found

    def download_rejects(self, path: str | os.PathLike[str]) -> Sequence[str]:
        """Fetch the records that were not kept into the folder ``path``; answers the files.

        They are valid files of their own format, to be mended and imported again. Needs
        ``create_import_session(rejects=True)``. Empty when every record was kept.
        """
        request = routes.ImportSessionRef(project_id=self._project_id, session_id=self.id)
        found: model.DownloadSignedUrl = self._transport.call("imports.rejects", request)
        return fetch_zip(self._transport, found.url, Path(path))

    def _patch(self, condition: str, status: str) -> None:
        body = routes.SessionPatch(
            status=model.ConditionsPatch(
                conditions=[model.Condition(condition=condition, status=status)]  # type: ignore[arg-type]
            ),
            background=self._background,
        )
        self._found = self._transport.call(
            "imports.update",
            routes.UpdateImportSession(project_id=self._project_id, session_id=self.id, body=body),
        )

    def _raise(self) -> None:
        errors = [item.message for item in self.get_logs().logs if item.level == "Error"]
        text = self._found.status.message
        if errors:
            text += "\n\n" + "\n\n".join(errors[:3])
        if len(errors) > 3:
            text += f"\n\n... and {len(errors) - 3} more."
        hint = "session.get_logs() has them all; on_error='skip' imports the rest."
        raise ImportFailedError(
            text, hint=hint if errors else "", problems=errors[:10], total=len(errors)
        )
