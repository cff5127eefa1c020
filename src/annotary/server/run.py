"""Running the server: its store, its first key, its socket and its end."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

from annotary.errors import BadRequestError
from annotary.jobs.run import Jobs
from annotary.server import keys, metrics
from annotary.server.app import App
from annotary.server.links import SignedLinks
from annotary.server.settings import Settings
from annotary.service import Service
from annotary.store import Store

_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048
# a page of results is some milliseconds of work: short calls should not have to wait for it
_SWITCH_SECONDS = 0.0005


def run(home: Path, settings: Settings) -> None:
    """Serve a store until the process is told to stop (SIGINT, SIGTERM)."""
    listening = _listen(settings)
    store = Store(home, serving=True, busy_seconds=settings.busy_seconds)
    links = SignedLinks(store, settings)
    service = Service(store, links, Jobs(settings.jobs), resume=True)
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    metrics.set_up()
    sys.setswitchinterval(_SWITCH_SECONDS)

    def started() -> None:
        print(f"Annotary serves {home.absolute()} at {address}", flush=True)
        print(f"Its API is described at {address}/docs", flush=True)
        if not any(key.revoke_date is None for key in keys.list(store)):
            _, secret = keys.create(store, "first", "owner")
            print(f"\nThe first secret key, for an owner; it is not shown again:\n\n    {secret}\n")
            sys.stdout.flush()

    config = uvicorn.Config(
        App(service, links, settings, started),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.grace_seconds)),
        proxy_headers=True,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    listening = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(_BACKLOG)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise BadRequestError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}.",
            hint="Choose another port with --port (0: any that is free).",
        ) from error
    return listening
