"""Running the server: its store, its first key, its socket and its end."""

from __future__ import annotations

import socket
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from annotary.errors import BadRequestError
from annotary.jobs.run import Jobs
from annotary.server import keys, metrics
from annotary.server.app import App
from annotary.server.connections import Connection, Connections
from annotary.server.links import SignedLinks
from annotary.server.settings import Settings
from annotary.server.sole import sole_server
from annotary.service import Service
from annotary.store import Store

_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048
_MOST_FILES = 65_536
_OWN_FILES = 160
"""Files that the process needs for itself: three of the database for each of its threads."""
_FEWEST = 16
# a page of results is some milliseconds of work: short calls should not have to wait for it
_SWITCH_SECONDS = 0.0005


def run(home: Path, settings: Settings) -> None:
    """Serve a store until the process is told to stop (SIGINT, SIGTERM)."""
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with (
        closing(listening),
        closing(_open(home, settings)) as store,
        sole_server(store.home / "running", address),
    ):
        _serve(store, settings, listening, address)


def _open(home: Path, settings: Settings) -> Store:
    return Store(home, serving=True, busy_seconds=settings.busy_seconds)


def _serve(store: Store, settings: Settings, listening: socket.socket, address: str) -> None:
    links = SignedLinks(store, settings)
    service = Service(store, links, Jobs(settings.jobs), resume=True)
    service.export_days = settings.export_days
    metrics.set_up()
    sys.setswitchinterval(_SWITCH_SECONDS)

    def started() -> None:
        print(f"Annotary serves {store.home} at {address}", flush=True)
        print(f"Its API is described at {address}/docs", flush=True)
        if not any(key.revoke_date is None for key in keys.list(store)):
            _, secret = keys.create(store, "first", "owner")
            print(f"\nThe first secret key, for an owner; it is not shown again:\n\n    {secret}\n")
            sys.stdout.flush()

    connections = Connections(settings, _room(settings.max_connections))
    config = uvicorn.Config(
        App(service, links, settings, started),
        http=cast(Any, partial(Connection, limits=connections)),
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


def _room(most: int) -> int:
    """How many connections there is room for: each has a file, and may read or write another."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return most
    return max(_FEWEST, min(most, (soft - _OWN_FILES) // 2))


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
