"""``annotary view``."""

from __future__ import annotations

import webbrowser

import click

from annotary.cli.context import Context, common
from annotary.cli.looking import look_at


@click.command("view")
@click.argument("paths", metavar="PROJECT|PATH...", nargs=-1, required=True)
@click.option("--images", type=click.Path(exists=True), help="Where the images of the files are.")
@click.option("--from", "from_", metavar="FORMAT", help="The files' format; else recognised.")
@click.option("--port", default=0, show_default=True, help="The port to listen on; 0: a free one.")
@click.option("--open", "open_", is_flag=True, help="Open the browser.")
@common
def view(
    context: Context,
    paths: tuple[str, ...],
    images: str | None,
    from_: str | None,
    port: int,
    open_: bool,
) -> None:
    """Look at annotations in a browser on this machine, until Ctrl-C.

    The address that is printed works once, within a minute; nobody else can look.
    """
    from annotary import BadRequestError
    from annotary.viewer.serving import Viewer

    with look_at(context, paths, images, from_) as look:
        try:
            viewer = Viewer(look.project.name, look.drawings, look.records, port)
        except OSError as error:
            raise BadRequestError(
                f"Cannot listen on port {port}: {error.strerror or error}.",
                hint="Choose another port with --port (0: any that is free).",
            ) from error
        with viewer:
            context.answer(
                {"address": viewer.address, **viewer.summary()},
                "\n".join(filter(None, (look.records, viewer.address, "Ctrl-C ends it."))),
            )
            if open_:
                webbrowser.open(viewer.address)
            viewer.serve_forever(poll_interval=0.1)
