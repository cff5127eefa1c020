"""``annotary convert``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from annotary.cli.context import Context, without_store
from annotary.cli.destination import OVERWRITE, Destination
from annotary.cli.exportoptions import MODES, export_options, options_of
from annotary.cli.failures import DATA_REFUSED, writing
from annotary.cli.importing import ON_ERROR, PATH, PREFIX
from annotary.cli.progress import Progress
from annotary.cli.reading import must_have_read, reading_data, report
from annotary.cli.readoptions import repairs, taken, wishes
from annotary.cli.texts import export_text


@click.command("convert")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--to", "to", metavar="FORMAT", required=True, help="See annotary formats.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="The folder to write.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option(
    "--images",
    multiple=True,
    metavar="PATH",
    help="The images' folder. Also copy, link or none, as --with-images.",
)
@click.option(
    "--with-images",
    "mode",
    type=click.Choice(MODES),
    default=None,
    help="Write the images, too: as copies, or as hard links where one disk has both.",
)
@click.option("--on-error", type=ON_ERROR, default="reject_session", show_default=True)
@OVERWRITE
@export_options
@repairs
@PREFIX
@click.option("--show", default=10, show_default=True, help="How many problems to print; 0: all.")
@without_store
def convert(
    context: Context,
    paths: tuple[str, ...],
    to: str,
    out: str,
    from_: str | None,
    images: tuple[str, ...],
    mode: str | None,
    on_error: Any,
    overwrite: bool,
    given: dict[str, Any],
    repair: str,
    lint: str,
    prefixes: tuple[str, ...],
    show: int,
) -> None:
    """Convert annotation files to another format; no project is needed.

    Image sizes are taken from the files, or from the images in --images.
    """
    from annotary import formats
    from annotary.conversion.conversion import Conversion
    from annotary.reading.inputs import Inputs
    from annotary.writing.output import FolderOutput

    target = formats.get(to)
    source, mode = _images(images, mode, paths)
    options = options_of(given, mode)
    # an option is the reader's where the writer does not know it
    readers = {name for f in formats.readers() for name in f.ReadOptions.__struct_fields__}
    readers -= {*target.Options.__struct_fields__}
    theirs = {name: options.extra.pop(name) for name in [*options.extra] if name in readers}
    reading = {"options": theirs, **taken({"repair": repair, "lint": lint})}
    destination = Destination(out, overwrite)
    folder = destination.folder
    with Inputs.of_annotations() as inputs, Progress("Reading") as progress:
        inputs.add_all(paths, prefixes)
        conversion = Conversion(
            inputs.sources(),
            remarks=inputs.problems,
            format_=formats.get(from_) if from_ else None,
            images=source,
            on_error=on_error,
            wishes=wishes(reading),
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
            FolderOutput(folder, destination.clear) as written,
        ):
            manifest = conversion.write(target, options, written, progress.advance)
        destination.write_manifest(manifest)
        if context.json:
            context.answer({"reading": reading_data(conversion), "manifest": manifest})
            return
        report(context, conversion, show)
    for loss in manifest.losses:
        click.secho(loss.text, fg="yellow")
    for note in manifest.notes:
        click.secho(note, fg="yellow")
    click.echo(export_text(out, manifest))


def _images(
    given: tuple[str, ...], mode: str | None, paths: tuple[str, ...]
) -> tuple[Path | None, str]:
    """Where images are taken from, and how they are written.

    ``--images copy`` asks for writing them, unless there is a folder of that name. Images that
    are to be written are looked for in the folder that is read when no other is named.
    """
    folders = []
    for each in given:
        if each in MODES and not Path(each).exists():
            mode = mode or each
        elif not Path(each).exists():
            raise click.UsageError(f"--images: the path {each!r} does not exist.")
        else:
            folders.append(Path(each))
    if len(folders) > 1:
        raise click.UsageError("--images: give one folder.")
    mode = mode or "none"
    if folders or mode == "none":
        return (folders[0] if folders else None), mode
    if len(paths) > 1 or not Path(paths[0]).exists():
        raise click.UsageError(f"--with-images {mode}: say where they are with --images FOLDER.")
    path = Path(paths[0])
    return (path if path.is_dir() else path.absolute().parent), mode
