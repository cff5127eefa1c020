"""``annotary project``, ``annotary annotation`` and ``annotary stats``."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from annotary.cli.context import Context, common, counts, shared
from annotary.cli.texts import table


@click.group()
@shared
def project() -> None:
    """Create, list, show and delete projects."""


@project.command("create")
@click.argument("name")
@click.option(
    "--type",
    "type_",
    type=click.Choice(["ObjectDetection", "Classification", "Keypoint", "RGBD"]),
    default="ObjectDetection",
    show_default=True,
    help="A label for tools; any annotation may be stored.",
)
@common
def create(context: Context, name: str, type_: Any) -> None:
    """Create a project called NAME."""
    context.creates = True
    made = context.client.create_project(name, type_, on_existing="refuse")
    context.answer(made.get_info(), f"Created {made.name} ({made.id}).")


@project.command("list")
@common
def list_(context: Context) -> None:
    """List all projects."""
    found = [each.get_info() for each in context.client.list_projects()]
    rows = [
        (p.name, p.id, p.statistic.total_assets, p.statistic.total_annotations)
        for p in found
        if p.statistic is not None
    ]
    text = table(rows, ("NAME", "ID", "IMAGES", "ANNOTATIONS")) if rows else "No projects yet."
    context.answer(found, text)


@project.command("show")
@click.argument("name_or_id", metavar="PROJECT")
@common
def show(context: Context, name_or_id: str) -> None:
    """Show a project (by id or name) and its counts."""
    _show(context, name_or_id)


@project.command("delete")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def delete(context: Context, name_or_id: str, yes: bool) -> None:
    """Put a project with all its assets and annotations into the trash."""
    found = context.project(name_or_id)
    count = counts(found).total_annotations
    if not yes:
        click.confirm(f"Delete {found.name} with {count:,} annotations?", abort=True, err=True)
    answer = context.client.delete_project(found.id)
    context.answer(answer, f"Deleted {found.name} ({found.id}).")


@click.group()
@shared
def annotation() -> None:
    """Look at annotations."""


@annotation.command("list")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--asset", help="Only those of one asset (id or file name).")
@click.option("--limit", default=100, show_default=True, help="How many; 0 for all.")
@click.option("--attributes", is_flag=True, help="With their attributes.")
@click.option("--where", metavar="QUERY", help="Only those that a query means: docs/queries.md.")
@common
def list_annotations(
    context: Context,
    name_or_id: str,
    asset: str | None,
    limit: int,
    attributes: bool,
    where: str | None,
) -> None:
    """List a project's annotations."""
    page = context.project(name_or_id).annotations.list(
        asset,
        pagination={"limit": min(limit, 1000) if limit else 1000},
        include_attributes=attributes,
        where=where,
    )
    context.answer_each(
        islice(page, limit or None),
        lambda each: f"{each.id}  {each.asset_id}  {each.bound_type}  {each.tag}",
    )


@click.command("stats")
@click.argument("name_or_id", metavar="PROJECT")
@common
def stats(context: Context, name_or_id: str) -> None:
    """Count a project's images, annotations and tags."""
    _show(context, name_or_id)


def _show(context: Context, name_or_id: str) -> None:
    found = context.project(name_or_id).get_info()
    told = found.statistic
    assert told is not None
    lines = [
        f"{found.name} ({found.id})",
        f"  images       {told.total_assets:,} ({told.annotated_assets:,} annotated)",
        f"  annotations  {told.total_annotations:,}",
    ]
    if told.tags_count:
        lines += ["", table([(t.name, t.count) for t in told.tags_count], ("TAG", "ANNOTATIONS"))]
    context.answer(found, "\n".join(lines))
