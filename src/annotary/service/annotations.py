"""Annotations one by one and in pages."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np

from annotary import ids, routes
from annotary.batch import KIND_NAMES, AnnotationBatch, Extra
from annotary.errors import BadRequestError, NotFoundError, ValidationError
from annotary.model import (
    Annotation,
    DeleteManyResponse,
    DeleteResponse,
    NewAnnotation,
    PaginationResponse,
    UpdateManyResponse,
)
from annotary.processes.without_gc import no_collection
from annotary.query import language
from annotary.service import bounds
from annotary.service.noun import MAX_LIMIT, ServicePart, Walk, selected
from annotary.store import annotations as stored
from annotary.store import asked, assets, edits, operations, tags
from annotary.store.annotations import AnnotationRow
from annotary.store.attributes import public_values, values_by_name
from annotary.store.changes import Change
from annotary.store.database import Database
from annotary.store.projects import ProjectKey
from annotary.store.tags import TagRow

_UNSET = msgspec.UNSET


class AnnotationService(ServicePart):
    """Annotations."""

    def list(self, request: routes.ListAnnotations) -> PaginationResponse[Annotation]:
        """A page in the order of ids, of all assets or of those given (by id or file name).

        All pages of a walk show the state that the first one has shown.
        """
        with self.store.read() as db:
            at = self.project_at(db, request.project_id, request.at)
            walk = Walk(db, at, request.limit, request.page)
            project = walk.project
            numbers = None
            if request.asset_id:
                numbers = [self.asset(db, project, each).no for each in request.asset_id]
            found = self._page(db, project, numbers, request.where, **walk.ask())
            known = {tag.no: tag for tag in tags.all_of(db, project)}
        shown, next_page, prev_page = walk.show(found)
        return PaginationResponse(
            next_page=next_page,
            prev_page=prev_page,
            data=public(project, shown, known, request.include_attributes),
        )

    def get(self, request: routes.GetAnnotation) -> Annotation:
        """One annotation."""
        with self.store.read() as db:
            project = self.project_at(db, request.project_id, request.at)
            found = self._find(db, project, request.annotation_id)
            known = {tag.no: tag for tag in tags.all_of(db, project)}
        return public(project, [found], known, request.include_attributes)[0]

    def create(self, request: routes.CreateAnnotation) -> Annotation:
        """Create one annotation."""
        return self._create(request.project_id, [request.body])[0]

    def create_many(self, request: routes.CreateAnnotations) -> Sequence[Annotation]:
        """Create annotations: all of them, or none."""
        return self._create(request.project_id, request.body)

    def update(self, request: routes.UpdateAnnotation) -> Annotation:
        """Change an annotation; what is not given stays."""
        new = request.body
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            with self.change(db, project, "update") as change:
                found = self._find(db, project, request.annotation_id)
                named = change.ensure_tags([] if new.tag is _UNSET else [new.tag])
                known = {tag.no: tag for tag in named.values()}
                tag = known[found.tag] if new.tag is _UNSET else named[new.tag]
                extra = found.extra or Extra()
                geometry = found.geometry
                if new.bound is not _UNSET:
                    places = assets.places_of(db, project, [found.asset_id])
                    _, width, height = places[found.asset_id]
                    kind, values, mask = bounds.parse(
                        KIND_NAMES[found.kind], new.bound, width, height
                    )
                    bounds.check_values(kind, values, mask, width, height)
                    geometry = values.astype("<f8").tobytes() if len(values) else None
                    extra.mask = mask
                if new.attributes is not _UNSET:
                    extra.attributes = values_by_name(tag, new.attributes)
                if new.properties is not _UNSET:
                    extra.properties = new.properties
                if new.frame is not _UNSET:
                    extra.frame = new.frame
                group = found.group
                if new.group is not _UNSET:
                    group = _join(change, new.group, found.asset)
                edits.update(
                    change,
                    found,
                    tag=tag.no,
                    geometry=geometry,
                    hole=found.hole if new.hole is _UNSET else int(new.hole),
                    group=group,
                    extra=extra,
                )
            changed = self._find(db, project, request.annotation_id)
        return public(project, [changed], known, with_attributes=True)[0]

    def delete(self, request: routes.AnnotationRef) -> DeleteResponse:
        """Delete one annotation."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request.annotation_id)
            with self.change(db, project, "delete") as change:
                edits.delete(change, [found.id])
        self.finally_gone(project)
        return DeleteResponse(deleted=True, id=ids.show("annot", found.id))

    def delete_many(self, request: routes.DeleteAnnotations) -> DeleteManyResponse:
        """Delete annotations, all at once; ids that are not there are answered.

        The deletion is an operation: after a crash it says whether it was done.
        """
        wanted, missing = self._chosen(request.project_id, request.body)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            operation = operations.create(db, project, operations.DELETE, self.store.owner)
        try:
            with self.store.write() as db:
                project = operations.project_of(db, operation)
                with self.change(db, project, "delete") as change:
                    removed, unknown = edits.delete(change, list(wanted))
                message = f"{removed} annotations deleted."
                operations.set_progress(db, operation.id, removed, removed)
                operations.set_status(db, operation.id, "Finished", message)
        except BaseException:
            with self.store.write() as db:
                message = "The deletion failed: nothing was deleted."
                operations.set_status(db, operation.id, "Errored", message)
            raise
        self.finally_gone(project)
        missing += [wanted[each] for each in unknown]
        return DeleteManyResponse(deleted=removed, missing=missing)

    def update_many(self, request: routes.UpdateAnnotations) -> UpdateManyResponse:
        """Change annotations, all at once, as one change; ids that are not there are answered."""
        new = request.body
        wanted, missing = self._chosen(request.project_id, new)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = stored.find_many(db, project, list(wanted))
            with self.change(db, project, "update") as change:
                named = change.ensure_tags([] if new.tag is _UNSET else [new.tag])
                known = {tag.no: tag for tag in named.values()}
                for each in found:
                    tag = known[each.tag] if new.tag is _UNSET else named[new.tag]
                    extra = each.extra or Extra()
                    if new.attributes is not _UNSET:
                        extra.attributes = values_by_name(tag, new.attributes)
                    if new.properties is not _UNSET:
                        extra.properties = new.properties
                    edits.update(
                        change,
                        each,
                        tag=tag.no,
                        geometry=each.geometry,
                        hole=each.hole,
                        group=each.group,
                        extra=extra,
                    )
        there = {each.id for each in found}
        missing += [text for id_, text in wanted.items() if id_ not in there]
        return UpdateManyResponse(updated=len(found), missing=missing)

    # --- inside -----------------------------------------------------------------------------

    def _chosen(
        self, project_id: str, choice: routes.AnnotationChoice
    ) -> tuple[dict[bytes, str], builtins.list[str]]:
        """The annotations to act on, as ids and as texts, and the texts that are no ids."""
        if choice.where is not None and choice.ids:
            raise BadRequestError("ids and where are two choices.", hint="Give one of them.")
        wanted: dict[bytes, str] = {}
        missing: list[str] = []
        for text in choice.ids:
            try:
                wanted[ids.parse("annot", text)] = text
            except NotFoundError:
                missing.append(text)
        if choice.where is None:
            return wanted, missing
        # before the write begins: others may write while all is looked at
        with self.store.read() as db:
            project = self.project(db, project_id)
            after = b""
            while True:
                page = {"limit": MAX_LIMIT, "direction": "n", "after": after}
                found = self._page(db, project, None, choice.where, **page)
                wanted.update((each.id, ids.show("annot", each.id)) for each in found)
                if len(found) < MAX_LIMIT:
                    return wanted, missing
                after = found[-1].id

    def _page(
        self,
        db: Database,
        project: ProjectKey,
        numbers: Sequence[int] | None,
        where: str | None,
        **page: Any,
    ) -> Sequence[AnnotationRow]:
        """A page of all annotations, or of those that a query means."""
        if where is None:
            return stored.page(db, project, assets=numbers, **page)
        query = language.parse(where)
        narrowed = asked.narrowed(db, project, query)
        return selected(
            partial(stored.page, db, project, assets=numbers, narrowed=narrowed),
            lambda part: asked.meant(db, project, query, part),
            **page,
        )

    def _find(self, db: Database, project: ProjectKey, annotation_id: str) -> AnnotationRow:
        found = stored.find(db, project, ids.parse("annot", annotation_id))
        if found is None:
            raise NotFoundError(f"There is no annotation {annotation_id!r} in the project.")
        return found

    def _create(self, project_id: str, new: Sequence[NewAnnotation]) -> Sequence[Annotation]:
        with self.store.write() as db:
            project = self.project(db, project_id)
            if not new:
                return []
            with self.change(db, project, "create") as change:
                known = change.ensure_tags([each.tag for each in new])
                batch, groups = self._batch(change, new, known)
                made = edits.insert(change, batch, groups)
            found = stored.find_many(db, project, made)
        return public(project, found, {tag.no: tag for tag in known.values()}, False)

    def _batch(
        self, change: Change, new: Sequence[NewAnnotation], known: dict[str, TagRow]
    ) -> tuple[AnnotationBatch, Sequence[bytes | None]]:
        """What callers give as columns, and the group of each."""
        db, project = change.db, change.project
        places = _places(db, project, [each.asset_id for each in new])
        columns: list[tuple[Any, ...]] = []
        values = []
        extras: dict[int, Extra] = {}
        groups: list[bytes | None] = []
        for i, item in enumerate(new):
            at = places.get(item.asset_id)
            if at is None:
                row = self.asset(db, project, item.asset_id)
                at = places[item.asset_id] = (row.no, row.width, row.height)
            asset, width, height = at
            tag = known[item.tag]
            try:
                kind, given, mask = bounds.parse(item.bound_type, item.bound, width, height)
                bounds.check_values(kind, given, mask, width, height)
                attributes = values_by_name(tag, item.attributes)
            except ValidationError as error:
                if len(new) == 1:
                    raise
                raise ValidationError(
                    f"Annotation {i + 1} of {len(new)}: {error.message}",
                    hint=error.hint,
                    problem=error.problem,
                ) from None
            extra = Extra(
                attributes=attributes,
                properties=item.properties,
                mask=mask,
                frame=item.frame,
                sequence=item.sequence,
                aggregation=item.aggregation,
                chunk=item.chunk_data,
            )
            if extra != Extra():
                extras[i] = extra
            columns.append((kind, asset, tag.no, item.hole, len(given)))
            values.append(given)
            groups.append(_join(change, item.group, asset))
        kinds, images, numbers, holes, lengths = zip(*columns, strict=True)
        start = np.zeros(len(new) + 1, np.int64)
        np.cumsum(lengths, out=start[1:])
        batch = AnnotationBatch(
            np.array(kinds, np.uint8),
            np.array(images, np.int32),
            np.array(numbers, np.int32),
            start,
            np.concatenate(values),
            np.arange(len(new), dtype=np.int64),
            np.array(holes, np.bool_),
            np.zeros(len(new), np.int64),
            extras,
        )
        return batch, groups


