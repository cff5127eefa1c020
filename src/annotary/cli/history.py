"""``annotary log``, ``annotary undo``, ``annotary snapshot`` and ``annotary trash``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from annotary.cli.context import Context, common, shared
from annotary.cli.texts import table, when

if TYPE_CHECKING:
    from annotary.model import Change, Snapshot


@click.command("log")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("change", required=False)
@click.option("--asset", help="Only what concerns one image (id or file name).")
@click.option("--author", help="Only what one author did.")
@click.option("--kind", help="Only changes of one kind: import, create, delete, undo, ...")
@click.option("--limit", default=20, show_default=True, help="How many; 0 for all.")
@common
def log(
    context: Context,
    name_or_id: str,
    change: str | None,
    asset: str | None,
    author: str | None,
    kind: str | None,
    limit: int,
) -> None:
    """List what was done to a project, the last change first; or show one CHANGE."""
    changes = context.project(name_or_id).changes
    if change is not None:
        found = changes.get(change)
        context.answer(found, _line(found))
        return
    pages = changes.list(
        asset=asset, author=author, kind=kind, limit=min(limit, 1000) if limit else 1000
    )
    context.answer_each(islice(pages, limit or None), _line)


@click.command("undo")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("change", required=False)
@click.option("--keep-later", is_flag=True, help="Leave what was changed again, undo the rest.")
@click.option("--force", is_flag=True, help="Undo what was changed again as well.")
@click.option("--rename", is_flag=True, help="Give what comes back another name where it is taken.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@common
def undo(
    context: Context,
    name_or_id: str,
    change: str | None,
    keep_later: bool,
    force: bool,
    rename: bool,
    dry_run: bool,
) -> None:
    """Take a CHANGE of a project back (its number or id; else the last one).

    That is a change itself: undoing it redoes the first one.
    """
    if keep_later and force:
        raise click.UsageError("--keep-later and --force contradict each other.")
    changes = context.project(name_or_id).changes
    if change is None:
        last = next(iter(changes.list(limit=1)), None)
        if last is None:
            raise click.UsageError("The project has no changes.")
        change = str(last.number)
    done = changes.undo(
        change,
        "keep" if keep_later else "force" if force else "refuse",
        dry_run=dry_run,
        rename=rename,
    )
    head = "Would undo" if dry_run else "Undid"
    lines = [f"{head} #{done.change.undoes}: {_counts(done.change) or 'nothing had to be done'}."]
    if done.conflicted:
        lines.append(f"{done.conflicted:,} things were changed again:")
        lines += [f"  {each.noun} {each.id}: {each.detail}" for each in done.conflicts[:10]]
    context.answer(done, "\n".join(lines))


@click.group()
@shared
def snapshot() -> None:
    """Name states of a project; list, show, restore and forget them."""


@snapshot.command("create")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("name")
@click.option("--message", default="", help="Why.")
@common
def create(context: Context, name_or_id: str, name: str, message: str) -> None:
    """Name the present state of a project; it never changes."""
    made = context.project(name_or_id).snapshots.create(name, message)
    context.answer(made, f"Created {_snapshot(made)}.")


@snapshot.command("list")
@click.argument("name_or_id", metavar="PROJECT")
@common
def list_(context: Context, name_or_id: str) -> None:
    """List a project's snapshots."""
    found = context.project(name_or_id).snapshots.list()
    rows = [(s.name, when(s.create_date), s.author, s.statistic.total_annotations) for s in found]
    head = ("NAME", "CREATED", "AUTHOR", "ANNOTATIONS")
    context.answer(found, table(rows, head) if rows else "No snapshots yet.")


@snapshot.command("show")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("name")
@common
def show(context: Context, name_or_id: str, name: str) -> None:
    """Show a snapshot."""
    found = context.project(name_or_id).snapshots.get(name)
    context.answer(found, _snapshot(found))


@snapshot.command("delete")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("name")
@common
def delete(context: Context, name_or_id: str, name: str) -> None:
    """Forget a snapshot; the project stays as it is."""
    answer = context.project(name_or_id).snapshots.delete(name)
    context.answer(answer, f"Forgot the snapshot {name}.")


@snapshot.command("restore")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("name")
@common
def restore(context: Context, name_or_id: str, name: str) -> None:
    """Make a project what it was; a change that can be undone."""
    made = context.project(name_or_id).snapshots.restore(name)
    context.answer(made, f"Restored {name} as {_line(made)}")


@click.group()
@shared
def trash() -> None:
    """Projects that were deleted: list them, bring them back, remove them for good."""


@trash.command("list")
@common
def list_trash(context: Context) -> None:
    """List deleted projects."""
    found = context.client.trash.list()
    rows = [(each.name, each.id, when(each.delete_date)) for each in found]
    context.answer(found, table(rows, ("NAME", "ID", "DELETED")) if rows else "The trash is empty.")


@trash.command("restore")
@click.argument("name_or_id", metavar="PROJECT")
@common
def restore_project(context: Context, name_or_id: str) -> None:
    """Bring a deleted project back."""
    found = context.client.trash.restore(_deleted(context, name_or_id))
    context.answer(found, f"Restored {found.name} ({found.id}).")


@trash.command("delete")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def delete_project(context: Context, name_or_id: str, yes: bool) -> None:
    """Remove a deleted project for good."""
    id_ = _deleted(context, name_or_id)
    if not yes:
        click.confirm(f"Remove {name_or_id} for good?", abort=True, err=True)
    context.answer(context.client.trash.delete(id_), f"Removed {name_or_id} for good.")


def _deleted(context: Context, name: str) -> str:
    found = [p.id for p in context.client.trash.list() if name in (p.id, p.name, p.id[5:])]
    if len(found) > 1:
        raise click.UsageError(f"{len(found)} are called {name!r}; use an id: {', '.join(found)}.")
    return found[0] if found else name


def _counts(change: Change) -> str:
    told = []
    for noun, counts in sorted(change.counts.items()):
        signs = (("added", "+"), ("removed", "-"), ("changed", "~"), ("kept", "kept "))
        parts = [f"{sign}{counts[what]:,}" for what, sign in signs if counts.get(what)]
        if parts:
            told.append(f"{' '.join(parts)} {noun}")
    return ", ".join(told)


def _line(change: Change) -> str:
    kind = change.kind if change.undoes is None else f"undo of #{change.undoes}"
    message = f' "{change.message}"' if change.message else ""
    undone = "" if change.undone_by is None else f"  undone by #{change.undone_by}"
    head = f"#{change.number}  {when(change.create_date)}  {change.author}  {kind}{message}"
    return f"{head}  {_counts(change)}{undone}".rstrip()


def _snapshot(found: Snapshot) -> str:
    told = found.statistic
    message = f' "{found.message}"' if found.message else ""
    return (
        f"{found.name} at #{found.number}{message}, {when(found.create_date)} by {found.author}: "
        f"{told.total_annotations:,} annotations on {told.total_assets:,} images"
    )
