"""What the rows of a store say of its blobs: which are named, and what their bytes must be.

A row that names a blob is always committed before the blob can be there (an operation before its
export, a session before its files), so a blob that was listed before the rows were read and that no
row names is named by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from annotary.store.blobs import Blobs, asset_key, export_images_key, export_key, rejects_key
from annotary.store.database import Database, among
from annotary.store.projects import ProjectKey

_version = msgspec.msgpack.Decoder(dict[str, object]).decode


class Held(NamedTuple):
    """Where the bytes of an asset are, and their size and CRC-32C where they were kept."""

    blob: str | None
    path: str | None
    size: int | None
    crc32c: int | None


def held(db: Database, project: ProjectKey, names: Sequence[str]) -> dict[str, Held]:
    """What is kept of the bytes of the assets with exactly these file names."""
    found: dict[str, Held] = {}
    for begin in range(0, len(names), 10_000):
        some = msgspec.json.encode(names[begin : begin + 10_000]).decode()
        for name, blob, path, size, sum_ in db.rows(
            "SELECT a.filename, a.blob, a.path,"
            " CASE WHEN a.blob IS NOT NULL THEN COALESCE(b.size, a.file_size) END, b.crc32c"
            " FROM json_each(?) j CROSS JOIN assets a ON a.project = ? AND a.filename = j.value"
            f" AND {project.state.has('a.born')} LEFT JOIN blobs b ON b.key = a.blob",
            (some, project.no),
        ):
            found[name] = Held(blob, path, size, sum_)
    return found


def remember(db: Database, blobs: Sequence[tuple[str, int, int]]) -> None:
    """Keep the size and CRC-32C of blobs."""
    db.many(
        "INSERT INTO blobs (key, size, crc32c) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
        " size = excluded.size, crc32c = excluded.crc32c",
        blobs,
    )


def expected(db: Database, key: str) -> tuple[int, int] | None:
    """The size and CRC-32C that a blob must have; None where that was not kept."""
    found = db.row("SELECT size, crc32c FROM blobs WHERE key = ?", (key,))
    return None if found is None else (found[0], found[1])


def is_shown(db: Database, key: str) -> bool:
    """Whether a blob is that of an asset that is there now, not only of one that was deleted."""
    return bool(
        db.value(
            "SELECT 1 FROM assets a JOIN projects p ON p.no = a.project"
            " WHERE a.blob = ? AND p.died IS NULL",
            (key,),
        )
    )


def unnamed(db: Database, listed: Sequence[str]) -> list[str]:
    """Those of some keys that no row names; they were listed before the transaction began."""
    found: list[str] = []
    for folder in ("exports", "rejects", "parts", "assets"):
        keys = [key for key in listed if key.startswith(f"{folder}/")]
        if keys:
            named = _NAMED[folder](db, keys)
            found += [key for key in keys if key not in named]
    return found


def forget(db: Database, keys: Sequence[str]) -> None:
    """Forget what the bytes of blobs that are gone had to be."""
    for marks, some in among(keys):
        db.execute(f"DELETE FROM blobs WHERE key IN {marks}", some)


def listing(blobs: Blobs, whole: bool) -> list[str]:
    """The keys of all blobs that rows should name; without ``whole``, of assets no single ones."""
    found = [
        f"{folder}/{name}" for folder in ("exports", "rejects") for name in blobs.names(folder)
    ]
    for folder in ("parts", "assets"):
        for name in blobs.names(folder):
            inside = blobs.names(f"{folder}/{name}") if whole or folder == "parts" else ["-"]
            found += [f"{folder}/{name}/{each}" for each in inside]
    return [key for key in found if not key.endswith(".part")]


def _exports(db: Database, keys: Iterable[str]) -> set[str]:
    ids = db.rows(
        "SELECT id FROM operations WHERE kind = 'nexus.annotations.export'"
        " AND overview IN ('Queued', 'Running', 'Finished')"
    )
    return {name(id_) for (id_,) in ids for name in (export_key, export_images_key)}


def _rejects(db: Database, keys: Iterable[str]) -> set[str]:
    return {rejects_key(id_) for (id_,) in db.rows("SELECT id FROM import_sessions")}


def _parts(db: Database, keys: Iterable[str]) -> set[str]:
    open_ = {id_.hex() for (id_,) in db.rows("SELECT id FROM multipart_uploads")}
    return {key for key in keys if key.split("/")[1] in open_}


def _assets(db: Database, keys: Sequence[str]) -> set[str]:
    projects = {id_.hex() for (id_,) in db.rows("SELECT id FROM projects")}
    named = {key for key in keys if key.endswith("/-") and key.split("/")[1] in projects}
    single = [key for key in keys if not key.endswith("/-")]
    for marks, some in among(single):
        named.update(b for (b,) in db.rows(f"SELECT blob FROM assets WHERE blob IN {marks}", some))
    # files of sessions that have not ended, and files of assets that can be brought back
    waiting = {
        (project.hex(), session)
        for project, session in db.rows(
            "SELECT p.id, s.id FROM upload_sessions s JOIN operations o ON o.id = s.operation"
            " JOIN projects p ON p.no = s.project WHERE o.overview IN ('Queued', 'Running')"
        )
    }
    begin = tuple(asset_key(project, session, 0)[:-1] for project, session in waiting)
    named.update(key for key in single if begin and key.startswith(begin))
    if len(named) < len(keys):
        for (row,) in db.rows("SELECT row FROM versions WHERE noun = 'asset'"):
            blob = _version(row).get("blob")
            if isinstance(blob, str):
                named.add(blob)
    return named


_NAMED = {"exports": _exports, "rejects": _rejects, "parts": _parts, "assets": _assets}
