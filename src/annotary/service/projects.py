"""The workspace and its projects."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from annotary import ids, routes
from annotary.errors import ConflictError, NotFoundError, ValidationError
from annotary.model import DeleteResponse, Erased, Project, ProjectUser, Workspace
from annotary.service.noun import ServicePart
from annotary.store import annotations as stored
from annotary.store import lostassets, operations, projects, purging
from annotary.store.blobs import export_key
from annotary.store.database import Database
from annotary.store.projects import ProjectKey


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
        name = _name(request.body.name)
        door = "refuse" if self.service.links.local else "add"
        with self.store.write() as db:
            if (request.body.on_existing or door) == "refuse":
                _must_be_free(db, name)
            return projects.describe(db, [projects.create(db, name, request.body.type)])[0]

    def get(self, request: routes.InProject) -> Project:
        """A project with its counts."""
        with self.store.read() as db:
            return projects.describe(db, [self.project(db, request.project_id)])[0]

    def update(self, request: routes.UpdateProject) -> Project:
        """Rename a project, or say how long what is deleted or replaced is kept."""
        body = request.body
        days = None if body.keep is msgspec.UNSET else purging.read_days(body.keep)
        name = None if body.name is msgspec.UNSET else _name(body.name)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            if name is not None and self.service.links.local:
                _must_be_free(db, name, project)
            with self.change(
                db, project, "update_project" if name is None else "rename_project"
            ) as change:
                change.edit("project", project.no)
                if name is not None:
                    projects.rename(db, project, name)
                if days is not None:
                    projects.set_keep(db, project, days)
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
            days = projects.keeps(db, project)
            if days is None:
                days = purging.default_days()
            with self.change(db, project, "delete_project"):
                projects.delete(db, project)
            exports = [
                export_key(each.id)
                for each in operations.all_of(db, project)
                if each.kind == operations.EXPORT
            ]
        if days == 0:
            for _ in purging.remove_project(self.store, project.no):
                pass
        for key in exports:  # they can be made again
            self.store.blobs.delete(key)
        return DeleteResponse(deleted=True, id=project.text)

    def erase(self, request: routes.EraseThings) -> Erased:
        """Remove assets and annotations from all that is kept; that cannot be undone."""
        body = request.body
        missing: list[str] = []
        with self.store.write(secure=True) as db:
            project = self.project(db, request.project_id)
            wanted_assets: list[int] = []
            for text in body.assets:
                no = lostassets.anywhere(db, project, text)
                if no is None:
                    missing.append(text)
                else:
                    wanted_assets.append(no)
            raw: dict[bytes, str] = {}
            for text in body.annotations:
                try:
                    raw[ids.parse("annot", text)] = text
                except NotFoundError:
                    missing.append(text)
            known = stored.anywhere(db, project, list(raw))
            missing += [text for id_, text in raw.items() if id_ not in known]
            with self.change(db, project, "erase") as change:
                keys = purging.erase(
                    change, list(dict.fromkeys(wanted_assets)), list(known.values())
                )
        for key in keys:
            self.store.blobs.delete(key)
        counts = {noun: each.get("erased", 0) for noun, each in change.counts.items()}
        return Erased(counts.get("annotations", 0), counts.get("assets", 0), missing)

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


def _name(given: str) -> str:
    name = given.strip()
    if not name:
        raise ValidationError("A project needs a name.")
    return name


def _must_be_free(db: Database, name: str, mine: ProjectKey | None = None) -> None:
    """A script that is run again must not make a second project of the same name in silence."""
    others = [each for each in projects.find_named(db, name) if each != mine]
    if others:
        raise ConflictError(
            f"There is a project {name!r} already ({others[0].text}).",
            hint="Use it, choose another name, or delete it first. In code, client.project(name) "
            "answers the project and makes it only when it is missing.",
        )
