"""From files to checked annotations: recognise, read, match, check, convert to fractions.

This is the way in, without a store: what becomes of good rows is up to a :class:`Receiver`, what
images there are is up to an :class:`ImageBook`. Every record is counted: read = good + skipped
+ faulty, per file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from annotary.batch import NO_ASSET, AnnotationBatch, Extra, RowSink
from annotary.check import check
from annotary.dataset import Output
from annotary.format import Format
from annotary.matching import Match
from annotary.model import FileReport, ImageMatch
from annotary.problems import ERROR, NOWHERE, Location, Problem
from annotary.recognise import Recognised, recognise
from annotary.rejects import write_rejects
from annotary.source import FileSet, SourceError, SourceFile

_MATCHES_KEPT = 10_000
_MATCHED_AT_ONCE = 100_000


class ImageBook(Protocol):
    """The images that files may refer to."""

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """What each name means; ``sizes`` (width, height) are the file's own, 0 if not stated."""

    def suggest(self, name: str) -> str:
        """Advice on a name that means nothing: near names, if any."""


class Receiver(Protocol):
    """What becomes of the good rows of a file."""

    def begin_file(self, file: FileReading) -> None:
        """A file starts."""

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Take rows: ``image`` is an asset's number, ``tag`` an index into the file's tags."""

    def end_file(self, file: FileReading) -> None:
        """A file has been read to its end; ``file.faulty`` says how many records were faulty."""


class ProblemLog:
    """All problems of a session in order; beyond some thousands they wait on disk."""

    _IN_MEMORY = 20_000

    def __init__(self) -> None:
        self.errors = 0
        self.warnings = 0
        self.first: list[Problem] = []
        self._memory: list[Problem] = []
        self._file = 0
        self._spool: Any = None
        self._encode = msgspec.msgpack.Encoder(enc_hook=str).encode

    def add(self, problem: Problem) -> None:
        if problem.level == ERROR:
            self.errors += 1
            if len(self.first) < 10:
                self.first.append(problem)
        else:
            self.warnings += 1
        self._memory.append(problem)
        if len(self._memory) >= self._IN_MEMORY:
            if self._spool is None:
                self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the log
            data = self._encode(self._memory)
            self._spool.write(len(data).to_bytes(8, "little") + data)
            self._memory = []
            self._file = 0

    def end_file(self) -> None:
        """Put the problems of the file that has just been read in the order of its lines.

        A file with so many that some wait on disk already keeps the order they were found in.
        """
        new = self._memory[self._file :]
        # what a file says of its companion (a broken class list) stays where it was said
        files = {name: at for at, name in enumerate(dict.fromkeys(p.file for p in new))}
        new.sort(key=lambda p: (files[p.file], p.location.line or 0))
        self._memory[self._file :] = new
        self._file = len(self._memory)

    def __iter__(self) -> Iterator[Problem]:
        if self._spool is not None:
            self._spool.seek(0)
            decode = msgspec.msgpack.Decoder(list[Problem]).decode
            while head := self._spool.read(8):
                yield from decode(self._spool.read(int.from_bytes(head, "little")))
        yield from self._memory

    def close(self) -> None:
        """Let go of what is on disk."""
        if self._spool is not None:
            self._spool.close()


class FileReading:
    """One file on its way in: its rows, its images as they were matched, and its counts."""

    def __init__(self, session: Reading, source: SourceFile, format_: Format) -> None:
        self.session = session
        self.source = source
        self.format = format_
        self.rows = RowSink(source.name, self._flush)
        self.report = FileReport(file=source.name, format=format_.name)
        self.assets = np.zeros(0, np.int32)
        self.widths = np.zeros(0)
        self.heights = np.zeros(0)
        self.frames: dict[int, int] = {}
        self.faulty = 0
        self.clamped = 0
        self.broken = False
        self.refused: dict[int, int] = {}
        """Images that cannot be used -> how many records they cost."""
        self._why: dict[int, tuple[str, dict[str, Any]]] = {}
        self.errors_before = session.log.errors
        self._classes_seen = 0
        self._nameless: list[int] = []

    def read(self) -> None:
        """Read the whole file; every problem goes into the session's log."""
        rows = self.rows
        try:
            self.format.read(self.source, rows, self.session.files)
        except SourceError as error:
            self.broken = True
            self._tell_problems()
            self.session.log.add(problem_of(error, self.source.name))
        rows.flush()
        self._resolve()
        self._tell_problems()
        for image, count in self.refused.items():
            self._tell_image(image, count)
        self.report.records = rows.records
        self.report.images = len(rows.image_names)

    def _tell_problems(self) -> None:
        for problem in self.rows.problems:
            self.session.log.add(problem)
        self.rows.problems = []

    def _flush(self, rows: RowSink, batch: AnnotationBatch) -> None:
        self._resolve()
        self._tell_problems()
        n = len(batch)
        if n == 0:
            return
        assets = self.assets[batch.image]
        widths, heights = self.widths[batch.image], self.heights[batch.image]
        starts = batch.objects()
        sizeless = self._sizeless(batch, widths, heights)
        refused = (assets == NO_ASSET) | sizeless
        bad = refused.copy()
        if bad.any():
            lost = batch.image[starts[:-1]][bad[starts[:-1]]]
            for image, count in zip(*np.unique(lost, return_counts=True), strict=True):
                self.refused[int(image)] = self.refused.get(int(image), 0) + int(count)
        checked = check(batch, widths, heights, normalized=rows.normalized)
        self.clamped += checked.clamped
        for row, code, values in checked.faults:
            if bad[row]:
                continue
            place = rows.place(int(batch.at[row]))
            self.session.log.add(Problem(code, self.source.name, place, values))
        bad |= checked.faulty
        self._check_classes(batch, bad)
        self._check_attributes(batch, bad)
        if bad.any():
            # one faulty part makes the whole object faulty
            lost = np.add.reduceat(bad, starts[:-1]) > 0
            self.faulty += int((lost & ~refused[starts[:-1]]).sum())
            if rows.lost_places is not None:
                first = batch.at[starts[:-1][lost]]
                rows.lost_places += [rows.place(int(at)) for at in first.tolist()]
            keep = ~np.repeat(lost, np.diff(starts))
            if not keep.any():
                return
            batch = batch.take(keep)
            widths, heights, assets = widths[keep], heights[keep], assets[keep]
        if self.frames:
            self._set_frames(batch)
        if not rows.normalized:
            with np.errstate(divide="ignore", invalid="ignore"):
                batch.coords = batch.coords / batch.scales(widths, heights)
        batch.image = assets.astype(np.int32)
        self.session.receiver.receive(self, batch)

    def _sizeless(self, batch: AnnotationBatch, widths: Any, heights: Any) -> Any:
        """Rows in pixels on images whose size nothing states: told once per image."""
        if self.rows.normalized:
            return np.zeros(len(batch), np.bool_)
        rows = ((widths <= 0) | (heights <= 0)) & (np.diff(batch.start) > 0)
        rows &= self.assets[batch.image] != NO_ASSET
        if rows.any():
            # an object is judged by its first part
            starts = batch.objects()
            rows = np.repeat(np.logical_or.reduceat(rows, starts[:-1]), np.diff(starts))
            for image in np.unique(batch.image[rows]).tolist():
                name = self.rows.image_names[image]
                self._why.setdefault(image, ("unknown-size", {"name": name}))
        return rows

    def _check_classes(self, batch: AnnotationBatch, bad: Any) -> None:
        names = self.rows.tag_names
        for number in range(self._classes_seen, len(names)):
            if not names[number].strip():
                self._nameless.append(number)
        self._classes_seen = len(names)
        if self._nameless:
            nameless = np.isin(batch.tag, self._nameless) & ~bad
            starts = batch.objects()[:-1]
            for row in starts[nameless[starts]].tolist():
                place = self.rows.place(int(batch.at[row]))
                self.session.log.add(Problem("nameless-class", self.source.name, place))
            bad |= nameless

    def _check_attributes(self, batch: AnnotationBatch, bad: Any) -> None:
        if not batch.extras or self.session.check_attributes is None:
            return
        for row, extra in batch.extras.items():
            if not extra.attributes or bad[row]:
                continue
            tag = self.rows.tag_names[int(batch.tag[row])]
            for code, values in self.session.check_attributes(tag, extra.attributes):
                bad[row] = True
                place = self.rows.place(int(batch.at[row]))
                self.session.log.add(Problem(code, self.source.name, place, values))

    def _set_frames(self, batch: AnnotationBatch) -> None:
        for row, image in enumerate(batch.image.tolist()):
            if image in self.frames:
                extra = batch.extras.setdefault(row, Extra())
                if extra.frame is None:
                    extra.frame = self.frames[image]

    # --- images -----------------------------------------------------------------------------

    def _resolve(self) -> None:
        """Match the images that were declared since the last time."""
        for begin in range(len(self.assets), len(self.rows.image_names), _MATCHED_AT_ONCE):
            self._resolve_from(begin)

    def _resolve_from(self, begin: int) -> None:
        end = begin + _MATCHED_AT_ONCE
        names, sizes = self.rows.image_names[begin:end], self.rows.image_sizes[begin:end]
        matches = self.session.images.resolve(names, sizes)
        assets = np.full(len(names), NO_ASSET, np.int32)
        widths, heights = np.zeros(len(names)), np.zeros(len(names))
        matched = self.report.matched
        for i, found in enumerate(matches):
            number = begin + i
            if found.asset is None:
                self._refuse(number, found)
                continue
            stated = sizes[i]
            actual = (found.asset.width, found.asset.height)
            matched[found.rule] = matched.get(found.rule, 0) + 1
            if found.rule not in {"exact", "created"} and len(self.session.matches) < _MATCHES_KEPT:
                self.session.matches.append(
                    ImageMatch(
                        file=self.source.name,
                        name=names[i],
                        asset=found.asset.filename,
                        rule=found.rule,
                    )
                )
            if stated != (0, 0) and actual not in ((0, 0), stated):
                self.refused[number] = 0
                swapped = stated == (actual[1], actual[0])
                self._why[number] = (
                    "size-mismatch",
                    {
                        "name": names[i],
                        "width": stated[0],
                        "height": stated[1],
                        "asset_width": actual[0],
                        "asset_height": actual[1],
                        "advice": (
                            "Width and height are exchanged: the annotations were probably drawn "
                            "without the image's EXIF orientation. Turn the image, or the boxes."
                            if swapped
                            else "Was the image scaled or replaced after it was annotated? Mend "
                            "the size in the file, or use the image it was drawn on."
                        ),
                    },
                )
                continue
            assets[i] = found.asset.asset
            widths[i], heights[i] = actual if actual != (0, 0) else stated
            if found.frame is not None:
                self.frames[number] = found.frame
        self.assets = np.concatenate([self.assets, assets])
        self.widths = np.concatenate([self.widths, widths])
        self.heights = np.concatenate([self.heights, heights])

    def _refuse(self, number: int, found: Match) -> None:
        name = self.rows.image_names[number]
        self.refused[number] = 0
        if found.ambiguous:
            candidates = ", ".join(found.ambiguous[:5])
            self._why[number] = ("ambiguous-image", {"name": name, "candidates": candidates})
        elif found.rule == "unknown-size":
            self._why[number] = ("unknown-size", {"name": name})
        else:
            advice = self.session.images.suggest(name)
            self._why[number] = ("unknown-image", {"name": name, "advice": advice})

    def _tell_image(self, image: int, records: int) -> None:
        code, values = self._why[image]
        place = self.rows.image_place(image)
        self.session.log.add(Problem(code, self.source.name, place, values, count=max(records, 1)))


