"""``annotary convert``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from annotary.cli.context import Context, without_store
from annotary.cli.exporting import ON_LOSS, format_options, write_manifest
from annotary.cli.failures import DATA_REFUSED, must_be_writable, writing
from annotary.cli.importing import ON_ERROR, PATH, PREFIX
from annotary.cli.progress import Progress
from annotary.cli.reading import must_have_read, reading_data, report
from annotary.cli.texts import written_text


@click.command("convert")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--to", "to", metavar="FORMAT", required=True, help="See annotary formats.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="The folder to write.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--images", type=click.Path(exists=True), help="The images' folder.")
@click.option("--on-error", type=ON_ERROR, default="reject_session", show_default=True)
@click.option("--split-ratio", type=click.FloatRange(0, 1), default=0.0, help="For validation.")
@click.option("--seed", type=int, default=1337, show_default=True, help="Decides the split.")
@click.option("--normalized/--pixels", default=None, help="Fractions, or pixels.")
@click.option("--on-loss", type=ON_LOSS, default="warn", show_default=True)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the format.")
@PREFIX
@click.option("--show", default=10, show_default=True, help="How many problems to print; 0: all.")
@without_store
def convert(
    context: Context,
    paths: tuple[str, ...],
    to: str,
    out: str,
    from_: str | None,
    images: str | None,
    on_error: Any,
    split_ratio: float,
    seed: int,
    normalized: bool | None,
    on_loss: Any,
    options: tuple[str, ...],
    prefixes: tuple[str, ...],
    show: int,
) -> None:
    """Convert annotation files to another format; no project is needed.

    Image sizes are taken from the files, or from the images in --images.
    """
    from annotary import formats
    from annotary.conversion.conversion import Conversion
    from annotary.model import ExportOptions
    from annotary.reading.inputs import Inputs
    from annotary.writing.output import FolderOutput

    target = formats.get(to)
    folder = Path(out)
    must_be_writable(folder)
    with Inputs.of_annotations() as inputs, Progress("Reading") as progress:
        inputs.add_all(paths, prefixes)
        conversion = Conversion(
            inputs.sources(),
            remarks=inputs.problems,
            format_=formats.get(from_) if from_ else None,
            images=Path(images) if images else None,
            on_error=on_error,
            progress=progress.advance,
        )
    with conversion:
        must_have_read(context, conversion)
        if conversion.refused:
            report(context, conversion, show)
            sys.exit(DATA_REFUSED)
        with (
            writing(folder),
            Progress("Writing", "annotations") as progress,
            FolderOutput(folder) as written,
        ):
            manifest = conversion.write(
                target,
                ExportOptions(
                    split_ratio=split_ratio,
                    seed=seed,
                    normalized=normalized,
                    on_loss=on_loss,
                    extra=format_options(options),
                ),
                written,
                progress.advance,
            )
        write_manifest(folder, manifest)
        if context.json:
            context.answer({"reading": reading_data(conversion), "manifest": manifest})
            return
        report(context, conversion, show)
    for loss in manifest.losses:
        click.secho(loss.text, fg="yellow")
    click.echo(written_text(out, list(manifest.files)))
