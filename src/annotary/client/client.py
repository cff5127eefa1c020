"""The door to a store: open one, and create, find and delete its projects."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from annotary import routes
from annotary.client.history import Trash, said
from annotary.client.project import Project, missing
from annotary.client.transport import Transport
from annotary.errors import BadRequestError, ConflictError, NotFoundError
from annotary.model import DeleteResponse, OnExistingProject, ProjectType, Workspace

if TYPE_CHECKING:
    from annotary.service import Service


class Client:
    """A connection to an Annotary store.

    Without ``endpoint`` the embedded store in the folder ``home`` is opened (else the one in
    ``ANNOTARY_HOME``, else the user's data folder); no server and no key are needed. With
    ``endpoint`` (or ``ANNOTARY_ENDPOINT``) the calls go to a server, with ``secret_key`` (or
    ``ANNOTARY_SECRET_KEY``).

    ``author`` is whose changes those of an embedded store are, else the operating system's user;
    a server says it of each key. ``home`` wins over the environment's endpoint. A key is for a
    server: with one, the address may also be in ``DATATURE_API_BASE_URL``, and a key without any
    address is an error unless the embedded store was chosen by ``home`` or ``ANNOTARY_HOME``. The
    client is a context manager; closing it is optional. Threads may share it.

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
            endpoint = _endpoint(secret_key)
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

    def create_project(
        self,
        name: str,
        type: ProjectType = "ObjectDetection",
        *,
        on_existing: OnExistingProject | None = None,
    ) -> Project:
        """Create a project. ``type`` is a label for tools; any kind of annotation may be stored.

        ``on_existing``: when the name is taken, ``refuse`` raises
        :class:`~annotary.errors.ConflictError` and ``add`` makes a second project. Not given, an
        embedded store refuses and a server adds, as its API always has. See :meth:`project`.
        """
        body = routes.NewProject(name=name, type=type, on_existing=on_existing)
        return Project(
            self.transport, self._call("projects.create", routes.CreateProject(body=body))
        )

    def list_projects(self) -> list[Project]:
        """All projects, in the order of creation."""
        return [
            Project(self.transport, each) for each in self._call("projects.list", routes.Nothing())
        ]

    def get_project(self, project_id: str | None = None, *, name: str | None = None) -> Project:
        """The project with an id (``proj_`` may be left out), or the one with a name.

        Raises :class:`~annotary.errors.NotFoundError`; :class:`~annotary.errors.ConflictError`
        when several projects of an old store have the name.
        """
        if (project_id is None) == (name is None):
            raise BadRequestError("Give a project's id, or name=, and not both.")
        if name is not None:
            return self._named(name)
        assert project_id is not None
        request = routes.InProject(project_id=_with_prefix(project_id))
        return Project(self.transport, self._call("projects.get", request))

    def project(self, name: str, type: ProjectType = "ObjectDetection") -> Project:
        """The project with a name; it is created when there is none."""
        try:
            return self._named(name)
        except NotFoundError:
            try:
                return self.create_project(name, type, on_existing="refuse")
            except ConflictError:  # somebody else has just made it
                return self._named(name)

    def _named(self, name: str) -> Project:
        found = [each for each in self.list_projects() if each.name == name.strip()]
        if not found:
            raise NotFoundError(
                f"There is no project called {name!r}.",
                hint=f"client.project({name!r}) makes it; client.list_projects() lists all.",
            )
        if len(found) > 1:
            raise ConflictError(
                f"{len(found)} projects are called {name!r}.",
                hint=f"Use an id: {', '.join(each.id for each in found)}.",
            )
        return found[0]

    def delete_project(self, project_id: str) -> DeleteResponse:
        """Put a project with all its assets and annotations into the trash.

        ``client.trash.restore(id)`` brings it back, until it is purged.
        """
        found: DeleteResponse = self._call(
            "projects.delete", routes.InProject(project_id=_with_prefix(project_id))
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

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing("client", name), name=name, obj=self)

    def _call(self, route: str, request: Any) -> Any:
        return self.transport.call(route, request)


def _with_prefix(project_id: str) -> str:
    return project_id if project_id.startswith("proj_") else f"proj_{project_id}"


def _endpoint(secret_key: str | None) -> str | None:
    """The server that the environment names. Raises when a key has nowhere to go."""
    named = os.environ.get("ANNOTARY_ENDPOINT")
    if named or secret_key is None:
        return named or None
    named = os.environ.get("DATATURE_API_BASE_URL")
    if not named and not os.environ.get("ANNOTARY_HOME"):
        raise BadRequestError(
            "A secret key was given, but no server that it is for.",
            hint="Give endpoint= (or ANNOTARY_ENDPOINT, DATATURE_API_BASE_URL). The embedded store "
            "needs no key: Client(), or Client(home=...).",
        )
    return named or None


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
