"""``annotary formats``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, without_store
from annotary.cli.texts import table

if TYPE_CHECKING:
    from annotary.contract.format import Format


@click.command("formats")
@click.argument("name", required=False)
@without_store
def formats(context: Context, name: str | None) -> None:
    """List the formats, or explain the one called NAME."""
    import inspect

    from annotary import formats as known

    if name is not None:
        found = known.get(name)
        page = inspect.getdoc(inspect.getmodule(type(found))) or found.title
        context.answer({**_row(found), "page": page}, page)
        return
    everything = [known.get(each) for each in known.names()]
    rows = [
        (f.name, "yes" if f.reads or f.read_by else "", "yes" if f.writes else "", f.title)
        for f in everything
    ]
    context.answer(
        [_row(each) for each in everything], table(rows, ("FORMAT", "READ", "WRITE", "TITLE"))
    )


def _row(format_: Format) -> dict[str, Any]:
    return {
        "name": format_.name,
        "title": format_.title,
        "reads": format_.reads or bool(format_.read_by),
        "writes": format_.writes,
        "carries": format_.carries,
    }
