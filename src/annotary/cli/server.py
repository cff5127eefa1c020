"""``annotary serve`` and ``annotary key``, and shell completion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from annotary.cli.context import Context, common, shared
from annotary.cli.texts import table


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port to listen on.")
@click.option("--public", is_flag=True, help="Allow an address that other machines can reach.")
@common
def serve(context: Context, host: str, port: int, public: bool) -> None:
    """Serve a store over HTTP."""
    try:
        from annotary import server
    except ImportError as error:
        raise click.ClickException(
            f"The server needs more packages ({error.name}): pip install 'annotary[server]'"
        ) from None
    server.serve(
        _folder(context, "The store of another server cannot be served."), host, port, public=public
    )


@click.group()
@shared
def key() -> None:
    """Create, list and revoke the secret keys of a store that is served."""


@key.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["owner", "editor", "viewer"]),
    default="editor",
    show_default=True,
    help="What the key may do.",
)
@click.option("--project", "project_name", help="Only for this project (id or name).")
@common
def create(context: Context, name: str, role: str, project_name: str | None) -> None:
    """Create a key called NAME; it is shown this once."""
    from annotary.server import keys

    context.creates = True
    project = context.project(project_name).id if project_name else None
    made, secret = keys.create(_store(context), name, role, project)
    context.answer(
        {"key": made, "secret": secret},
        f"{secret}\n\nThe secret key of {made.name} ({made.role}); it is not shown again.",
    )


@key.command("list")
@common
def list_(context: Context) -> None:
    """List the keys, without their secrets."""
    from annotary.server import keys

    found = keys.list(_store(context))
    rows = [(k.name, k.id, k.role, k.project_id or "all") for k in found]
    context.answer(found, table(rows, ("NAME", "ID", "ROLE", "PROJECT")))


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@common
def revoke(context: Context, key_id: str) -> None:
    """Revoke the key with an ID; it stops working at once."""
    from annotary.server import keys

    keys.revoke(_store(context), key_id)
    context.answer({"revoked": key_id}, f"Revoked {key_id}.")


@key.command("rotate-links")
@common
def rotate_links(context: Context) -> None:
    """Let all signed addresses of files stop working at once; keys stay as they are."""
    from annotary.server import keys

    keys.rotate_links(_store(context))
    context.answer({"rotated": True}, "Addresses that were given before stop working now.")


def _store(context: Context) -> Any:
    """The embedded store itself: keys are managed where the data is, not over HTTP."""
    _folder(context, "Keys are managed on the server's own machine.")
    return context.client.transport.service.store  # type: ignore[attr-defined]


def _folder(context: Context, refusal: str) -> Path:
    """The folder of the embedded store. Raises BadRequestError when a server is meant."""
    from annotary import BadRequestError

    if context.endpoint:
        raise BadRequestError(refusal, hint="Use --home instead of --endpoint.")
    return context.folder


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands: eval "$(annotary completion bash)"."""
    from click.shell_completion import get_completion_class

    program = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(program, {}, "annotary", "_ANNOTARY_COMPLETE").source())
