"""The workspace and its projects."""

from __future__ import annotations

from collections.abc import Sequence

from annotary import routes
from annotary.errors import ValidationError
from annotary.model import DeleteResponse, Project, ProjectUser, Workspace
from annotary.service.noun import ServicePart
from annotary.store import operations, projects


class WorkspaceService(ServicePart):
    """The workspace: the store as a whole."""

    def get(self, request: routes.Nothing) -> Workspace:
        """What the store is called and whose it is."""
        with self.store.read() as db:
            return projects.workspace(db)


class ProjectService(ServicePart):
    """Projects."""

    def list(self, request: routes.Nothing) -> list[Project]:
        """All projects, in the order of creation."""
        with self.store.read() as db:
            return [projects.describe(db, each) for each in projects.all_of(db)]

    def create(self, request: routes.CreateProject) -> Project:
        """Add a project."""
        name = request.body.name.strip()
        if not name:
            raise ValidationError("A project needs a name.")
        with self.store.write() as db:
            return projects.describe(db, projects.create(db, name, request.body.type))

    def get(self, request: routes.InProject) -> Project:
        """A project with its counts."""
        with self.store.read() as db:
            return projects.describe(db, self.project(db, request.project_id))

    def update(self, request: routes.UpdateProject) -> Project:
        """Rename a project."""
        name = request.body.name.strip()
        if not name:
            raise ValidationError("A project needs a name.")
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            projects.rename(db, project, name)
            return projects.describe(db, project)

    def delete(self, request: routes.InProject) -> DeleteResponse:
        """Remove a project with all that belongs to it, at once or not at all.

        What runs in it is asked to stop first; work that does not is undone when it ends.
        """
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            for operation in operations.all_of(db, project):
                if operation.overview in {"Queued", "Running"}:
                    self.service.stop(operation.id)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            exports = [
                f"exports/{operation.id.hex()}.zip"
                for operation in operations.all_of(db, project)
                if operation.kind == operations.EXPORT
            ]
            blobs = projects.delete(db, project)
        for key in blobs + exports:
            self.store.blobs.delete(key)
        return DeleteResponse(deleted=True, id=project.text)

    def users(self, request: routes.InProject) -> Sequence[ProjectUser]:
        """Who has access: the store's owner."""
        with self.store.read() as db:
            self.project(db, request.project_id)
            owner = projects.workspace(db).owner
        return [
            ProjectUser(
                id=f"user_{owner}", access_type="owner", email="", nickname=owner, picture=""
            )
        ]
