"""What an import brings into the store: checked rows, new tags, and the images of its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from annotary import matching, routes
from annotary.batch import AnnotationBatch
from annotary.errors import InternalServerError
from annotary.jobs.run import Job
from annotary.matching import Candidate, Match
from annotary.model import ImportReport, NewAsset, Skeleton
from annotary.reading.file import FileReading
from annotary.reading.session import Reading
from annotary.store import assets, tags
from annotary.store.annotations import Inserter
from annotary.store.attributes import AttributeBook
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_SUGGEST_FROM = 5000


class _Undone(Exception):
    """A file is taken back."""


class StoreReceiver:
    """Takes checked rows into the store's transaction, file by file, and keeps the counts."""

    def __init__(
        self,
        db: Database,
        project: ProjectKey,
        options: routes.ImportOptions,
        job: Job,
        book: AttributeBook,
    ) -> None:
        self._db = db
        self._book = book
        self._learnt_before = book.state()
        self._project = project
        self._options = options
        self._job = job
        self._inserter = Inserter(db, project)
        self._tags: dict[str, int] = {tag.name: tag.no for tag in tags.all_of(db, project)}
        self._good = 0
        self._rows = 0
        self._saved: Any = None
        self._kept_numbers: Any = None
        self.tags_created: list[str] = []
        self.assets_created = 0
        self._assets_before = 0
        self._tags_before = 0
        self.refused = False
        self.faulty = 0

    def begin_file(self, file: FileReading) -> None:
        """A file starts; with ``reject_file`` all it does can be undone."""
        self._good = self._rows = 0
        self._map = np.zeros(0, np.int32)
        if self._options.on_error == "reject_file":
            self._inserter.settle()
            self._saved = self._inserter.state()
            self._learnt_before = self._book.state()
            self._assets_before = self.assets_created
            self._tags_before = len(self.tags_created)
            self._part = self._db.part()
            self._part.__enter__()

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Insert good rows; where the session is lost already, only count them."""
        objects = len(batch.objects()) - 1
        self._good += objects
        self._rows += len(batch)
        if not self.refused:
            self._number_tags(file)
            batch.tag = self._map[batch.tag]
            self._inserter.add(batch)
            if self._options.on_error == "reject_session" and file.session.log.errors:
                self.refused = True
        self._job.advance(objects)

    def end_file(self, file: FileReading) -> None:
        """A file has ended: settle its counts by the session's policy."""
        report, log = file.report, file.session.log
        refused = sum(file.refused.values())
        faulty = file.faulty + refused + file.rows.rejected
        self.faulty += faulty
        report.skipped = file.rows.skipped
        if self._good + faulty + file.rows.skipped != report.records:
            raise InternalServerError(
                f"Records of {report.file} are not all accounted for: {report.records} read, "
                f"{self._good} good, {faulty} faulty, {file.rows.skipped} skipped."
            )
        policy = self._options.on_error
        broken = faulty > 0 or file.broken or log.errors > file.errors_before
        if policy == "reject_session":
            report.committed, report.rejected = self._good, faulty
            self.refused = self.refused or log.errors > 0
        elif policy == "reject_file" and broken:
            report.committed, report.rejected = 0, self._good + faulty
            self._rows = 0
            self._undo_file()
        else:
            report.committed = self._good
            report.skipped += faulty
        report.annotations = self._rows
        if not self.refused and not (policy == "reject_file" and broken):
            self._number_tags(file)
            self._keep_class_numbers(file)
            if policy == "reject_file":
                self._part.__exit__(None, None, None)

    def finish(self) -> None:
        """Bring counts, the index by asset and ontologies up to date."""
        tags.count(self._db, self._inserter.finish())
        for tag in tags.all_of(self._db, self._project):
            learnt = self._book.learnt(tag)
            if learnt is not None:
                tags.set_ontology(self._db, tag, learnt)

    def report(self, reading: Reading) -> ImportReport:
        """The whole session's report, checked against what was inserted."""
        policy = self._options.on_error
        refuse = policy == "reject_session" and reading.log.errors > 0
        for file in reading.reports:
            if refuse:
                file.rejected = file.records - file.skipped
                file.committed = file.annotations = 0
        report = ImportReport(
            records=sum(f.records for f in reading.reports),
            committed=sum(f.committed for f in reading.reports),
            skipped=sum(f.skipped for f in reading.reports),
            rejected=sum(f.rejected for f in reading.reports),
            faulty=self.faulty,
            annotations=sum(f.annotations for f in reading.reports),
            images=sum(f.images for f in reading.reports),
            dry_run=self._options.dry_run,
            tags_created=[] if refuse else self.tags_created,
            assets_created=0 if refuse else self.assets_created,
            errors=reading.log.errors,
            warnings=reading.log.warnings,
            files=reading.reports,
            matches=reading.matches,
        )
        if report.records != report.committed + report.skipped + report.rejected:
            raise InternalServerError(f"Records are not all accounted for: {report}.")
        if not refuse and self._inserter.count != report.annotations:
            raise InternalServerError(
                f"{self._inserter.count} annotations were inserted, {report.annotations} reported."
            )
        return report

    # --- inside -----------------------------------------------------------------------------

    def _number_tags(self, file: FileReading) -> None:
        names = file.rows.tag_names
        known = len(self._map)
        if known == len(names):
            return
        # objects of a class without a name are faults; none of them comes here
        new = [name for name in names[known:] if name not in self._tags and name.strip()]
        for name in new:
            self._tags[name] = tags.create(self._db, self._project, name)
        self.tags_created += new
        more = np.array([self._tags.get(name, 0) for name in names[known:]], np.int32)
        self._map = np.concatenate([self._map, more])

    def _keep_class_numbers(self, file: FileReading) -> None:
        """Remember the source's class numbers and skeletons, the first of each family."""
        rows = file.rows
        numbered = rows.id_space and any(number is not None for number in rows.tag_ids)
        if not numbered and not rows.skeletons:
            return
        # a session may have 100,000 files that all share one class list
        seen = (rows.id_space, rows.tag_names, rows.tag_ids, rows.skeletons)
        if seen == self._kept_numbers:
            return
        self._kept_numbers = seen
        stored = {tag.name: tag for tag in tags.all_of(self._db, self._project)}
        taken = {tag.numbers.get(rows.id_space) for tag in stored.values()}
        for name, number in zip(rows.tag_names, rows.tag_ids, strict=True):
            tag = stored.get(name)
            if tag is None:
                continue
            if number is not None and rows.id_space not in tag.numbers and number not in taken:
                tags.set_numbers(self._db, tag.no, tag.numbers | {rows.id_space: number})
        for name, (keypoints, edges) in rows.skeletons.items():
            tag = stored.get(name)
            if tag is not None and tag.skeleton is None:
                tags.set_skeleton(self._db, tag.no, Skeleton(keypoints=keypoints, edges=edges))

    def _undo_file(self) -> None:
        with suppress(_Undone):
            self._part.__exit__(_Undone, undone := _Undone(), undone.__traceback__)
        self._inserter.restore(self._saved)
        self._book.restore(self._learnt_before)
        self._kept_numbers = None
        self.assets_created = self._assets_before
        del self.tags_created[self._tags_before :]
        self._tags = {tag.name: tag.no for tag in tags.all_of(self._db, self._project)}


