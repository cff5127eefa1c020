"""Projects and the workspace they stand in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from annotary import ids
from annotary.errors import NotFoundError
from annotary.model import Project, ProjectStatistic, TagCount, Workspace
from annotary.store.database import Database
from annotary.store.states import NOW, State


class ProjectKey(NamedTuple):
    """A project as other modules need it: its internal number, its id, and what is seen of it."""

    no: int
    id: bytes
    state: State = NOW

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
    found = _keys(db, "p.id = ? AND p.died IS NULL", (raw,))
    if not found:
        raise NotFoundError(
            f"There is no project {project_id!r}.", hint="List them with client.list_projects()."
        )
    return found[0]


def by_number(db: Database, no: int) -> ProjectKey:
    """The project with an internal number, also where it is in the trash."""
    return _keys(db, "p.no = ?", (no,))[0]


def by_numbers(db: Database, numbers: Sequence[int]) -> list[ProjectKey]:
    """The projects with these internal numbers; those that are gone are left out."""
    return [k for no in numbers for k in _keys(db, "p.no = ? AND p.died IS NULL", (no,))]


def _keys(db: Database, where: str, values: tuple[object, ...]) -> list[ProjectKey]:
    """Projects in their present states."""
    found = db.rows(
        "SELECT p.no, p.id, (SELECT MAX(c.no) FROM changes c WHERE c.project = p.no),"
        " (SELECT json_group_array(c.no) FROM changes c WHERE c.project = p.no"
        f" AND c.state != 'published') FROM projects p WHERE {where} ORDER BY p.no",
        values,
    )
    return [
        ProjectKey(no, id_, State(upto or 0, tuple(sorted(json.loads(open_))), True))
        for no, id_, upto, open_ in found
    ]


def find_named(db: Database, name: str) -> list[ProjectKey]:
    """All projects with the given name."""
    return _keys(db, "p.name = ? AND p.died IS NULL", (name,))


def describe(db: Database, projects: Sequence[ProjectKey]) -> list[Project]:
    """Projects with their tags, groups and counts, in a constant number of statements."""
    if not projects:
        return []
    marks = f"({','.join(str(each.no) for each in projects)})"
    # numbers of changes are those of one project only
    state = State(0, tuple(no for each in projects for no in each.state.open), True)
    named = {
        no: rest
        for no, *rest in db.rows(
            f"SELECT no, name, type, created, keep FROM projects WHERE no IN {marks}"
        )
    }
    tags: dict[int, list[TagCount]] = {}
    for no, name, count in db.rows(
        f"SELECT project, name, annotations FROM tags WHERE project IN {marks} ORDER BY idx"
    ):
        tags.setdefault(no, []).append(TagCount(name=name, count=count))
    groups: dict[int, list[str]] = {}
    for no, name in db.rows(
        "SELECT DISTINCT g.project, g.name FROM asset_groups g JOIN assets a ON a.no = g.asset"
        f" WHERE g.project IN {marks} AND {state.has('a.born')} ORDER BY g.project, g.name"
    ):
        groups.setdefault(no, []).append(name)
    counts = {
        no: rest
        for no, *rest in db.rows(
            "SELECT a.project, COUNT(*), COUNT(*) FILTER (WHERE"
            f" {state.annotated('a.no')}) FROM assets a WHERE a.project IN {marks}"
            f" AND {state.has('a.born')} GROUP BY a.project"
        )
    }
    workspace_id = workspace(db).id
    found = []
    for each in projects:
        name, type_, created, keep = named[each.no]
        total, annotated = counts.get(each.no, (0, 0))
        used = tags.get(each.no, [])
        found.append(
            Project(
                id=each.text,
                name=name,
                workspace_id=workspace_id,
                type=type_,
                create_date=created,
                localization="local",
                tags=[tag.name for tag in used],
                groups=groups.get(each.no, []),
                statistic=ProjectStatistic(
                    tags_count=used,
                    total_assets=total,
                    annotated_assets=annotated,
                    total_annotations=sum(tag.count for tag in used),
                ),
                keep=None if keep is None else "forever" if keep < 0 else f"{keep}d",
            )
        )
    return found


def all_of(db: Database) -> list[ProjectKey]:
    """Every project, in the order of creation."""
    return _keys(db, "p.died IS NULL", ())


def keeps(db: Database, project: ProjectKey) -> int | None:
    """For how many days things are kept; None: as the store does."""
    found: int | None = db.value("SELECT keep FROM projects WHERE no = ?", (project.no,))
    return found


def set_keep(db: Database, project: ProjectKey, days: int) -> None:
    """Say for how many days things are kept; -1: for ever."""
    db.execute("UPDATE projects SET keep = ? WHERE no = ?", (days, project.no))


def purged_upto(db: Database, project: ProjectKey) -> int:
    """The number of the last change that was purged; 0: none."""
    found = db.value(
        "SELECT MAX(no) FROM changes WHERE project = ? AND purged IS NOT NULL", (project.no,)
    )
    return found or 0


def rename(db: Database, project: ProjectKey, name: str) -> None:
    """Change a project's name."""
    db.execute("UPDATE projects SET name = ? WHERE no = ?", (name, project.no))


def delete(db: Database, project: ProjectKey) -> None:
    """Put a project into the trash: nobody sees it any more, and nothing of it is gone."""
    db.execute("UPDATE projects SET died = ? WHERE no = ?", (ids.now_ms(), project.no))


def trash(db: Database) -> list[tuple[ProjectKey, str, int]]:
    """Deleted projects with their names and when that was, the last one first."""
    found = db.rows(
        "SELECT no, name, died FROM projects WHERE died IS NOT NULL ORDER BY died DESC, no DESC"
    )
    return [(by_number(db, no), name, died) for no, name, died in found]


def find_deleted(db: Database, project_id: str) -> ProjectKey:
    """The deleted project with an id. Raises :class:`NotFoundError`."""
    raw = ids.parse("proj", project_id)
    found = _keys(db, "p.id = ? AND p.died IS NOT NULL", (raw,))
    if not found:
        raise NotFoundError(
            f"There is no project {project_id!r} in the trash.",
            hint="List it with client.trash.list().",
        )
    return found[0]


def restore(db: Database, project: ProjectKey) -> None:
    """Take a project out of the trash."""
    db.execute("UPDATE projects SET died = NULL WHERE no = ?", (project.no,))
