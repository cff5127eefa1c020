"""Texts that several commands print: tables, problems, counts, names of files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from annotary.client.assets import UploadSession
    from annotary.model import ExportManifest, FileReport, ImportReport, ImportSessionLogLogItem
    from annotary.problems import Problem

ERROR = "Error"


def table(rows: Sequence[tuple[Any, ...]], head: tuple[str, ...]) -> str:
    """Rows as text in columns; numbers to the right."""
    shown = [[f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    lines = ["  ".join(h.ljust(w) for h, w in zip(head, widths, strict=True)).rstrip()]
    for row, values in zip(shown, rows, strict=True):
        cells = [
            cell.rjust(w) if isinstance(v, int) else cell.ljust(w)
            for cell, w, v in zip(row, widths, values, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def more_text(shown: int, whole: int | None) -> str:
    """What a list says that has ended before its end."""
    of = f"{shown:,} of {whole:,}" if whole is not None else f"The first {shown:,}; there are more"
    return f"{of} (--limit 0: all)"


def when(ms: int) -> str:
    """A time as people of this machine read it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(ms / 1000))


def print_logs(logs: Sequence[ImportSessionLogLogItem], show: int, count: int = 0) -> None:
    """Problems on standard error, at most ``show`` of ``count`` (0: all that are listed)."""
    _print(((item.level, item.message) for item in logs), count or len(logs), show)


def print_problems(problems: Iterable[Problem], show: int, count: int = 0) -> None:
    """Problems on standard error, at most ``show`` of ``count`` (0: all)."""
    _print(((problem.level, problem.text) for problem in problems), count, show)


def problems_data(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as data."""
    return [
        {
            "level": p.level,
            "code": p.code,
            "file": p.file,
            "line": p.location.line,
            "column": p.location.column,
            "pointer": p.location.pointer,
            "records": p.count,
            "message": p.message,
            "hint": p.hint,
        }
        for p in problems
    ]


def _print(problems: Iterable[tuple[str, str]], count: int, show: int) -> None:
    """Each problem: its first line in colour, then its hint, where it has not just been given."""
    before = ""
    for number, (level, text) in enumerate(problems):
        if show and number == show:
            rest = count - show
            click.echo(f"... and {rest:,} more (--show 0 prints all).\n", err=True)
            break
        head, _, hint = text.partition("\n")
        hint = hint.strip()
        if number and hint != before and not before:
            click.echo("", err=True)
        click.secho(f"{level}: {head}", fg="red" if level == ERROR else "yellow", err=True)
        if hint and hint != before:
            click.echo(f"{hint}\n", err=True)
        before = hint
    if before == "":
        click.echo("", err=True)


def import_text(report: ImportReport) -> str:
    """What became of an import: its files, and what else it made."""
    lines = [files_table(report.files)]
    if report.tags_created:
        names = ", ".join(report.tags_created[:8])
        more = ", ..." if len(report.tags_created) > 8 else ""
        lines.append(f"{len(report.tags_created)} tags created: {names}{more}")
    if report.assets_created:
        lines.append(f"{report.assets_created:,} images registered")
    if report.matches:
        rules: dict[str, int] = {}
        for match in report.matches:
            rules[match.rule] = rules.get(match.rule, 0) + 1
        text = ", ".join(f"{count} by {rule}" for rule, count in sorted(rules.items()))
        lines.append(f"image names matched other than exactly: {text}")
    return "\n".join(lines)


def files_table(reports: Sequence[FileReport]) -> str:
    """One line per format: files and records. Updates and repeats only where there are any."""
    columns = ["images", "records", "committed", "skipped", "rejected"]
    if any(report.updated or report.unchanged for report in reports):
        columns[3:3] = ["updated", "unchanged"]
    groups: dict[str, list[int]] = {}
    for report in reports:
        name = report.format or "not recognised"
        if report.role == "companion":
            name = f"({name})"
        row = groups.setdefault(name, [0] * (1 + len(columns)))
        for i, value in enumerate([1, *(getattr(report, column) for column in columns)]):
            row[i] += value
    rows = [(name, *values) for name, values in groups.items()]
    heads = ["GOOD" if column == "committed" else column.upper() for column in columns]
    return table(rows, ("FORMAT", "FILES", *heads))


def written_text(out: str, names: Sequence[str]) -> str:
    """How many files were written, and the first of them."""
    shown = "".join(f"\n  {name}" for name in names[:5])
    more = f"\n  ... and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"{len(names):,} files in {out}:{shown}{more}"


def export_text(out: str, manifest: ExportManifest) -> str:
    """The files of an export, and where its images are or belong."""
    text = written_text(out, list(manifest.files))
    folders = ", ".join(f"{out}/{each}".replace("//", "/") for each in manifest.image_folders)
    if manifest.image_mode != "none":
        return f"{text}\n{len(manifest.images):,} images in {folders}"
    return (
        f"{text}\nImages are not written: the trainer looks for them in {folders}"
        " (images are written, too, with copy or link)."
    )


def existing_text(session: UploadSession) -> str:
    """What became of images whose names were there already: sentences, each after a blank."""
    text = ""
    if session.unchanged:
        text += f" {_images(len(session.unchanged))} there already."
    if session.kept:
        text += (
            f" {_images(len(session.kept))} there already with other bytes, which were left:"
            f" {_some(session.kept)}."
        )
    if session.renamed:
        pairs = [f"{old} as {new}" for old, new in session.renamed.items()]
        count = len(pairs)
        text += f" {count:,} got {'a new name' if count == 1 else 'new names'}: {_some(pairs)}."
    return text


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
