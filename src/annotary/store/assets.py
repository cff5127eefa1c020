"""Assets and their groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from annotary import ids
from annotary.errors import ConflictError
from annotary.matching import Candidate, key
from annotary.model import (
    Asset,
    AssetMetadata,
    AssetStatistic,
    NewAsset,
    TagCount,
)
from annotary.store import versions
from annotary.store.assetfacts import groups_of, tag_counts
from annotary.store.database import Database
from annotary.store.projects import ProjectKey
from annotary.store.states import NOW

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
    groups: list[str] | None = None
    """Of a former version: its groups. Those of the present one are looked up."""


def insert(
    db: Database,
    project: ProjectKey,
    new: Iterable[NewAsset],
    *,
    blobs: Sequence[str | None] | None = None,
    born: int = 0,
) -> list[int]:
    """Add assets whose names nobody sees taken; answers their numbers.

    A name that an import which still runs has taken is adopted: the asset is seen from now on.
    """
    items = list(new)
    created = ids.now_ms()
    if project.state.open:
        adopted = _adopt(db, project, items, blobs, born)
        if adopted:
            rest = [i for i, item in enumerate(items) if item.filename not in adopted]
            some = insert(
                db,
                project,
                [items[i] for i in rest],
                blobs=None if blobs is None else [blobs[i] for i in rest],
                born=born,
            )
            numbered = dict(zip(rest, some, strict=True))
            return [numbered.get(i) or adopted[x.filename] for i, x in enumerate(items)]
    first = db.reserve("assets", len(items))
    numbers = list(range(first, first + len(items)))
    db.many(
        "INSERT INTO assets (no, project, id, filename, match_key, width, height, file_size, mime,"
        f" status, created, path, blob, custom, born) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,{born})",
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


def _adopt(
    db: Database,
    project: ProjectKey,
    items: Sequence[NewAsset],
    blobs: Sequence[str | None] | None,
    born: int,
) -> dict[str, int]:
    """Take over assets of open changes; answers their numbers by name."""
    hidden = project._replace(state=NOW)
    found = by_filename(db, hidden, [item.filename for item in items])
    for i, item in enumerate(items):
        at = found.get(item.filename)
        if at is None:
            continue
        custom = msgspec.json.encode(item.custom_metadata).decode()
        db.execute(
            "UPDATE assets SET born = ?, width = ?, height = ?, file_size = ?, mime = ?, path = ?,"
            " blob = ?, custom = ? WHERE no = ?",
            (
                born, item.width, item.height, item.file_size, item.mime_type or "", item.path,
                blobs[i] if blobs else None, custom if item.custom_metadata else None, at.asset,
            ),
        )  # fmt: skip
        db.many(
            "INSERT INTO asset_groups (project, name, asset) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(project.no, group, at.asset) for group in item.groups],
        )
    return {name: candidate.asset for name, candidate in found.items()}


def by_filename(
    db: Database, project: ProjectKey, filenames: Sequence[str]
) -> dict[str, Candidate]:
    """The assets with exactly these file names."""
    found: dict[str, Candidate] = {}
    for begin in range(0, len(filenames), 10_000):
        names = msgspec.json.encode(filenames[begin : begin + 10_000]).decode()
        for no, name, width, height in db.rows(
            "SELECT a.no, a.filename, a.width, a.height FROM json_each(?) j CROSS JOIN assets a"
            f" ON a.project = ? AND a.filename = j.value AND {project.state.has('a.born')}",
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
            " CROSS JOIN assets a ON a.project = ? AND a.match_key = j.value"
            f" WHERE {project.state.has('a.born')} ORDER BY a.no",
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
    found = db.rows(
        f"SELECT filename FROM assets WHERE project = ? AND {project.state.has('born')} LIMIT ?",
        (project.no, limit),
    )
    return [name for (name,) in found]


def find(db: Database, project: ProjectKey, id_: bytes) -> AssetRow | None:
    """The asset with an id, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM assets a WHERE a.project = ? AND a.id = ?"
        f" AND {project.state.has('a.born')}",
        (project.no, id_),
    )
    if found is not None:
        return AssetRow(*found)
    return next((each for each in _former(db, project) if each.id == id_), None)


def find_named(db: Database, project: ProjectKey, filename: str) -> AssetRow | None:
    """The asset with a file name, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM assets a WHERE a.project = ? AND a.filename = ?"
        f" AND {project.state.has('a.born')}",
        (project.no, filename),
    )
    if found is not None:
        return AssetRow(*found)
    return next((each for each in _former(db, project) if each.filename == filename), None)


def _former(db: Database, project: ProjectKey) -> list[AssetRow]:
    """Assets as they were in the project's state, where they are not so any more."""
    fields = AssetRow.__struct_fields__
    return [
        AssetRow(*[row[name] for name in fields])
        for row in versions.former(db, "asset", project.no, project.state)
    ]


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
            f"SELECT id, no, width, height FROM assets WHERE project = ? AND id IN ({marks})"
            f" AND {project.state.has('born')}",
            (project.no, *part),
        ):
            found[each] = (no, width, height)
    return found


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
    where = [f"a.project = ? AND a.id {compare} ? AND {project.state.has('a.born')}"]
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
    shown = [AssetRow(*each) for each in found]
    if not project.state.now:
        part = (filename or "").lower()
        shown += [
            each
            for each in _former(db, project)
            if (each.id < after if direction == "p" else each.id > after)
            and part in each.filename.lower()
            and (status is None or each.status == status)
            and (not groups or set(groups) & set(each.groups or ()))
        ]
        shown.sort(key=lambda each: each.id, reverse=direction == "p")
        del shown[limit:]
    if direction == "p":
        shown.reverse()
    return shown


def describe(
    db: Database,
    project: ProjectKey,
    found: Sequence[AssetRow],
    link: Callable[[AssetRow], str],
    tags: dict[int, str],
) -> list[Asset]:
    """Assets with their groups and counts, in a constant number of statements.

    ``tags`` are names by number, ``link`` says where the image is.
    """
    numbers = [asset.no for asset in found]
    named = groups_of(db, numbers)
    counted: dict[int, list[TagCount]] = {}
    for no, tag, count in tag_counts(db, project.state, numbers):
        counted.setdefault(no, []).append(TagCount(name=tags[tag], count=count))
    return [
        Asset(
            id=ids.show("asset", asset.id),
            project_id=project.text,
            filename=asset.filename,
            status=asset.status,
            create_date=asset.created,
            url=link(asset),
            metadata=AssetMetadata(
                file_size=asset.file_size,
                mime_type=asset.mime,
                height=asset.height,
                width=asset.width,
                groups=named.get(asset.no, []) if asset.groups is None else asset.groups,
                custom_metadata=msgspec.json.decode(asset.custom) if asset.custom else None,
            ),
            statistic=AssetStatistic(
                tags_count=counted.get(asset.no, []),
                total_annotations=sum(tag.count for tag in counted.get(asset.no, [])),
            ),
        )
        for asset in found
    ]


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


def listing(
    db: Database, project: ProjectKey
) -> list[tuple[int, bytes, str, int, int, str | None, str | None]]:
    """Every asset as (number, id, file name, width, height, path, blob), sorted by file name."""
    found = db.rows(
        "SELECT no, id, filename, width, height, path, blob FROM assets WHERE project = ?"
        f" AND {project.state.has('born')} ORDER BY filename",
        (project.no,),
    )
    former = _former(db, project)
    if former:
        found += [(a.no, a.id, a.filename, a.width, a.height, a.path, a.blob) for a in former]
        found.sort(key=lambda each: each[2].encode())  # as the database orders text
    return found
