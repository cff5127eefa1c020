"""A project, and the things in it by noun: ``project.annotations``, ``project.assets``, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from annotary import model, routes
from annotary.client.annotations import Annotations
from annotary.client.assets import Assets
from annotary.client.drawing import Drawings
from annotary.client.history import Changes, PastTransport, Snapshots, one_change
from annotary.client.operations import Operations
from annotary.client.tags import Ontologies, Tags
from annotary.client.transport import Transport
from annotary.errors import BadRequestError

if TYPE_CHECKING:
    from PIL.Image import Image


class Project:
    """One project of a store. ``id`` and ``name`` are at hand; :meth:`get_info` has the rest."""

    def __init__(self, transport: Transport, found: model.Project) -> None:
        self._transport = transport
        self.id = found.id
        self.name = found.name
        self.type = found.type

    def __repr__(self) -> str:
        return f"Project(id={self.id!r}, name={self.name!r})"

    def get_info(self) -> model.Project:
        """The project with its tags, groups and counts, as they are now."""
        found: model.Project = self._call("projects.get", routes.InProject(project_id=self.id))
        return found

    @property
    def project_id(self) -> str:
        """The project's id, as the public client calls it."""
        return self.id

    def update(
        self, name: str | Mapping[str, Any] | None = None, *, keep: str | None = None
    ) -> model.Project:
        """Rename the project, or say how long what is deleted or replaced is kept.

        ``keep`` is ``"30d"``, ``"0d"`` (deletions are final at once) or ``"forever"``. A dictionary
        of both, ``{"name": ...}``, does as well.
        """
        if isinstance(name, Mapping):
            unknown = sorted(set(name) - {"name", "keep"})
            if unknown:
                raise BadRequestError(
                    f"A project has no {', '.join(unknown)} to change.", hint="Give name or keep."
                )
            return self.update(**name)
        body = routes.ProjectChanges()
        if name is not None:
            body.name = name
        if keep is not None:
            body.keep = keep
        request = routes.UpdateProject(project_id=self.id, body=body)
        found: model.Project = self._call("projects.update", request)
        self.name = found.name
        return found

    @cached_property
    def annotations(self) -> Annotations:
        """Annotations: list, create, get, update, delete, import and export."""
        return Annotations(self._transport, self.id)

    @cached_property
    def assets(self) -> Assets:
        """Images (and videos and volumes) that annotations belong to."""
        return Assets(self._transport, self.id)

    @cached_property
    def tags(self) -> Tags:
        """The classes that annotations can have."""
        return Tags(self._transport, self.id)

    @cached_property
    def ontologies(self) -> Ontologies:
        """Typed attributes of tags."""
        return Ontologies(self._transport, self.id)

    @cached_property
    def operations(self) -> Operations:
        """Work that may run in the background."""
        return Operations(self._transport, self.id)

    @cached_property
    def changes(self) -> Changes:
        """What writes have done to the project, and taking it back."""
        return Changes(self._transport, self.id)

    @cached_property
    def snapshots(self) -> Snapshots:
        """Named states of the project that never change."""
        return Snapshots(self._transport, self.id)

    def change(self, message: str) -> AbstractContextManager[model.Change]:
        """A ``with`` block whose writes are steps of one change; an exception takes them back."""
        return one_change(self._transport, self.id, message)

    def erase(self, *, assets: Sequence[str] = (), annotations: Sequence[str] = ()) -> model.Erased:
        """Remove images and annotations from all that is kept, for privacy; owners only.

        Former versions, snapshots, files, and the zips of earlier exports and rejects of the
        project go with them. That cannot be undone.
        """
        body = routes.Erasing(assets=list(assets), annotations=list(annotations))
        found: model.Erased = self._call(
            "projects.erase", routes.EraseThings(project_id=self.id, body=body)
        )
        return found

    def at(self, state: str) -> Project:
        """The project as it was: a snapshot's name, or ``#`` and a change's number.

        It can be read and exported: ``annotations.list``, ``get`` and ``create_export``,
        ``assets.list`` and ``get``, ``tags.list``. Writing raises
        :class:`~annotary.errors.BadRequestError`.
        """
        found = self.get_info()
        return Project(PastTransport(self._transport, state), found)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing("project", name), name=name, obj=self)

    def list_users(self) -> Sequence[model.ProjectUser]:
        """Who has access to the project."""
        found: Sequence[model.ProjectUser] = self._call(
            "projects.users", routes.InProject(project_id=self.id)
        )
        return found

    def draw(
        self, sample: int = 12, seed: int = 0, *, tags: Sequence[str] = (), columns: int = 4
    ) -> Image:
        """A sheet of images with their annotations, as a ``PIL.Image`` in RGB.

        As many as ``sample`` says, chosen by ``seed``; with ``tags`` only images that have one of
        them. Raises :class:`~annotary.errors.BadRequestError` for a tag that is not there.
        """
        from annotary.drawing.sheet import sheet

        drawings = Drawings(self._transport, self.id)
        chosen = drawings.chosen(sample, seed, tags)
        tiles = [(each.filename, drawings.asset(each, longest=480, tags=tags)) for each in chosen]
        return sheet(tiles, max(1, columns))

    @property
    def transport(self) -> Transport:
        """How this project's calls reach the engine."""
        return self._transport

    def _call(self, route: str, request: Any) -> Any:
        return self._transport.call(route, request)


_ELSEWHERE = {
    "artifacts", "batch", "deployments", "list_artifacts", "list_insights", "objects", "outpost",
    "predictions", "runs", "sequences", "workflows",
}  # fmt: skip
"""What Nexus has and Annotary, which stores annotations and trains nothing, has not."""


def missing(noun: str, name: str) -> str:
    """What to say of an attribute that a client or a project does not have."""
    if name in _ELSEWHERE:
        return (
            f"Annotary has no {noun}.{name}: that is a part of Nexus that it does not replace. "
            "It stores projects, assets, annotations, tags and ontologies."
        )
    return f"A {noun} has no {name!r}."
