"""Forgetting for good: what was deleted or replaced longer ago than it is kept, and erasing.

Work is done in slices, each a short transaction. What a snapshot needs stays: a version is needed
when a snapshot holds the change that made it and not the one that ended it. Changes themselves
stay for ever; those that were purged cannot be undone any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from annotary.errors import BadRequestError
from annotary.ids import now_ms
from annotary.store import projects
from annotary.store.blobs import export_images_key, export_key, rejects_key
from annotary.store.changes import Change
from annotary.store.database import Database, among
from annotary.store.operations import EXPORT, UPLOAD
from annotary.store.projects import ProjectKey
from annotary.store.sqlite import Store

FOREVER = -1
_SLICE = 1_000
_PAUSE_SECONDS = 0.002
_DAY_MS = 24 * 3600 * 1000
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def default_days() -> int:
    """How many days things are kept: ``ANNOTARY_KEEP_DAYS``, else 30; -1: for ever."""
    text = os.environ.get("ANNOTARY_KEEP_DAYS", "30")
    return FOREVER if text == "forever" else int(text) if text.isdecimal() else 30


def read_days(text: str) -> int:
    """``30d`` or ``forever`` as days. Raises :class:`BadRequestError`."""
    if text == "forever":
        return FOREVER
    days = text.removesuffix("d")
    if not days.isdecimal() or len(days) > 5:
        raise BadRequestError(
            f"{text!r} does not say how long things are kept.",
            hint="Say '30d', '0d' (deletions are final at once) or 'forever'.",
        )
    return int(days)


def show_days(days: int) -> str:
    """Days as :func:`read_days` takes them."""
    return "forever" if days == FOREVER else f"{days}d"


def sweep(store: Store, seconds: float | None = None) -> None:
    """Forget what is due in all projects, for at most so many seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    with store.read() as db:
        due = db.rows("SELECT no, died, COALESCE(keep, ?) FROM projects", (default_days(),))
    for no, died, days in due:
        if days == FOREVER:
            continue
        cutoff = now_ms() - days * _DAY_MS
        steps = purge(store, no, cutoff)
        if died is not None and died <= cutoff:
            steps = remove_project(store, no)
        for _ in steps:
            if end is not None and time.monotonic() > end:
                return


def purge(store: Store, project: int, cutoff: int) -> Iterator[None]:
    """Forget what changes up to a time (ms) have ended, slice by slice."""
    # first they cannot be undone any more, then what that would need goes
    with store.read() as db:
        due = db.value(
            "SELECT COUNT(*) FROM changes WHERE project = ? AND state = 'published'"
            " AND published <= ? AND purged IS NULL",
            (project, cutoff),
        )
    if due:
        with store.write() as db:
            db.execute(
                "UPDATE changes SET purged = ? WHERE project = ? AND state = 'published'"
                " AND published <= ? AND purged IS NULL",
                (now_ms(), project, cutoff),
            )
    with store.read() as db:
        # also what only a snapshot needed that is gone now
        left = db.rows(
            "SELECT c.no FROM changes c WHERE c.project = ? AND c.purged IS NOT NULL AND ("
            " EXISTS (SELECT 1 FROM dead d WHERE d.died = c.no)"
            " OR EXISTS (SELECT 1 FROM past p WHERE p.died = c.no)"
            " OR EXISTS (SELECT 1 FROM gaps g WHERE g.until = c.no)"
            " OR EXISTS (SELECT 1 FROM versions v WHERE v.died = c.no)) ORDER BY c.no",
            (project,),
        )
    for (change,) in left:
        yield from _forget(store, project, change)


def _forget(store: Store, project: int, change: int) -> Iterator[None]:
    """Forget the versions that one change has ended, where no snapshot needs them."""
    needed = (
        f"EXISTS (SELECT 1 FROM snapshots s WHERE s.project = {project} AND s.upto < {change}"
        " AND s.upto >= {born})"
    )
    last = 0
    while True:
        with store.write() as db:
            found = db.rows(
                "SELECT d.seq FROM dead d CROSS JOIN annotations n ON n.seq = d.seq"
                " WHERE d.died = ? AND d.seq > ? AND NOT "
                + needed.format(
                    born="MIN(n.born, COALESCE((SELECT MIN(p.born) FROM past p"
                    " WHERE p.seq = n.seq), n.born))"
                )
                + " ORDER BY d.seq LIMIT ?",
                (change, last, _SLICE),
            )
            seqs = [seq for (seq,) in found]
            remove_rows(db, seqs)
        if not seqs:
            break
        last = seqs[-1]
        yield
        time.sleep(_PAUSE_SECONDS)
    with store.write() as db:
        # an older version that a snapshot needs may lean on this one
        db.execute(
            "DELETE FROM past WHERE died = ? AND NOT "
            + needed.format(born="past.born")
            + " AND NOT EXISTS (SELECT 1 FROM past o WHERE o.seq = past.seq AND o.no < past.no)",
            (change,),
        )
        db.execute(
            "DELETE FROM gaps WHERE until = ? AND NOT " + needed.format(born="gaps.died"),
            (change,),
        )
        gone = db.rows(
            "SELECT noun, no, row FROM versions WHERE died = ? AND NOT "
            + needed.format(born="versions.born"),
            (change,),
        )
        db.execute(
            "DELETE FROM versions WHERE died = ? AND NOT " + needed.format(born="versions.born"),
            (change,),
        )
        blobs = [
            row["blob"]
            for noun, no, row in ((noun, no, _decode(row)) for noun, no, row in gone)
            if noun == "asset" and row["blob"] is not None and not _is_known(db, no)
        ]
    for blob in blobs:
        store.blobs.delete(blob)
    yield


