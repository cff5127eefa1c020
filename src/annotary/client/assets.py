"""Assets: list, get, update, delete, register and upload."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args

from annotary import checksum, model, routes
from annotary.client.dictionaries import convert, page_limit
from annotary.client.drawing import LONGEST, Drawings
from annotary.client.operations import Operations
from annotary.client.transport import Transport
from annotary.errors import BadRequestError, ValidationError
from annotary.problems import ERROR, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

    from annotary.reading.inputs import Inputs

_PER_CALL = 1000


class Assets:
    """``project.assets``."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def list(
        self,
        pagination: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        where: str | None = None,
    ) -> model.PaginationResponse[model.Asset]:
        """A page of assets, which iterates over all later pages too.

        ``filters``: ``filename`` (any part of it), ``status``, ``groups``. ``where``: only those
        that a query about images means, such as ``file ~ "night/*" and annotations = 0``.
        """
        paging = dict(pagination or {})
        chosen = dict(filters or {})
        groups = chosen.pop("groups", None) or []
        unknown = sorted(set(chosen) - {"filename", "status"})
        if unknown:
            raise BadRequestError(
                f"filters has no {', '.join(map(repr, unknown))}.",
                hint="It knows: filename, groups, status.",
            )

        def fetch(page: str | None) -> model.PaginationResponse[model.Asset]:
            request = routes.ListAssets(
                project_id=self._project_id,
                limit=page_limit(paging),
                page=page,
                group=[groups] if isinstance(groups, str) else [*groups],
                where=where,
                **chosen,
            )
            found: model.PaginationResponse[model.Asset] = self._transport.call(
                "assets.list", request
            )
            for each in found.data:
                self._drawable(each)
            return found.with_fetch(fetch)

        return fetch(paging.get("page"))

    def get(self, asset_id_or_name: str) -> model.Asset:
        """An asset by its id or file name. Raises :class:`~annotary.errors.NotFoundError`."""
        request = routes.GetAsset(project_id=self._project_id, asset_id=asset_id_or_name)
        found: model.Asset = self._transport.call("assets.get", request)
        return self._drawable(found)

    def draw(
        self, asset: model.Asset | str, size: int = LONGEST, *, tags: Sequence[str] = ()
    ) -> Image:
        """An asset with its annotations as a ``PIL.Image`` in RGB; ``asset.draw()`` does the same.

        ``size``: its longer side in pixels. ``tags``: those that are meant; others are faint. A
        picture that is missing or damaged becomes a plain ground that says so.
        """
        found = self.get(asset) if isinstance(asset, str) else asset
        return Drawings(self._transport, self._project_id).asset(found, longest=size, tags=tags)

    def _drawable(self, found: model.Asset) -> model.Asset:
        return found.with_draw(lambda size: self.draw(found, size))

    def update(
        self, asset_id_or_name: str, changes: model.AssetChanges | Mapping[str, Any]
    ) -> model.Asset:
        """Change ``status``, ``groups`` or ``custom_metadata``."""
        body = convert(changes, model.AssetChanges, "change")
        request = routes.UpdateAsset(
            project_id=self._project_id, asset_id=asset_id_or_name, body=body
        )
        found: model.Asset = self._transport.call("assets.update", request)
        return found

    def delete(self, asset_id_or_name: str) -> model.DeleteResponse:
        """Delete an asset with its annotations and its file, for good."""
        request = routes.AssetRef(project_id=self._project_id, asset_id=asset_id_or_name)
        found: model.DeleteResponse = self._transport.call("assets.delete", request)
        return found

    def list_groups(self, groups: Sequence[str] | str = ()) -> Sequence[model.AssetGroup]:
        """The project's groups, or those named, with counts."""
        wanted = [groups] if isinstance(groups, str) else [*groups]
        request = routes.ListGroups(project_id=self._project_id, group=wanted)
        found: Sequence[model.AssetGroup] = self._transport.call("assets.groups", request)
        return found

    def get_custom_metadata(self, asset_id_or_name: str) -> model.CustomMetadatas:
        """What callers have kept of an asset beside its annotations."""
        request = routes.AssetRef(project_id=self._project_id, asset_id=asset_id_or_name)
        found: model.CustomMetadatas = self._transport.call("metadata.get", request)
        return found

    def add_custom_metadata(
        self,
        asset_id_or_name: str,
        custom_metadata: Mapping[str, str | float | bool],
        frame: int | None = None,
    ) -> model.CustomMetadata:
        """Keep names and values of an asset; a name that it has already gets the new value."""
        body = model.CustomMetadata(
            parent=model.MetadataParent(frame=frame), custom_metadata=dict(custom_metadata)
        )
        found: model.CustomMetadata = self._transport.call(
            "metadata.put",
            routes.PutMetadata(project_id=self._project_id, asset_id=asset_id_or_name, body=body),
        )
        return found

    def delete_custom_metadata(
        self, asset_id_or_name: str, custom_metadata_id: str
    ) -> model.DeleteResponse:
        """Remove an asset's custom metadata by its id, or one name of it."""
        request = routes.MetadataRef(
            project_id=self._project_id, asset_id=asset_id_or_name, metadata_id=custom_metadata_id
        )
        found: model.DeleteResponse = self._transport.call("metadata.delete", request)
        return found

    def register(
        self, images: Sequence[model.NewAsset | Mapping[str, Any]]
    ) -> Sequence[model.Asset]:
        """Add images that stay where they are: ``filename``, ``width``, ``height`` each.

        Width and height in pixels as displayed. Optional: ``path``, ``groups``, ``file_size``,
        ``mime_type``, ``custom_metadata``. All are added, or none.
        """
        body = [convert(each, model.NewAsset, "image") for each in images]
        found: Sequence[model.Asset] = self._transport.call(
            "assets.register", routes.RegisterAssets(project_id=self._project_id, body=body)
        )
        return found

    def create_upload_session(
        self,
        groups: Sequence[str] | str = ("main",),
        background: bool = False,
        on_error: Literal["reject_session", "skip"] = "reject_session",
        on_existing: model.OnExisting = "same",
    ) -> UploadSession:
        """Upload images::

            with project.assets.create_upload_session() as session:
                session.add_path("images/")

        An image that cannot be read makes the session fail; with ``on_error="skip"`` it is left
        out, ``session.problems`` says why, and the others are taken.

        ``on_existing``: what becomes of images whose names are there already. ``same``: those of
        equal bytes are left out, others raise :class:`~annotary.errors.ConflictError`. ``skip``:
        both are left out. ``refuse``: both raise. ``rename``: equal ones are left out, others get
        new names (``a-2.png``). ``session.unchanged``, ``kept`` and ``renamed`` say which.
        """
        wanted = [groups] if isinstance(groups, str) else [*groups]
        ways = get_args(model.OnExisting)
        if on_existing not in ways:
            raise BadRequestError(
                f"on_existing is {on_existing!r}.", hint=f"It may be {', '.join(ways)}."
            )
        return UploadSession(
            self._transport, self._project_id, wanted, background, on_error, on_existing
        )


