"""What every command starts from: which store is meant, and how to answer.

Commands import this module, never ``main``. The options that all commands share may stand
anywhere in the line: before the command, after its group, or after the command itself.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from annotary.client import Client
    from annotary.client.project import Project
    from annotary.model import ProjectStatistic

F = TypeVar("F", bound=Callable[..., Any])


class Context:
    """How to reach the store, and how to answer."""

    def __init__(self, home: str | None, endpoint: str | None, key: str | None, json: bool) -> None:
        self.home = home
        self.endpoint = endpoint
        self.key = key
        self.json = json
        self.creates = False
        """Whether the command may make a store where there is none."""

    @property
    def place(self) -> str:
        """The store that is meant, in words."""
        if self.endpoint:
            return self.endpoint
        return f"{self.folder} (--home or ANNOTARY_HOME)"

    @property
    def folder(self) -> Path:
        """The folder of the embedded store, absolute."""
        from annotary.client.client import default_home

        return default_home(self.home).absolute()

    @functools.cached_property
    def client(self) -> Client:
        """The SDK's client. A command that only reads never makes a store."""
        from annotary import Client, NotFoundError

        if not self.endpoint and not self.creates and not (self.folder / "annotary.db").exists():
            raise NotFoundError(
                f"There is no store in {self.place}.",
                hint="annotary project create NAME makes one there.",
            )
        return Client(secret_key=self.key, endpoint=self.endpoint, home=self.home)

    def project(self, name: str) -> Project:
        """A project by id or by name, if only one has that name."""
        from annotary import BadRequestError, NotFoundError

        found = [p for p in self.client.list_projects() if name in (p.id, p.name, p.id[5:])]
        if not found:
            raise NotFoundError(
                f"There is no project {name!r}. The store is {self.place}.",
                hint=f"annotary project list shows them; annotary project create {name} makes it.",
            )
        if len(found) > 1:
            raise BadRequestError(
                f"{len(found)} projects are called {name!r}.",
                hint=f"Use an id: {', '.join(p.id for p in found)}.",
            )
        return found[0]

    def limit(self, given: int | None) -> int:
        """How much of a list to show, 0 for all: programs that read JSON get all of it."""
        return given if given is not None else 0 if self.json else 100

    def remark(self, text: str) -> None:
        """Say something beside the answer, where only people look."""
        if not self.json:
            click.echo(text, err=True)

    def answer(self, data: Any, text: str | None = None) -> None:
        """Print the result: as JSON with ``--json``, else as text."""
        if self.json or text is None:
            import msgspec

            encoded = msgspec.json.format(msgspec.json.encode(data, enc_hook=list), indent=2)
            click.echo(encoded.decode())
        elif text:
            click.echo(text)

    def answer_each(self, items: Iterable[Any], line: Callable[[Any], str]) -> None:
        """Print one item after the other: a JSON array with ``--json``, else lines of text."""
        if not self.json:
            for each in items:
                click.echo(line(each))
            return
        import msgspec

        before = "["
        for each in items:
            click.echo(f"{before}\n{msgspec.json.encode(each).decode()}", nl=False)
            before = ","
        click.echo("[]" if before == "[" else "\n]")


def counts(project: Project) -> ProjectStatistic:
    """A project's counts as they are now."""
    found = project.get_info().statistic
    assert found is not None
    return found


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Remember an option wherever it stands in the line; the last one counts."""
    assert parameter.name is not None
    if context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
        context.meta[parameter.name] = value


def _shared(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_keep, **settings)


_JSON = [_shared("--json", "as_json", is_flag=True, help="Answer in JSON.")]
_STORE = [
    _shared("--home", metavar="DIR", help="The store's folder.  [env: ANNOTARY_HOME]"),
    _shared("--endpoint", metavar="URL", help="A server to use instead.  [env: ANNOTARY_ENDPOINT]"),
    _shared(
        "--secret-key",
        metavar="KEY",
        help="The key for the server.  [env: ANNOTARY_SECRET_KEY]",
    ),
]


def shared(function: F) -> F:
    """The options of all commands, for a group: they may stand before the command."""
    return _with(function, [*_STORE, *_JSON])


def common(function: F) -> F:
    """For a command that works on a store: it gets a :class:`Context` first."""
    return _with(_given_context(function), [*_STORE, *_JSON])


def without_store(function: F) -> F:
    """For a command that needs no store: it gets a :class:`Context` first, too."""
    return _with(_given_context(function), [*_JSON])


def _with(function: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def _given_context(function: F) -> F:
    @functools.wraps(function)
    def run(*arguments: Any, **rest: Any) -> Any:
        return function(_context(click.get_current_context().meta), *arguments, **rest)

    return run  # type: ignore[return-value]


def _context(given: dict[str, Any]) -> Context:
    """What the line says wins over the environment; a home there, over an endpoint here."""
    home, endpoint = given.get("home"), given.get("endpoint")
    if home and endpoint:
        raise click.UsageError("--home and --endpoint name two stores: give one of them.")
    if not home and not endpoint:
        home = os.environ.get("ANNOTARY_HOME") or None
        endpoint = os.environ.get("ANNOTARY_ENDPOINT") or None
    key = given.get("secret_key")
    if key and not home and not endpoint:
        endpoint = os.environ.get("DATATURE_API_BASE_URL") or None
        if not endpoint:
            raise click.UsageError("--secret-key is for a server: give --endpoint too.")
    if endpoint:
        key = key or os.environ.get("ANNOTARY_SECRET_KEY") or None
    return Context(None if endpoint else home, endpoint, key, given.get("as_json", False))
