"""``annotary import``, ``export``, ``convert``, ``check`` and ``formats``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from annotary.cli.main import DATA_REFUSED, Context, common, errors, table
from annotary.cli.progress import Progress

ON_ERROR = click.Choice(["reject_session", "reject_file", "skip"])
ON_LOSS = click.Choice(["warn", "refuse", "allow"])


@click.command("import")
@click.argument("name_or_id", metavar="PROJECT")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
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
    show: int,
) -> None:
    """Import annotation files, or folders of them, into a project.

    Every record is committed, or counted and explained. With the default --on-error, a single
    faulty record leaves the project as it was.
    """
    from annotary import ImportFailedError

    project = context.project(name_or_id)
    if images is not None:
        with project.assets.create_upload_session() as upload:
            upload.add_path(images)
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
        )
        session.on_progress = lambda found: progress.set(
            found.status.annotations.with_status.Processed
        )
        try:
            with session:
                for path in paths:
                    session.add_path(path)
            session.wait_until_done()
        except ImportFailedError as error:
            failed = error
    found = session.refresh()
    if found.report is None:
        assert failed is not None
        raise failed
    logs = session.get_logs().logs
    if rejects is not None:
        session.download_rejects(rejects)
    if context.json:
        context.answer({"session": found, "logs": logs})
    else:
        _print_logs(logs, show)
        seconds = time.monotonic() - begin
        click.echo(_report_text(found.report))
        click.secho(f"{found.status.message} ({seconds:.1f} s)", fg="red" if failed else "green")
    if failed is not None:
        sys.exit(DATA_REFUSED)


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
            extra=_options(options),
        ),
    )
    if plan:
        losses = project.annotations.plan_export(request)
        text = "\n".join(loss.text for loss in losses) or "Nothing would be lost."
        context.answer({"losses": losses}, text)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    with Progress("Exporting", "annotations") as progress:
        operation = project.annotations.create_export(request, background=not progress.quiet)
        operation = project.operations.wait_until_done(
            operation.id,
            raise_exception_if=None,
            on_progress=lambda op: progress.set(
                op.status.progress.records or 0, op.status.progress.total or 0
            ),
        )
    if operation.status.overview != "Finished":
        _refused_export(operation.status.message, on_loss)
    found = project.annotations.download_exported_file(operation.id, out)
    manifest = project.annotations.get_export_manifest(operation.id)
    _write_manifest(Path(out), manifest)
    context.answer(
        {"operation": operation, "files": found.file_names, "manifest": manifest},
        f"{operation.status.message}\n{_files_text(out, found.file_names)}",
    )


@click.command("convert")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--to", "to", metavar="FORMAT", required=True, help="See annotary formats.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="The folder to write.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The images' folder.")
@click.option("--on-error", type=ON_ERROR, default="reject_session", show_default=True)
@click.option("--split-ratio", type=click.FloatRange(0, 1), default=0.0, help="For validation.")
@click.option("--seed", type=int, default=1337, show_default=True, help="Decides the split.")
@click.option("--normalized/--pixels", default=None, help="Fractions, or pixels.")
@click.option("--on-loss", type=ON_LOSS, default="warn", show_default=True)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the format.")
@click.option("--show", default=10, show_default=True, help="How many problems to print; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def convert(
    paths: tuple[str, ...],
    to: str,
    out: str,
    from_: str | None,
    images: str | None,
    on_error: Any,
    split_ratio: float,
    seed: int,
    normalized: bool | None,
    on_loss: Any,
    options: tuple[str, ...],
    show: int,
    as_json: bool,
) -> None:
    """Convert annotation files to another format; no project is needed.

    Image sizes are taken from the files, or from the images in --images.
    """
    with errors(as_json):
        from annotary import formats
        from annotary.conversion.conversion import Conversion, sources_of
        from annotary.model import ExportOptions
        from annotary.writing.output import FolderOutput

        target = formats.get(to)
        with Progress("Reading") as progress:
            conversion = Conversion(
                sources_of(paths),
                format_=formats.get(from_) if from_ else None,
                images=Path(images) if images else None,
                on_error=on_error,
                progress=progress.advance,
            )
        with conversion:
            if conversion.refused:
                _report_reading(conversion, as_json, show)
                sys.exit(DATA_REFUSED)
            folder = Path(out)
            with Progress("Writing", "annotations") as progress, FolderOutput(folder) as written:
                manifest = conversion.write(
                    target,
                    ExportOptions(
                        split_ratio=split_ratio,
                        seed=seed,
                        normalized=normalized,
                        on_loss=on_loss,
                        extra=_options(options),
                    ),
                    written,
                    progress.advance,
                )
            _write_manifest(folder, manifest)
            if as_json:
                _print_json({"reading": _reading_data(conversion), "manifest": manifest})
                return
            _report_reading(conversion, as_json, show)
        for loss in manifest.losses:
            click.secho(loss.text, fg="yellow")
        click.echo(_files_text(out, list(manifest.files)))


@click.command("check")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--format", "format_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The images' folder.")
@click.option("--rejects", type=click.Path(file_okay=False), help="Write faulty records here.")
@click.option("--show", default=50, show_default=True, help="Problems to print; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def check(
    paths: tuple[str, ...],
    format_: str | None,
    images: str | None,
    rejects: str | None,
    show: int,
    as_json: bool,
) -> None:
    """Check annotation files and report every fault with its place; exit 1 if there are errors."""
    with errors(as_json):
        from annotary import formats
        from annotary.conversion.conversion import Conversion, sources_of
        from annotary.writing.output import FolderOutput

        with Progress("Checking") as progress:
            conversion = Conversion(
                sources_of(paths),
                format_=formats.get(format_) if format_ else None,
                images=Path(images) if images else None,
                on_error="skip",
                keep=False,
                progress=progress.advance,
                rejects=FolderOutput(Path(rejects)) if rejects else None,
            )
        with conversion:
            _report_reading(conversion, as_json, show)
            log = conversion.log
            if not as_json:
                colour = "red" if log.errors else "green"
                click.secho(f"{log.errors:,} errors, {log.warnings:,} warnings.", fg=colour)
            if log.errors:
                sys.exit(DATA_REFUSED)


@click.command("formats")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def formats(name: str | None, as_json: bool) -> None:
    """List the formats, or explain the one called NAME."""
    with errors(as_json):
        import inspect

        from annotary import formats as known

        if name is not None:
            found = known.get(name)
            click.echo(inspect.getdoc(inspect.getmodule(type(found))) or found.title)
            return
        everything = [known.get(each) for each in known.names()]
        if as_json:
            _print_json(
                [
                    {
                        "name": f.name,
                        "title": f.title,
                        "reads": f.reads or bool(f.read_by),
                        "writes": f.writes,
                        "carries": f.carries,
                    }
                    for f in everything
                ]
            )
            return
        rows = [
            (
                f.name,
                "yes" if f.reads or f.read_by else "",
                "yes" if f.writes else "",
                f.title,
            )
            for f in everything
        ]
        click.echo(table(rows, ("FORMAT", "READ", "WRITE", "TITLE")))


# --- texts ------------------------------------------------------------------------------------


def _options(given: tuple[str, ...]) -> dict[str, Any]:
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


def _print_json(data: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(data, enc_hook=list), indent=2).decode())


def _print_logs(logs: Any, show: int) -> None:
    shown = logs if show == 0 else logs[:show]
    for item in shown:
        _print_problem(item.level, item.message)
    if len(logs) > len(shown):
        click.echo(f"... and {len(logs) - len(shown):,} more (--show 0 prints all).\n", err=True)


def _print_problem(level: str, text: str) -> None:
    head, _, rest = text.partition("\n")
    click.secho(f"{level}: {head}", fg="red" if level == "Error" else "yellow", err=True)
    click.echo(f"{rest.strip()}\n" if rest.strip() else "", err=True)


def _report_reading(conversion: Any, as_json: bool, show: int) -> None:
    if as_json:
        _print_json(_reading_data(conversion))
        return
    for count, problem in enumerate(conversion.problems):
        if show and count == show:
            rest = conversion.log.errors + conversion.log.warnings - show
            click.echo(f"... and {rest:,} more (--show 0 prints all).\n", err=True)
            break
        _print_problem(problem.level, problem.text)
    click.echo(_reports_text(conversion.reports))


def _reading_data(conversion: Any) -> dict[str, Any]:
    return {
        "errors": conversion.log.errors,
        "warnings": conversion.log.warnings,
        "files": conversion.reports,
        "matches": conversion.matches,
        "problems": [
            {
                "level": p.level,
                "code": p.code,
                "file": p.file,
                "line": p.location.line,
                "column": p.location.column,
                "pointer": p.location.pointer,
                "records": p.count,
                "message": p.message,
                "hint": p.hint,
            }
            for p in conversion.problems
        ],
    }


def _report_text(report: Any) -> str:
    lines = [_reports_text(report.files)]
    if report.tags_created:
        names = ", ".join(report.tags_created[:8])
        more = ", ..." if len(report.tags_created) > 8 else ""
        lines.append(f"{len(report.tags_created)} tags created: {names}{more}")
    if report.assets_created:
        lines.append(f"{report.assets_created:,} images registered")
    if report.matches:
        rules: dict[str, int] = {}
        for match in report.matches:
            rules[match.rule] = rules.get(match.rule, 0) + 1
        text = ", ".join(f"{count} by {rule}" for rule, count in sorted(rules.items()))
        lines.append(f"image names matched other than exactly: {text}")
    return "\n".join(lines)


def _reports_text(reports: Any) -> str:
    """One line per format: files and records."""
    groups: dict[str, list[int]] = {}
    for report in reports:
        name = report.format or "not recognised"
        if report.role == "companion":
            name = f"({name})"
        row = groups.setdefault(name, [0, 0, 0, 0, 0, 0])
        values = (
            1,
            report.images,
            report.records,
            report.committed,
            report.skipped,
            report.rejected,
        )
        for i, value in enumerate(values):
            row[i] += value
    rows = [(name, *values) for name, values in groups.items()]
    return table(rows, ("FORMAT", "FILES", "IMAGES", "RECORDS", "GOOD", "SKIPPED", "REJECTED"))


def _files_text(out: str, names: list[str]) -> str:
    shown = "".join(f"\n  {name}" for name in names[:5])
    more = f"\n  ... and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"{len(names):,} files in {out}:{shown}{more}"


def _write_manifest(folder: Path, manifest: Any) -> None:
    import msgspec

    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / "manifest.json").write_bytes(text + b"\n")


def _refused_export(message: str, on_loss: str) -> None:
    from annotary import BadRequestError, LossRefusedError

    if on_loss == "refuse":
        raise LossRefusedError(message, hint="Allow the loss with --on-loss warn.")
    raise BadRequestError(message)
