"""Annotations: inserted and scanned in batches, read and changed one by one.

Geometry is stored as float64, little-endian, fractions of the image, never rounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary import ids
from annotary.batch import AnnotationBatch, Extra
from annotary.batch import encode_extra as _encode
from annotary.geometry.arrays import Ints
from annotary.store import past
from annotary.store.assetids import AssetIds
from annotary.store.database import Database, among
from annotary.store.projects import ProjectKey
from annotary.store.states import NOW, State

_extra = msgspec.msgpack.Decoder(Extra)
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
    born: int
    """The change that made this version of it."""


_SELECT = (
    "SELECT n.seq, n.id, n.asset, n.asset_id, n.tag, n.kind, n.hole, n.created, n.grp,"
    " n.geometry, n.extra, n.born FROM annotations n"
)
_PLACES = {"seq": 0, "born": 11, "tag": 4, "hole": 6, "group": 8, "geometry": 9, "extra": 10}


def _rows(db: Database, project: ProjectKey, found: list[Any]) -> list[AnnotationRow]:
    if not project.state.now:
        found = past.as_of(db, found, project.state, _PLACES)
    decode = _extra.decode
    return [
        AnnotationRow(*each[:10], decode(each[10]) if each[10] is not None else None, each[11])  # type: ignore[call-arg]
        for each in found
    ]


def encode_extra(extra: Extra | None) -> bytes | None:
    """What only some rows have as it is stored, None for nothing."""
    encoded = b"\x80" if extra is None else _encode(extra)
    return None if encoded == b"\x80" else encoded


class Inserter:
    """Inserts batches within one transaction; :meth:`finish` must be called at its end."""

    def __init__(
        self,
        db: Database,
        project: ProjectKey,
        born: int = 0,
        ran: Callable[[int, int], None] | None = None,
    ) -> None:
        """``born`` is the change; ``ran`` is told of runs of rows: the first one, how many."""
        self._db = db
        self._project = project
        self._born = born
        self._ran = ran
        self._assets: list[NDArray[np.int32]] = []
        self._firsts: list[int] = []
        self._tags: dict[int, int] = {}
        self._asset_ids = AssetIds(db)
        self._created = ids.now_ms()
        self.count = 0

    def add(
        self,
        batch: AnnotationBatch,
        groups: Sequence[bytes | None] | None = None,
        source: int | None = None,
    ) -> list[bytes]:
        """Insert rows whose ``image`` and ``tag`` are numbers of the store; answers their ids.

        Coordinates are fractions. Rows that share a ``record`` get a group of their own; with
        ``groups``, those are taken instead. ``source`` is the number of the file they come from.
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
            extra[at] = encode_extra(value)
        no, created = self._project.no, self._created
        first = self._db.reserve("annotations", n)
        self._db.many(
            "INSERT INTO annotations (seq, project, id, asset, asset_id, tag, kind, hole, created,"
            " grp, geometry, extra, born, source)"
            f" VALUES (?, {no}, ?, ?, ?, ?, ?, ?, {created}, ?, ?, ?,"
            f" {self._born}, {'NULL' if source is None else source})",
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
        if self._ran is not None:
            self._ran(first, n)
        self.count += n
        self._firsts.append(first)
        self._assets.append(batch.image.astype(np.int32))
        tags, counts = np.unique(batch.tag, return_counts=True)
        for tag, count in zip(tags.tolist(), counts.tolist(), strict=True):
            self._tags[tag] = self._tags.get(tag, 0) + count
        return new

    @property
    def pending(self) -> int:
        """How many rows are not in the index by asset yet."""
        return sum(map(len, self._assets))

    def finish(self) -> dict[int, int]:
        """Bring the index by asset up to date; answers how many rows each tag has gained."""
        for part in self.merging(_MERGED_AT_ONCE):
            part(self._db)
        counts, self._tags = self._tags, {}
        return counts

    def state(self) -> tuple[int, int, dict[int, int]]:
        """What :meth:`restore` needs to forget the rows that are added from now on."""
        return len(self._firsts), self.count, dict(self._tags)

    def since(self, state: tuple[int, int, dict[int, int]]) -> list[tuple[int, int]]:
        """The rows added since :meth:`state`, as runs of their numbers."""
        begin = state[0]
        added = zip(self._firsts[begin:], self._assets[begin:], strict=True)
        return [(first, first + len(rows) - 1) for first, rows in added]

    def restore(self, state: tuple[int, int, dict[int, int]]) -> None:
        """Forget the rows added since :meth:`state`, which were removed."""
        begin, self.count, tags = state
        self._tags = dict(tags)
        del self._assets[begin:], self._firsts[begin:]

    def merging(self, at_once: int) -> Iterator[Callable[[Database], None]]:
        """The steps that bring the index by asset up to date: each is given a transaction."""
        # in sorted order the inserts walk along the tree instead of jumping about in it
        assets, firsts = self._assets, self._firsts
        self._assets, self._firsts = [], []
        while assets:
            taken, rows = 0, 0
            while taken < len(assets) and rows < _MERGE_ROWS:
                rows += len(assets[taken])
                taken += 1
            numbers = np.concatenate(assets[:taken])
            runs = zip(firsts[:taken], assets[:taken], strict=True)
            seqs = np.concatenate([np.arange(first, first + len(part)) for first, part in runs])
            del assets[:taken], firsts[:taken]
            order = np.argsort(numbers, kind="stable")
            for begin in range(0, len(order), at_once):
                part = order[begin : begin + at_once]
                yield partial(_merge, numbers[part], seqs[part])


def _merge(assets: NDArray[np.int32], seqs: Ints, db: Database) -> None:
    db.many(
        "INSERT INTO asset_annotations (asset, seq) VALUES (?, ?)",
        zip(assets.tolist(), seqs.tolist(), strict=True),
    )


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
    narrowed: tuple[str, list[Any]] = ("1", []),
) -> list[AnnotationRow]:
    """Up to ``limit`` annotations beyond a place in the order of ids.

    ``direction`` ``n`` goes forward, ``p`` backward (still answered in ascending order).
    ``narrowed`` is a condition of this package on ``n``, and its values.
    """
    compare, order = ("<", "DESC") if direction == "p" else (">", "ASC")
    also, given = narrowed
    where = f"n.project = ? AND n.id {compare} ? AND {project.state.alive('n')} AND {also}"
    # the order of ids makes the place of a cursor the same whatever is inserted or deleted
    if assets is None:
        sql = f"{_SELECT} WHERE {where} ORDER BY n.id {order} LIMIT ?"
        found = db.rows(sql, (project.no, after, *given, limit))
    else:
        marks = ",".join("?" * len(assets))
        sql = (
            f"{_SELECT} JOIN asset_annotations x ON x.seq = n.seq WHERE x.asset IN ({marks})"
            f" AND {where} ORDER BY n.id {order} LIMIT ?"
        )
        found = db.rows(sql, (*assets, project.no, after, *given, limit))
    if direction == "p":
        found.reverse()
    return _rows(db, project, found)


