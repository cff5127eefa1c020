"""``annotary annotation``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, common, counts, shared
from annotary.cli.texts import more_text

if TYPE_CHECKING:
    from annotary.client.project import Project
    from annotary.model import Annotation, Asset

PROJECT = click.argument("name_or_id", metavar="PROJECT")


@click.group()
@shared
def annotation() -> None:
    """List, show, change and delete annotations."""


@annotation.command("list")
@PROJECT
@click.option("--asset", help="Only those of one asset (id or file name).")
@click.option("--limit", type=int, help="How many; 0 for all. [default: 100, with --json all]")
@click.option("--attributes", is_flag=True, help="With their attributes.")
@click.option("--where", metavar="QUERY", help="Only those that a query means: docs/queries.md.")
@common
def list_(
    context: Context,
    name_or_id: str,
    asset: str | None,
    limit: int | None,
    attributes: bool,
    where: str | None,
) -> None:
    """List a project's annotations: id, file, tag, type, and the box in pixels."""
    project = context.project(name_or_id)
    limit = context.limit(limit)
    found = iter(
        project.annotations.list(
            asset,
            pagination={"limit": min(limit, 1000) if limit else 1000},
            include_attributes=attributes,
            where=where,
        )
    )
    images = _Images(project, all_at_once=limit == 0)
    context.answer_each(islice(found, limit or None), lambda each: _line(each, images.of(each)))
    if limit and next(found, None) is not None:
        whole = None if asset or where else counts(project).total_annotations
        context.remark(more_text(limit, whole))


@annotation.command("show")
@PROJECT
@click.argument("annotation_id", metavar="ID")
@common
def show(context: Context, name_or_id: str, annotation_id: str) -> None:
    """Show an annotation with its bound and attributes."""
    project = context.project(name_or_id)
    found = project.annotations.get(annotation_id, include_attributes=True)
    lines = [_line(found, _Images(project).of(found))]
    lines += [f"  {name}: {value}" for name, value in found.to_dict().items() if value is not None]
    context.answer(found, "\n".join(lines))


@annotation.command("update")
@PROJECT
@click.argument("annotation_id", metavar="ID")
@click.option("--tag", help="The tag that it shall have.")
@click.option("--bound", metavar="JSON", help="Its bound, in fractions: [[x, y], ...].")
@click.option(
    "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="An attribute's value."
)
@common
def update(
    context: Context,
    name_or_id: str,
    annotation_id: str,
    tag: str | None,
    bound: str | None,
    attributes: tuple[str, ...],
) -> None:
    """Change an annotation; what is not given stays."""
    import msgspec

    changes: dict[str, Any] = {}
    if tag is not None:
        changes["tag"] = tag
    if bound is not None:
        try:
            changes["bound"] = msgspec.json.decode(bound)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"--bound is not JSON: {error}.") from None
    if attributes:
        changes["attributes"] = [_attribute(each) for each in attributes]
    if not changes:
        raise click.UsageError("Nothing to change: give --tag, --bound or --attribute.")
    project = context.project(name_or_id)
    found = project.annotations.update(annotation_id, changes)
    context.answer(found, _line(found, _Images(project).of(found)))


@annotation.command("delete")
@PROJECT
@click.argument("annotation_ids", metavar="ID...", nargs=-1, required=True)
@common
def delete(context: Context, name_or_id: str, annotation_ids: tuple[str, ...]) -> None:
    """Delete annotations by their ids; annotary undo brings them back."""
    from annotary import NotFoundError

    answer = context.project(name_or_id).annotations.delete_many(annotation_ids)
    if answer.missing:
        raise NotFoundError(
            f"{answer.deleted:,} annotations were deleted; there was no "
            f"{', '.join(answer.missing[:5])}."
        )
    context.answer(answer, f"Deleted {answer.deleted:,} annotations.")


class _Images:
    """The assets of annotations, each asked for once."""

    def __init__(self, project: Project, *, all_at_once: bool = False) -> None:
        self._assets = project.assets
        self._all_at_once = all_at_once
        self._known: dict[str, Asset] = {}

    def of(self, annotation: Annotation) -> Asset:
        """The asset of an annotation."""
        if self._all_at_once:
            self._known = {each.id: each for each in self._assets.list({"limit": 1000})}
            self._all_at_once = False
        found = self._known.get(annotation.asset_id)
        if found is None:
            found = self._known[annotation.asset_id] = self._assets.get(annotation.asset_id)
        return found


def _line(found: Annotation, asset: Asset) -> str:
    box = ""
    if isinstance(found.bound, list) and found.bound:
        width, height = asset.metadata.width, asset.metadata.height
        xs, ys = [p[0] * width for p in found.bound], [p[1] * height for p in found.bound]
        left, top = min(xs), min(ys)
        box = f"{left:.1f},{top:.1f} {max(xs) - left:.1f}x{max(ys) - top:.1f} px"
    return f"{found.id}  {asset.filename}  {found.tag}  {found.bound_type}  {box}".rstrip()


def _attribute(given: str) -> dict[str, Any]:
    import msgspec

    name, equals, value = given.partition("=")
    if not equals:
        raise click.UsageError(f"--attribute {given!r}: write NAME=VALUE.")
    try:
        return {"name": name, "value": msgspec.json.decode(value)}
    except msgspec.DecodeError:
        return {"name": name, "value": value}
