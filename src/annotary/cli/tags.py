"""``annotary tag`` and ``annotary ontology``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from annotary.cli.context import Context, common, counts, shared
from annotary.cli.texts import table

if TYPE_CHECKING:
    from annotary.client.project import Project
    from annotary.model import Tag

PROJECT = click.argument("name_or_id", metavar="PROJECT")
TAG = click.argument("name", metavar="TAG")


@click.group()
@shared
def tag() -> None:
    """List, create, rename, merge and delete tags."""


@tag.command("list")
@PROJECT
@common
def list_(context: Context, name_or_id: str) -> None:
    """List a project's tags in their order."""
    project = context.project(name_or_id)
    found = project.tags.list()
    used = {each.name: each.count for each in counts(project).tags_count}
    rows = [(each.index, each.name, used.get(each.name, 0), each.color or "") for each in found]
    head = ("INDEX", "TAG", "ANNOTATIONS", "COLOR")
    context.answer(found, table(rows, head) if rows else "No tags yet.")


@tag.command("create")
@PROJECT
@TAG
@click.option("--color", help="Like #ff8800.")
@click.option("--description", help="What it means.")
@common
def create(
    context: Context, name_or_id: str, name: str, color: str | None, description: str | None
) -> None:
    """Add a tag at the end."""
    found = context.project(name_or_id).tags.create(name, color, description)
    context.answer(found, f"Created the tag {name}.")


@tag.command("rename")
@PROJECT
@TAG
@click.argument("new_name", metavar="NEW")
@common
def rename(context: Context, name_or_id: str, name: str, new_name: str) -> None:
    """Give a tag another name; its annotations have it at once."""
    tags = context.project(name_or_id).tags
    context.answer(tags.update(_tag(tags.list(), name), name=new_name), f"{name} is {new_name}.")


@tag.command("merge")
@PROJECT
@TAG
@click.option("--into", required=True, metavar="TAG", help="The tag that gets the annotations.")
@common
def merge(context: Context, name_or_id: str, name: str, into: str) -> None:
    """Give the annotations of one tag to another and remove the first."""
    project = context.project(name_or_id)
    found = project.tags.list()
    count = _used(project, name)
    answer = project.tags.merge(_tag(found, name), _tag(found, into))
    context.answer(answer, f"{into} has the {count:,} annotations of {name} now.")


@tag.command("delete")
@PROJECT
@TAG
@common
def delete(context: Context, name_or_id: str, name: str) -> None:
    """Remove a tag that no annotation has."""
    tags = context.project(name_or_id).tags
    context.answer(tags.delete(_tag(tags.list(), name)), f"Deleted the tag {name}.")


@click.group()
@shared
def ontology() -> None:
    """Show and set the attributes that the annotations of a tag have."""


@ontology.command("show")
@PROJECT
@click.argument("name", metavar="[TAG]", required=False)
@common
def show(context: Context, name_or_id: str, name: str | None) -> None:
    """Show the attributes of all tags, or of one."""
    project = context.project(name_or_id)
    if name is not None:
        _tag(project.tags.list(), name)
    found = [each for each in project.ontologies.list() if name in (None, each.name)]
    rows = [
        (
            each.name,
            attribute.name,
            attribute.type,
            "yes" if attribute.required else "",
            ", ".join(attribute.options.categories) if attribute.options else "",
        )
        for each in found
        for attribute in each.attributes
    ]
    head = ("TAG", "ATTRIBUTE", "TYPE", "REQUIRED", "VALUES")
    context.answer(found, table(rows, head) if rows else "No attributes are defined.")


@ontology.command("set")
@PROJECT
@TAG
@click.argument("attributes", metavar="FILE", type=click.File("rb"))
@common
def set_(context: Context, name_or_id: str, name: str, attributes: IO[bytes]) -> None:
    """Define the attributes of a tag: a JSON list in FILE, or - for standard input.

    \b
    [{"name": "age", "type": "Numeric"},
     {"name": "coat", "type": "Categorical", "options": {"categories": ["long", "short"]}}]
    """
    import msgspec

    from annotary import BadRequestError

    try:
        given = msgspec.json.decode(attributes.read(), type=list[dict[str, object]])
    except msgspec.DecodeError as error:
        raise BadRequestError(
            f"{attributes.name} is not a JSON list of attributes: {error}.",
            hint='Write [{"name": "age", "type": "Numeric"}].',
        ) from None
    project = context.project(name_or_id)
    made = project.ontologies.set(_tag(project.tags.list(), name), given)
    context.answer(made, f"{name} has {len(made.attributes)} attributes.")


def _used(project: Project, name: str) -> int:
    return next((each.count for each in counts(project).tags_count if each.name == name), 0)


def _tag(tags: list[Tag], name: str) -> int:
    """The index of a tag given by name, or by index where no tag is called so."""
    from annotary.client.tags import index_of

    if name.isdigit() and name not in [each.name for each in tags]:
        name = next((each.name for each in tags if each.index == int(name)), name)
    return index_of(tags, name)
