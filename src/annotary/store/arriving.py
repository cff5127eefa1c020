"""What an import brings: put into the store in slices that nobody sees until they are published.

Each slice is a short transaction, so that others can write in between. All that a slice puts in
belongs to the import's open change and is found by it (``runs``, ``born``): it is published by
one row, or taken back.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from annotary.batch import AnnotationBatch
from annotary.errors import ConflictError
from annotary.model import NewAsset
from annotary.store import assets, changes, versions
from annotary.store.annotations import Inserter
from annotary.store.changes import Change, ChangeRow
from annotary.store.database import Database, among
from annotary.store.projects import ProjectKey
from annotary.store.sqlite import Store

SLICE_ROWS = 10_000
_SLICE_SECONDS = 0.05
_PAUSE_SECONDS = 0.002
_MERGED_AT_ONCE = 25_000
_PENDING_ROWS = 2_000_000
"""So many rows at most wait to be in the index by asset, unless one file has more."""


class Arriving:
    """An open change of a project, as one thread fills it."""

    def __init__(self, store: Store, project: ProjectKey, no: int) -> None:
        self._store = store
        self._stack: ExitStack | None = None
        self._since = 0.0
        self._rows = 0
        self.no = no
        # what the import has put in itself it sees
        state = project.state
        open_ = tuple(each for each in state.open if each != no)
        self.project = project._replace(state=state._replace(open=open_))
        with store.read() as db:
            self._change = Change(db, self.project, no)
            self._inserter = Inserter(db, self.project, no, self._change.ran)
        self._made: list[int] = []
        self._used: set[int] = set()
        self._recent: set[int] = set()
        self._marked = False

    # --- slices -------------------------------------------------------------------------------

    @property
    def db(self) -> Database:
        """The slice's transaction, begun where none is."""
        if self._stack is None:
            stack = ExitStack()
            self._db = stack.enter_context(self._store.write(durable=False))
            self._stack, self._since, self._rows = stack, time.monotonic(), 0
        return self._db

    def breathe(self, now: bool = False) -> None:
        """A place where others may write: taken when the slice is long enough, or ``now``."""
        if self._stack is None:
            return
        if now or self._rows >= SLICE_ROWS or time.monotonic() - self._since > _SLICE_SECONDS:
            self.cut()
            time.sleep(_PAUSE_SECONDS)

    def cut(self) -> None:
        """End the slice."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.close()

    def drop(self, error: BaseException) -> None:
        """Undo the slice that is not ended yet."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.__exit__(type(error), error, error.__traceback__)

    # --- what comes in ------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many annotations are in."""
        return self._inserter.count

    def insert(self, batch: AnnotationBatch, source: int | None = None) -> None:
        """Put in rows whose ``image`` and ``tag`` are numbers of the store."""
        _ = self.db
        self._inserter.add(batch, source=source)
        self._recent.update(batch.image.tolist())
        self._rows += len(batch)
        if not self._marked and self._inserter.pending >= _PENDING_ROWS:
            self.settle()

    def add_assets(self, new: list[NewAsset]) -> list[int]:
        """Put in assets whose names are free."""
        numbers = assets.insert(self.db, self.project, new, born=self.no)
        self._made += numbers
        self._rows += len(new)
        return numbers

    def set_size(self, asset: int, width: int, height: int) -> None:
        """State the size of an asset of this import, which a later file knows."""
        self.db.execute(
            "UPDATE assets SET width = ?, height = ? WHERE no = ?", (width, height, asset)
        )
        self._rows += 1

    # --- files that are taken back ------------------------------------------------------------

    def mark(self) -> Any:
        """What :meth:`back_to` needs to take back all that comes in from now on."""
        self._forget_mark()
        self._marked = True
        return self._inserter.state(), len(self._made)

    def _forget_mark(self) -> None:
        self._used |= self._recent
        self._recent = set()
        self._marked = False

    def back_to(self, mark: Any) -> None:
        """Take back what has come in since :meth:`mark`."""
        state, made = mark
        self._recent = set()
        self._marked = False
        db = self.db
        for first, last in self._inserter.since(state):
            db.execute("DELETE FROM annotations WHERE seq BETWEEN ? AND ?", (first, last))
        self._inserter.restore(state)
        lost, self._made = self._made[made:], self._made[:made]
        _remove_assets(db, self.no, lost)

    # --- the end ------------------------------------------------------------------------------

    def end_file(self) -> None:
        """A file is kept: what came in before cannot be taken back by itself any more."""
        self._forget_mark()
        if self._inserter.pending >= _PENDING_ROWS:
            self.settle()

    def settle(self) -> None:
        """Bring the index by asset up to date, slice by slice."""
        for part in self._inserter.merging(_MERGED_AT_ONCE):
            part(self.db)
            self.breathe(now=True)
        self.cut()

    def retag(self, db: Database, tag: int, other: int) -> None:
        """Give what came in with a tag another one."""
        for first, last in db.rows("SELECT first, last FROM runs WHERE change = ?", (self.no,)):
            db.execute(
                "UPDATE annotations SET tag = ? WHERE seq BETWEEN ? AND ? AND tag = ?",
                (other, first, last, tag),
            )

    def publish(self, db: Database) -> Change:
        """Let everybody see it; what is counted is what the change says.

        Raises :class:`ConflictError` where an image was deleted that annotations came in for.
        """
        self._forget_mark()
        gone = db.rows(
            "SELECT no, row FROM versions WHERE project = ? AND noun = 'asset' AND died > ?",
            (self.project.no, self.no),
        )
        lost = [no for no, _ in gone if no in self._used and versions.live(db, "asset", no) is None]
        if lost:
            raise ConflictError(
                f"{len(lost)} of its images were deleted while it ran.", hint="Import again."
            )
        self._change.by_tag.update(self._inserter.finish())
        self._change.count("annotations", "added", self._inserter.count)
        self._change.count("assets", "added", len(self._made))
        return self._change


