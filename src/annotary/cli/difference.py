"""``annotary diff``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, without_store
from annotary.cli.failures import DATA_REFUSED, must_be_writable
from annotary.cli.progress import Progress
from annotary.cli.reading import must_have_read
from annotary.cli.texts import print_problems

if TYPE_CHECKING:
    from annotary.conversion.conversion import Conversion
    from annotary.difference.difference import Difference


@click.command("diff")
@click.argument("before", metavar="OLD", type=click.Path(exists=True))
@click.argument("after", metavar="NEW", type=click.Path(exists=True))
@click.option("--format", "format_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The images' folder.")
@click.option(
    "--on-error",
    type=click.Choice(["reject_session", "skip"]),
    default="reject_session",
    show_default=True,
    help="What a faulty record costs: all, or itself.",
)
@click.option("--draw", type=click.Path(file_okay=False), help="Draw each image that differs here.")
@click.option("--show", default=20, show_default=True, help="Objects to list; 0: all.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there is a difference.")
@without_store
def diff(
    context: Context,
    before: str,
    after: str,
    format_: str | None,
    images: str | None,
    on_error: Any,
    draw: str | None,
    show: int,
    exit_code: bool,
) -> None:
    """Compare two annotation files, or folders of them, in any formats.

    Objects are matched image by image: by content, then by overlap with the same tag, then
    without regard to the tag. Told are objects that were added, removed, moved, retagged, or
    changed in their attributes.
    """
    from annotary.difference.difference import Difference

    if draw is not None:
        must_be_writable(Path(draw))
    with ExitStack() as open_:
        sides = [
            open_.enter_context(_read(path, format_, images, on_error, open_))
            for path in (before, after)
        ]
        for side in sides:
            _must_be_whole(context, side)
        found = Difference(*(side.origin() for side in sides))
        differs = _tell(context, found, show, Path(draw) if draw else None)
    if differs and exit_code:
        sys.exit(DATA_REFUSED)


def _read(
    path: str, format_: str | None, images: str | None, on_error: Any, open_: ExitStack
) -> Conversion:
    from annotary import formats
    from annotary.conversion.conversion import Conversion
    from annotary.reading.inputs import Inputs

    inputs = open_.enter_context(Inputs.of_annotations())
    inputs.add(path)
    with Progress(f"Reading {path}") as progress:
        return Conversion(
            inputs.sources(),
            remarks=inputs.problems,
            format_=formats.get(format_) if format_ else None,
            images=Path(images) if images else None,
            on_error=on_error,
            progress=progress.advance,
        )


def _must_be_whole(context: Context, side: Conversion) -> None:
    """A side of which records are missing would be a false difference."""
    must_have_read(context, side)
    if side.log.errors and not context.json:
        print_problems(side.log.first, 0)
    if side.refused:
        from annotary import ImportFailedError

        raise ImportFailedError(
            f"{side.reports[0].file} has {side.log.errors:,} faults.",
            hint="annotary check lists them; --on-error skip compares the rest.",
        )


def _tell(context: Context, found: Difference, show: int, draw: Path | None) -> bool:
    from annotary.difference.entries import Entry, Summary, entries, summary_text, text
    from annotary.difference.picture import Pictures

    summary = Summary()
    listed: list[Entry] = []
    pictures = Pictures(draw) if draw is not None else None
    for some in found:
        summary.add(some, found.tags)
        if pictures is not None:
            pictures.add(some, found.tags)
        for entry in entries(some, found.tags):
            if show and len(listed) >= show:
                break
            listed.append(entry)
    page = pictures.finish() if pictures is not None else None
    changed = sum(n for kind, n in summary.counts.items() if kind != "unchanged")
    if context.json:
        context.answer({"summary": summary, "differences": listed, "more": changed - len(listed)})
        return summary.differs
    for line in text(listed):
        click.echo(line)
    if changed > len(listed):
        click.echo(f"... and {changed - len(listed):,} more (--show 0 lists all).", err=True)
    click.secho(summary_text(summary), fg="yellow" if summary.differs else "green")
    if page is not None:
        click.echo(f"Pictures: {page}")
    return summary.differs
