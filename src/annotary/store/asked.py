"""Queries in the store: what narrows a statement, and what only the store knows of rows.

The statement's condition leaves out most of what is not meant; what is meant is decided by
``annotary.query.rows``, the one place where queries are answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from annotary.batch import KIND_NAMES, AnnotationBatch, Extra
from annotary.query.language import Compare, Join, Query
from annotary.query.rows import matching_rows
from annotary.query.selection import images_alone
from annotary.store import annotations as stored
from annotary.store import assetfacts, assets, sources, tags
from annotary.store.annotations import AnnotationRow
from annotary.store.assets import AssetRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

Condition = tuple[str, list[Any]]
_LISTED = {"=", "in"}


def narrowed(db: Database, project: ProjectKey, query: Query) -> Condition:
    """SQL that every meant row ``n`` of ``annotations`` fulfils, and its values."""
    if not project.state.now:
        return "1", []  # tags and images may have been others
    root = query.root
    parts = root.parts if isinstance(root, Join) and root.how == "and" else (root,)
    found = [
        _narrow(db, project, part)
        for part in parts
        if isinstance(part, Compare) and part.op in _LISTED
    ]
    kept = [each for each in found if each is not None]
    return " AND ".join(sql for sql, _ in kept) or "1", [v for _, vs in kept for v in vs]


def _narrow(db: Database, project: ProjectKey, asked: Compare) -> Condition | None:
    texts = [value.text for value in asked.values]
    if asked.field == "tag":
        numbers = [tag.no for tag in tags.all_of(db, project) if tag.name in texts]
        return _in("n.tag", numbers)
    if asked.field == "type":
        return _in("n.kind", [KIND_NAMES.index(text) for text in texts])
    if asked.field == "source":
        return _in("n.source", sources.numbers(db, project, texts))
    if asked.field in ("file", "group", "status"):
        return _in("n.asset", assetfacts.numbers_of(db, project, asked.field, texts))
    return None


def _in(column: str, numbers: Sequence[int]) -> Condition | None:
    if len(numbers) > 500:
        return None
    return f"{column} IN ({','.join('?' * len(numbers))})", list(numbers)


class StoredFacts:
    """What only the store knows of the rows of a batch, each looked up when it is asked for.

    The batch's ``at`` are the numbers of its rows, ``numbers`` the assets that its ``image``
    counts.
    """

    def __init__(
        self, db: Database, project: ProjectKey, batch: AnnotationBatch, numbers: Sequence[int]
    ) -> None:
        self._db = db
        self._project = project
        self._batch = batch
        self._numbers = numbers

    @cached_property
    def created(self) -> list[int]:
        """When each row was made, in milliseconds."""
        found = stored.created_of(self._db, self._batch.at.tolist())
        return [found[seq] for seq in self._batch.at.tolist()]

    @cached_property
    def sources(self) -> list[str | None]:
        """Which file each came from."""
        marks = stored.marks_of(self._db, self._batch.at.tolist())
        names = sources.names(self._db, self._project)
        found = (marks[seq].source for seq in self._batch.at.tolist())
        return [None if source is None else names[source] for source in found]

    @cached_property
    def _assets(self) -> dict[int, AssetRow]:
        used = {self._numbers[i] for i in np.unique(self._batch.image).tolist()}
        return {row.no: row for row in assets.by_numbers(self._db, sorted(used))}

    @cached_property
    def statuses(self) -> list[str]:
        """The status of each row's image."""
        return [self._assets[self._numbers[i]].status for i in self._batch.image.tolist()]

    @cached_property
    def counts(self) -> list[int]:
        """How many annotations each row's image has."""
        found: Counter[int] = Counter()
        for asset, _, count in assetfacts.tag_counts(
            self._db, self._project.state, list(self._assets)
        ):
            found[asset] += count
        return [found[self._numbers[i]] for i in self._batch.image.tolist()]

    @cached_property
    def groups(self) -> list[Sequence[str]]:
        """The groups of each row's image."""
        found = assetfacts.groups_of(self._db, list(self._assets))
        return [found.get(self._numbers[i], ()) for i in self._batch.image.tolist()]


class _Images:
    """Some assets, as a query asks for them."""

    groups: Sequence[Sequence[str]] = ()

    def __init__(self, rows: Sequence[AssetRow]) -> None:
        self.names = [row.filename for row in rows]
        self.widths = np.array([row.width for row in rows], np.int64)
        self.heights = np.array([row.height for row in rows], np.int64)


def meant(
    db: Database, project: ProjectKey, query: Query, found: Sequence[AnnotationRow]
) -> list[AnnotationRow]:
    """Those of some annotations that a query means, each asked by itself."""
    if not found:
        return []
    known = tags.all_of(db, project)
    places = {tag.no: place for place, tag in enumerate(known)}
    numbers = sorted({row.asset for row in found})
    images = {row.no: row for row in assets.by_numbers(db, numbers)}
    at = {no: place for place, no in enumerate(numbers)}
    geometries = [row.geometry or b"" for row in found]
    start = np.zeros(len(found) + 1, np.int64)
    np.cumsum([len(each) // 8 for each in geometries], out=start[1:])
    batch = AnnotationBatch(
        np.array([row.kind for row in found], np.uint8),
        np.array([at[row.asset] for row in found], np.int32),
        np.array([places[row.tag] for row in found], np.int32),
        start,
        np.frombuffer(b"".join(geometries), "<f8").astype(np.float64),
        np.arange(len(found)),
        np.zeros(len(found), np.bool_),
        np.array([row.seq for row in found], np.int64),
        {i: row.extra or Extra() for i, row in enumerate(found) if row.extra is not None},
    )
    facts = StoredFacts(db, project, batch, numbers)
    names = [tag.name for tag in known]
    mask = matching_rows(query, batch, _Images([images[no] for no in numbers]), names, facts)
    return [row for row, kept in zip(found, mask.tolist(), strict=True) if kept]


def meant_assets(
    db: Database, project: ProjectKey, query: Query, found: Sequence[AssetRow]
) -> list[AssetRow]:
    """Those of some assets that a query about images means."""
    batch = images_alone(len(found))
    facts = StoredFacts(db, project, batch, [row.no for row in found])
    mask = matching_rows(query, batch, _Images(found), [], facts)
    return [row for row, kept in zip(found, mask.tolist(), strict=True) if kept]
