"""``annotary draw``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotary.cli.context import Context, common
from annotary.cli.failures import must_be_writable, writing
from annotary.cli.looking import Look, look_at
from annotary.cli.progress import Progress

if TYPE_CHECKING:
    from annotary.model import Asset

_SHEET = re.compile(r"([1-9]\d?)x([1-9]\d?)")


@click.command("draw")
@click.argument("paths", metavar="PROJECT|PATH...", nargs=-1, required=True)
@click.option("--images", type=click.Path(exists=True), help="Where the images of the files are.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="The folder to write.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--tag", "tags", multiple=True, help="Only images that have it; others are faint.")
@click.option("--sample", type=click.IntRange(1), help="So many images, chosen by --seed.")
@click.option("--seed", default=0, show_default=True, help="The same seed chooses the same images.")
@click.option("--sheet", metavar="4x3", help="Several on one: 4 columns, 3 rows.")
@click.option(
    "--size",
    default=1280,
    show_default=True,
    type=click.IntRange(16, 8192),
    help="The longer side of a drawing, in pixels.",
)
@common
def draw(
    context: Context,
    paths: tuple[str, ...],
    images: str | None,
    out: str,
    from_: str | None,
    tags: tuple[str, ...],
    sample: int | None,
    seed: int,
    sheet: str | None,
    size: int,
) -> None:
    """Draw annotations on their images, as PNG files.

    An image without a picture, or with one that cannot be read, becomes a drawing that says so.
    """
    from annotary import BadRequestError

    grid = _SHEET.fullmatch(sheet) if sheet is not None else None
    if sheet is not None and grid is None:
        raise click.UsageError("--sheet: give columns and rows, as 4x3.")
    folder = Path(out)
    must_be_writable(folder)
    with look_at(context, paths, images, from_) as look:
        chosen = look.drawings.chosen(sample, seed, tags)
        if not chosen:
            raise BadRequestError("There are no images to draw.", hint="Is --tag right?")
        with writing(folder), Progress("Drawing", "images") as progress:
            folder.mkdir(parents=True, exist_ok=True)
            if grid is None:
                files = _each(look, chosen, tags, size, folder, progress)
            else:
                columns, rows = int(grid[1]), int(grid[2])
                files = _sheets(look, chosen, tags, columns, rows, folder, progress)
        text = f"Drew {len(chosen):,} images into {len(files):,} files in {out}."
        context.answer(
            {"files": files, "images": len(chosen), "records": look.records},
            "\n".join(filter(None, (look.records, text))),
        )


def _each(
    look: Look, chosen: list[Asset], tags: tuple[str, ...], size: int, folder: Path, said: Progress
) -> list[str]:
    taken: set[str] = set()
    files = []
    for asset in chosen:
        name = _free(asset.filename, taken)
        look.drawings.asset(asset, longest=size, tags=tags).save(folder / name)
        files.append(name)
        said.advance(1)
    return files


def _sheets(
    look: Look,
    chosen: list[Asset],
    tags: tuple[str, ...],
    columns: int,
    rows: int,
    folder: Path,
    said: Progress,
) -> list[str]:
    from annotary.drawing.sheet import sheet

    files = []
    many = columns * rows
    for at in range(0, len(chosen), many):
        tiles = []
        for asset in chosen[at : at + many]:
            tiles.append((asset.filename, look.drawings.asset(asset, longest=480, tags=tags)))
            said.advance(1)
        files.append(f"sheet-{at // many + 1:03}.png")
        sheet(tiles, columns).save(folder / files[-1])
    return files


def _free(filename: str, taken: set[str]) -> str:
    """A file name of its own for a drawing: no folders, whatever the image is called."""
    from annotary.syntax.image import EXTENSIONS

    ending = Path(filename).suffix
    if ending.lower() in EXTENSIONS:
        filename = filename.removesuffix(ending)
    stem = re.sub(r"[^\w.\- ]+", "_", filename).strip(". _")[:150] or "image"
    name, number = f"{stem}.png", 2
    while name.lower() in taken:
        name, number = f"{stem}-{number}.png", number + 1
    taken.add(name.lower())
    return name
