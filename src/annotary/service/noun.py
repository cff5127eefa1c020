"""What all parts of the service share: the store, and turning ids into what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotary import ids
from annotary.errors import NotFoundError
from annotary.store import Store, assets, projects
from annotary.store.assets import AssetRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

if TYPE_CHECKING:
    from annotary.service.service import Service

MAX_LIMIT = 1000


class ServicePart:
    """One noun of the service."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def store(self) -> Store:
        """The store."""
        return self.service.store

    def project(self, db: Database, project_id: str) -> ProjectKey:
        """The project with an id. Raises :class:`NotFoundError`."""
        return projects.find(db, project_id)

    def asset(self, db: Database, project: ProjectKey, asset_id: str) -> AssetRow:
        """The asset with an id or a file name. Raises :class:`NotFoundError`."""
        found = None
        if asset_id.startswith("asset_"):
            try:
                found = assets.find(db, project, ids.parse("asset", asset_id))
            except NotFoundError:
                found = None
        found = found or assets.find_named(db, project, asset_id)
        if found is None:
            raise NotFoundError(
                f"There is no asset {asset_id!r} in the project.",
                hint="Give an asset's id or its file name, as project.assets.list() shows them.",
            )
        return found


def clamp_limit(limit: int) -> int:
    """A page's length, from 1 to :data:`MAX_LIMIT`."""
    return max(1, min(limit, MAX_LIMIT))
