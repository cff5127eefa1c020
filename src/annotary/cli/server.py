"""``annotary serve`` and ``annotary key``, and shell completion."""

from __future__ import annotations

from typing import Any

import click

from annotary.cli.main import Context, common, errors, table


@click.command()
@click.option("--home", metavar="DIR", help="The store's folder.", envvar="ANNOTARY_HOME")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port to listen on.")
@click.option("--public", is_flag=True, help="Allow an address that other machines can reach.")
def serve(home: str | None, host: str, port: int, public: bool) -> None:
    """Serve a store over HTTP."""
    with errors(False):
        from annotary.client.client import default_home

        try:
            from annotary import server
        except ImportError as error:
            raise click.ClickException(
                f"The server needs more packages ({error.name}): pip install 'annotary[server]'"
            ) from None
        server.serve(default_home(home), host, port, public=public)


@click.group()
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


def _store(context: Context) -> Any:
    """The embedded store itself: keys are managed where the data is, not over HTTP."""
    from annotary import BadRequestError

    if context.endpoint:
        raise BadRequestError(
            "Keys are managed on the server's own machine.",
            hint="Use --home instead of --endpoint.",
        )
    return context.client.transport.service.store


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands: eval "$(annotary completion bash)"."""
    from click.shell_completion import get_completion_class

    from annotary.cli.main import main

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "annotary", "_ANNOTARY_COMPLETE").source())
