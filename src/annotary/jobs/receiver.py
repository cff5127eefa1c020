"""What an import brings into the store: checked rows, new tags, and the images of its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from annotary import matching, routes
from annotary.batch import AnnotationBatch
from annotary.errors import InternalServerError
from annotary.jobs.reconciling import Reconciler
from annotary.jobs.run import Job
from annotary.matching import Candidate, Match
from annotary.model import ImportReport, NewAsset, Skeleton
from annotary.problems import Problem
from annotary.reading.file import FileReading
from annotary.reading.policy import FileOutcome, refuse, settle
from annotary.reading.session import Reading
from annotary.store import Store, assets, changes, sources, tags
from annotary.store.arriving import Arriving
from annotary.store.attributes import AttributeBook
from annotary.store.changes import Change
from annotary.store.database import Database

_SUGGEST_FROM = 5000
_LARGE_FILE = 1024 * 1024
"""While such a file is read, others may write."""


class _Numbers(NamedTuple):
    """What a file says of its classes: their numbers in its family of formats, and skeletons."""

    space: str
    names: Sequence[str]
    numbers: Sequence[int | None]
    skeletons: dict[str, tuple[list[str], list[tuple[int, int]]]]


class StoreReceiver:
    """Takes checked rows into an import's open change, file by file, and keeps the counts.

    Tags exist once the change is published: until then their numbers are reserved.
    """

    def __init__(
        self,
        store: Store,
        arriving: Arriving,
        options: routes.ImportOptions,
        job: Job,
        book: AttributeBook,
    ) -> None:
        self._arriving = arriving
        self._book = book
        self._learnt_before = book.state()
        self._options = options
        self._job = job
        known = tags.all_of(arriving.db, arriving.project)
        self._tags: dict[str, int] = {tag.name: tag.no for tag in known}
        # where nothing is there yet, all modes are one
        there = options.mode != "append" and any(tag.annotations for tag in known)
        self._meeting = Reconciler(store, arriving, options) if there else None
        self._source = 0
        self._good = 0
        self._rows = 0
        self._mark: Any = None
        self._numbers: list[_Numbers] = []
        self.tags_created: list[str] = []
        self.assets_created = 0
        self._assets_before = 0
        self._tags_before = 0
        self.refused = False
        self.faulty = 0

    def begin_file(self, file: FileReading) -> None:
        """A file starts; with ``reject_file`` all it does can be taken back."""
        self._good = self._rows = 0
        self._map = np.zeros(0, np.int32)
        try:
            self._large = file.source.raw_size > _LARGE_FILE
        except OSError:  # it is told of when it is read
            self._large = True
        name = self._options.source or file.source.name
        self._source = sources.number(self._arriving.db, self._arriving.project, name)
        if self._meeting is not None:
            self._meeting.begin_file(file.report, self._source)
        if self._options.on_error == "reject_file":
            self._mark = self._arriving.mark()
            self._learnt_before = self._book.state()
            self._assets_before = self.assets_created
            self._tags_before = len(self.tags_created)
        self._arriving.breathe(now=self._large)

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Insert good rows; where the session is lost already, only count them."""
        objects = len(batch.objects()) - 1
        self._good += objects
        self._rows += len(batch)
        if not self.refused:
            self._number_tags(file)
            batch.tag = self._map[batch.tag]
            if self._meeting is not None:
                self._meeting.add(batch)
            else:
                self._arriving.insert(batch, self._source)
            if self._options.on_error == "reject_session" and file.session.log.errors:
                self.refused = True
        self._job.advance(objects)
        self._arriving.breathe(now=self._large)

    def end_file(self, file: FileReading) -> None:
        """A file has ended: settle its counts by the session's policy."""
        outcome = FileOutcome.of(file, self._good)
        self.faulty += outcome.faulty
        kept = settle(file.report, outcome, self._options.on_error, self._rows)
        if self._options.on_error == "reject_session":
            self.refused = self.refused or file.session.log.errors > 0
        if kept and file.rows.parts:
            file.session.tell(_parts_left(file))
        if self._meeting is not None:
            self._meeting.end_file(kept, file.assets.tolist())
            file.report.annotations = 0
        if not kept:
            self._undo_file()
        elif not self.refused:
            self._number_tags(file)
            self._keep_class_numbers(file)
        self._arriving.end_file()
        self._arriving.breathe()

    def settle(self) -> None:
        """All is read, and nothing is refused: compare with what is there."""
        if self._meeting is not None:
            self._meeting.settle(self._tags)

    def close(self) -> None:
        """Forget what waits on disk."""
        if self._meeting is not None:
            self._meeting.close()

    def publish(self, db: Database, report: ImportReport) -> None:
        """Let everybody see what came in, with its tags, their counts and ontologies."""
        change = self._arriving.publish(db)
        project = change.project
        if self._meeting is not None:
            self._meeting.publish(change)
        present = {tag.name: tag.no for tag in tags.all_of(db, project)}
        created, there = set(self.tags_created), set(present.values())
        for name, no in self._tags.items():
            if no in there:  # also where it was renamed meanwhile
                continue
            used = change.by_tag.get(no, 0)
            if name in present:
                # somebody has made one of that name meanwhile
                self._arriving.retag(db, no, present[name])
                change.by_tag[present[name]] += change.by_tag.pop(no, 0)
            elif used or name in created:
                tags.create(db, project, name, born=change.no, no=no)
                change.count("tags", "added")
        for each in self._numbers:
            _set_class_numbers(change, each)
        for tag in tags.all_of(db, project):
            learnt = self._book.learnt(tag)
            if learnt is not None:
                change.edit("tag", tag.no)
                tags.set_ontology(db, tag, learnt)
        if self._arriving.count != report.annotations:
            raise InternalServerError(
                f"{self._arriving.count} annotations were inserted, {report.annotations} reported."
            )
        changes.publish(change)

    def refuses(self, reading: Reading) -> bool:
        """Whether nothing is to be committed: by the policy, or because nothing could be read."""
        if self._options.on_error == "reject_session":
            return reading.log.errors > 0
        kept = any(file.committed or (file.images and not file.records) for file in reading.reports)
        unread = any(file.role == "failed" for file in reading.reports)
        nothing = not any(file.role == "annotations" for file in reading.reports)
        return (unread or nothing) and not kept

    def report(self, reading: Reading) -> ImportReport:
        """The whole session's report."""
        refused = self.refuses(reading)
        if refused and self._options.on_error == "reject_session":
            refuse(reading.reports)
        report = ImportReport(
            records=sum(f.records for f in reading.reports),
            committed=sum(f.committed for f in reading.reports),
            updated=sum(f.updated for f in reading.reports),
            unchanged=sum(f.unchanged for f in reading.reports),
            removed=self._meeting.removed if self._meeting is not None else 0,
            conflicts=self._meeting.conflicts if self._meeting is not None else 0,
            skipped=sum(f.skipped for f in reading.reports),
            rejected=sum(f.rejected for f in reading.reports),
            faulty=self.faulty,
            annotations=sum(f.annotations for f in reading.reports),
            images=sum(f.images for f in reading.reports),
            dry_run=self._options.dry_run,
            tags_created=[] if refused else self.tags_created,
            assets_created=0 if refused else self.assets_created,
            moved=sum(f.moved for f in reading.reports),
            clipped=sum(f.clipped for f in reading.reports),
            unread=sum(f.role == "failed" for f in reading.reports),
            errors=reading.log.errors,
            warnings=reading.log.warnings,
            files=reading.reports,
            matches=reading.matches,
        )
        kept = report.committed + report.updated + report.unchanged
        if report.records != kept + report.skipped + report.rejected:
            raise InternalServerError(f"Records are not all accounted for: {report}.")
        return report

    # --- inside -----------------------------------------------------------------------------

    def _number_tags(self, file: FileReading) -> None:
        names = file.rows.tag_names
        known = len(self._map)
        if known == len(names):
            return
        # objects of a class without a name are faults; none of them comes here
        new = [n for n in dict.fromkeys(names[known:]) if n not in self._tags and n.strip()]
        if new:
            first = self._arriving.db.reserve("tags", len(new))
            self._tags.update(zip(new, range(first, first + len(new)), strict=True))
            self.tags_created += new
        more = np.array([self._tags.get(name, 0) for name in names[known:]], np.int32)
        self._map = np.concatenate([self._map, more])

    def _keep_class_numbers(self, file: FileReading) -> None:
        """Remember the source's class numbers and skeletons."""
        rows = file.rows
        numbered = rows.id_space and any(number is not None for number in rows.tag_ids)
        if not numbered and not rows.skeletons:
            return
        # a session may have 100,000 files that all share one class list
        seen = _Numbers(rows.id_space, rows.tag_names, rows.tag_ids, rows.skeletons)
        if not self._numbers or seen != self._numbers[-1]:
            self._numbers.append(seen)

    def _undo_file(self) -> None:
        self._arriving.back_to(self._mark)
        self._book.restore(self._learnt_before)
        self.assets_created = self._assets_before
        for name in self.tags_created[self._tags_before :]:
            del self._tags[name]
        del self.tags_created[self._tags_before :]


