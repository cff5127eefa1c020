"""``annotary project`` and ``annotary stats``."""

from __future__ import annotations

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
