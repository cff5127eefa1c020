"""Files that a walk found, nobody named, and that hold no annotations: they cost a line."""

from __future__ import annotations

from annotary.problems import Problem
from annotary.reading.log import ProblemLog

_CODES = {
    "unknown-format": "no known format recognises them",
    "empty-file": "empty",
    "appledouble": "macOS resource files",
    "lock-file": "lock files of office programs",
    "web-page": "web pages",
    "results-file": "COCO results, without the names of images",
    "export-only": "read in no way",
}
"""What may be the matter with a file that is no annotation file, in words for many of them."""
_NAMED = 3


class Strangers:
    """The files of a session that were left alone, by the reason why."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}
        self._detail: dict[str, str] = {}

    def take(self, problem: Problem) -> bool:
        """Count a file in, if this is what is wrong with a file that holds no annotations."""
        if problem.code not in _CODES:
            return False
        detail = _CODES[problem.code]
        nearest = problem.values.get("nearest")
        if nearest:
            # of each kind its own line: the name says what to do
            detail = str(nearest)
        elif problem.code == "export-only":
            detail = f"{problem.values['format']}: {problem.values['detail']}"
        names = self._names.setdefault(detail, [])
        if len(names) < _NAMED:
            names.append(problem.file)
        self._counts[detail] = self._counts.get(detail, 0) + 1
        self._detail[detail] = str(problem.values.get("detail", "")) or detail
        return True

    def tell(self, log: ProblemLog) -> None:
        """One warning for each reason."""
        for detail, count in self._counts.items():
            names = self._names[detail]
            more = f" and {count - len(names)} more" if count > len(names) else ""
            one = count == 1
            values = {
                "files": "1 file holds" if one else f"{count} files hold",
                "were": "was" if one else "were",
                "they": "it holds" if one else "they hold",
                "names": ", ".join(names) + more,
                "detail": self._detail[detail] if one else detail,
            }
            log.add(Problem("not-an-annotation-file", names[0], values=values))
