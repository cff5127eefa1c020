"""``annotary report``."""

from __future__ import annotations

from pathlib import Path

import click

from annotary.cli.context import Context, common
from annotary.cli.failures import must_be_writable, writing
from annotary.cli.looking import look_at


@click.command("report")
@click.argument("paths", metavar="PROJECT|PATH...", nargs=-1, required=True)
@click.option("--images", type=click.Path(exists=True), help="Where the images of the files are.")
@click.option("--out", type=click.Path(dir_okay=False), required=True, help="The file to write.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--sample", default=12, show_default=True, type=click.IntRange(1, 48))
@click.option("--seed", default=0, show_default=True, help="The same seed shows the same images.")
@common
def report(
    context: Context,
    paths: tuple[str, ...],
    images: str | None,
    out: str,
    from_: str | None,
    sample: int,
    seed: int,
) -> None:
    """Write counts, plots, problems and samples as one HTML file, without script."""
    from annotary.viewer.report import report as written

    file = Path(out)
    must_be_writable(file.absolute().parent)
    with look_at(context, paths, images, from_) as look:
        text = written(look.project.name, look.drawings, look.records, sample=sample, seed=seed)
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        context.answer(
            {"file": out, "records": look.records},
            "\n".join(filter(None, (look.records, f"Wrote {out}."))),
        )
