"""Groups of assets, with counts."""

from __future__ import annotations

from collections.abc import Sequence

from annotary.model import AssetGroup, GroupStatistic
from annotary.store.database import Database
from annotary.store.projects import ProjectKey


def all_of(db: Database, project: ProjectKey, names: Sequence[str] = ()) -> list[AssetGroup]:
    """The project's groups, or those named, with counts."""
    wanted = set(names)
    found = db.rows(
        "SELECT g.name, COUNT(*),"
        f" COUNT(*) FILTER (WHERE {project.state.annotated('a.no')}),"
        " COUNT(*) FILTER (WHERE a.status = 'Review'),"
        " COUNT(*) FILTER (WHERE a.status = 'Tofix'),"
        " COUNT(*) FILTER (WHERE a.status = 'Completed')"
        " FROM asset_groups g JOIN assets a ON a.no = g.asset"
        f" WHERE g.project = ? AND {project.state.has('a.born')}"
        " GROUP BY g.name ORDER BY g.name",
        (project.no,),
    )
    return [
        AssetGroup(
            group=name,
            statistic=GroupStatistic(
                total_assets=total,
                annotated_assets=annotated,
                reviewed_assets=review,
                to_fixed_assets=fix,
                completed_assets=done,
            ),
        )
        for name, total, annotated, review, fix, done in found
        if not wanted or name in wanted
    ]
