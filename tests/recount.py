"""Whether a store agrees with itself, asked of its database and not of the code that wrote it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

LIVING = """
    (SELECT * FROM annotations WHERE seq NOT IN (SELECT seq FROM dead)
     AND born NOT IN (SELECT no FROM changes WHERE state != 'published'))
"""
"""The annotations that are there to see."""
CHECKS = {
    "annotations miscounted by tag": f"""
        SELECT t.name, t.annotations, COUNT(n.seq) FROM tags t
        LEFT JOIN {LIVING} n ON n.tag = t.no GROUP BY t.no HAVING t.annotations != COUNT(n.seq)
    """,
    "annotations missing from the index by asset": """
        SELECT seq, asset FROM annotations
        WHERE born NOT IN (SELECT no FROM changes WHERE state != 'published')
        EXCEPT SELECT seq, asset FROM asset_annotations
    """,
    "index entries of no annotation": """
        SELECT seq, asset FROM asset_annotations EXCEPT SELECT seq, asset FROM annotations
    """,
    "annotations of no asset of their project": f"""
        SELECT n.seq FROM {LIVING} n LEFT JOIN assets a ON a.no = n.asset
        AND a.project = n.project AND a.id = n.asset_id WHERE a.no IS NULL
    """,
    "annotations of no tag of their project": f"""
        SELECT n.seq FROM {LIVING} n LEFT JOIN tags t ON t.no = n.tag
        AND t.project = n.project WHERE t.no IS NULL
    """,
    "groups of no asset": """
        SELECT g.asset FROM asset_groups g LEFT JOIN assets a ON a.no = g.asset WHERE a.no IS NULL
    """,
    "objects in two images": """
        SELECT grp FROM annotations WHERE grp IS NOT NULL GROUP BY grp
        HAVING COUNT(DISTINCT asset) > 1
    """,
    "dead or former annotations that never were": """
        SELECT seq FROM (SELECT seq FROM dead UNION SELECT seq FROM past)
        EXCEPT SELECT seq FROM annotations
    """,
    "living versions of no change": f"""
        SELECT born FROM {LIVING} WHERE born > 0 UNION SELECT born FROM assets WHERE born > 0
        UNION SELECT born FROM tags WHERE born > 0 EXCEPT SELECT no FROM changes
    """,
    "annotations that no run of their change names": """
        SELECT n.seq FROM annotations n WHERE n.born > 0
        AND n.born NOT IN (SELECT no FROM changes WHERE purged IS NOT NULL)
        AND n.seq NOT IN (SELECT seq FROM past) AND NOT EXISTS
        (SELECT 1 FROM runs r WHERE r.change = n.born AND n.seq BETWEEN r.first AND r.last)
    """,
}
OF_PROJECTS = (
    "tags", "assets", "asset_groups", "annotations", "operations", "import_sessions",
    "upload_sessions", "multipart_uploads", "changes", "versions", "snapshots",
)  # fmt: skip
"""Tables whose rows belong to a project."""
for _table in OF_PROJECTS:
    CHECKS[f"{_table} of no project"] = f"""
        SELECT x.project FROM {_table} x
        LEFT JOIN projects p ON p.no = x.project WHERE p.no IS NULL
    """
for _table in ("import_files", "import_logs"):
    CHECKS[f"{_table} of no session"] = f"""
        SELECT f.session FROM {_table} f LEFT JOIN import_sessions s ON s.no = f.session
        WHERE s.no IS NULL
    """
CHECKS["numbers that will be given again"] = """
    SELECT name FROM counters c WHERE next <= CASE name
    WHEN 'annotations' THEN (SELECT COALESCE(MAX(seq), 0) FROM annotations)
    WHEN 'assets' THEN (SELECT COALESCE(MAX(no), 0) FROM assets)
    WHEN 'projects' THEN (SELECT COALESCE(MAX(no), 0) FROM projects)
    WHEN 'tags' THEN (SELECT COALESCE(MAX(no), 0) FROM tags) ELSE 0 END
"""


def contradictions(home: Path) -> list[str]:
    """What in the store's database contradicts itself; empty when nothing does."""
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        found = [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
        for what, query in CHECKS.items():
            rows = db.execute(query).fetchall()
            if rows:
                found.append(f"{what}: {rows[:5]}")
    return found