class UploadSession:
    """Add images inside a ``with`` block; they are in the project when it ends."""

    def __init__(
        self,
        transport: Transport,
        project_id: str,
        groups: list[str],
        background: bool,
        on_error: Literal["reject_session", "skip"] = "reject_session",
        on_existing: model.OnExisting = "same",
    ) -> None:
        self._transport = transport
        self._project_id = project_id
        self._groups = groups
        self._background = background
        self._pending: list[tuple[model.AssetUploadFile, bytes | Path]] = []
        self._names: set[str] = set()
        self._skip = on_error == "skip"
        self._on_existing = on_existing
        self._inputs: Inputs | None = None
        self.on_progress: Callable[[int], None] | None = None
        """Called with the number of images that have been added to the session so far."""
        self.operation_ids: list[str] = []
        self.problems: list[Problem] = []
        """Images and folders that could not be read, and files of other kinds beside them."""
        self.unchanged: list[str] = []
        """Names of images that were there already with the same bytes, and are left out."""
        self.kept: list[str] = []
        """Names of images that were there already with other bytes, and are left as they were."""
        self.renamed: dict[str, str] = {}
        """New names of images whose own were taken by other bytes."""

    def __enter__(self) -> UploadSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._send()
                if not self._background:
                    self.wait_until_done()
        finally:
            if self._inputs is not None:
                self._inputs.close()

    def add_path(self, file_path: str | os.PathLike[str]) -> UploadSession:
        """Add an image, or all images of a folder or archive and the folders below it.

        Images of a folder keep their place in it as part of their name. Links are followed;
        zips and tars are read as folders.
        """
        return self.add_paths([file_path])

    def add_paths(self, paths: Sequence[str | os.PathLike[str]]) -> UploadSession:
        """Add several paths; where two have images of one name, the folders' names go first."""
        from annotary.reading.inputs import Inputs  # here: the client is loaded without it

        if self._inputs is None:
            self._inputs = Inputs.of_images()
        known = len(self._inputs.problems)
        new = self._inputs.add(paths[0]) if len(paths) == 1 else self._inputs.add_all(paths)
        found = self._inputs.problems[known:]
        errors = [problem for problem in found if problem.level == ERROR]
        if errors and not self._skip:
            raise BadRequestError(
                f"{errors[0].file}: {errors[0].message}"
                + (f" {len(errors) - 1} more cannot be read." if len(errors) > 1 else ""),
                hint="on_error='skip' takes the others.",
            )
        self.problems += found
        for each in new:
            if self._skip and not self._is_readable(each.path, each.name):
                continue
            self._add(each.name, each.path)
        return self

    def _is_readable(self, path: Path, name: str) -> bool:
        from annotary.syntax.image import read_header

        try:
            read_header(path, name)
        except ValidationError as error:
            assert error.problem is not None
            self.problems.append(error.problem)
            return False
        return True

    def add_bytes(self, file_bytes: bytes, filename: str) -> UploadSession:
        """Add an image's content under a name."""
        self._add(filename, bytes(file_bytes))
        return self

    def wait_until_done(self) -> None:
        """Wait until all images are in the project. Raises when they are not."""
        if self._pending:
            raise BadRequestError(
                f"{len(self._pending)} images have not been sent: there is nothing to wait for.",
                hint="Add them in a with block; they are sent when the block ends.",
            )
        operations = Operations(self._transport, self._project_id)
        for op_id in self.operation_ids:
            operations.wait_until_done(op_id)

    def _add(self, name: str, content: bytes | Path) -> None:
        if name in self._names:
            raise BadRequestError(f"An image named {name!r} was added already.")
        self._names.add(name)
        local = self._transport.local and isinstance(content, Path)
        if isinstance(content, Path):
            size = content.stat().st_size
            sum_ = 0
            if not local:
                with content.open("rb") as stream:
                    sum_ = checksum.crc32c_file(stream)
        else:
            size, sum_ = len(content), checksum.crc32c(content)
        file = model.AssetUploadFile(
            filename=name,
            size=size,
            crc32c=checksum.to_int32(sum_),
            mime=mimetypes.guess_type(name)[0] or "application/octet-stream",
            path=str(content.absolute()) if local and isinstance(content, Path) else None,
        )
        self._pending.append((file, content))
        if self.on_progress is not None:
            self.on_progress(len(self._names))
        if len(self._pending) >= _PER_CALL:
            self._send()

    def _send(self) -> None:
        if not self._pending:
            return
        names = [file.filename for file, _ in self._pending]
        body = routes.NewUploadSession(
            groups=self._groups,
            assets=[file for file, _ in self._pending],
            on_existing=self._on_existing,
        )
        session: model.AssetUploadSession = self._transport.call(
            "uploads.create", routes.CreateUploadSession(project_id=self._project_id, body=body)
        )
        for name, target in zip(names, session.assets, strict=True):
            if target.existing is not None:
                (self.unchanged if target.existing == "same" else self.kept).append(name)
            elif target.metadata.filename != name:
                self.renamed[name] = target.metadata.filename
        self._transport.upload_all(
            [
                (target.upload, content)
                for target, (_, content) in zip(session.assets, self._pending, strict=True)
                if target.upload is not None
            ]
        )
        self._pending = []
        self.operation_ids.append(session.op_id)
        self._transport.uploaded(self._project_id, session.id)
