"""``annotary export list`` and ``delete``, beside ``annotary export PROJECT`` itself."""

from __future__ import annotations

import click

from annotary.cli.context import Context, common, shared
from annotary.cli.exporting import export as to_folder
from annotary.cli.texts import table, when

PROJECT = click.argument("name_or_id", metavar="PROJECT")


class _Exports(click.Group):
    """What is not a command of the group are the arguments of an export into a folder."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or the export itself."""
        return super().get_command(ctx, cmd_name) or to_folder

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments are for."""
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "", to_folder, args


@click.group(
    cls=_Exports,
    add_help_option=False,
    no_args_is_help=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Export a project's annotations into a folder; list and delete exports.",
)
@shared
def export() -> None:
    """Export a project's annotations into a folder; list and delete the exports of a store."""


@export.command("list")
@PROJECT
@common
def list_(context: Context, name_or_id: str) -> None:
    """List the exports that the store keeps of a project, newest first."""
    operations = context.project(name_or_id).operations.list()
    found = [each for each in operations if each.kind.endswith("annotations.export")]
    rows = [
        (each.id, when(each.create_date), each.status.overview, each.status.message)
        for each in found
    ]
    head = ("ID", "CREATED", "STATE", "MESSAGE")
    context.answer(found, table(rows, head) if rows else "No exports yet.")


@export.command("delete")
@PROJECT
@click.argument("operation_id", metavar="ID")
@common
def delete(context: Context, name_or_id: str, operation_id: str) -> None:
    """Remove the zip of an export from the store."""
    answer = context.project(name_or_id).annotations.delete_export(operation_id)
    context.answer(answer, f"Deleted the export {operation_id}.")
