"""``annotary export``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotary.cli.context import Context, common
from annotary.cli.failures import Stopped, must_be_writable, writing
from annotary.cli.interrupting import done, interruptible, still_running, stop_operation, stopped
from annotary.cli.progress import Progress
from annotary.cli.texts import written_text

if TYPE_CHECKING:
    from annotary.client.project import Project
    from annotary.model import Operation

ON_LOSS = click.Choice(["warn", "refuse", "allow"])


@click.command("export")
@click.argument("name_or_id", metavar="PROJECT")
@click.option("--format", "format_", metavar="FORMAT", required=True, help="See annotary formats.")
@click.option("--out", type=click.Path(file_okay=False), help="The folder to write into.")
@click.option("--split-ratio", type=click.FloatRange(0, 1), default=0.0, help="For validation.")
@click.option("--seed", type=int, default=1337, show_default=True, help="Decides the split.")
@click.option("--normalized/--pixels", default=None, help="Fractions, or pixels.")
@click.option(
    "--on-loss", type=ON_LOSS, default="warn", show_default=True, help="If not all can be carried."
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the format.")
@click.option("--plan", is_flag=True, help="Say what would be lost; write nothing.")
@common
def export(
    context: Context,
    name_or_id: str,
    format_: str,
    out: str | None,
    split_ratio: float,
    seed: int,
    normalized: bool | None,
    on_loss: Any,
    options: tuple[str, ...],
    plan: bool,
) -> None:
    """Export a project's annotations into a folder, with a manifest beside them."""
    from annotary.model import ExportOptions, ExportRequest

    project = context.project(name_or_id)
    request = ExportRequest(
        format=format_,
        options=ExportOptions(
            split_ratio=split_ratio,
            seed=seed,
            normalized=normalized,
            on_loss=on_loss,
            extra=format_options(options),
        ),
    )
    if plan:
        losses = project.annotations.plan_export(request)
        text = "\n".join(loss.text for loss in losses) or "Nothing would be lost."
        context.answer({"losses": losses}, text)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    folder = Path(out)
    must_be_writable(folder)
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
        _refused_export(operation.status.message, on_loss)
    with writing(folder), done(f"the files in {out} are not complete."):
        found = project.annotations.download_exported_file(operation.id, out)
    manifest = project.annotations.get_export_manifest(operation.id)
    write_manifest(folder, manifest)
    context.answer(
        {"operation": operation, "files": found.file_names, "manifest": manifest},
        f"{operation.status.message}\n{written_text(out, found.file_names)}",
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


def format_options(given: tuple[str, ...]) -> dict[str, Any]:
    """The options of the format itself: ``NAME=VALUE``, the value as JSON or as text."""
    import msgspec

    options: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"--option {each!r}: write NAME=VALUE.")
        try:
            options[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            options[name] = value
    return options


def write_manifest(folder: Path, manifest: Any) -> None:
    """Write what an export holds beside it."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_bytes(text + b"\n")


def _refused_export(message: str, on_loss: str) -> None:
    from annotary import BadRequestError, LossRefusedError

    if on_loss == "refuse":
        raise LossRefusedError(message, hint="Allow the loss with --on-loss warn.")
    raise BadRequestError(message)
