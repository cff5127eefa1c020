"""``annotary asset``."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import click

from annotary.cli.context import Context, common, counts, shared
from annotary.cli.failures import DATA_REFUSED
from annotary.cli.progress import Progress
from annotary.cli.texts import (
    ERROR,
    existing_text,
    more_text,
    print_problems,
    problems_data,
    table,
)


@click.group()
@shared
def asset() -> None:
    """Add and list images."""


@asset.command("add")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--group", "groups", multiple=True, default=("main",), help="A group to put them in.")
@click.option(
    "--on-existing",
    type=click.Choice(["same", "skip", "refuse", "rename"]),
    default="same",
    show_default=True,
    help="Names that are there already. same: leave out equal bytes, refuse others; skip: leave out"
    " both; refuse: refuse both; rename: leave out equal bytes, add others under new names.",
)
@common
def add(
    context: Context,
    name_or_id: str,
    paths: tuple[str, ...],
    groups: tuple[str, ...],
    on_existing: Any,
) -> None:
    """Upload images, or all images of folders.

    Those that are there already with the same bytes are left out and counted.
    """
    project = context.project(name_or_id)
    before = counts(project).total_assets
    with (
        Progress("Adding", "images", quiet=context.json) as progress,
        project.assets.create_upload_session(
            groups=list(groups), on_error="skip", on_existing=on_existing
        ) as session,
    ):
        session.on_progress = progress.set
        session.add_paths(paths)
    count = counts(project).total_assets - before
    errors = sum(problem.level == ERROR for problem in session.problems)
    if not context.json:
        print_problems(session.problems, 0)
    context.answer(
        {
            "added": count,
            "unchanged": len(session.unchanged),
            "kept": session.kept,
            "renamed": session.renamed,
            "problems": problems_data(session.problems),
        },
        f"Added {count:,} images to {project.name}."
        + existing_text(session)
        + (f" {errors:,} could not be read." if errors else ""),
    )
    if errors:
        sys.exit(DATA_REFUSED)


@asset.command("list")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--limit", type=int, help="How many; 0 for all. [default: 100, with --json all]")
@click.option("--group", "groups", multiple=True, help="Only those of a group.")
@click.option("--where", metavar="QUERY", help="Only those that a query means: docs/queries.md.")
@common
def list_(
    context: Context, name_or_id: str, limit: int | None, groups: tuple[str, ...], where: str | None
) -> None:
    """List a project's images."""
    project = context.project(name_or_id)
    limit = context.limit(limit)
    page = iter(
        project.assets.list(
            pagination={"limit": 1000}, filters={"groups": list(groups)}, where=where
        )
    )
    found = list(islice(page, limit or None))
    rows = [
        (
            a.filename,
            a.metadata.width,
            a.metadata.height,
            a.statistic.total_annotations if a.statistic else 0,
            a.id,
        )
        for a in found
    ]
    context.answer(found, table(rows, ("FILE", "WIDTH", "HEIGHT", "ANNOTATIONS", "ID")))
    if limit and next(page, None) is not None:
        whole = None if groups or where else counts(project).total_assets
        context.remark(more_text(limit, whole))


@asset.command("show")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("file", metavar="FILE")
@common
def show(context: Context, name_or_id: str, file: str) -> None:
    """Show an image, by its file name or id, and the counts of its annotations."""
    found = context.project(name_or_id).assets.get(file)
    size = f"{found.metadata.width} x {found.metadata.height}"
    lines = [
        f"{found.filename} ({found.id})",
        f"  size         {size}, {found.metadata.file_size:,} bytes",
    ]
    lines += [
        f"  status       {found.status}",
        f"  groups       {', '.join(found.metadata.groups)}",
    ]
    lines += [
        f"  {each.count:,} x {each.name}"
        for each in (found.statistic.tags_count if found.statistic else ())
    ]
    context.answer(found, "\n".join(lines))


@asset.command("delete")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def delete(context: Context, name_or_id: str, files: tuple[str, ...], yes: bool) -> None:
    """Delete images, by file name or id, with their annotations; annotary undo brings them back."""
    assets = context.project(name_or_id).assets
    found = [assets.get(each) for each in files]  # none is deleted when one is not there
    count = sum(each.statistic.total_annotations for each in found if each.statistic)
    if not yes:
        question = f"Delete {len(found):,} images with {count:,} annotations?"
        click.confirm(question, abort=True, err=True)
    answers = [assets.delete(each.id) for each in found]
    context.answer(answers, f"Deleted {len(found):,} images with {count:,} annotations.")
