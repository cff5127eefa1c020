"""Annotations one by one and in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from annotary import ids, routes
from annotary.batch import KIND_NAMES, AnnotationBatch, Extra
from annotary.errors import NotFoundError, ValidationError
from annotary.model import (
    Annotation,
    DeleteManyResponse,
    DeleteResponse,
    NewAnnotation,
    PaginationResponse,
)
from annotary.processes.without_gc import no_collection
from annotary.service import bounds
from annotary.service.noun import ServicePart, clamp_limit
from annotary.store import annotations as stored
from annotary.store import assets, operations, tags
from annotary.store.annotations import AnnotationRow, Inserter
from annotary.store.attributes import public_values, values_by_name
from annotary.store.database import Database
from annotary.store.projects import ProjectKey
from annotary.store.tags import TagRow

_UNSET = msgspec.UNSET


class AnnotationService(ServicePart):
    """Annotations."""

    def list(self, request: routes.ListAnnotations) -> PaginationResponse[Annotation]:
        """A page in the order of ids, of all assets or of those given (by id or file name).

        The cursor is a place between ids: whatever is inserted or deleted meanwhile, no
        annotation that stays is skipped or repeated.
        """
        limit = clamp_limit(request.limit)
        direction, after = ids.read_cursor(request.page) if request.page else ("n", b"")
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            numbers = None
            if request.asset_id:
                numbers = [self.asset(db, project, each).no for each in request.asset_id]
            found = stored.page(
                db, project, limit=limit + 1, direction=direction, after=after, assets=numbers
            )
            known = {tag.no: tag for tag in tags.all_of(db, project)}
        more = len(found) > limit
        if more:
            found = found[1:] if direction == "p" else found[:limit]
        forward = more if direction == "n" else True
        backward = more if direction == "p" else bool(after)
        return PaginationResponse(
            next_page=ids.write_cursor("n", found[-1].id) if found and forward else None,
            prev_page=ids.write_cursor("p", found[0].id) if found and backward else None,
            data=public(project, found, known, request.include_attributes),
        )

    def get(self, request: routes.AnnotationRef) -> Annotation:
        """One annotation."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request.annotation_id)
            known = {tag.no: tag for tag in tags.all_of(db, project)}
        return public(project, [found], known, request.include_attributes)[0]

    def create(self, request: routes.CreateAnnotation) -> Annotation:
        """Create one annotation."""
        with self.store.write() as db:
            return self._create(db, self.project(db, request.project_id), [request.body])[0]

    def create_many(self, request: routes.CreateAnnotations) -> Sequence[Annotation]:
        """Create annotations: all of them, or none."""
        with self.store.write() as db:
            return self._create(db, self.project(db, request.project_id), request.body)

    def update(self, request: routes.UpdateAnnotation) -> Annotation:
        """Change an annotation; what is not given stays."""
        changes = request.body
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request.annotation_id)
            known = {tag.no: tag for tag in tags.all_of(db, project)}
            tag = known[found.tag]
            if changes.tag is not _UNSET:
                (number,), _ = tags.ensure(db, project, [changes.tag])
                known = {each.no: each for each in tags.all_of(db, project)}
                tag = known[number]
            extra = found.extra or Extra()
            geometry = found.geometry
            if changes.bound is not _UNSET:
                _, width, height = assets.places_of(db, project, [found.asset_id])[found.asset_id]
                kind, values, mask = bounds.parse(
                    KIND_NAMES[found.kind], changes.bound, width, height
                )
                bounds.check_values(kind, values, mask, width, height)
                geometry = values.astype("<f8").tobytes() if len(values) else None
                extra.mask = mask
            if changes.attributes is not _UNSET:
                extra.attributes = values_by_name(tag, changes.attributes)
            if changes.properties is not _UNSET:
                extra.properties = changes.properties
            if changes.frame is not _UNSET:
                extra.frame = changes.frame
            group = found.group
            if changes.group is not _UNSET:
                group = _join(db, project, changes.group, found.asset)
            stored.update(
                db,
                found,
                tag=tag.no,
                geometry=geometry,
                hole=found.hole if changes.hole is _UNSET else int(changes.hole),
                group=group,
                extra=extra,
            )
            if tag.no != found.tag:
                tags.count(db, {found.tag: -1, tag.no: 1})
            changed = self._find(db, project, request.annotation_id)
        return public(project, [changed], known, with_attributes=True)[0]

    def delete(self, request: routes.AnnotationRef) -> DeleteResponse:
        """Remove one annotation for good."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = self._find(db, project, request.annotation_id)
            _, _, counts = stored.delete(db, project, [found.id])
            tags.count(db, counts)
        return DeleteResponse(deleted=True, id=ids.show("annot", found.id))

    def delete_many(self, request: routes.DeleteAnnotations) -> DeleteManyResponse:
        """Remove annotations for good, all at once; ids that are not there are answered.

        The deletion is an operation: after a crash it says whether it was done.
        """
        wanted: dict[bytes, str] = {}
        missing: list[str] = []
        for text in request.body.ids:
            try:
                wanted[ids.parse("annot", text)] = text
            except NotFoundError:
                missing.append(text)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            operation = operations.create(db, project, operations.DELETE, self.store.owner)
        try:
            with self.store.write() as db:
                removed, unknown, counts = stored.delete(db, project, list(wanted))
                tags.count(db, counts)
                message = f"{removed} annotations deleted."
                operations.set_progress(db, operation.id, removed, removed)
                operations.set_status(db, operation.id, "Finished", message)
        except BaseException:
            with self.store.write() as db:
                message = "The deletion failed: nothing was deleted."
                operations.set_status(db, operation.id, "Errored", message)
            raise
        missing += [wanted[each] for each in unknown]
        return DeleteManyResponse(deleted=removed, missing=missing)

    # --- inside -----------------------------------------------------------------------------

    def _find(self, db: Database, project: ProjectKey, annotation_id: str) -> AnnotationRow:
        found = stored.find(db, project, ids.parse("annot", annotation_id))
        if found is None:
            raise NotFoundError(f"There is no annotation {annotation_id!r} in the project.")
        return found

    def _create(
        self, db: Database, project: ProjectKey, new: Sequence[NewAnnotation]
    ) -> Sequence[Annotation]:
        if not new:
            return []
        names = list(dict.fromkeys(each.tag for each in new))
        tags.ensure(db, project, names)
        known = {tag.name: tag for tag in tags.all_of(db, project)}
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
            groups.append(_join(db, project, item.group, asset))
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
        inserter = Inserter(db, project)
        created = inserter.add(batch, groups)
        tags.count(db, inserter.finish())
        found = stored.find_many(db, project, created)
        by_number = {tag.no: tag for tag in known.values()}
        return public(project, found, by_number, False)


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


def _join(db: Database, project: ProjectKey, group: str | None, asset: int) -> bytes | None:
    """The group that an annotation of an asset joins. Raises :class:`ValidationError`."""
    if group is None:
        return None
    joined = stored.join_group(db, project, ids.parse("annot", group), asset)
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
