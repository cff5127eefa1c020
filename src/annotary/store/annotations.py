"""Annotations: inserted and scanned in batches, read and changed one by one.

Geometry is stored as float64, little-endian, fractions of the image, never rounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary import ids
from annotary.batch import AnnotationBatch, Extra
from annotary.geometry.arrays import Ints
from annotary.store.assetids import AssetIds
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_extra = msgspec.msgpack.Decoder(Extra)
_encode = msgspec.msgpack.Encoder().encode
_MERGE_ROWS = 2_000_000
_MERGED_AT_ONCE = 100_000


class AnnotationRow(msgspec.Struct, gc=False):
    """One annotation as it is stored, with its asset's id and its tag's number."""

    seq: int
    id: bytes
    asset: int
    asset_id: bytes
    tag: int
    kind: int
    hole: int
    created: int
    group: bytes | None
    geometry: bytes | None
    extra: Extra | None


_SELECT = (
    "SELECT n.seq, n.id, n.asset, n.asset_id, n.tag, n.kind, n.hole, n.created, n.grp,"
    " n.geometry, n.extra FROM annotations n"
)


def _rows(found: list[Any]) -> list[AnnotationRow]:
    decode = _extra.decode
    return [
        AnnotationRow(*each[:10], decode(each[10]) if each[10] is not None else None)  # type: ignore[call-arg]
        for each in found
    ]


class Inserter:
    """Inserts batches within one transaction; :meth:`finish` must be called at its end."""

    def __init__(self, db: Database, project: ProjectKey) -> None:
        self._db = db
        self._project = project
        self._assets: list[NDArray[np.int32]] = []
        self._firsts: list[int] = []
        self._pending = 0
        self._tags: dict[int, int] = {}
        self._asset_ids = AssetIds(db)
        self._created = ids.now_ms()
        self.count = 0

    def add(
        self, batch: AnnotationBatch, groups: Sequence[bytes | None] | None = None
    ) -> list[bytes]:
        """Insert rows whose ``image`` and ``tag`` are numbers of the store; answers their ids.

        Coordinates are fractions. Rows that share a ``record`` get a group of their own; with
        ``groups``, those are taken instead.
        """
        n = len(batch)
        if n == 0:
            return []
        new = ids.new_ids(n)
        grp = groups if groups is not None else _groups(batch, new)
        blob = memoryview(batch.coords.astype("<f8", copy=False).tobytes())
        cuts = (batch.start * 8).tolist()
        geometry = [blob[a:b] if b > a else None for a, b in itertools.pairwise(cuts)]
        extra: list[bytes | None] = [None] * n
        for at, value in batch.extras.items():
            encoded = _encode(value)
            extra[at] = None if encoded == b"\x80" else encoded
        no, created = self._project.no, self._created
        first = self._db.reserve("annotations", n)
        self._db.many(
            "INSERT INTO annotations (seq, project, id, asset, asset_id, tag, kind, hole, created,"
            f" grp, geometry, extra) VALUES (?, {no}, ?, ?, ?, ?, ?, ?, {created}, ?, ?, ?)",
            zip(
                range(first, first + n),
                new,
                batch.image.tolist(),
                self._asset_ids.find(batch.image),
                batch.tag.tolist(),
                batch.kind.tolist(),
                batch.hole.astype(np.uint8).tolist(),
                grp,
                geometry,
                extra,
                strict=True,
            ),
        )
        self.count += n
        self._firsts.append(first)
        self._assets.append(batch.image.astype(np.int32))
        self._pending += n
        tags, counts = np.unique(batch.tag, return_counts=True)
        for tag, count in zip(tags.tolist(), counts.tolist(), strict=True):
            self._tags[tag] = self._tags.get(tag, 0) + count
        if self._pending >= _MERGE_ROWS:
            self._merge()
        return new

    def finish(self) -> dict[int, int]:
        """Bring the index by asset up to date; answers how many rows each tag has gained."""
        self._merge()
        counts, self._tags = self._tags, {}
        return counts

    def settle(self) -> None:
        """Write what is pending, so that a savepoint made now does not cover it."""
        self._merge()

    def state(self) -> tuple[int, dict[int, int]]:
        """What :meth:`restore` needs after the transaction was rolled back to a savepoint."""
        return self.count, dict(self._tags)

    def restore(self, state: tuple[int, dict[int, int]]) -> None:
        """Forget the rows added since :meth:`state`, whose inserts were rolled back."""
        self.count, tags = state
        self._tags = dict(tags)
        self._assets, self._firsts, self._pending = [], [], 0
        # assets that were added with the rows are gone, and others will have their numbers
        self._asset_ids = AssetIds(self._db)

    def _merge(self) -> None:
        # in sorted order the inserts walk along the tree instead of jumping about in it
        if not self._pending:
            return
        assets = np.concatenate(self._assets)
        firsts = zip(self._firsts, self._assets, strict=True)
        seqs = np.concatenate([np.arange(first, first + len(rows)) for first, rows in firsts])
        order = np.argsort(assets, kind="stable")
        for begin in range(0, len(order), _MERGED_AT_ONCE):
            part = order[begin : begin + _MERGED_AT_ONCE]
            self._db.many(
                "INSERT INTO asset_annotations (asset, seq) VALUES (?, ?)",
                zip(assets[part].tolist(), seqs[part].tolist(), strict=True),
            )
        self._assets, self._firsts, self._pending = [], [], 0


def _groups(batch: AnnotationBatch, new: list[bytes]) -> list[bytes | None]:
    groups: list[bytes | None] = [None] * len(batch)
    starts = batch.objects()
    sizes = np.diff(starts)
    for at in np.flatnonzero(sizes > 1).tolist():
        begin, end = int(starts[at]), int(starts[at + 1])
        groups[begin:end] = [new[begin]] * (end - begin)
    return groups


def page(
    db: Database,
    project: ProjectKey,
    *,
    limit: int,
    direction: str = "n",
    after: bytes = b"",
    assets: Sequence[int] | None = None,
) -> list[AnnotationRow]:
    """Up to ``limit`` annotations beyond a place in the order of ids.

    ``direction`` ``n`` goes forward, ``p`` backward (still answered in ascending order).
    """
    compare, order = ("<", "DESC") if direction == "p" else (">", "ASC")
    where = f"n.project = ? AND n.id {compare} ?"
    # a snapshot of ids makes the place of a cursor the same whatever is inserted or deleted
    if assets is None:
        sql = f"{_SELECT} WHERE {where} ORDER BY n.id {order} LIMIT ?"
        found = db.rows(sql, (project.no, after, limit))
    else:
        marks = ",".join("?" * len(assets))
        sql = (
            f"{_SELECT} JOIN asset_annotations x ON x.seq = n.seq WHERE x.asset IN ({marks})"
            f" AND {where} ORDER BY n.id {order} LIMIT ?"
        )
        found = db.rows(sql, (*assets, project.no, after, limit))
    if direction == "p":
        found.reverse()
    return _rows(found)


def find(db: Database, project: ProjectKey, id_: bytes) -> AnnotationRow | None:
    """The annotation with an id, or None."""
    found = db.row(f"{_SELECT} WHERE n.project = ? AND n.id = ?", (project.no, id_))
    return None if found is None else _rows([found])[0]


def find_many(db: Database, project: ProjectKey, id_: Sequence[bytes]) -> list[AnnotationRow]:
    """The annotations with these ids, in the order of ids."""
    found: list[AnnotationRow] = []
    for begin in range(0, len(id_), 500):
        part = id_[begin : begin + 500]
        marks = ",".join("?" * len(part))
        sql = f"{_SELECT} WHERE n.project = ? AND n.id IN ({marks}) ORDER BY n.id"
        found += _rows(db.rows(sql, (project.no, *part)))
    return found


def of_assets(db: Database, assets: Sequence[int]) -> list[AnnotationRow]:
    """All annotations of some assets, in the order of ids."""
    marks = ",".join("?" * len(assets))
    found = db.rows(
        f"{_SELECT} JOIN asset_annotations x ON x.seq = n.seq WHERE x.asset IN ({marks})"
        " ORDER BY n.id",
        tuple(assets),
    )
    return _rows(found)


def join_group(db: Database, project: ProjectKey, group: bytes, asset: int) -> bytes | None:
    """The group that a new part of an object joins, or None when the asset has no such object.

    A group is named after the first annotation of an object, which becomes a member with the
    second one, and is a name still when that first one is gone.
    """
    first = db.row(
        "SELECT seq, asset, grp FROM annotations WHERE project = ? AND id = ?",
        (project.no, group),
    )
    if first is None:
        others = db.row(
            "SELECT 1 FROM asset_annotations x JOIN annotations n ON n.seq = x.seq"
            " WHERE x.asset = ? AND n.grp = ? LIMIT 1",
            (asset, group),
        )
        return None if others is None else group
    seq, of, joined = first
    if of != asset:
        return None
    if joined is None:
        db.execute("UPDATE annotations SET grp = ? WHERE seq = ?", (group, seq))
    return joined or group


def update(
    db: Database,
    at: AnnotationRow,
    *,
    tag: int,
    geometry: bytes | None,
    hole: int,
    group: bytes | None,
    extra: Extra | None,
) -> None:
    """Write an annotation's new values."""
    encoded = None if extra is None else _encode(extra)
    db.execute(
        "UPDATE annotations SET tag = ?, geometry = ?, hole = ?, grp = ?, extra = ? WHERE seq = ?",
        (tag, geometry, hole, group, None if encoded == b"\x80" else encoded, at.seq),
    )


