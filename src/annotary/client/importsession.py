"""An import of annotation files, as a ``with`` block."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from annotary import checksum, model, routes
from annotary.client.operations import ENDED, Operations
from annotary.client.transport import Transport
from annotary.client.unpacking import fetch_zip
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ImportFailedError,
)
from annotary.problems import Problem

if TYPE_CHECKING:
    from annotary.reading.inputs import Input, Inputs

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
        self._inputs: Inputs | None = None
        self._remarks: list[model.ImportRemark] = []
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
        try:
            if error is not None:
                # what went wrong in the block is the news, not that the server is gone, too
                with suppress(AnnotaryError):
                    self._patch("FilesProcessed", "FailedReach")
                return
            if not self._names and not self._remarks:
                self._patch("FilesProcessed", "FailedReach")
                raise BadRequestError(
                    "The import session has no files.",
                    hint="Call session.add_path(...) in the block.",
                )
            self._send()
        finally:
            if self._inputs is not None:
                self._inputs.close()
        self._started = True
        self._patch("FilesInserted", "Reached")
        if not self._background:
            self.wait_until_done()

    # --- files --------------------------------------------------------------------------------

    def add_path(self, file_path: str | os.PathLike[str], prefix: str = "") -> ImportSession:
        """Add a file, or all annotation files of a folder or archive and the folders below it.

        Files of a folder keep their place in it as part of their name. Images and files with
        endings that no format uses are left out. Links are followed, zips and tars are read as
        folders, ``-`` is standard input. ``prefix`` stands in front of the names of all images
        that these files declare: it keeps apart what two data sets call the same.
        """
        return self.add_paths([file_path], [prefix] if prefix else [])

    def add_paths(
        self, paths: Sequence[str | os.PathLike[str]], prefixes: Sequence[str] = ()
    ) -> ImportSession:
        """Add several paths, each with its prefix if there are any; see :meth:`add_path`.

        Where two folders have files of the same name, the folders' names stand in front.
        """
        from annotary.reading.inputs import Inputs  # here: the client is loaded without it

        if self._inputs is None:
            self._inputs = Inputs.of_annotations()
        known = len(self._inputs.problems)
        if len(paths) == 1:
            new = self._inputs.add(paths[0], *prefixes)
        else:
            new = self._inputs.add_all(paths, prefixes)
        self.add_problems(self._inputs.problems[known:])
        for each in new:
            self._add(each.name, each.path, each)
        return self

    def add_problems(self, problems: Iterable[Problem]) -> ImportSession:
        """Add what stood in the way of files that belong to this import, for its log."""
        self._remarks += [
            model.ImportRemark(
                code=each.code,  # type: ignore[arg-type]
                file=each.file,
                values={key: str(value) for key, value in each.values.items()},
            )
            for each in problems
        ]
        return self

    def add_bytes(self, file_bytes: bytes, filename: str) -> ImportSession:
        """Add a file's content under a name; the name's ending counts."""
        self._add(filename, bytes(file_bytes))
        return self

    def _add(self, name: str, content: bytes | Path, given: Input | None = None) -> None:
        if self._found.status.overview != "Queued":
            raise BadRequestError("The import session takes no more files.")
        if name in self._names:
            raise BadRequestError(
                f"A file named {name!r} was added already.",
                hint="Names must differ within a session; add a folder to keep sub-folders apart.",
            )
        self._names.add(name)
        if isinstance(content, Path):
            try:
                file = self._file_at(name, content, given)
            except OSError as error:
                detail = error.strerror or str(error)
                self.add_problems([Problem("unreadable-file", name, values={"detail": detail})])
                return
        else:
            sum_ = checksum.to_base64(checksum.crc32c(content))
            file = model.ImportFile(filename=name, size=len(content), crc32c=sum_)
        self._pending.append((file, content))
        if len(self._pending) >= _PER_CALL:
            self._send()

    def _file_at(self, name: str, path: Path, given: Input | None) -> model.ImportFile:
        file = model.ImportFile(filename=name, size=path.stat().st_size)
        if given is not None:
            file.found, file.prefix = given.found, given.prefix
        if self._transport.local and not (given and given.unpacked):
            file.path = str(path.absolute())
        else:
            with path.open("rb") as stream:
                file.crc32c = checksum.to_base64(checksum.crc32c_file(stream))
        return file

    def _send(self) -> None:
        if not self._pending and not self._remarks:
            return
        request = routes.AddImportFiles(
            project_id=self._project_id,
            session_id=self.id,
            body=routes.NewImportFiles(
                files=[file for file, _ in self._pending], remarks=self._remarks
            ),
        )
        answer: model.ImportFiles = self._transport.call("imports.add_files", request)
        uploads = [
            (target.upload, content)
            for target, (_, content) in zip(answer.files, self._pending, strict=True)
            if target.upload is not None
        ]
        self._pending, self._remarks = [], []
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