class Reading:
    """One session of reading: all files into one receiver, all problems into one log."""

    def __init__(
        self,
        images: ImageBook,
        receiver: Receiver,
        *,
        project_tags: Sequence[str] = (),
        check_attributes: Callable[[str, dict[str, Any]], list[tuple[str, dict[str, Any]]]]
        | None = None,
        progress: Callable[[int], None] | None = None,
        rejects: Output | None = None,
    ) -> None:
        self.images = images
        self.receiver = receiver
        self.files = FileSet(project_tags)
        self.check_attributes = check_attributes
        self.log = ProblemLog()
        self.matches: list[ImageMatch] = []
        self.reports: list[FileReport] = []
        self._progress = progress
        self.rejects = rejects
        """Where records that are not kept are written again, as files of their own format."""

    def read(self, sources: Sequence[SourceFile], format_: Format | None = None) -> None:
        """Recognise and read all files, in the order given."""
        for each in recognise(sources, self.files, format_):
            self._read_one(each)
            if self._progress:
                self._progress(sum(report.records for report in self.reports[-1:]))
        for companions in self.files.companions.values():
            for companion in companions:
                companion.close()

    def _read_one(self, found: Recognised) -> None:
        self.log.end_file()
        source = found.source
        if found.companion:
            self.reports.append(
                FileReport(file=source.name, format=found.companion, role="companion")
            )
            return
        if found.format is None:
            assert found.error is not None
            problem = problem_of(found.error, source.name)
            self.log.add(problem)
            failed = problem.level == ERROR
            self.reports.append(
                FileReport(file=source.name, format="", role="failed" if failed else "ignored")
            )
            return
        reading = FileReading(self, source, found.format)
        if self.rejects is not None:
            reading.rows.lost_places = []
        self.receiver.begin_file(reading)
        reading.read()
        self.log.end_file()
        if self.rejects is not None and reading.rows.lost_places:
            write_rejects(source, found.format, reading.rows.lost_places, self.rejects)
        if reading.broken:
            reading.report.role = "failed"
        self.reports.append(reading.report)
        self.receiver.end_file(reading)
        source.close()


def problem_of(error: SourceError, file: str) -> Problem:
    """The problem that a file as a whole has."""
    location = error.location if isinstance(error.location, Location) else NOWHERE
    return Problem(error.code, file, location, dict(error.values))