def delete(
    db: Database, project: ProjectKey, id_: Sequence[bytes]
) -> tuple[int, list[bytes], dict[int, int]]:
    """Remove annotations; answers how many, which ids were not found, and counts by tag."""
    missing = []
    tags: dict[int, int] = {}
    removed = 0
    for begin in range(0, len(id_), 500):
        part = list(dict.fromkeys(id_[begin : begin + 500]))
        marks = ",".join("?" * len(part))
        found = db.rows(
            f"SELECT id, seq, asset, tag FROM annotations WHERE project = ? AND id IN ({marks})",
            (project.no, *part),
        )
        known = {each[0] for each in found}
        missing += [each for each in part if each not in known]
        db.many("DELETE FROM annotations WHERE seq = ?", [(r[1],) for r in found])
        db.many(
            "DELETE FROM asset_annotations WHERE asset = ? AND seq = ?",
            [(r[2], r[1]) for r in found],
        )
        removed += len(found)
        for each in found:
            tags[each[3]] = tags.get(each[3], 0) - 1
    return removed, missing, tags


def delete_of_asset(db: Database, asset: int) -> dict[int, int]:
    """Remove all annotations of an asset; answers how many each tag has lost."""
    lost = db.rows(
        "SELECT n.tag, COUNT(*) FROM asset_annotations x JOIN annotations n ON n.seq = x.seq"
        " WHERE x.asset = ? GROUP BY n.tag",
        (asset,),
    )
    db.execute(
        "DELETE FROM annotations WHERE seq IN (SELECT seq FROM asset_annotations WHERE asset = ?)",
        (asset,),
    )
    db.execute("DELETE FROM asset_annotations WHERE asset = ?", (asset,))
    return {tag: -count for tag, count in lost}


