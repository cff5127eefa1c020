"""What is looked at: a project of the store, or files that become one for the time being."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from annotary.cli.context import Context
from annotary.cli.progress import Progress
from annotary.cli.texts import print_logs

if TYPE_CHECKING:
    from annotary.client.drawing import Drawings
    from annotary.client.project import Project


class Look(NamedTuple):
    """A project, whoever draws its images, and what became of the records of its files."""

    project: Project
    drawings: Drawings
    records: str


@contextmanager
def look_at(
    context: Context, paths: tuple[str, ...], images: str | None, format_: str | None
) -> Iterator[Look]:
    """A project by its name, or the annotations in files; images stay where they are.

    Records that cannot be read are left out, counted and told. Raises
    :class:`~annotary.errors.NotFoundError` where there is neither a file nor a project.
    """
    from annotary import BadRequestError, Client, NotFoundError
    from annotary.client.drawing import Drawings

    absent = [path for path in paths if path != "-" and not Path(path).exists()]
    if len(paths) == 1 and absent:
        try:
            project = context.project(paths[0])
        except NotFoundError as error:
            raise NotFoundError(
                f"There is no file and no project {paths[0]!r}.", hint=error.hint
            ) from None
        if images is not None:
            raise BadRequestError("--images is for files: a project knows where its images are.")
        yield Look(project, Drawings(project.transport, project.id), "")
        return
    if absent:
        raise NotFoundError(f"There is no file {absent[0]!r}.")
    with tempfile.TemporaryDirectory(prefix="annotary-", ignore_cleanup_errors=True) as home:
        client = Client(home=home)
        try:
            yield _read(
                client.create_project(Path(paths[0]).name or "files"), paths, images, format_
            )
        finally:
            service: Any = client.transport.service  # type: ignore[attr-defined]
            client.close()
            service.close()


def _read(
    project: Project, paths: tuple[str, ...], images: str | None, format_: str | None
) -> Look:
    from annotary.client.drawing import Drawings

    known = _register(project, images or _beside(paths))
    session = project.annotations.create_import_session(
        format=format_, on_error="skip", create_assets=True
    )
    with Progress("Reading"), session:
        session.add_paths(paths)
    report = session.refresh().report
    assert report is not None
    print_logs(session.get_logs().logs, 5)
    left = report.skipped + report.rejected
    records = f"{report.records:,} records: {report.records - left:,} shown, {left:,} skipped"
    if report.unread:
        records += f"; {report.unread} files could not be read"

    def elsewhere(name: str) -> bytes | None:
        path = known.get(name) or known.get(name.replace("\\", "/").rsplit("/", 1)[-1])
        return path.read_bytes() if path is not None else None

    return Look(project, Drawings(project.transport, project.id, elsewhere), records)


def _beside(paths: tuple[str, ...]) -> str | None:
    """A folder that is read may hold the images, too; a single file says nothing of them."""
    return paths[0] if len(paths) == 1 and Path(paths[0]).is_dir() else None


def _register(project: Project, folder: str | None) -> dict[str, Path]:
    """Register the images of a folder where they are; answers all of them, damaged ones too."""
    from annotary.errors import ValidationError
    from annotary.model import NewAsset
    from annotary.reading.inputs import Inputs
    from annotary.syntax.image import read_header

    if folder is None:
        return {}
    known: dict[str, Path] = {}
    found = []
    with Inputs.of_images() as inputs:
        for each in inputs.add(folder):
            known[each.name] = each.path.absolute()
            known.setdefault(each.name.rsplit("/", 1)[-1], each.path.absolute())
            try:
                header = read_header(each.path, each.name)
            except ValidationError as error:
                click.secho(error.message, fg="yellow", err=True)
                continue
            found.append(
                NewAsset(
                    filename=each.name,
                    width=header.width,
                    height=header.height,
                    file_size=each.path.stat().st_size,
                    mime_type=header.mime,
                    path=str(each.path.absolute()),
                )
            )
    for at in range(0, len(found), 1000):
        project.assets.register(found[at : at + 1000])
    return known
