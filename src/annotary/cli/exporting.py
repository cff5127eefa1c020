"""``annotary export``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, common
from annotary.cli.destination import OVERWRITE, Destination
from annotary.cli.exportoptions import MODES, export_options, options_of
from annotary.cli.failures import Stopped, writing
from annotary.cli.interrupting import done, interruptible, still_running, stop_operation, stopped
from annotary.cli.progress import Progress
from annotary.cli.texts import export_text

if TYPE_CHECKING:
    from annotary.client.project import Project
    from annotary.model import Operation


@click.command("export")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--format", "format_", metavar="FORMAT", required=True, help="See annotary formats.")
@click.option("--out", type=click.Path(file_okay=False), help="The folder to write into.")
@click.option(
    "--images",
    "--with-images",
    "images",
    type=click.Choice(MODES),
    default="none",
    show_default=True,
    help="Write the images, too: as copies, or as hard links where one disk has both.",
)
@OVERWRITE
@export_options
@click.option("--at", metavar="STATE", help="A snapshot, or # and a change's number.")
@click.option("--plan", is_flag=True, help="Say what would be lost; write nothing.")
@common
def export(
    context: Context,
    name_or_id: str,
    format_: str,
    out: str | None,
    images: str,
    overwrite: bool,
    given: dict[str, Any],
    at: str | None,
    plan: bool,
) -> None:
    """Export a project's annotations into a folder, with a manifest beside them."""
    from annotary.model import ExportRequest

    project = context.project(name_or_id)
    request = ExportRequest(format=format_, options=options_of(given, images), snapshot=at)
    if plan:
        losses = project.annotations.plan_export(request)
        text = "\n".join(loss.text for loss in losses) or "Nothing would be lost."
        context.answer({"losses": losses}, text)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    destination = Destination(out, overwrite)
    made: list[Operation] = []
    with Progress("Exporting", "annotations") as progress:

        def work() -> Operation:
            made.append(project.annotations.create_export(request, background=True))
            return project.operations.wait_until_done(
                made[0].id,
                raise_exception_if=None,
                on_progress=lambda op: progress.set(
                    op.status.progress.records or 0, op.status.progress.total or 0
                ),
            )

        try:
            operation = interruptible(work)
        except KeyboardInterrupt:
            progress.clear()
            operation = _cancelled(project, made)
    if operation.status.overview != "Finished":
        _refused_export(operation.status.message, given["on_loss"])
    manifest = project.annotations.get_export_manifest(operation.id)
    destination.clear_for([*manifest.files, *manifest.images])
    with writing(destination.folder), done(f"the files in {out} are not complete."):
        found = project.annotations.download_exported_file(operation.id, out, flat=True)
    destination.write_manifest(manifest)
    project.annotations.delete_export(operation.id)
    context.answer(
        {"operation": operation, "files": found.file_names, "manifest": manifest},
        f"{operation.status.message}\n{export_text(out, manifest)}",
    )


def _cancelled(project: Project, made: list[Operation]) -> Operation:
    """Stop the export and say so; answers the operation if it had failed before."""
    follow = "annotary export list says what became of the export."

    def stop(seconds: float) -> Operation | None:
        end = time.monotonic() + seconds
        while not made and time.monotonic() < end:
            time.sleep(0.02)
        return stop_operation(project, made[0].id, end - time.monotonic()) if made else None

    found = stopped(stop, follow)
    if found is None or found.status.overview in {"Queued", "Running"}:
        still_running(follow)
    if found.status.overview == "Cancelled":
        raise Stopped("Cancelled: nothing was exported.")
    if found.status.overview == "Finished":
        raise Stopped(
            f"Too late to cancel: the store holds the export {found.id}; no file was written here."
        )
    return found


def _refused_export(message: str, on_loss: str) -> None:
    from annotary import BadRequestError, LossRefusedError

    if on_loss == "refuse":
        raise LossRefusedError(message, hint="Allow the loss with --on-loss warn.")
    raise BadRequestError(message)