def _places(
    db: Database, project: ProjectKey, asset_ids: Sequence[str]
) -> dict[str, tuple[int, int, int]]:
    """Number, width and height of the assets given by id; names are left to the caller."""
    wanted: dict[bytes, str] = {}
    for text in asset_ids:
        if text.startswith("asset_"):
            try:
                wanted[ids.parse("asset", text)] = text
            except NotFoundError:
                continue
    found = assets.places_of(db, project, list(wanted))
    return {wanted[id_]: place for id_, place in found.items()}


def _join(change: Change, group: str | None, asset: int) -> bytes | None:
    """The group that an annotation of an asset joins. Raises :class:`ValidationError`."""
    if group is None:
        return None
    joined = edits.join_group(change, ids.parse("annot", group), asset)
    if joined is None:
        raise ValidationError(
            f"No object of the image has the group {group!r}.",
            hint="A group is the id of the object's first annotation, on the same image.",
        )
    return joined


_no_extra = Extra()


def public(
    project: ProjectKey,
    found: Sequence[AnnotationRow],
    known: dict[int, TagRow],
    with_attributes: bool,
) -> list[Annotation]:
    """Stored annotations as callers see them."""
    # pages are what people wait for: what can be made for all at once is, and the rest in one call
    project_id, names = project.text, {number: tag.name for number, tag in known.items()}
    with no_collection():
        shown = [
            Annotation(
                id_,
                project_id,
                asset_id,
                names[each.tag],
                KIND_NAMES[each.kind],
                bound,
                extra.frame,
                extra.sequence,
                each.created,
                None,
                None,
                extra.aggregation,
                extra.chunk,
                ids.show("annot", each.group) if each.group is not None else None,
                each.hole != 0,
                extra.properties,
            )
            for each, id_, asset_id, bound in zip(
                found,
                ids.show_many("annot", [each.id for each in found]),
                ids.show_many("asset", [each.asset_id for each in found]),
                bounds.show(found),
                strict=True,
            )
            for extra in (each.extra or _no_extra,)
        ]
    if with_attributes:
        for each, annotation in zip(found, shown, strict=True):
            tag = known[each.tag]
            annotation.attributes = public_values(tag, (each.extra or _no_extra).attributes)
            if tag.ontology_id is not None:
                annotation.ontology_id = ids.show("ontology", tag.ontology_id)
    return shown
