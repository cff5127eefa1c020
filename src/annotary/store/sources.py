"""Sources: the files that annotations came from, by their logical names."""

from __future__ import annotations

from collections.abc import Sequence

from annotary.store.database import Database
from annotary.store.projects import ProjectKey


def number(db: Database, project: ProjectKey, name: str) -> int:
    """The number of a source, which is made where there is none."""
    values = (project.no, name)
    db.execute("INSERT INTO sources (project, name) VALUES (?, ?) ON CONFLICT DO NOTHING", values)
    found = db.value("SELECT no FROM sources WHERE project = ? AND name = ?", values)
    assert isinstance(found, int)
    return found


def numbers(db: Database, project: ProjectKey, wanted: Sequence[str]) -> list[int]:
    """The numbers of the sources with these names."""
    return [no for no, name in names(db, project).items() if name in wanted]


def names(db: Database, project: ProjectKey) -> dict[int, str]:
    """The names of all sources by their numbers."""
    return dict(db.rows("SELECT no, name FROM sources WHERE project = ?", (project.no,)))
