"""What was read from files without a project, as text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context
from annotary.cli.texts import files_table, print_problems, problems_data

if TYPE_CHECKING:
    from annotary.conversion.conversion import Conversion


def must_have_read(context: Context, conversion: Conversion) -> None:
    """A gate that has looked at nothing must not pass. Raises BadRequestError."""
    from annotary import BadRequestError

    nothing = conversion.nothing
    if nothing is None:
        return
    if not context.json:
        print_problems(conversion.problems, 0)
    raise BadRequestError(nothing.message, hint=nothing.hint)


def report(context: Context, conversion: Conversion, show: int) -> None:
    """Print the problems, at most ``show`` of them (0: all), and the counts of the files."""
    if context.json:
        context.answer(reading_data(conversion))
        return
    log = conversion.log
    print_problems(conversion.problems, show, log.errors + log.warnings)
    click.echo(files_table(conversion.reports))


def reading_data(conversion: Conversion) -> dict[str, Any]:
    """The problems and the counts of the files."""
    return {
        "errors": conversion.log.errors,
        "warnings": conversion.log.warnings,
        "files": conversion.reports,
        "matches": conversion.matches,
        "problems": problems_data(conversion.problems),
    }
