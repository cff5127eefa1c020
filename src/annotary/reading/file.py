"""One file on its way in: match its images, check its rows, turn pixels into fractions.

Every record is counted: read = good + skipped + faulty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from annotary.batch import NO_ASSET, AnnotationBatch, Extra
from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.matching import Match
from annotary.model import FileReport, ImageMatch
from annotary.problems import NOWHERE, Location, Problem
from annotary.reading.check import check, slacks
from annotary.reading.lint import Lint, similar_classes
from annotary.reading.repair import clip
from annotary.syntax.source import SourceError, SourceFile

if TYPE_CHECKING:
    from annotary.reading.session import Reading

_MATCHES_KEPT = 10_000

_MATCHED_AT_ONCE = 100_000


class Receiver(Protocol):
    """What becomes of the good rows of a file."""

    def begin_file(self, file: FileReading) -> None:
        """A file starts."""

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Take rows: ``image`` is an asset's number, ``tag`` an index into the file's tags."""

    def end_file(self, file: FileReading) -> None:
        """A file has been read to its end; ``file.faulty`` says how many records were faulty."""


class FileReading:
    """One file on its way in: its rows, its images as they were matched, and its counts."""

    def __init__(self, session: Reading, source: SourceFile, format_: Format) -> None:
        self.session = session
        self.source = source
        self.format = format_
        self.rows = RowSink(source.name, self._flush)
        self.rows.size_of = self._size_of
        self.rows.options = session.wishes.options_of(format_)
        self.report = FileReport(file=source.name, format=format_.name)
        self.assets = np.zeros(0, np.int32)
        self.widths = np.zeros(0)
        self.heights = np.zeros(0)
        self.frames: dict[int, int] = {}
        self.faulty = 0
        self.moved = self.clipped = 0
        """Shapes that were moved to the edge of their image, and that were cut off there."""
        self._lint = None if session.wishes.lint == "off" else Lint()
        self._dropped: dict[str, tuple[int, Location]] = {}
        self.broken = False
        self.stranger = False
        """It holds no annotations, and nobody named it."""
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
            problem = problem_of(error, self.source.name)
            if self.source.found and not rows.records and self.session.strangers.take(problem):
                self.stranger = True
                rows.problems, rows.untold = [], {}
                return
            self.broken = True
            self._tell_problems()
            self.session.log.add(problem)
        rows.flush()
        self._resolve()
        self._tell_problems()
        for image, count in self.refused.items():
            self._tell_image(image, count)
        if self._lint is not None:
            for first, second in similar_classes(rows.tag_names):
                self._advise("similar-classes", NOWHERE, {"first": first, "second": second})
        self._tell_changes()
        if rows.fields_dropped:
            values = {"fields": fields_named(rows.fields_dropped)}
            self.session.log.add(Problem("fields-not-kept", self.source.name, values=values))
        self.report.records = rows.records
        self.report.images = len(rows.image_names)

    def _size_of(self, image: int) -> tuple[int, int]:
        self._resolve()
        return int(self.widths[image]), int(self.heights[image])

    def _tell_problems(self) -> None:
        rows = self.rows
        for problem in rows.problems:
            self.session.log.add(problem)
        for code, count in rows.untold.items():
            self.session.log.count(rows.file, code, count)
        rows.problems, rows.untold = [], {}

    def _tell(
        self, code: str, at: int | Location, values: dict[str, Any], *, strict: bool = False
    ) -> None:
        """A problem of one row; of those that the log does not keep, only the number."""
        log, file = self.session.log, self.source.name
        if log.is_full(file, code):
            log.count(file, code, 1, strict=strict)
        else:
            log.add(Problem(code, file, self.rows.place(at), values, strict=strict))

    def _advise(self, code: str, at: int | Location, values: dict[str, Any]) -> None:
        self._tell(code, at, values, strict=self.session.wishes.lint == "error")

    def _tell_changes(self) -> None:
        """Say what was changed or left out of what the file says, each with its number."""
        file, report = self.source.name, self.report
        report.moved, report.clipped = self.moved, self.clipped
        if self.moved:
            values = {"shapes": counted(self.moved, "shape")}
            self.session.log.add(Problem("moved", file, values=values))
        if self.clipped:
            values = {"shapes": counted(self.clipped, "object")}
            self.session.log.add(Problem("clipped", file, values=values))
        for code, (count, place) in self._dropped.items():
            values = {"shapes": counted(count, "shape"), "code": code}
            self.session.log.add(Problem("left-out", file, place, values))

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
        actions = self.session.wishes.actions
        if actions.get("out-of-bounds") == "clip":
            slack = slacks(widths, heights, normalized=rows.normalized)
            batch, cut = clip(batch, widths, heights, slack, normalized=rows.normalized)
            self.clipped += len(np.unique(batch.record[cut & ~bad]))
        checked = check(batch, widths, heights, normalized=rows.normalized)
        self.moved += checked.moved
        faulty, dropped = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        for row, code, values in checked.faults:
            if bad[row]:
                continue
            at = int(batch.at[row])
            if actions.get(code) == "skip":
                dropped[row] = True
                count, place = self._dropped.get(code) or (0, rows.place(at))
                self._dropped[code] = count + 1, place
            else:
                faulty[row] = True
                self._tell(code, at, values)
        bad |= faulty
        self._check_classes(batch, bad)
        self._check_attributes(batch, bad)
        if bad.any() or dropped.any():
            # one faulty part makes the whole object faulty
            lost = np.add.reduceat(bad, starts[:-1]) > 0
            self.faulty += int((lost & ~refused[starts[:-1]]).sum())
            gone = (np.add.reduceat(dropped, starts[:-1]) > 0) & ~lost
            rows.skipped += int(gone.sum())
            lost |= gone
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
        if self._lint is not None:
            for row, code, values in self._lint.look(batch, widths, heights, rows.tag_names):
                self._advise(code, int(batch.at[row]), values)
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
                self._tell("nameless-class", int(batch.at[row]), {})
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
                self._tell(code, int(batch.at[row]), values)

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
        belonging = self.session.belonging
        named = belonging.names(self.source, names)
        names = [each.used for each in named]
        found_ = self.session.images.resolve(names, sizes)
        matches = belonging.settled(self.source, named, found_)
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


def fields_named(dropped: Mapping[tuple[str, str], int]) -> str:
    """``license and coco_url of 2 images; info and licenses of the file``."""
    alike: dict[str, list[str]] = {}
    for (owner, field), count in dropped.items():
        noun = owner if count == 1 else f"{owner[:-1]}ies" if owner.endswith("y") else f"{owner}s"
        alike.setdefault("the file" if owner == "file" else f"{count:,} {noun}", []).append(field)
    return "; ".join(
        f"{', '.join(fields[:-1])}{' and ' if fields[1:] else ''}{fields[-1]} of {owners}"
        for owners, fields in alike.items()
    )


def counted(count: int, noun: str) -> str:
    """``1 shape was``, ``2 shapes were``."""
    return f"{count:,} {noun} was" if count == 1 else f"{count:,} {noun}s were"


def problem_of(error: SourceError, file: str) -> Problem:
    """The problem that a file as a whole has."""
    location = error.location if isinstance(error.location, Location) else NOWHERE
    return Problem(error.code, file, location, dict(error.values))
