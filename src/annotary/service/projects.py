"""The workspace and its projects."""

from __future__ import annotations

from collections.abc import Sequence

from annotary import routes
from annotary.errors import ValidationError
from annotary.model import DeleteResponse, Project, ProjectUser, Workspace
from annotary.service.noun import ServicePart
from annotary.store import operations, projects
from annotary.store.blobs import export_key


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
            return projects.describe(db, projects.all_of(db))

    def create(self, request: routes.CreateProject) -> Project:
        """Add a project."""
        name = request.body.name.strip()
        if not name:
            raise ValidationError("A project needs a name.")
        with self.store.write() as db:
            return projects.describe(db, [projects.create(db, name, request.body.type)])[0]

    def get(self, request: routes.InProject) -> Project:
        """A project with its counts."""
        with self.store.read() as db:
            return projects.describe(db, [self.project(db, request.project_id)])[0]

    def update(self, request: routes.UpdateProject) -> Project:
        """Rename a project."""
        name = request.body.name.strip()
        if not name:
            raise ValidationError("A project needs a name.")
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            with self.change(db, project, "rename_project") as change:
                change.edit("project", project.no)
                projects.rename(db, project, name)
            return projects.describe(db, [project])[0]

    def delete(self, request: routes.InProject) -> DeleteResponse:
        """Put a project with all that belongs to it into the trash.

        What runs in it is asked to stop first; work that does not ends as failed.
        """
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            for operation in operations.all_of(db, project):
                if operation.overview in {"Queued", "Running"}:
                    self.service.stop(operation.id)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            with self.change(db, project, "delete_project"):
                projects.delete(db, project)
            exports = [
                export_key(each.id)
                for each in operations.all_of(db, project)
                if each.kind == operations.EXPORT
            ]
        for key in exports:  # they can be made again
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
