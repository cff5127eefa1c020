"""``annotary asset``."""

from __future__ import annotations

import sys
from itertools import islice

import click

from annotary.cli.context import Context, common, counts, shared
from annotary.cli.failures import DATA_REFUSED
from annotary.cli.texts import ERROR, print_problems, problems_data, table


@click.group()
@shared
def asset() -> None:
    """Add and list images."""


@asset.command("add")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--group", "groups", multiple=True, default=("main",), help="A group to put them in.")
@common
def add(context: Context, name_or_id: str, paths: tuple[str, ...], groups: tuple[str, ...]) -> None:
    """Upload images, or all images of folders."""
    project = context.project(name_or_id)
    before = counts(project).total_assets
    with project.assets.create_upload_session(groups=list(groups), on_error="skip") as session:
        session.add_paths(paths)
    count = counts(project).total_assets - before
    errors = sum(problem.level == ERROR for problem in session.problems)
    if not context.json:
        print_problems(session.problems, 0)
    context.answer(
        {"added": count, "problems": problems_data(session.problems)},
        f"Added {count:,} images to {project.name}."
        + (f" {errors:,} could not be read." if errors else ""),
    )
    if errors:
        sys.exit(DATA_REFUSED)


@asset.command("list")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--limit", default=100, show_default=True, help="How many; 0 for all.")
@click.option("--group", "groups", multiple=True, help="Only those of a group.")
@common
def list_(context: Context, name_or_id: str, limit: int, groups: tuple[str, ...]) -> None:
    """List a project's images."""
    page = context.project(name_or_id).assets.list(
        pagination={"limit": 1000}, filters={"groups": list(groups)}
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
