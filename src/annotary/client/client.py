"""The door to a store: open one, and create, find and delete its projects."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from annotary import routes
from annotary.client.history import Trash, said
from annotary.client.project import Project
from annotary.client.transport import Transport
from annotary.model import DeleteResponse, ProjectType, Workspace

if TYPE_CHECKING:
    from annotary.service import Service


class Client:
    """A connection to an Annotary store.

    Without ``endpoint`` the embedded store in the folder ``home`` is opened (else the one in
    ``ANNOTARY_HOME``, else the user's data folder); no server and no key are needed. With
    ``endpoint`` (or ``ANNOTARY_ENDPOINT``) the calls go to a server, with ``secret_key`` (or
    ``ANNOTARY_SECRET_KEY``).

    ``author`` is whose changes those of an embedded store are, else the operating system's user;
    a server says it of each key. ``home`` wins over the environment's endpoint. The client is a
    context manager; closing it is optional.

    Raises :class:`~annotary.errors.StoreError` when the store cannot be opened.
    """

    def __init__(
        self,
        secret_key: str | None = None,
        endpoint: str | None = None,
        home: str | os.PathLike[str] | None = None,
        *,
        author: str | None = None,
    ) -> None:
        if endpoint is None and home is None:
            endpoint = os.environ.get("ANNOTARY_ENDPOINT") or None
        self._service: Service | None = None
        self.transport: Transport
        if endpoint is not None:
            self.transport = _remote(endpoint, secret_key)
        else:
            from annotary.client.local import LocalTransport, open_service

            self._service = open_service(default_home(home))
            self.transport = LocalTransport(self._service, author=author)

    def get_info(self) -> Workspace:
        """The workspace: the store as a whole."""
        found: Workspace = self._call("workspace.get", routes.Nothing())
        return found

    def create_project(self, name: str, type: ProjectType = "ObjectDetection") -> Project:
        """Create a project. ``type`` is a label for tools; any kind of annotation may be stored."""
        body = routes.NewProject(name=name, type=type)
        return Project(
            self.transport, self._call("projects.create", routes.CreateProject(body=body))
        )

    def list_projects(self) -> list[Project]:
        """All projects, in the order of creation."""
        return [
            Project(self.transport, each) for each in self._call("projects.list", routes.Nothing())
        ]

    def get_project(self, project_id: str) -> Project:
        """The project with an id; ``proj_`` may be left out.

        Raises :class:`~annotary.errors.NotFoundError`.
        """
        if not project_id.startswith("proj_"):
            project_id = f"proj_{project_id}"
        request = routes.InProject(project_id=project_id)
        return Project(self.transport, self._call("projects.get", request))

    def delete_project(self, project_id: str) -> DeleteResponse:
        """Put a project with all its assets and annotations into the trash.

        ``client.trash.restore(id)`` brings it back, until it is purged.
        """
        if not project_id.startswith("proj_"):
            project_id = f"proj_{project_id}"
        found: DeleteResponse = self._call(
            "projects.delete", routes.InProject(project_id=project_id)
        )
        return found

    @property
    def trash(self) -> Trash:
        """Projects that were deleted, and can come back."""
        return Trash(self.transport)

    def saying(self, message: str) -> AbstractContextManager[None]:
        """A ``with`` block whose writes have this message, each as a change of its own."""
        return said(message)

    def close(self) -> None:
        """Let go of the store or the connection."""
        self.transport.close()
        self._service = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, route: str, request: Any) -> Any:
        return self.transport.call(route, request)


def default_home(home: str | os.PathLike[str] | None = None) -> Path:
    """The store's folder: the argument, else ``ANNOTARY_HOME``, else the user's data folder."""
    chosen = home if home is not None else os.environ.get("ANNOTARY_HOME")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("annotary", appauthor=False)


def _remote(endpoint: str, secret_key: str | None) -> Transport:
    from annotary.client.remote import HttpTransport

    return HttpTransport(endpoint, secret_key or os.environ.get("ANNOTARY_SECRET_KEY"))
