"""The history of a project: its changes, undo, and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from annotary import model, routes
from annotary.client.transport import SAID, Said, Transport
from annotary.errors import BadRequestError


class Changes:
    """``project.changes``: everything that writes have done, and taking it back."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def list(
        self,
        *,
        after: int | None = None,
        author: str | None = None,
        kind: str | None = None,
        asset: str | None = None,
        limit: int = 100,
    ) -> model.PaginationResponse[model.Change]:
        """Changes, the last one first; iterating goes on to further pages.

        With ``after`` those with a greater number, the first one first: so a follower asks for
        what is new. ``asset`` (id or file name): those that concern one image.
        """

        def fetch(page: str | None) -> model.PaginationResponse[model.Change]:
            request = routes.ListChanges(
                project_id=self._project_id,
                limit=limit,
                page=page,
                after=after,
                author=author,
                kind=kind,
                asset=asset,
            )
            found: model.PaginationResponse[model.Change] = self._transport.call(
                "changes.list", request
            )
            return found.with_fetch(fetch)

        return fetch(None)

    def get(self, change: str | int) -> model.Change:
        """One change, by its id or its number."""
        request = routes.ChangeRef(project_id=self._project_id, change_id=str(change))
        found: model.Change = self._transport.call("changes.get", request)
        return found

    def undo(
        self,
        change: str | int,
        conflicts: Literal["refuse", "keep", "force"] = "refuse",
        *,
        dry_run: bool = False,
        rename: bool = False,
    ) -> model.UndoResult:
        """Take a change back by a new one; undoing that one redoes it.

        Where something was changed again: ``refuse`` raises
        :class:`~annotary.errors.ConflictError` and does nothing, ``keep`` leaves the later work
        and undoes the rest, ``force`` undoes the later work as well. ``dry_run`` only says what
        would happen. With ``rename``, an image or tag whose name was taken meanwhile comes back
        under another one.
        """
        body = routes.Undoing(conflicts=conflicts, dry_run=dry_run, rename=rename)
        request = routes.UndoChange(project_id=self._project_id, change_id=str(change), body=body)
        found: model.UndoResult = self._transport.call("changes.undo", request)
        return found


@contextmanager
def said(message: str) -> Iterator[None]:
    """Calls inside say why they write: their changes have this message."""
    before = SAID.get()
    token = SAID.set(Said(message, before.change if before else None))
    try:
        yield
    finally:
        SAID.reset(token)


@contextmanager
def one_change(transport: Transport, project_id: str, message: str) -> Iterator[model.Change]:
    """All calls inside are steps of one change; an exception takes them back."""
    with said(message):
        request = routes.InProject(project_id=project_id)
        made: model.Change = transport.call("changes.create", request)
    try:
        token = SAID.set(Said(message, made.id))
        try:
            yield made
        finally:
            SAID.reset(token)
    except BaseException:
        Changes(transport, project_id).undo(made.id, "keep")
        raise


class PastTransport:
    """A door through which a project is seen as it was; nothing can be written through it."""

    def __init__(self, transport: Transport, at: str) -> None:
        self._transport = transport
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def call(self, route: str, request: Any) -> Any:
        """Answer the request of a route, of the state. Raises :class:`BadRequestError`."""
        if hasattr(request, "at"):
            request.at = self._at
        elif route in {"exports.create", "exports.plan"}:
            request.body.snapshot = self._at
        elif route.partition(".")[0] not in {"exports", "operations", "changes", "snapshots"} or (
            routes.ROUTES[route].method != "GET"
        ):
            raise BadRequestError(
                f"{route} cannot be asked of a project as it was at {self._at!r}.",
                hint="A former state can be listed and exported. To get it back: "
                "project.snapshots.restore(name), or project.changes.undo(number).",
            )
        return self._transport.call(route, request)


class Snapshots:
    """``project.snapshots``: named states that never change."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def create(self, name: str, message: str = "") -> model.Snapshot:
        """Name the project's present state; that takes no room until something changes.

        Raises :class:`~annotary.errors.ConflictError` when the name is taken.
        """
        body = routes.NewSnapshot(name=name, message=message)
        request = routes.CreateSnapshot(project_id=self._project_id, body=body)
        found: model.Snapshot = self._transport.call("snapshots.create", request)
        return found

    def list(self) -> list[model.Snapshot]:
        """All snapshots, the oldest first."""
        found: list[model.Snapshot] = self._transport.call(
            "snapshots.list", routes.InProject(project_id=self._project_id)
        )
        return found

    def get(self, name: str) -> model.Snapshot:
        """One snapshot. Raises :class:`~annotary.errors.NotFoundError`."""
        found: model.Snapshot = self._call("snapshots.get", name)
        return found

    def delete(self, name: str) -> model.DeleteResponse:
        """Forget a snapshot."""
        found: model.DeleteResponse = self._call("snapshots.delete", name)
        return found

    def restore(self, name: str) -> model.Change:
        """Make the project what it was then: a change like others, which can be undone."""
        found: model.Change = self._call("snapshots.restore", name)
        return found

    def _call(self, route: str, name: str) -> Any:
        request = routes.SnapshotRef(project_id=self._project_id, name=name)
        return self._transport.call(route, request)


class Trash:
    """``client.trash``: projects that were deleted."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[model.TrashedProject]:
        """What is in the trash, the last one first."""
        found: list[model.TrashedProject] = self._transport.call("trash.list", routes.Nothing())
        return found

    def restore(self, project_id: str) -> model.Project:
        """Bring a project back with all that belongs to it."""
        found: model.Project = self._transport.call(
            "trash.restore", routes.InProject(project_id=project_id)
        )
        return found

    def delete(self, project_id: str) -> model.DeleteResponse:
        """Remove a deleted project for good."""
        found: model.DeleteResponse = self._transport.call(
            "trash.delete", routes.InProject(project_id=project_id)
        )
        return found
