"""Problems as the machines of a build read them: GitHub annotations, SARIF 2.1.0, JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from annotary.problems import Problem

OUTPUT_FORMATS = ("text", "json", "github", "sarif", "junit")
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


class Findings:
    """Problems of the files below some paths, told with the paths that a build knows."""

    def __init__(self, paths: Sequence[str], *, strict: bool) -> None:
        self._paths = paths
        self._strict = strict

    def github(self, problems: Iterable[Problem]) -> Iterator[str]:
        """A workflow command of GitHub Actions for each problem."""
        for each in problems:
            place = f"file={_escaped(self._path(each.file), ',:')}"
            if each.location.line:
                place += f",line={each.location.line}"
            if each.location.column:
                place += f",col={each.location.column}"
            yield f"::{self._level(each)} {place},title={each.code}::{_escaped(_text(each))}"

    def sarif(self, problems: Iterable[Problem], version: str) -> dict[str, Any]:
        """One run with a result for each problem."""
        results = [
            {
                "ruleId": each.code,
                "level": self._level(each),
                "message": {"text": _text(each)},
                "locations": [{"physicalLocation": self._location(each)}],
            }
            for each in problems
        ]
        rules = [{"id": code} for code in sorted({str(each["ruleId"]) for each in results})]
        driver = {"name": "annotary", "version": version, "rules": rules}
        run = {"tool": {"driver": driver}, "results": results}
        return {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}

    def junit(self, problems: Iterable[Problem], files: Sequence[str]) -> str:
        """A test case for each file, which fails once for each error."""
        from xml.sax.saxutils import escape, quoteattr

        by_file: dict[str, list[Problem]] = {name: [] for name in files}
        failures = 0
        for each in problems:
            if self._level(each) == "error":
                by_file.setdefault(each.file, []).append(each)
                failures += 1
        lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuite name="annotary check" tests="{len(by_file)}" failures="{failures}">',
        ]
        for name, found in by_file.items():
            lines.append(f'  <testcase classname="annotary" name={quoteattr(_xml(name))}>')
            for each in found:
                at = f"line {each.location.line}: " if each.location.line else ""
                said = quoteattr(_xml(at + each.message))
                body = escape(_xml(each.text))
                lines.append(f'    <failure type="{each.code}" message={said}>{body}</failure>')
            lines.append("  </testcase>")
        return "\n".join([*lines, "</testsuite>"])

    def _level(self, problem: Problem) -> str:
        return "error" if self._strict or problem.level == "Error" else "warning"

    def _location(self, problem: Problem) -> dict[str, Any]:
        found: dict[str, Any] = {"artifactLocation": {"uri": quote(self._path(problem.file))}}
        if problem.location.line:
            found["region"] = {"startLine": problem.location.line}
            if problem.location.column:
                found["region"]["startColumn"] = problem.location.column
        return found

    def _path(self, name: str) -> str:
        """Where a file is that is called ``name``, as seen from here."""
        for each in map(Path, self._paths):
            if each.is_dir() and (each / name).exists():
                return (each / name).as_posix()
            if each.name == name:
                return each.as_posix()
        return name


def _text(problem: Problem) -> str:
    return f"{problem.message} {problem.hint}".strip()


def _escaped(text: str, more: str = "") -> str:
    """Text inside a workflow command: it is one line."""
    for each in ("%", "\r", "\n", *more):
        text = text.replace(each, f"%{ord(each):02X}")
    return text


def _xml(text: str) -> str:
    """Text without the characters that no XML may hold."""
    return "".join(c if c in "\t\n" or " " <= c <= "\ud7ff" or c >= "\ue000" else "?" for c in text)
