"""Projects and the workspace they stand in."""

from __future__ import annotations

from typing import NamedTuple

from annotary import ids
from annotary.errors import NotFoundError
from annotary.model import Project, ProjectStatistic, TagCount, Workspace
from annotary.store.database import Database


class ProjectKey(NamedTuple):
    """A project as other modules need it: its internal number and its id."""

    no: int
    id: bytes

    @property
    def text(self) -> str:
        """``proj_`` and 32 hexadecimal digits."""
        return ids.show("proj", self.id)

    @property
    def hex(self) -> str:
        """The id's hexadecimal digits alone, as folders of exports are named."""
        return self.id.hex()


def workspace(db: Database) -> Workspace:
    """The workspace: there is one per store."""
    id_, name, owner, created = db.row("SELECT id, name, owner, created FROM workspace")
    return Workspace(
        id=ids.show("ws", id_), name=name, owner=owner, tier="local", create_date=created
    )


def create(db: Database, name: str, type_: str) -> ProjectKey:
    """Add a project."""
    id_ = ids.new_id()
    no = db.reserve("projects")
    db.execute(
        "INSERT INTO projects (no, id, name, type, created) VALUES (?, ?, ?, ?, ?)",
        (no, id_, name, type_, ids.now_ms()),
    )
    return ProjectKey(no, id_)


def find(db: Database, project_id: str) -> ProjectKey:
    """The project with the given id. Raises :class:`NotFoundError`."""
    raw = ids.parse("proj", project_id)
    found = db.row("SELECT no FROM projects WHERE id = ?", (raw,))
    if found is None:
        raise NotFoundError(
            f"There is no project {project_id!r}.", hint="List them with client.list_projects()."
        )
    return ProjectKey(found[0], raw)


def by_number(db: Database, no: int) -> ProjectKey:
    """The project with an internal number."""
    (id_,) = db.row("SELECT id FROM projects WHERE no = ?", (no,))
    return ProjectKey(no, id_)


def find_named(db: Database, name: str) -> list[ProjectKey]:
    """All projects with the given name."""
    found = db.rows("SELECT no, id FROM projects WHERE name = ? ORDER BY no", (name,))
    return [ProjectKey(*each) for each in found]


def describe(db: Database, project: ProjectKey, statistic: bool = True) -> Project:
    """The project with its tags, groups and counts."""
    name, type_, created = db.row(
        "SELECT name, type, created FROM projects WHERE no = ?", (project.no,)
    )
    tags = db.rows(
        "SELECT name, annotations FROM tags WHERE project = ? ORDER BY idx", (project.no,)
    )
    groups = db.rows("SELECT DISTINCT name FROM asset_groups WHERE project = ?", (project.no,))
    return Project(
        id=project.text,
        name=name,
        workspace_id=workspace(db).id,
        type=type_,
        create_date=created,
        localization="local",
        tags=[tag for tag, _ in tags],
        groups=[group for (group,) in groups],
        statistic=_statistic(db, project, tags) if statistic else None,
    )


def _statistic(db: Database, project: ProjectKey, tags: list[tuple[str, int]]) -> ProjectStatistic:
    (total,) = db.row("SELECT COUNT(*) FROM assets WHERE project = ?", (project.no,))
    (annotated,) = db.row(
        "SELECT COUNT(*) FROM assets a WHERE a.project = ?"
        " AND EXISTS (SELECT 1 FROM asset_annotations x WHERE x.asset = a.no)",
        (project.no,),
    )
    return ProjectStatistic(
        tags_count=[TagCount(name=name, count=count) for name, count in tags],
        total_assets=total,
        annotated_assets=annotated,
        total_annotations=sum(count for _, count in tags),
    )


def all_of(db: Database) -> list[ProjectKey]:
    """Every project, in the order of creation."""
    return [ProjectKey(*each) for each in db.rows("SELECT no, id FROM projects ORDER BY no")]


def rename(db: Database, project: ProjectKey, name: str) -> None:
    """Change a project's name."""
    db.execute("UPDATE projects SET name = ? WHERE no = ?", (name, project.no))


def delete(db: Database, project: ProjectKey) -> list[str]:
    """Remove a project and all that belongs to it; answers the keys of its blobs."""
    no = (project.no,)
    blobs = [
        blob
        for (blob,) in db.rows(
            "SELECT blob FROM assets WHERE project = ? AND blob IS NOT NULL UNION ALL "
            "SELECT f.blob FROM import_files f JOIN import_sessions s ON s.no = f.session "
            "WHERE s.project = ? AND f.blob IS NOT NULL",
            no * 2,
        )
    ]
    db.execute(
        "DELETE FROM asset_annotations WHERE asset IN (SELECT no FROM assets WHERE project = ?)", no
    )
    for table in ("import_logs", "import_files"):
        db.execute(
            f"DELETE FROM {table} WHERE session IN"
            " (SELECT no FROM import_sessions WHERE project = ?)",
            no,
        )
    for table in (
        "annotations",
        "asset_groups",
        "assets",
        "tags",
        "import_sessions",
        "operations",
        "upload_sessions",
        "multipart_uploads",
    ):
        db.execute(f"DELETE FROM {table} WHERE project = ?", no)
    db.execute("DELETE FROM projects WHERE no = ?", no)
    return blobs