def take_back(store: Store, change: ChangeRow) -> None:
    """Remove what an abandoned change has put into the store, slice by slice, and forget it."""
    with store.read() as db:
        runs = db.rows("SELECT first, last FROM runs WHERE change = ?", (change.no,))
    for first, last in runs:
        for begin in range(first, last + 1, SLICE_ROWS):
            end = min(begin + SLICE_ROWS - 1, last)
            with store.write(durable=False) as db:
                db.execute(
                    "DELETE FROM asset_annotations WHERE (asset, seq) IN"
                    " (SELECT asset, seq FROM annotations WHERE seq BETWEEN ? AND ?)",
                    (begin, end),
                )
                db.execute("DELETE FROM annotations WHERE seq BETWEEN ? AND ?", (begin, end))
            time.sleep(_PAUSE_SECONDS)
    while True:
        with store.write(durable=False) as db:
            found = db.rows(
                "SELECT no FROM assets WHERE born = ? AND born > 0 LIMIT ?",
                (change.no, SLICE_ROWS),
            )
            _remove_assets(db, change.no, [no for (no,) in found])
        if len(found) < SLICE_ROWS:
            break
    with store.write() as db:
        db.execute("DELETE FROM runs WHERE change = ?", (change.no,))
        db.execute("DELETE FROM changes WHERE no = ? AND state = 'abandoned'", (change.no,))


def sweep(store: Store) -> None:
    """Take back what is left of changes that were abandoned, or whose process is gone."""
    with store.read() as db:
        left = changes.unfinished(db)
    for each in left:
        if each.state == "open":
            if each.owner is not None and not store.is_dead(each.owner):
                continue
            with store.write() as db:
                changes.abandon(db, each.no)
        take_back(store, each)


def _remove_assets(db: Database, change: int, numbers: list[int]) -> None:
    # one that somebody has adopted meanwhile is theirs
    for marks, part in among(numbers):
        mine = f"(SELECT no FROM assets WHERE no IN {marks} AND born = ?)"
        db.execute(f"DELETE FROM asset_groups WHERE asset IN {mine}", (*part, change))
        db.execute(f"DELETE FROM assets WHERE no IN {marks} AND born = ?", (*part, change))
