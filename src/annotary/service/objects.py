"""Assets together with their annotations, page by page."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from annotary import ids, routes
from annotary.errors import BadRequestError
from annotary.model import Annotation, ObjectPage, Objects
from annotary.service.annotations import public
from annotary.service.noun import ServicePart, Walk
from annotary.store import annotations as stored
from annotary.store import assets, tags

T = TypeVar("T", bound=msgspec.Struct)


class AssetFilter(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which assets: every condition that is given must hold."""

    filename: str | None = None
    status: str | None = None
    groups: list[str] = []


class AnnotationFilter(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which annotations of them."""

    tags: list[str] = []


class ObjectService(ServicePart):
    """Objects: what stands on the assets, with the assets."""

    def list(self, request: routes.ListObjects) -> ObjectPage:
        """A page of assets with all their annotations; the parts of an object stand together."""
        assets_wanted = _filter(request.asset_filter, AssetFilter, "assetFilter")
        wanted = _filter(request.annotation_filter, AnnotationFilter, "annotationFilter")
        page = self.service.assets.list(
            routes.ListAssets(
                project_id=request.project_id,
                limit=request.limit,
                page=request.page,
                group=assets_wanted.groups,
                filename=assets_wanted.filename,
                status=assets_wanted.status,
                at=request.at,
            )
        )
        with self.store.read() as db:
            at = self.project_at(db, request.project_id, request.at)
            project = Walk(db, at, request.limit, page.next_page or request.page).project
            known = {tag.no: tag for tag in tags.all_of(db, project)}
            raw = [ids.parse("asset", each.id) for each in page.data]
            numbers = [no for no, _, _ in assets.places_of(db, project, raw).values()]
            found = stored.of_assets(db, project, numbers)
        grouped: dict[bytes, list[Annotation]] = {}
        if wanted.tags:
            found = [each for each in found if known[each.tag].name in wanted.tags]
        shown = public(project, found, known, request.include_attributes)
        for row, annotation in zip(found, shown, strict=True):
            grouped.setdefault(row.group or row.id, []).append(annotation)
        return ObjectPage(
            next_page=page.next_page,
            prev_page=page.prev_page,
            data=Objects(annotations=[*grouped.values()], assets=page.data),
        )


def _filter(text: str | None, type_: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(text or "{}", type=type_)
    except msgspec.DecodeError as error:
        raise BadRequestError(
            f"{name} is not valid: {error}.",
            hint=f"It is a JSON object with {', '.join(type_.__struct_fields__)}.",
        ) from None
