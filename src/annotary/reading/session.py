"""From files to checked annotations: recognise, read, match, check, convert to fractions.

This is the way in, without a store: what becomes of good rows is up to a :class:`Receiver`, what
images there are is up to an :class:`ImageBook`. Every record is counted: read = good + skipped
+ faulty, per file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from annotary.contract.format import Format
from annotary.contract.output import Output
from annotary.model import FileReport, ImageMatch
from annotary.problems import ERROR, Problem
from annotary.reading.belonging import Belonging
from annotary.reading.file import FileReading, Receiver, problem_of
from annotary.reading.images import ImageBook
from annotary.reading.log import ProblemLog
from annotary.reading.recognise import Recognised, recognise
from annotary.reading.rejects import write_rejects
from annotary.reading.strangers import Strangers
from annotary.reading.wishes import Wishes
from annotary.syntax.source import FileSet, SourceFile


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
        wishes: Wishes | None = None,
    ) -> None:
        self.wishes = wishes or Wishes()
        self.images = images
        self.receiver = receiver
        self.files = FileSet(project_tags)
        self.check_attributes = check_attributes
        self.log = ProblemLog()
        self.matches: list[ImageMatch] = []
        self.reports: list[FileReport] = []
        self._progress = progress
        self.strangers = Strangers()
        self.belonging = Belonging(images)
        self.rejects = rejects
        """Where records that are not kept are written again, as files of their own format."""

    def tell(self, problem: Problem) -> None:
        """What is wrong with a file or folder that there is nothing to read of."""
        self.log.add(problem)
        if problem.level == ERROR:
            self.reports.append(FileReport(file=problem.file, format="", role="failed"))

    def read(self, sources: Sequence[SourceFile], format_: Format | None = None) -> None:
        """Recognise and read all files, in the order given."""
        recognised = recognise(sources, self.files, format_)
        self.belonging.look([each.source for each in recognised if each.format is not None])
        for each in recognised:
            self._read_one(each)
            if self._progress:
                self._progress(sum(report.records for report in self.reports[-1:]))
        self.strangers.tell(self.log)
        self.belonging.tell(self.log)
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
            if source.found and self.strangers.take(problem):
                self.reports.append(FileReport(file=source.name, format="", role="ignored"))
            else:
                self.tell(problem)
            return
        reading = FileReading(self, source, found.format)
        if self.rejects is not None:
            reading.rows.lost_places = []
        self.receiver.begin_file(reading)
        reading.read()
        self.log.end_file()
        if self.rejects is not None and reading.rows.lost_places:
            write_rejects(source, found.format, reading.rows.lost_places, self.rejects)
        if reading.stranger:
            reading.report.role, reading.report.format = "ignored", ""
        elif reading.broken:
            reading.report.role = "failed"
        self.reports.append(reading.report)
        self.receiver.end_file(reading)
        source.close()

    def nothing(self) -> Problem | None:
        """What is to be said when no file was one of annotations, and no error says why."""
        if self.log.errors or any(r.role == "annotations" for r in self.reports):
            return None
        names = [report.file for report in self.reports]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        companions = any(report.role == "companion" for report in self.reports)
        return Problem(
            "nothing-to-read",
            names[0] if names else "",
            values={
                "files": ", ".join(names[:3]) + more,
                "advice": "Add the annotation files that these belong to."
                if companions
                else "annotary formats lists what can be read; name the format if it is one of "
                "them.",
            },
        )
