"""What an import brings meets what is there: equal records stay one, and the mode says the rest.

Everything that comes in waits on disk until all files are read; then image by image both sides
are compared as differences are (``annotary.difference``). New objects go into the import's open
change at once. Updates and deletions would be seen at once, so they are planned, and done in the
transaction that publishes the change.

| mode    | equal     | matched, but different | what the files lack                        |
|---------|-----------|------------------------|--------------------------------------------|
| add     | unchanged | committed as new       | stays                                      |
| update  | unchanged | updated                | stays                                      |
| sync    | unchanged | updated                | deleted, where it came from the same source |
| replace | unchanged | updated                | deleted, on the images that the files name |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from annotary import routes
from annotary.batch import AnnotationBatch
from annotary.conversion.spool import Spool
from annotary.difference.difference import UNCHANGED, Changes, changes, joined
from annotary.difference.objects import Objects
from annotary.geometry.arrays import Ints
from annotary.model import FileReport
from annotary.store import Store, assets, edits
from annotary.store import annotations as stored
from annotary.store import changes as stored_changes
from annotary.store.annotations import Mark, encode_extra
from annotary.store.arriving import Arriving
from annotary.store.changes import Change
from annotary.store.database import Database, among
from annotary.store.past import Content

_ASSETS_AT_ONCE = 500
_BY_MACHINE = {"import", "create"}
"""Kinds of changes whose versions a file may replace; others are edits by hand."""


class _File(NamedTuple):
    report: FileReport
    source: int
    first: int
    """The number of its first object."""


class Reconciler:
    """Holds what comes in, and settles it against the project once all of it is there."""

    def __init__(self, store: Store, arriving: Arriving, options: routes.ImportOptions) -> None:
        self._store = store
        self._arriving = arriving
        self._options = options
        self._spool = Spool()
        self._files: list[_File] = []
        self._kept: list[bool] = []
        self._named: set[int] = set()
        self._updates: list[tuple[int, int, Content]] = []
        self._deaths: list[int] = []
        self.removed = 0
        self.conflicts = 0

    def begin_file(self, report: FileReport, source: int) -> None:
        """A file starts."""
        self._files.append(_File(report, source, self._spool.objects))
        self._kept.append(True)

    def add(self, batch: AnnotationBatch) -> None:
        """Take rows whose ``image`` and ``tag`` are numbers of the store."""
        self._spool.add(batch)

    def end_file(self, kept: bool, images: Iterable[int]) -> None:
        """A file has ended; ``images`` are the assets that it names."""
        self._kept[-1] = kept
        if kept and self._options.mode == "replace":
            self._named.update(image for image in images if image >= 0)

    def close(self) -> None:
        """Forget what waits on disk."""
        self._spool.close()

    # --- all is read --------------------------------------------------------------------------

    def settle(self, tags: dict[str, int]) -> None:
        """Compare with what is there; ``tags`` are the numbers of all tags by name."""
        self._names = list(tags)
        self._numbers = np.array(list(tags.values()), np.int32)
        self._places = {no: place for place, no in enumerate(tags.values())}
        self._firsts = np.array([file.first for file in self._files], np.int64)
        met = sorted(self._named.union(self._spool.images.tolist()))
        for begin in range(0, len(met), _ASSETS_AT_ONCE):
            # what is compared is read outside of the slice: others may write meanwhile
            self._arriving.cut()
            block = self._compare(met[begin : begin + _ASSETS_AT_ONCE])
            self._count_equal(block)
            self._change(block)
            found = block.found
            self._insert(block, found.right[(found.left < 0) & (found.right >= 0)])
            self._remove(block)
            self._arriving.breathe()
        if self._options.mode == "sync":
            self._remove_elsewhere(set(met))

    def publish(self, change: Change) -> None:
        """Do what was planned, with the change that is about to be published."""
        edits.rewrite(change, self._updates)
        for marks, part in among(self._deaths):
            edits.kill(change, "annotations n", f"n.seq IN {marks}", part)

    # --- inside -------------------------------------------------------------------------------

    def _compare(self, met: Sequence[int]) -> _Block:
        incoming, of_file = self._incoming(met)
        with self._store.read() as db:
            scanned = stored.scan(db, met, self._places, state=self._arriving.project.state)
            present = joined(list(scanned))
            marks = self._marks(db, present)
            by_hand = self._by_hand(db, marks)
            rows = {row.no: row for row in assets.by_numbers(db, met)}
            sizes = np.array([(rows[no].width, rows[no].height) for no in met], np.float64)
        shared = np.arange(len(self._names), dtype=np.int32)
        found = changes(
            [""] * len(met),
            sizes,
            Objects(self._of_source(present, marks), self._names, shared),
            Objects(incoming, self._names, shared),
            near=self._options.mode != "add",
        )
        return _Block(met, found, of_file, marks, by_hand)

    def _incoming(self, met: Sequence[int]) -> tuple[AnnotationBatch, Ints]:
        """The objects of kept files on some assets, and the file of each."""
        kept = np.array(self._kept)
        batches: list[AnnotationBatch] = []
        files = [np.zeros(0, np.int64)]
        for batch in self._spool.scan(met):
            file = np.searchsorted(self._firsts, batch.record, side="right") - 1
            if not kept.all():
                batch, file = batch.take(kept[file]), file[kept[file]]
            if len(batch):
                places = [self._places[no] for no in batch.tag.tolist()]
                batch.tag = np.array(places, np.int32)
                batches.append(batch)
                files.append(file[batch.objects()[:-1]])
        return joined(batches), np.concatenate(files)

    def _marks(self, db: Database, present: AnnotationBatch) -> dict[int, Mark]:
        """Which change and source rows are of, where the mode or the caller asks."""
        if self._options.mode == "add" and self._options.source is None:
            return {}
        return stored.marks_of(db, present.at.tolist())

    def _of_source(self, present: AnnotationBatch, marks: dict[int, Mark]) -> AnnotationBatch:
        """With a source given, only its objects are compared: two annotators may agree."""
        if self._options.source is None or not len(present):
            return present
        wanted = {file.source for file in self._files}
        first = present.at[np.repeat(present.objects()[:-1], np.diff(present.objects()))]
        return present.take(np.array([marks[seq].source in wanted for seq in first.tolist()]))

    def _by_hand(self, db: Database, marks: dict[int, Mark]) -> set[int]:
        """The changes whose versions somebody made by hand; none where they may be replaced."""
        if self._options.on_conflict == "overwrite":
            return set()
        kinds = stored_changes.kinds(db, sorted({mark.born for mark in marks.values()} - {0}))
        return {no for no, kind in kinds.items() if kind not in _BY_MACHINE}

    def _count_equal(self, block: _Block) -> None:
        found = block.found
        equal = found.right[(found.kind == UNCHANGED) & (found.right >= 0)]
        self._told(block.of_file[equal], "unchanged")

    def _told(self, files: Ints, what: str) -> None:
        """Records that were counted as committed turn out to be something else."""
        for file, count in zip(*np.unique(files, return_counts=True), strict=True):
            report = self._files[int(file)].report
            report.committed -= int(count)
            setattr(report, what, getattr(report, what) + int(count))

    def _change(self, block: _Block) -> None:
        """Plan the updates of objects that are there, but differ."""
        found = block.found
        pairs = (found.left >= 0) & (found.right >= 0) & (found.kind != UNCHANGED)
        kept: list[int] = []
        updated: list[int] = []
        anew: list[int] = []
        for i, j in zip(found.left[pairs].tolist(), found.right[pairs].tolist(), strict=True):
            old, new = found.before.rows(i), found.after.rows(j)
            seqs = block.seqs(i)
            if block.edited(seqs):
                kept.append(j)
                continue
            updated.append(j)
            kinds = [found.before.batch.kind[row] for row in old]
            if kinds == [found.after.batch.kind[row] for row in new]:
                for seq, row in zip(seqs, new, strict=True):
                    content = self._content(found.after.batch, row)
                    self._updates.append((seq, block.marks[seq].born, content))
            else:
                # a bound type never changes: the object is made anew
                self._deaths += seqs
                anew.append(j)
        self.conflicts += len(kept)
        self._told(block.of_file[np.array(kept, np.int64)], "unchanged")
        self._told(block.of_file[np.array(updated, np.int64)], "updated")
        self._insert(block, np.array(anew, np.int64))

    def _content(self, batch: AnnotationBatch, row: int) -> Content:
        values = batch.values(row).astype("<f8").tobytes()
        tag = int(self._numbers[batch.tag[row]])
        extra = encode_extra(batch.extras.get(row))
        return Content(tag, int(batch.hole[row]), None, values or None, extra)

    def _insert(self, block: _Block, objects: Ints) -> None:
        """Put objects into the open change, file by file."""
        side = block.found.after
        met = np.array(block.met, np.int32)
        for file in np.unique(block.of_file[objects]).tolist():
            of = objects[block.of_file[objects] == file]
            rows = [row for number in np.sort(of).tolist() for row in side.rows(number)]
            batch = side.batch.take(np.array(rows, np.int64))
            batch.image = met[batch.image]
            batch.tag = self._numbers[batch.tag]
            self._arriving.insert(batch, self._files[file].source)
            self._files[file].report.annotations += len(batch)

    def _remove(self, block: _Block) -> None:
        """Plan the deletion of what the files lack, where the mode says so."""
        mode, found = self._options.mode, block.found
        if mode not in ("sync", "replace"):
            return
        sources_ = {file.source for file in self._files}
        for i in found.left[(found.left >= 0) & (found.right < 0)].tolist():
            seqs = block.seqs(i)
            if mode == "sync" and block.marks[seqs[0]].source not in sources_:
                continue
            if block.edited(seqs):
                self.conflicts += 1
            else:
                self._deaths += seqs
                self.removed += 1

    def _remove_elsewhere(self, met: set[int]) -> None:
        """What came from the same sources and is on images that no file names any more."""
        wanted = sorted({file.source for file in self._files})
        with self._store.read() as db:
            found = stored.of_sources(db, self._arriving.project, wanted)
            seqs = [seq for seq, asset in found if asset not in met]
            marks = stored.marks_of(db, seqs)
            by_hand = self._by_hand(db, marks)
            gone = [seq for seq in seqs if marks[seq].born not in by_hand]
            self.conflicts += len(seqs) - len(gone)
            self.removed += stored.objects_of(db, gone)
        self._deaths += gone


class _Block(NamedTuple):
    """Some assets, and what differs on them."""

    met: Sequence[int]
    found: Changes
    of_file: Ints
    """The file of each object that comes in."""
    marks: dict[int, Mark]
    by_hand: set[int]

    def seqs(self, number: int) -> list[int]:
        """The numbers of the rows of an object that is there."""
        side = self.found.before
        return [int(side.batch.at[row]) for row in side.rows(number)]

    def edited(self, seqs: Sequence[int]) -> bool:
        """Whether somebody has edited one of the rows by hand, and that is to be kept."""
        return any(self.marks[seq].born in self.by_hand for seq in seqs)
