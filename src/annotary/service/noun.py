"""What all parts of the service share: the store, and turning ids into what they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from annotary import ids
from annotary.errors import NotFoundError
from annotary.store import Store, assets, changes, projects, purging, snapshots
from annotary.store.assets import AssetRow
from annotary.store.changes import Change
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

if TYPE_CHECKING:
    from annotary.service.service import Service

MAX_LIMIT = 1000


class _HasId(Protocol):
    @property
    def id(self) -> bytes: ...


R = TypeVar("R", bound=_HasId)


class ServicePart:
    """One noun of the service."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def store(self) -> Store:
        """The store."""
        return self.service.store

    def change(
        self, db: Database, project: ProjectKey, kind: str
    ) -> AbstractContextManager[Change]:
        """A change of a project, published with the transaction."""
        return changes.change(db, project, kind)

    def finally_gone(self, project: ProjectKey) -> None:
        """After a deletion: where nothing is kept, it is final at once."""
        with self.store.read() as db:
            days = projects.keeps(db, project)
        if (purging.default_days() if days is None else days) == 0:
            for _ in purging.purge(self.store, project.no, ids.now_ms()):
                pass

    def project(self, db: Database, project_id: str) -> ProjectKey:
        """The project with an id. Raises :class:`NotFoundError`."""
        return projects.find(db, project_id)

    def project_at(self, db: Database, project_id: str, at: str | None) -> ProjectKey:
        """The project as it was: a snapshot's name, or ``#`` and a change's number."""
        return snapshots.at(db, self.project(db, project_id), at)

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


class Walk:
    """One page of a walk through a list in the order of ids.

    All pages show the state of the project that the first one has shown: whatever is inserted,
    edited or deleted meanwhile, nothing is skipped, repeated or new.
    """

    def __init__(self, db: Database, project: ProjectKey, limit: int, page: str | None) -> None:
        self.limit = clamp_limit(limit)
        self._direction, self._after = "n", b""
        self.project = project
        if page:
            self._direction, self._after, state = ids.read_cursor(page)
            if state:
                self.project = snapshots.as_of(project, state[0], tuple(state[1:]))
                snapshots.refuse_purged(db, self.project)

    def ask(self) -> dict[str, Any]:
        """What the store is asked for: one more than is shown, to know whether there are more."""
        return {"limit": self.limit + 1, "direction": self._direction, "after": self._after}

    def show(self, found: Sequence[R]) -> tuple[Sequence[R], str | None, str | None]:
        """What is shown, and the cursors to the next and the previous page."""
        more = len(found) > self.limit
        if more:
            found = found[1:] if self._direction == "p" else found[: self.limit]
        forward = more if self._direction == "n" else True
        backward = more if self._direction == "p" else bool(self._after)
        state = self.project.state
        walked = (state.upto, *state.open)
        return (
            found,
            ids.write_cursor("n", found[-1].id, walked) if found and forward else None,
            ids.write_cursor("p", found[0].id, walked) if found and backward else None,
        )


_LOOKED_AT_ONCE = 2_000
"""Rows that are asked at once whether a query means them."""


def selected(
    page: Callable[..., Sequence[R]],
    meant: Callable[[Sequence[R]], Sequence[R]],
    *,
    limit: int,
    direction: str,
    after: bytes,
) -> Sequence[R]:
    """A page of the rows that a query means, from pages of all rows."""
    found: Sequence[R] = []
    while True:
        part = page(limit=_LOOKED_AT_ONCE, direction=direction, after=after)
        backward = direction == "p"
        found = [*meant(part), *found] if backward else [*found, *meant(part)]
        if len(found) >= limit or len(part) < _LOOKED_AT_ONCE:
            return found[-limit:] if backward else found[:limit]
        after = part[0].id if backward else part[-1].id


def clamp_limit(limit: int) -> int:
    """A page's length, from 1 to :data:`MAX_LIMIT`."""
    return max(1, min(limit, MAX_LIMIT))
