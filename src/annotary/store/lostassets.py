"""Assets that may be deleted: they and their files are found as long as they can come back."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from annotary import ids
from annotary.errors import NotFoundError
from annotary.store.database import Database
from annotary.store.projects import ProjectKey


def deleted(db: Database, project: ProjectKey, asset: str) -> int | None:
    """The number of an asset that was deleted, by its last name or id."""
    for no, row in db.rows(
        "SELECT no, row FROM versions WHERE project = ? AND noun = 'asset' ORDER BY died DESC",
        (project.no,),
    ):
        was = msgspec.msgpack.decode(row)
        if asset in (was["filename"], ids.show("asset", was["id"])):
            return int(no)
    return None


def anywhere(db: Database, project: ProjectKey, asset: str) -> int | None:
    """The number of an asset by id or name, be it there or deleted."""
    raw = b""
    if asset.startswith("asset_"):
        with suppress(NotFoundError):
            raw = ids.parse("asset", asset)
    found = db.value(
        "SELECT no FROM assets WHERE project = ? AND (id = ? OR filename = ?)",
        (project.no, raw, asset),
    )
    return deleted(db, project, asset) if found is None else int(found)


def has_blob(db: Database, blob: str) -> bool:
    """Whether a blob is an asset's, or may be one's in a snapshot of its project."""
    if db.row("SELECT 1 FROM assets WHERE blob = ?", (blob,)) is not None:
        return True
    kept = db.row(
        "SELECT 1 FROM snapshots s JOIN projects p ON p.no = s.project WHERE p.id = ?",
        (bytes.fromhex(blob.split("/")[1]),),
    )
    return kept is not None
