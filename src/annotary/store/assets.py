"""Assets and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from annotary import ids
from annotary.errors import ConflictError
from annotary.matching import Candidate, key
from annotary.model import (
    Asset,
    AssetGroup,
    AssetMetadata,
    AssetStatistic,
    GroupStatistic,
    NewAsset,
    TagCount,
)
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_COLUMNS = (
    "a.no, a.id, a.filename, a.width, a.height, a.file_size, a.mime, a.status, a.created,"
    " a.path, a.blob, a.custom"
)
UNSET_STATUS = "None"


class AssetRow(msgspec.Struct):
    """An asset as it is stored."""

    no: int
    id: bytes
    filename: str
    width: int
    height: int
    file_size: int
    mime: str
    status: str
    created: int
    path: str | None
    blob: str | None
    custom: str | None


def insert(
    db: Database,
    project: ProjectKey,
    new: Iterable[NewAsset],
    *,
    blobs: Sequence[str | None] | None = None,
) -> list[int]:
    """Add assets whose names are known to be free; answers their numbers."""
    items = list(new)
    created = ids.now_ms()
    first = db.reserve("assets", len(items))
    numbers = list(range(first, first + len(items)))
    db.many(
        "INSERT INTO assets (no, project, id, filename, match_key, width, height, file_size, mime,"
        " status, created, path, blob, custom) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            (
                no,
                project.no,
                id_,
                item.filename,
                key(item.filename),
                item.width,
                item.height,
                item.file_size,
                item.mime_type or "",
                UNSET_STATUS,
                created,
                item.path,
                blob,
                msgspec.json.encode(item.custom_metadata).decode()
                if item.custom_metadata
                else None,
            )
            for no, id_, item, blob in zip(
                numbers, ids.new_ids(len(items)), items, blobs or [None] * len(items), strict=True
            )
        ),
    )
    db.many(
        "INSERT INTO asset_groups (project, name, asset) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (
            (project.no, group, no)
            for no, item in zip(numbers, items, strict=True)
            for group in item.groups
        ),
    )
    return numbers


def by_filename(
    db: Database, project: ProjectKey, filenames: Sequence[str]
) -> dict[str, Candidate]:
    """The assets with exactly these file names."""
    found: dict[str, Candidate] = {}
    for begin in range(0, len(filenames), 10_000):
        names = msgspec.json.encode(filenames[begin : begin + 10_000]).decode()
        for no, name, width, height in db.rows(
            "SELECT a.no, a.filename, a.width, a.height FROM json_each(?) j CROSS JOIN assets a"
            " ON a.project = ? AND a.filename = j.value",
            (names, project.no),
        ):
            found[name] = Candidate(no, name, width, height)
    return found


def by_key(db: Database, project: ProjectKey, keys: Iterable[str]) -> dict[str, list[Candidate]]:
    """The assets whose names share one of these keys (see ``matching.key``)."""
    wanted = list(keys)
    found: dict[str, list[Candidate]] = {}
    for begin in range(0, len(wanted), 10_000):
        values = msgspec.json.encode(wanted[begin : begin + 10_000]).decode()
        for no, name, width, height, shared in db.rows(
            "SELECT a.no, a.filename, a.width, a.height, a.match_key FROM json_each(?) j"
            " CROSS JOIN assets a ON a.project = ? AND a.match_key = j.value ORDER BY a.no",
            (values, project.no),
        ):
            found.setdefault(shared, []).append(Candidate(no, name, width, height))
    return found


def refuse_taken(db: Database, project: ProjectKey, names: Sequence[str]) -> None:
    """Raise :class:`ConflictError` when an asset has one of the names."""
    if len(set(names)) < len(names):
        raise ConflictError("Two of the images have the same file name.")
    taken = sorted(by_filename(db, project, names))
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConflictError(
            f"The project has an asset {taken[0]!r} already{more}.",
            hint="Leave them out, or delete the old ones first.",
        )


def some_filenames(db: Database, project: ProjectKey, limit: int) -> list[str]:
    """Some of the project's file names, to suggest near ones."""
    found = db.rows("SELECT filename FROM assets WHERE project = ? LIMIT ?", (project.no, limit))
    return [name for (name,) in found]


def count(db: Database, project: ProjectKey) -> int:
    """How many assets the project has."""
    (total,) = db.row("SELECT COUNT(*) FROM assets WHERE project = ?", (project.no,))
    return int(total)


def find(db: Database, project: ProjectKey, id_: bytes) -> AssetRow | None:
    """The asset with an id, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM assets a WHERE a.project = ? AND a.id = ?", (project.no, id_)
    )
    return None if found is None else AssetRow(*found)


def find_named(db: Database, project: ProjectKey, filename: str) -> AssetRow | None:
    """The asset with a file name, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM assets a WHERE a.project = ? AND a.filename = ?",
        (project.no, filename),
    )
    return None if found is None else AssetRow(*found)


