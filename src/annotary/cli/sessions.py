"""``annotary imports``: what was imported, and what became of it."""

from __future__ import annotations

import click

from annotary.cli.context import Context, common, shared
from annotary.cli.texts import import_text, print_logs, table, when

PROJECT = click.argument("name_or_id", metavar="PROJECT")


@click.group()
@shared
def imports() -> None:
    """List imports, and show one with its problems; annotary undo takes one back."""


@imports.command("list")
@PROJECT
@common
def list_(context: Context, name_or_id: str) -> None:
    """List a project's imports, newest first."""
    found = context.project(name_or_id).annotations.list_import_sessions()
    rows = [
        (
            each.id,
            when(each.create_date),
            each.status.overview,
            each.report.committed if each.report and not each.report.dry_run else 0,
            each.status.message,
        )
        for each in found
    ]
    head = ("ID", "CREATED", "STATE", "GOOD", "MESSAGE")
    context.answer(found, table(rows, head) if rows else "No imports yet.")


@imports.command("show")
@PROJECT
@click.argument("session_id", metavar="ID")
@click.option("--show", "limit", default=10, show_default=True, help="Problems to print; 0: all.")
@common
def show(context: Context, name_or_id: str, session_id: str, limit: int) -> None:
    """Show an import: its files, its counts and its problems."""
    annotations = context.project(name_or_id).annotations
    found = annotations.get_import_session(session_id)
    logs = annotations.get_import_session_logs(session_id).logs
    if not context.json:
        print_logs(logs, limit)
    report = f"{import_text(found.report)}\n" if found.report else ""
    context.answer(
        {"session": found, "logs": logs},
        f"{report}{found.status.overview}: {found.status.message}",
    )
