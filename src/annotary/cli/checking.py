"""``annotary check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, without_store
from annotary.cli.failures import DATA_REFUSED, must_be_writable
from annotary.cli.findings import OUTPUT_FORMATS, Findings
from annotary.cli.importing import PATH, PREFIX
from annotary.cli.progress import Progress
from annotary.cli.reading import must_have_read, report
from annotary.cli.readoptions import read_options, wishes

if TYPE_CHECKING:
    from annotary.conversion.conversion import Conversion


@click.command("check")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--format", "format_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--images", type=click.Path(exists=True), help="The images' folder.")
@click.option("--rejects", type=click.Path(file_okay=False), help="Write faulty records here.")
@read_options
@PREFIX
@click.option("--show", default=50, show_default=True, help="Problems to print; 0: all.")
@click.option("--strict", is_flag=True, help="Warnings are errors, too.")
@click.option(
    "--output-format",
    type=click.Choice(OUTPUT_FORMATS),
    default="text",
    show_default=True,
    help="How to tell the problems: for people, for programs, or for a build.",
)
@without_store
def check(
    context: Context,
    paths: tuple[str, ...],
    format_: str | None,
    images: str | None,
    rejects: str | None,
    reading: dict[str, Any],
    prefixes: tuple[str, ...],
    show: int,
    strict: bool,
    output_format: str,
) -> None:
    """Check annotation files and report every fault with its place; exit 1 if there are errors."""
    from annotary import formats
    from annotary.conversion.conversion import Conversion
    from annotary.reading.inputs import Inputs
    from annotary.writing.output import FolderOutput

    if rejects is not None:
        must_be_writable(Path(rejects))
    with Inputs.of_annotations() as inputs, Progress("Checking") as progress:
        inputs.add_all(paths, prefixes)
        conversion = Conversion(
            inputs.sources(),
            remarks=inputs.problems,
            format_=formats.get(format_) if format_ else None,
            images=Path(images) if images else None,
            on_error="skip",
            keep=False,
            wishes=wishes(reading),
            progress=progress.advance,
            rejects=FolderOutput(Path(rejects)) if rejects else None,
        )
    with conversion:
        must_have_read(context, conversion)
        log = conversion.log
        failed = log.errors > 0 or (strict and log.warnings > 0)
        _tell(context, conversion, paths, output_format, show, strict)
        if output_format == "text" and not context.json:
            colour = "red" if failed else "green"
            click.secho(f"{log.errors:,} errors, {log.warnings:,} warnings.", fg=colour)
        if failed:
            sys.exit(DATA_REFUSED)


def _tell(
    context: Context,
    conversion: Conversion,
    paths: tuple[str, ...],
    output_format: str,
    show: int,
    strict: bool,
) -> None:
    from annotary import __version__

    findings = Findings(paths, strict=strict)
    if output_format == "github":
        for line in findings.github(conversion.problems):
            click.echo(line)
    elif output_format == "sarif":
        context.answer(findings.sarif(conversion.problems, __version__))
    elif output_format == "junit":
        files = [each.file for each in conversion.reports if each.role == "annotations"]
        click.echo(findings.junit(conversion.problems, files))
    else:
        context.json = context.json or output_format == "json"
        report(context, conversion, show)