class StoreImages:
    """The project's assets, and with ``create_assets`` those that a file brings along."""

    def __init__(
        self, db: Database, project: ProjectKey, create: bool, receiver: StoreReceiver
    ) -> None:
        self._db = db
        self._project = project
        self._create = create
        self._receiver = receiver
        self._names: list[str] | None = None
        self._made: set[int] = set()

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """Match names to assets; see ``annotary.matching``."""
        exact = assets.by_filename(self._db, self._project, names)
        found: list[Match | None] = [
            Match(exact[name], "exact") if name in exact else None for name in names
        ]
        open_ = [i for i, match in enumerate(found) if match is None]
        if open_:
            wanted = {i: matching.keys(names[i]) for i in open_}
            pools = assets.by_key(self._db, self._project, sorted(set().union(*wanted.values())))
            for i in open_:
                pool = {c.asset: c for key in wanted[i] for c in pools.get(key, ())}
                usable = self._apart(names[i], pool.values()) if self._made else pool.values()
                match = matching.match(names[i], usable, loose=not self._create)
                found[i] = match
            if self._create:
                self._add([i for i in open_ if _is_new(found[i])], names, sizes, found)
        return [match or Match(None) for match in found]

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
        numbers = assets.insert(self._db, self._project, items)
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
            self._names = assets.some_filenames(self._db, self._project, _SUGGEST_FROM)
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