def scan(
    db: Database,
    assets: Sequence[int],
    tags: dict[int, int],
    *,
    batch_rows: int = 10_000,
) -> Iterator[AnnotationBatch]:
    """All annotations of the given assets, in their order, in batches that cut no asset.

    ``image`` is the place in ``assets``, ``tag`` is looked up in ``tags`` (by number). Parts of
    one object stand together, and ``record`` numbers the objects.
    """
    counter = 0
    step = 500
    place = {asset: i for i, asset in enumerate(assets)}
    pending: list[Any] = []
    for begin in range(0, len(assets), step):
        part = assets[begin : begin + step]
        marks = ",".join("?" * len(part))
        # the order is that of the index: nothing is sorted, neither there nor here, where assets
        # were added in the order of their names
        found = db.rows(
            "SELECT x.asset, n.seq, n.tag, n.kind, n.hole, n.grp, n.geometry, n.extra"
            " FROM asset_annotations x CROSS JOIN annotations n ON n.seq = x.seq"
            f" WHERE x.asset IN ({marks}) ORDER BY x.asset, x.seq",
            part,
        )
        if any(a > b for a, b in itertools.pairwise(part)):
            found.sort(key=lambda r: place[r[0]])
        pending += found
        if len(pending) >= batch_rows:
            batch = _columns(pending, place, tags, counter)
            counter = int(batch.record[-1]) + 1
            yield batch
            pending = []
    if pending:
        yield _columns(pending, place, tags, counter)


def _columns(
    found: list[Any], place: dict[int, int], tags: dict[int, int], counter: int
) -> AnnotationBatch:
    asset, _, tag, kind, hole, grp, geometry, extra = zip(*_together(found), strict=True)
    n = len(found)
    start: Ints = np.zeros(n + 1, np.int64)
    np.cumsum([0 if g is None else len(g) // 8 for g in geometry], out=start[1:])
    joined = b"".join([g for g in geometry if g is not None])
    objects = zip(asset, grp, strict=True)
    new = [True] + [b[1] is None or a != b for a, b in itertools.pairwise(objects)]
    return AnnotationBatch(
        np.array(kind, np.uint8),
        np.array([place[a] for a in asset], np.int32),
        np.array([tags[t] for t in tag], np.int32),
        start,
        np.frombuffer(joined, "<f8").astype(np.float64),
        np.cumsum(new) - 1 + counter,
        np.array(hole, np.bool_),
        np.zeros(n, np.int64),
        {i: _extra.decode(e) for i, e in enumerate(extra) if e is not None},
    )


def _together(found: list[Any]) -> list[Any]:
    """Rows with the parts of each object side by side, at the place of the first of them."""
    first: dict[tuple[int, bytes], int] = {}
    before = None
    apart = False
    for at, each in enumerate(found):
        key = None if each[5] is None else (each[0], each[5])
        if key is not None and key != before:
            apart |= first.setdefault(key, at) != at
        before = key
    if not apart:
        return found
    order = [at if each[5] is None else first[each[0], each[5]] for at, each in enumerate(found)]
    return [found[at] for at in sorted(range(len(found)), key=order.__getitem__)]
