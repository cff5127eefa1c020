"""The root command and what all commands share: options, output, errors and exit codes.

Exit codes: 0 done; 1 the data was refused (import, check, export with losses); 2 the call was
wrong (usage, unknown names); 3 the store or the server failed.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

# numpy starts threads for linear algebra, of which nothing is done here
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# what is left when the process ends need not be looked through for garbage
atexit.register(gc.freeze)

DATA_REFUSED, WRONG_CALL, FAILED = 1, 2, 3

F = TypeVar("F", bound=Callable[..., Any])


class Context:
    """How to reach the store, and how to answer."""

    def __init__(self, home: str | None, endpoint: str | None, key: str | None, json: bool) -> None:
        self.home = home
        self.endpoint = endpoint
        self.key = key
        self.json = json

    @functools.cached_property
    def client(self) -> Any:
        """The SDK's client."""
        from annotary import Client

        return Client(secret_key=self.key, endpoint=self.endpoint, home=self.home)

    def project(self, name: str) -> Any:
        """A project by id or by name, if only one has that name."""
        from annotary import BadRequestError, NotFoundError

        found = [p for p in self.client.list_projects() if name in (p.id, p.name, p.id[5:])]
        if not found:
            raise NotFoundError(
                f"There is no project {name!r}.",
                hint=f"annotary project list shows them; annotary project create {name} makes it.",
            )
        if len(found) > 1:
            raise BadRequestError(
                f"{len(found)} projects are called {name!r}.",
                hint=f"Use an id: {', '.join(p.id for p in found)}.",
            )
        return found[0]

    def answer(self, data: Any, text: str | None = None) -> None:
        """Print the result: as JSON with ``--json``, else as text."""
        if self.json or text is None:
            import msgspec

            encoded = msgspec.json.format(msgspec.json.encode(data), indent=2)
            click.echo(encoded.decode())
        elif text:
            click.echo(text)


def common(function: F) -> F:
    """The options that every command has; the command gets a :class:`Context` first."""

    @click.option("--home", metavar="DIR", help="The store's folder.", envvar="ANNOTARY_HOME")
    @click.option(
        "--endpoint", metavar="URL", help="A server to use instead.", envvar="ANNOTARY_ENDPOINT"
    )
    @click.option(
        "--secret-key",
        "key",
        metavar="KEY",
        help="The key for the server.",
        envvar="ANNOTARY_SECRET_KEY",
    )
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(function)
    def run(
        home: str | None, endpoint: str | None, key: str | None, as_json: bool, **rest: Any
    ) -> Any:
        chosen = click.get_current_context().get_parameter_source("home")
        if chosen is not None and chosen.name == "COMMANDLINE":
            endpoint = None
        context = Context(None if endpoint else home, endpoint, key, as_json)
        with errors(as_json):
            return function(context, **rest)

    return run  # type: ignore[return-value]


class errors:  # noqa: N801 - reads as a word in a with statement
    """Shows Annotary's errors as text (or JSON) and turns them into exit codes."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from annotary import errors as known

        if not isinstance(error, known.AnnotaryError):
            return
        if self._json:
            import msgspec

            body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
            click.echo(msgspec.json.encode(body).decode(), err=True)
        else:
            click.secho(f"Error: {error.message}", fg="red", err=True)
            if error.hint:
                click.echo(f"\nHint: {error.hint}", err=True)
        if isinstance(error, known.ImportFailedError | known.LossRefusedError):
            sys.exit(DATA_REFUSED)
        sys.exit(WRONG_CALL if error.status < 500 else FAILED)


def table(rows: list[tuple[Any, ...]], head: tuple[str, ...]) -> str:
    """Rows as text in columns; numbers to the right."""
    shown = [[f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    lines = ["  ".join(h.ljust(w) for h, w in zip(head, widths, strict=True)).rstrip()]
    for row, values in zip(shown, rows, strict=True):
        cells = [
            cell.rjust(w) if isinstance(v, int) else cell.ljust(w)
            for cell, w, v in zip(row, widths, values, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="annotary", prog_name="annotary")
def main() -> None:
    """The store for image annotations, fluent in every training format.

    \b
    annotary convert labels.json --to yolo_darknet --out yolo/
    annotary check labels.json
    annotary project create pets
    annotary import pets labels.json --create-assets
    annotary export pets --format pascal_voc --out voc/ --split-ratio 0.2
    """


def _register() -> None:
    from annotary.cli import assets, files, projects, server

    for command in (
        projects.project,
        assets.asset,
        projects.annotation,
        projects.stats,
        files.import_,
        files.export,
        files.convert,
        files.check,
        files.formats,
        server.serve,
        server.key,
        server.completion,
    ):
        main.add_command(command)


_register()