def by_numbers(db: Database, numbers: Sequence[int]) -> list[AssetRow]:
    """The assets with these numbers, in the order of ids."""
    found: list[AssetRow] = []
    for begin in range(0, len(numbers), 500):
        part = numbers[begin : begin + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT {_COLUMNS} FROM assets a WHERE a.no IN ({marks}) ORDER BY a.no"
        found += [AssetRow(*each) for each in db.rows(sql, part)]
    return found


def places_of(
    db: Database, project: ProjectKey, id_: Sequence[bytes]
) -> dict[bytes, tuple[int, int, int]]:
    """Number, width and height of assets by id; ids that are not found are left out."""
    found: dict[bytes, tuple[int, int, int]] = {}
    for begin in range(0, len(id_), 500):
        part = id_[begin : begin + 500]
        marks = ",".join("?" * len(part))
        for each, no, width, height in db.rows(
            f"SELECT id, no, width, height FROM assets WHERE project = ? AND id IN ({marks})",
            (project.no, *part),
        ):
            found[each] = (no, width, height)
    return found


def numbers_of(db: Database, project: ProjectKey, id_: Sequence[str]) -> list[int]:
    """The numbers of assets given by the text of their ids; those not found are left out."""
    found = places_of(db, project, [ids.parse("asset", each) for each in id_])
    return [no for no, _, _ in found.values()]


def page(
    db: Database,
    project: ProjectKey,
    *,
    limit: int,
    direction: str = "n",
    after: bytes = b"",
    filename: str | None = None,
    status: str | None = None,
    groups: Sequence[str] = (),
) -> list[AssetRow]:
    """Up to ``limit`` assets beyond a place in the order of ids; see ``annotations.page``."""
    compare, order = ("<", "DESC") if direction == "p" else (">", "ASC")
    where = [f"a.project = ? AND a.id {compare} ?"]
    values: list[Any] = [project.no, after]
    if filename is not None:
        where.append("instr(lower(a.filename), lower(?)) > 0")
        values.append(filename)
    if status is not None:
        where.append("a.status = ?")
        values.append(status)
    if groups:
        marks = ",".join("?" * len(groups))
        where.append(
            f"a.no IN (SELECT asset FROM asset_groups WHERE project = ? AND name IN ({marks}))"
        )
        values += [project.no, *groups]
    found = db.rows(
        f"SELECT {_COLUMNS} FROM assets a WHERE {' AND '.join(where)}"
        f" ORDER BY a.id {order} LIMIT ?",
        (*values, limit),
    )
    if direction == "p":
        found.reverse()
    return [AssetRow(*each) for each in found]


def describe(
    db: Database, project: ProjectKey, asset: AssetRow, url: str, tags: dict[int, str]
) -> Asset:
    """The asset with its groups and counts; ``tags`` are names by number."""
    groups = db.rows("SELECT name FROM asset_groups WHERE asset = ? ORDER BY name", (asset.no,))
    counts = db.rows(
        "SELECT n.tag, COUNT(*) FROM asset_annotations x JOIN annotations n ON n.seq = x.seq"
        " WHERE x.asset = ? GROUP BY n.tag ORDER BY n.tag",
        (asset.no,),
    )
    return Asset(
        id=ids.show("asset", asset.id),
        project_id=project.text,
        filename=asset.filename,
        status=asset.status,
        create_date=asset.created,
        url=url,
        metadata=AssetMetadata(
            file_size=asset.file_size,
            mime_type=asset.mime,
            height=asset.height,
            width=asset.width,
            groups=[name for (name,) in groups],
            custom_metadata=msgspec.json.decode(asset.custom) if asset.custom else None,
        ),
        statistic=AssetStatistic(
            tags_count=[TagCount(name=tags[tag], count=n) for tag, n in counts],
            total_annotations=sum(n for _, n in counts),
        ),
    )


def update(
    db: Database,
    project: ProjectKey,
    asset: AssetRow,
    *,
    status: str | None = None,
    groups: Sequence[str] | None = None,
    custom: str | None = None,
) -> None:
    """Change status, groups or custom metadata (JSON text)."""
    if status is not None:
        db.execute("UPDATE assets SET status = ? WHERE no = ?", (status, asset.no))
    if custom is not None:
        db.execute("UPDATE assets SET custom = ? WHERE no = ?", (custom, asset.no))
    if groups is not None:
        db.execute("DELETE FROM asset_groups WHERE asset = ?", (asset.no,))
        db.many(
            "INSERT INTO asset_groups (project, name, asset) VALUES (?, ?, ?)",
            [(project.no, group, asset.no) for group in dict.fromkeys(groups)],
        )


def delete(db: Database, asset: AssetRow) -> None:
    """Remove an asset whose annotations are gone already."""
    db.execute("DELETE FROM asset_groups WHERE asset = ?", (asset.no,))
    db.execute("DELETE FROM assets WHERE no = ?", (asset.no,))


def groups(db: Database, project: ProjectKey, names: Sequence[str] = ()) -> list[AssetGroup]:
    """The project's groups, or those named, with counts."""
    wanted = set(names)
    found = db.rows(
        "SELECT g.name, COUNT(*),"
        " SUM(EXISTS (SELECT 1 FROM asset_annotations x WHERE x.asset = a.no)),"
        " SUM(a.status = 'Review'), SUM(a.status = 'Tofix'), SUM(a.status = 'Completed')"
        " FROM asset_groups g JOIN assets a ON a.no = g.asset WHERE g.project = ?"
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


def listing(
    db: Database, project: ProjectKey
) -> list[tuple[int, bytes, str, int, int, str | None, str | None]]:
    """Every asset as (number, id, file name, width, height, path, blob), sorted by file name."""
    return db.rows(
        "SELECT no, id, filename, width, height, path, blob FROM assets WHERE project = ?"
        " ORDER BY filename",
        (project.no,),
    )