def _is_known(db: Database, asset: int) -> bool:
    """Whether an asset is there, or could be again."""
    return (
        db.row("SELECT 1 FROM assets WHERE no = ?", (asset,)) is not None
        or db.row("SELECT 1 FROM versions WHERE noun = 'asset' AND no = ?", (asset,)) is not None
    )


def remove_rows(db: Database, seqs: Sequence[int]) -> None:
    """Remove annotations for good: rows, places in the index, and all that they were."""
    for marks, part in among(seqs):
        db.execute(
            "DELETE FROM asset_annotations WHERE (asset, seq) IN"
            f" (SELECT asset, seq FROM annotations WHERE seq IN {marks})",
            part,
        )
        for table in ("annotations", "dead", "past"):
            db.execute(f"DELETE FROM {table} WHERE seq IN {marks}", part)


def remove_project(store: Store, no: int) -> Iterator[None]:
    """Remove a project in the trash for good, slice by slice."""
    while True:
        with store.write() as db:
            if db.row("SELECT 1 FROM projects WHERE no = ? AND died IS NOT NULL", (no,)) is None:
                return  # it came back, or is gone
            if db.row("SELECT 1 FROM changes WHERE project = ? AND state != 'published'", (no,)):
                return  # its work is still being stopped
            found = db.rows(
                "SELECT seq FROM annotations WHERE project = ? ORDER BY id LIMIT ?", (no, _SLICE)
            )
            remove_rows(db, [seq for (seq,) in found])
            if len(found) < _SLICE:
                blobs = _remove_rest(db, projects.by_number(db, no))
                break
        yield
        time.sleep(_PAUSE_SECONDS)
    for key in blobs:
        store.blobs.delete(key)


def _remove_rest(db: Database, project: ProjectKey) -> list[str]:
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
    for (row,) in db.rows("SELECT row FROM versions WHERE project = ? AND noun = 'asset'", no):
        blob = _decode(row)["blob"]
        if blob is not None:
            blobs.append(blob)
    for table in ("import_logs", "import_files"):
        db.execute(
            f"DELETE FROM {table} WHERE session IN"
            " (SELECT no FROM import_sessions WHERE project = ?)",
            no,
        )
    changed = "(SELECT no FROM changes WHERE project = ?)"
    db.execute(f"DELETE FROM gaps WHERE died IN {changed}", no)
    db.execute(f"DELETE FROM runs WHERE change IN {changed}", no)
    for table in (
        "versions",
        "snapshots",
        "changes",
        "asset_groups",
        "assets",
        "tags",
        "sources",
        "import_sessions",
        "operations",
        "upload_sessions",
        "multipart_uploads",
    ):
        db.execute(f"DELETE FROM {table} WHERE project = ?", no)
    db.execute("DELETE FROM projects WHERE no = ?", no)
    return list(dict.fromkeys(blobs))


def erase(change: Change, assets: Sequence[int], seqs: Sequence[int]) -> list[str]:
    """Remove assets and annotations from all that is kept; answers keys of blobs to delete.

    The counts of the change say how many. It must be made in a transaction that is ``secure``.
    """
    db, project = change.db, change.project
    rows = set(seqs)
    for marks, part in among(list(assets)):
        rows.update(
            seq
            for (seq,) in db.rows(f"SELECT seq FROM asset_annotations WHERE asset IN {marks}", part)
        )
    found = sorted(rows)
    for marks, part in among(found):
        for tag, count in db.rows(
            f"SELECT n.tag, COUNT(*) FROM annotations n WHERE n.seq IN {marks}"
            f" AND {project.state.alive('n')} GROUP BY n.tag",
            part,
        ):
            change.by_tag[tag] -= count
    remove_rows(db, found)
    change.count("annotations", "erased", len(found))
    blobs: list[str] = []
    for marks, part in among(list(assets)):
        blobs += [
            blob
            for (blob,) in db.rows(f"SELECT blob FROM assets WHERE no IN {marks}", part)
            if blob
        ]
        former = db.rows(f"SELECT row FROM versions WHERE noun = 'asset' AND no IN {marks}", part)
        blobs += [row["blob"] for row in (_decode(raw) for (raw,) in former) if row["blob"]]
        db.execute(f"DELETE FROM versions WHERE noun = 'asset' AND no IN {marks}", part)
        db.execute(f"DELETE FROM asset_groups WHERE asset IN {marks}", part)
        db.execute(f"DELETE FROM assets WHERE no IN {marks}", part)
    change.count("assets", "erased", len(assets))
    blobs += _files_of(db, project)
    # what uploads were asked for names files; logs quote values of records
    ended = "SELECT id FROM operations WHERE project = ? AND overview NOT IN ('Queued', 'Running')"
    db.execute(f"DELETE FROM upload_sessions WHERE operation IN ({ended})", (project.no,))
    db.execute(
        "UPDATE operations SET request = NULL WHERE project = ? AND kind = ?"
        " AND overview NOT IN ('Queued', 'Running')",
        (project.no, UPLOAD),
    )
    db.execute(
        "DELETE FROM import_logs WHERE session IN"
        " (SELECT no FROM import_sessions WHERE project = ?)",
        (project.no,),
    )
    return list(dict.fromkeys(blobs))


def _files_of(db: Database, project: ProjectKey) -> list[str]:
    """The files that earlier exports and imports of a project have left."""
    exports = db.rows(
        "SELECT id FROM operations WHERE project = ? AND kind = ?", (project.no, EXPORT)
    )
    sessions = db.rows("SELECT id FROM import_sessions WHERE project = ?", (project.no,))
    keys = [key for (id_,) in exports for key in (export_key(id_), export_images_key(id_))]
    return keys + [rejects_key(id_) for (id_,) in sessions]