def find(db: Database, project: ProjectKey, id_: bytes) -> AnnotationRow | None:
    """The annotation with an id, or None."""
    found = find_many(db, project, [id_])
    return found[0] if found else None


def find_many(db: Database, project: ProjectKey, id_: Sequence[bytes]) -> list[AnnotationRow]:
    """The annotations with these ids, in the order of ids."""
    found: list[AnnotationRow] = []
    alive = project.state.alive("n")
    for marks, part in among(id_):
        sql = f"{_SELECT} WHERE n.project = ? AND n.id IN {marks} AND {alive} ORDER BY n.id"
        found += _rows(db, project, db.rows(sql, (project.no, *part)))
    return found


class Mark(NamedTuple):
    """Which change made the present version of a row, and which source the row came from."""

    born: int
    source: int | None


def marks_of(db: Database, seqs: Sequence[int]) -> dict[int, Mark]:
    """The marks of rows by their numbers."""
    found: dict[int, Mark] = {}
    for marks, part in among(seqs):
        sql = f"SELECT seq, born, source FROM annotations WHERE seq IN {marks}"
        found.update({seq: Mark(born, source) for seq, born, source in db.rows(sql, part)})
    return found


def created_of(db: Database, seqs: Sequence[int]) -> dict[int, int]:
    """When rows were made, in milliseconds, by their numbers."""
    found: dict[int, int] = {}
    for marks, part in among(seqs):
        found.update(db.rows(f"SELECT seq, created FROM annotations WHERE seq IN {marks}", part))
    return found


def objects_of(db: Database, seqs: Sequence[int]) -> int:
    """How many objects some rows are: those of one group are one."""
    groups: set[bytes] = set()
    alone = 0
    for marks, part in among(seqs):
        for (group,) in db.rows(f"SELECT grp FROM annotations WHERE seq IN {marks}", part):
            if group is None:
                alone += 1
            else:
                groups.add(group)
    return alone + len(groups)


def of_sources(
    db: Database, project: ProjectKey, sources: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Number and asset of every annotation that came from some sources."""
    for marks, part in among(sources):
        yield from db.rows(
            f"SELECT n.seq, n.asset FROM annotations n WHERE n.project = ? AND n.source IN {marks}"
            f" AND {project.state.alive('n')}",
            (project.no, *part),
        )


def anywhere(db: Database, project: ProjectKey, id_: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of annotations by id, be they there or deleted."""
    found: dict[bytes, int] = {}
    for marks, part in among(id_):
        sql = f"SELECT id, seq FROM annotations WHERE project = ? AND id IN {marks}"
        found.update(db.rows(sql, (project.no, *part)))
    return found


def of_assets(db: Database, project: ProjectKey, assets: Sequence[int]) -> list[AnnotationRow]:
    """All annotations of some assets, in the order of ids."""
    marks = ",".join("?" * len(assets))
    found = db.rows(
        f"{_SELECT} JOIN asset_annotations x ON x.seq = n.seq WHERE x.asset IN ({marks})"
        f" AND {project.state.alive('n')} ORDER BY n.id",
        tuple(assets),
    )
    return _rows(db, project, found)


def scan(
    db: Database,
    assets: Sequence[int],
    tags: dict[int, int],
    *,
    state: State = NOW,
    batch_rows: int = 10_000,
) -> Iterator[AnnotationBatch]:
    """All annotations of the given assets, in their order, in batches that cut no asset.

    ``image`` is the place in ``assets``, ``tag`` is looked up in ``tags`` (by number), ``at`` is
    the row's number (``seq``). Parts of one object stand together, and ``record`` numbers the
    objects.
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
            "SELECT x.asset, n.seq, n.tag, n.kind, n.hole, n.grp, n.geometry, n.extra, n.born"
            " FROM asset_annotations x CROSS JOIN annotations n ON n.seq = x.seq"
            f" WHERE x.asset IN ({marks}) AND {state.alive('n')} ORDER BY x.asset, x.seq",
            part,
        )
        if not state.now:
            found = past.as_of(db, found, state, _SCANNED)
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


_SCANNED = {"seq": 1, "born": 8, "tag": 2, "hole": 4, "group": 5, "geometry": 6, "extra": 7}


def _columns(
    found: list[Any], place: dict[int, int], tags: dict[int, int], counter: int
) -> AnnotationBatch:
    asset, seq, tag, kind, hole, grp, geometry, extra, _ = zip(*_together(found), strict=True)
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
        np.array(seq, np.int64),
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