def _set_class_numbers(change: Change, seen: _Numbers) -> None:
    """Give tags the first class number of each family, and the first skeleton."""
    stored = {tag.name: tag for tag in tags.all_of(change.db, change.project)}
    taken = {tag.numbers.get(seen.space) for tag in stored.values()}
    for name, number in zip(seen.names, seen.numbers, strict=True):
        tag = stored.get(name)
        if tag is None or number is None or seen.space in tag.numbers or number in taken:
            continue
        change.edit("tag", tag.no)
        tags.set_numbers(change.db, tag.no, tag.numbers | {seen.space: number})
    for name, (keypoints, edges) in seen.skeletons.items():
        tag = stored.get(name)
        if tag is not None and tag.skeleton is None:
            change.edit("tag", tag.no)
            tags.set_skeleton(change.db, tag.no, Skeleton(keypoints=keypoints, edges=edges))


class StoreImages:
    """The project's assets, and with ``create_assets`` those that a file brings along."""

    def __init__(self, arriving: Arriving, create: bool, receiver: StoreReceiver) -> None:
        self._arriving = arriving
        self._project = arriving.project
        self._create = create
        self._receiver = receiver
        self._names: list[str] | None = None
        self._made: set[int] = set()

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """Match names to assets; see ``annotary.matching``."""
        db = self._arriving.db
        exact = assets.by_filename(db, self._project, names)
        found: list[Match | None] = [
            Match(exact[name], "exact") if name in exact else None for name in names
        ]
        open_ = [i for i, match in enumerate(found) if match is None]
        if open_:
            wanted = {i: matching.keys(names[i]) for i in open_}
            pools = assets.by_key(db, self._project, sorted(set().union(*wanted.values())))
            for i in open_:
                pool = {c.asset: c for key in wanted[i] for c in pools.get(key, ())}
                usable = self._apart(names[i], pool.values()) if self._made else pool.values()
                match = matching.match(names[i], usable, loose=not self._create)
                found[i] = match
            if self._create:
                self._add([i for i in open_ if _is_new(found[i])], names, sizes, found)
        if self._made:
            self._learn_sizes(found, sizes)
        self._arriving.breathe()
        return [match or Match(None) for match in found]

    def present(self, names: Sequence[str]) -> set[str]:
        """Those of the names that are exactly an asset's."""
        return set(assets.by_filename(self._arriving.db, self._project, names))

    def _learn_sizes(self, found: list[Match | None], sizes: Sequence[tuple[int, int]]) -> None:
        """Images that a file brought without a size get the one that a later file states."""
        for i, (match, size) in enumerate(zip(found, sizes, strict=True)):
            asset = match and match.asset
            if match is None or asset is None or asset.asset not in self._made:
                continue
            if (asset.width, asset.height) == (0, 0) and min(size) > 0:
                self._arriving.set_size(asset.asset, *size)
                found[i] = match._replace(asset=asset._replace(width=size[0], height=size[1]))

    def _apart(self, name: str, pool: Iterable[Candidate]) -> list[Candidate]:
        """Without those that this import made in another folder: they are other images."""
        wanted = _clean(name)
        return [
            c
            for c in pool
            if c.asset not in self._made or not matching.in_other_folder(c.filename, wanted)
        ]

    def _add(
        self,
        new: Sequence[int],
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        found: list[Match | None],
    ) -> None:
        first: dict[str, int] = {}
        for i in new:
            first.setdefault(_clean(names[i]), i)
        items = [
            NewAsset(filename=name, width=max(sizes[i][0], 0), height=max(sizes[i][1], 0))
            for name, i in first.items()
        ]
        numbers = self._arriving.add_assets(items)
        made = {
            item.filename: Candidate(no, item.filename, item.width, item.height)
            for no, item in zip(numbers, items, strict=True)
        }
        self._made.update(numbers)
        for i in new:
            found[i] = Match(made[_clean(names[i])], "created")
        self._receiver.assets_created += len(items)

    def suggest(self, name: str) -> str:
        """Near names, or what to do when there is none."""
        if self._names is None:
            self._names = assets.some_filenames(self._arriving.db, self._project, _SUGGEST_FROM)
        if not self._names:
            return (
                "The project has no images yet: upload or register them first, or import with "
                "create_assets=True (--create-assets) to take names and sizes from the file."
            )
        near = matching.nearest(name, self._names)
        if near:
            return f"Did you mean {', '.join(near)}?"
        return "Upload or register the image first, or import with create_assets=True."


def _is_new(match: Match | None) -> bool:
    return match is None or (match.asset is None and not match.ambiguous)


def _clean(name: str) -> str:
    """A name as it can be an asset's: forward slashes, no leading or climbing folders."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    return "/".join(parts) or name


def _parts_left(file: FileReading) -> Problem:
    """That a project has no place for the parts that the rows of a file name."""
    words = ", ".join(sorted(set(file.rows.parts.values())))
    return Problem(
        "ignored",
        file.source.name,
        values={
            "what": f"The part of each image ({words})",
            "why": "a project does not divide its images",
            "advice": "Convert the file itself to keep its parts, or divide the export (--split).",
        },
    )
