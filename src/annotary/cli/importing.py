"""``annotary import``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, common
from annotary.cli.failures import DATA_REFUSED, Stopped, must_be_writable, writing
from annotary.cli.interrupting import done, interruptible, still_running, stopped
from annotary.cli.progress import Progress
from annotary.cli.readoptions import read_options
from annotary.cli.texts import ERROR, existing_text, import_text, print_logs

if TYPE_CHECKING:
    from annotary import ImportFailedError
    from annotary.client.importsession import ImportSession
    from annotary.client.project import Project

PATH = click.Path(exists=True, allow_dash=True)
"""A file, a folder, an archive, or ``-`` for standard input."""
PREFIX = click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="NAME",
    help="Stands in front of the names of a path's images; one for each PATH.",
)
ON_ERROR = click.Choice(["reject_session", "reject_file", "skip"])


@click.command("import")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--format", "format_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option(
    "--on-error",
    type=ON_ERROR,
    default="reject_session",
    show_default=True,
    help="What a faulty record costs: all, its file, or itself.",
)
@click.option(
    "--create-assets",
    is_flag=True,
    help="Register images that the project does not have, at the sizes that the files state.",
)
@click.option("--images", type=click.Path(exists=True), help="Upload these images first.")
@click.option("--dry-run", is_flag=True, help="Report everything, commit nothing.")
@click.option("--rejects", type=click.Path(file_okay=False), help="Write faulty records here.")
@click.option(
    "--mode",
    type=click.Choice(["add", "append", "update", "sync", "replace"]),
    default="add",
    show_default=True,
    help="What becomes of what is there: equal records stay as they are (but with append);"
    " update, sync and replace change what differs; sync deletes what the same source lacks,"
    " replace what the images lack.",
)
@click.option("--source", metavar="NAME", help="Whose annotations these are; else the file's name.")
@click.option(
    "--on-conflict",
    type=click.Choice(["keep", "overwrite"]),
    default="keep",
    show_default=True,
    help="What becomes of annotations that were edited by hand.",
)
@read_options
@PREFIX
@click.option("--show", default=10, show_default=True, help="How many problems to print; 0: all.")
@common
def import_(
    context: Context,
    name_or_id: str,
    paths: tuple[str, ...],
    format_: str | None,
    on_error: Any,
    create_assets: bool,
    images: str | None,
    dry_run: bool,
    rejects: str | None,
    mode: Any,
    source: str | None,
    on_conflict: Any,
    reading: dict[str, Any],
    prefixes: tuple[str, ...],
    show: int,
) -> None:
    """Import annotation files, or folders of them, into a project.

    Every record is committed, or counted and explained. With the default --on-error, a single
    faulty record leaves the project as it was.
    """
    from annotary import ImportFailedError

    if rejects is not None:
        must_be_writable(Path(rejects))
    project = context.project(name_or_id)
    unreadable = []
    if images is not None:
        with project.assets.create_upload_session(on_error="skip") as upload:
            upload.add_path(images)
        told = existing_text(upload).strip()
        if told:
            context.remark(told)
        unreadable = [problem for problem in upload.problems if problem.level == ERROR]
    begin = time.monotonic()
    failed = None
    with Progress("Importing") as progress:
        session = project.annotations.create_import_session(
            background=not progress.quiet,
            format=format_,
            on_error=on_error,
            create_assets=create_assets,
            dry_run=dry_run,
            rejects=rejects is not None,
            mode=mode,
            source=source,
            on_conflict=on_conflict,
            **reading,
        )
        session.on_progress = lambda found: progress.set(
            found.status.annotations.with_status.Processed
        )

        def work() -> None:
            with session:
                session.add_paths(paths, prefixes)
                session.add_problems(unreadable)
            session.wait_until_done()

        try:
            interruptible(work)
        except ImportFailedError as error:
            failed = error
        except KeyboardInterrupt:
            progress.clear()
            failed = _cancelled(project, session)
    found = session.refresh()
    if found.report is None:
        assert failed is not None
        raise failed
    with done(found.status.message):
        logs = session.get_logs().logs
        if rejects is not None:
            with writing(Path(rejects)):
                session.download_rejects(rejects)
        if context.json:
            context.answer({"session": found, "logs": logs})
        else:
            print_logs(logs, show, found.report.errors + found.report.warnings)
            seconds = time.monotonic() - begin
            click.echo(import_text(found.report))
            colour = "red" if failed else "green"
            click.secho(f"{found.status.message} ({seconds:.1f} s)", fg=colour)
    if failed is not None:
        sys.exit(DATA_REFUSED)


def _cancelled(project: Project, session: ImportSession) -> ImportFailedError:
    """Stop the import and say what the store holds; answers the error if it had failed before."""
    from annotary import ImportFailedError

    follow = f"annotary imports show {project.name} {session.id} says what became of the import."
    found = stopped(session.cancel, follow)
    if found.status.overview == "Cancelled":
        raise Stopped("Cancelled: nothing was imported.")
    if found.status.overview == "Finished":
        raise Stopped(f"Too late to cancel: the import is committed. {found.status.message}")
    if found.status.overview != "Errored":
        still_running(follow)
    return ImportFailedError(found.status.message)
