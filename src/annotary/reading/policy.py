"""What faults cost: one settlement of a file's counts, for imports and conversions.

Every record is counted: records = committed + skipped + rejected.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from annotary.errors import InternalServerError
from annotary.model import FileReport, OnError
from annotary.reading.file import FileReading


class FileOutcome(NamedTuple):
    """What was found in a file."""

    good: int
    faulty: int
    skipped: int
    broken: bool
    """Whether anything in it was an error, be it a record or not."""

    @classmethod
    def of(cls, file: FileReading, good: int) -> FileOutcome:
        """The outcome of a file of which so many records were good."""
        faulty = file.faulty + sum(file.refused.values()) + file.rows.rejected
        broken = faulty > 0 or file.broken or file.session.log.errors > file.errors_before
        return cls(good, faulty, file.rows.skipped, broken)


def settle(report: FileReport, outcome: FileOutcome, policy: OnError, annotations: int) -> bool:
    """Write a file's counts into its report; answers whether what was good of it is kept.

    With ``reject_session`` what is good may still be refused with the session, see
    :func:`refuse`. ``annotations`` are the rows of its good records.
    """
    good, faulty, skipped, broken = outcome
    if good + faulty + skipped != report.records:
        raise InternalServerError(
            f"Records of {report.file} are not all accounted for: {report.records} read, "
            f"{good} good, {faulty} faulty, {skipped} skipped."
        )
    kept = not (policy == "reject_file" and broken)
    report.skipped = skipped
    report.committed, report.annotations = (good, annotations) if kept else (0, 0)
    if policy == "skip":
        report.skipped += faulty
    else:
        report.rejected = faulty if kept else good + faulty
    return kept


def refuse(reports: Iterable[FileReport]) -> None:
    """Count the records of a session that is refused as a whole."""
    for report in reports:
        report.rejected = report.records - report.skipped
        report.committed = report.annotations = 0
