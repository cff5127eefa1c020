"""What was read from files without a project, as text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context
from annotary.cli.texts import files_table, print_problem

if TYPE_CHECKING:
    from annotary.conversion.conversion import Conversion


def must_have_read(conversion: Conversion) -> None:
    """A gate that has looked at nothing must not pass. Raises BadRequestError."""
    from annotary import BadRequestError

    if conversion.log.errors or any(r.role == "annotations" for r in conversion.reports):
        return
    names = ", ".join(r.file for r in conversion.reports[:3])
    raise BadRequestError(
        "None of the files holds annotations.",
        hint=f"Looked at {names}; annotary formats lists what can be read.",
    )


def report(context: Context, conversion: Conversion, show: int) -> None:
    """Print the problems, at most ``show`` of them (0: all), and the counts of the files."""
    if context.json:
        context.answer(reading_data(conversion))
        return
    for count, problem in enumerate(conversion.problems):
        if show and count == show:
            rest = conversion.log.errors + conversion.log.warnings - show
            click.echo(f"... and {rest:,} more (--show 0 prints all).\n", err=True)
            break
        print_problem(problem.level, problem.text)
    click.echo(files_table(conversion.reports))


def reading_data(conversion: Conversion) -> dict[str, Any]:
    """The problems and the counts of the files."""
    return {
        "errors": conversion.log.errors,
        "warnings": conversion.log.warnings,
        "files": conversion.reports,
        "matches": conversion.matches,
        "problems": [
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
            for p in conversion.problems
        ],
    }
