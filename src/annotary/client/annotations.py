"""Annotations: list, create, get, update, delete, import and export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from annotary import model, routes
from annotary.client.dictionaries import convert, page_limit
from annotary.client.drawing import Drawings
from annotary.client.importsession import ImportSession
from annotary.client.operations import Operations
from annotary.client.transport import Transport
from annotary.client.unpacking import fetch_zip
from annotary.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from PIL.Image import Image

AnnotationLike = model.NewAnnotation | Mapping[str, Any]


class Annotations:
    """``project.annotations``."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    # --- one by one, and in pages -------------------------------------------------------------

    def list(
        self,
        asset: model.Asset | str | dict[str, Any] | None = None,
        pagination: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        include_attributes: bool = False,
        where: str | None = None,
    ) -> model.PaginationResponse[model.Annotation]:
        """A page of annotations, which iterates over all later pages too.

        ``asset``: an asset, its id or its file name. ``pagination``: ``limit`` (100, at most
        1,000) and ``page``, a cursor of an earlier answer. ``filters``: ``asset_ids``. ``where``:
        only those that a query means, such as ``tag = cat and width < 10px``.
        """
        if isinstance(asset, dict):  # the public client's first argument is the pagination
            return self.list(None, asset, filters or pagination, include_attributes, where)
        wanted = _known(filters, {"asset_ids"}, "filters").get("asset_ids") or []
        assets = [wanted] if isinstance(wanted, str) else list(wanted)
        if asset is not None:
            assets.append(asset if isinstance(asset, str) else asset.id)
        paging = _known(pagination, {"limit", "page"}, "pagination")

        def fetch(page: str | None) -> model.PaginationResponse[model.Annotation]:
            request = routes.ListAnnotations(
                project_id=self._project_id,
                limit=page_limit(paging),
                page=page,
                asset_id=assets,
                include_attributes=include_attributes,
                where=where,
            )
            found: model.PaginationResponse[model.Annotation] = self._transport.call(
                "annotations.list", request
            )
            return found.with_fetch(fetch)

        return fetch(paging.get("page"))

    @overload
    def create(self, annotation: AnnotationLike) -> model.Annotation: ...
    @overload
    def create(self, annotation: Sequence[AnnotationLike]) -> Sequence[model.Annotation]: ...
    def create(
        self, annotation: AnnotationLike | Sequence[AnnotationLike]
    ) -> model.Annotation | Sequence[model.Annotation]:
        """Create one annotation, or a list of them (all or none).

        Keys: ``asset_id`` (or the asset's file name), ``tag`` (created when new),
        ``bound_type``, ``bound``, and optionally ``attributes``, ``frame``, ``group``, ``hole``,
        ``properties``. Raises :class:`~annotary.errors.ValidationError`.
        """
        if isinstance(annotation, model.NewAnnotation | Mapping | str) or not isinstance(
            annotation, Iterable
        ):
            body = convert(annotation, model.NewAnnotation, "annotation")
            request = routes.CreateAnnotation(project_id=self._project_id, body=body)
            one: model.Annotation = self._transport.call("annotations.create", request)
            return one
        many = [convert(each, model.NewAnnotation, "annotation") for each in annotation]
        found: Sequence[model.Annotation] = self._transport.call(
            "annotations.create_many",
            routes.CreateAnnotations(project_id=self._project_id, body=many),
        )
        return found

    def get(self, annotation_id: str, include_attributes: bool = False) -> model.Annotation:
        """One annotation by its id. Raises :class:`~annotary.errors.NotFoundError`."""
        request = routes.GetAnnotation(
            project_id=self._project_id,
            annotation_id=annotation_id,
            include_attributes=include_attributes,
        )
        found: model.Annotation = self._transport.call("annotations.get", request)
        return found

    def draw(self, annotation: model.Annotation | str, size: int = 640) -> Image:
        """The part of the image around an annotation, with it drawn, as a ``PIL.Image`` in RGB.

        ``size``: the longer side in pixels at most. All parts of its object are shown.
        """
        found = self.get(annotation) if isinstance(annotation, str) else annotation
        drawings = Drawings(self._transport, self._project_id)
        request = routes.GetAsset(project_id=self._project_id, asset_id=found.asset_id)
        asset: model.Asset = self._transport.call("assets.get", request)
        return drawings.asset(asset, longest=size, annotation=found.id)

    def update(
        self, annotation_id: str, changes: model.AnnotationChanges | Mapping[str, Any]
    ) -> model.Annotation:
        """Change an annotation; what is not given stays as it is."""
        body = convert(changes, model.AnnotationChanges, "change")
        request = routes.UpdateAnnotation(
            project_id=self._project_id, annotation_id=annotation_id, body=body
        )
        found: model.Annotation = self._transport.call("annotations.update", request)
        return found

    def delete(self, annotation_id: str) -> model.DeleteResponse:
        """Delete one annotation for good."""
        request = routes.AnnotationRef(project_id=self._project_id, annotation_id=annotation_id)
        found: model.DeleteResponse = self._transport.call("annotations.delete", request)
        return found

    def delete_many(
        self, annotation_ids: Sequence[str] = (), *, where: str | None = None
    ) -> model.DeleteManyResponse:
        """Delete annotations at once, by their ids or those that a query means.

        The answer names the ids that were not there.
        """
        given = [annotation_ids] if isinstance(annotation_ids, str) else list(annotation_ids)
        request = routes.DeleteAnnotations(
            project_id=self._project_id, body=routes.AnnotationChoice(ids=given, where=where)
        )
        found: model.DeleteManyResponse = self._transport.call("annotations.delete_many", request)
        return found

    def update_many(
        self,
        changes: Mapping[str, Any],
        annotation_ids: Sequence[str] = (),
        *,
        where: str | None = None,
    ) -> model.UpdateManyResponse:
        """Change many annotations as one change, by their ids or those that a query means::

            project.annotations.update_many({"tag": "cat"}, where="tag = kitty")

        ``changes``: ``tag``, ``attributes``, ``properties``. The answer names the ids that were
        not there.
        """
        given = [annotation_ids] if isinstance(annotation_ids, str) else list(annotation_ids)
        new = convert({**changes, "ids": given, "where": where}, routes.ManyChanges, "changes")
        request = routes.UpdateAnnotations(project_id=self._project_id, body=new)
        found: model.UpdateManyResponse = self._transport.call("annotations.update_many", request)
        return found

    # --- exports ------------------------------------------------------------------------------

    def create_export(
        self,
        export_metadata: model.ExportRequest | Mapping[str, Any],
        background: bool = False,
    ) -> model.Operation:
        """Export all annotations: ``{"format": ..., "options": {...}}``.

        Options: ``split_ratio`` (0..1, the share for validation), ``seed``, ``normalized``,
        ``on_loss`` (warn, refuse, allow), ``images`` (none, copy, link), ``layout`` (a
        trainer's, by name) and ``extra``, the format's own. With ``background``
        the call returns at once; wait with ``project.operations.wait_until_done(op.id)``.

        The operation's message says what was written and what the format could not carry.
        """
        request = convert(_nested(export_metadata), model.ExportRequest, "export")
        body = routes.NewExport(
            format=request.format,
            options=request.options,
            snapshot=request.snapshot,
            background=background,
        )
        operation: model.Operation = self._transport.call(
            "exports.create", routes.CreateExport(project_id=self._project_id, body=body)
        )
        if background:
            return operation
        return Operations(self._transport, self._project_id).wait_until_done(operation.id)

    def plan_export(
        self, export_metadata: model.ExportRequest | Mapping[str, Any]
    ) -> Sequence[model.Loss]:
        """What an export would lose, with counts; nothing is written."""
        request = convert(_nested(export_metadata), model.ExportRequest, "export")
        body = routes.NewExport(
            format=request.format, options=request.options, snapshot=request.snapshot
        )
        found: routes.ExportPlan = self._transport.call(
            "exports.plan", routes.CreateExport(project_id=self._project_id, body=body)
        )
        return found.losses

    def get_export_manifest(self, op_id: str) -> model.ExportManifest:
        """What a finished export holds and what it could not carry."""
        found = self._export(op_id)
        assert found.manifest is not None
        return found.manifest

    def download_exported_file(
        self, op_id: str, path: str = "./", *, flat: bool = False
    ) -> model.LocalAnnotations:
        """Fetch a finished export and unpack it into the folder ``path``.

        Answers the folder and the names of the files, relative to it. They lie in a folder named
        by the digits of the project's id, or in ``path`` itself with ``flat``.
        """
        found = self._export(op_id)
        assert found.download is not None
        names = fetch_zip(
            self._transport,
            found.download.url,
            Path(path),
            images=found.images.url if found.images else None,
            below=self._project_id.removeprefix("proj_") if flat else "",
        )
        return model.LocalAnnotations(download_path=str(path), file_names=list(names))

    def delete_export(self, op_id: str) -> model.DeleteResponse:
        """Delete the files of a finished export from the store; its operation stays.

        Exports take up room in the store until this is called.
        """
        request = routes.OperationRef(project_id=self._project_id, operation_id=op_id)
        found: model.DeleteResponse = self._transport.call("exports.delete", request)
        return found

    def _export(self, op_id: str) -> model.ExportResult:
        request = routes.OperationRef(project_id=self._project_id, operation_id=op_id)
        found: model.ExportResult = self._transport.call("exports.get", request)
        if found.download is None:
            if found.status in {"Queued", "Running"}:
                raise BadRequestError(
                    "The export is not finished.",
                    hint=f"Wait for it: project.operations.wait_until_done({op_id!r}).",
                )
            raise NotFoundError(f"The export ended as {found.status}: there is no file to fetch.")
        return found

    # --- imports ------------------------------------------------------------------------------

    def create_import_session(
        self,
        background: bool = False,
        *,
        format: str | None = None,
        on_error: model.OnError = "reject_session",
        create_assets: bool = False,
        dry_run: bool = False,
        rejects: bool = False,
        mode: model.ImportMode = "add",
        source: str | None = None,
        on_conflict: model.OnConflict = "keep",
        options: Mapping[str, Any] | None = None,
        repair: Sequence[str] = (),
        on_fault: Mapping[str, str] | None = None,
        lint: model.Lint = "off",
    ) -> ImportSession:
        """Import annotation files::

            with project.annotations.create_import_session() as session:
                session.add_path("annotations.json")

        The import runs when the block ends; an exception inside it aborts the session. With
        ``background`` it goes on by itself: wait with ``session.wait_until_done()``.

        ``format``: the files' format; recognised from their content when not given.
        ``on_error``: what a faulty record costs: the whole session (``reject_session``), its
        file (``reject_file``) or itself (``skip``). ``create_assets``: register images that the
        project does not have, with the sizes that the files state. ``dry_run``: report
        everything, commit nothing. ``rejects``: keep the records that are not committed as files
        of their own format, for ``session.download_rejects(path)``.

        ``mode``: what becomes of what is there already. Records that equal an annotation of their
        image are *unchanged*, so the same file can be imported again. ``add``: all others are
        committed. ``append``: equal ones are committed again, too. ``update``: those that overlap
        an annotation of their tag (or another one, if they cover it) update it; its id stays.
        ``sync``: as ``update``, and annotations of the same source that the files lack are
        deleted. ``replace``: as ``update``, and all annotations that the files lack are deleted,
        on the images that they name. ``source``: whose annotations these are; else each file is
        its own source. With a source given, only its annotations are compared. ``on_conflict``:
        whether annotations that were edited by hand are kept, or overwritten.

        ``options``: of the files' formats (``{"tag": "balloon"}``); an unknown one is an error that
        lists the known. ``repair``: ``clip`` cuts shapes off at the edge of their image,
        ``drop-empty`` leaves out shapes without area, ``drop-outside`` those that leave their
        image; ``on_fault`` says it fault by fault (``{"out-of-bounds": "clip"}``). All of it is
        counted and told. ``lint``: ``warn`` looks at rules of good practice, ``error`` refuses.

        Raises :class:`~annotary.errors.ImportFailedError` at the end of the block when the
        session was refused; ``session.get_logs()`` then has every problem.
        """
        given = {
            "format": format,
            "on_error": on_error,
            "create_assets": create_assets,
            "dry_run": dry_run,
            "rejects": rejects,
            "mode": mode,
            "source": source,
            "on_conflict": on_conflict,
            "options": dict(options or {}),
            "repair": list(repair),
            "on_fault": dict(on_fault or {}),
            "lint": lint,
        }
        body = convert(given, routes.ImportOptions, "import")
        created: model.ImportSession = self._transport.call(
            "imports.create",
            routes.CreateImportSession(
                project_id=self._project_id,
                # the plain request of the public client where nothing special is asked for
                body=None if body == routes.ImportOptions() else body,
            ),
        )
        return ImportSession(self._transport, created, background=background)

    def list_import_sessions(self) -> Sequence[model.ImportSession]:
        """All import sessions, newest first."""
        found: Sequence[model.ImportSession] = self._transport.call(
            "imports.list", routes.InProject(project_id=self._project_id)
        )
        return found

    def get_import_session(self, session_id: str) -> model.ImportSession:
        """An import session by its id."""
        request = routes.ImportSessionRef(project_id=self._project_id, session_id=session_id)
        found: model.ImportSession = self._transport.call("imports.get", request)
        return found

    def get_import_session_logs(self, session_id: str) -> model.ImportSessionLog:
        """The warnings and errors of an import session."""
        request = routes.ImportSessionRef(project_id=self._project_id, session_id=session_id)
        found: model.ImportSessionLog = self._transport.call("imports.logs", request)
        return found


def _known(given: Mapping[str, Any] | None, known: set[str], what: str) -> Mapping[str, Any]:
    unknown = sorted(set(given or {}) - known)
    if unknown:
        raise BadRequestError(
            f"{what} has no {', '.join(map(repr, unknown))}.",
            hint=f"It knows: {', '.join(sorted(known))}.",
        )
    return given or {}


def _nested(given: Any) -> Any:
    """The export request with its options as a struct, so that their keys may be snake_case."""
    if isinstance(given, Mapping) and isinstance(given.get("options"), Mapping):
        return {**given, "options": convert(given["options"], model.ExportOptions, "options")}
    return given
