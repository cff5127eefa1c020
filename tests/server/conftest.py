"""One server for the tests of this folder that do not end it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from annotary import Client
from tests.serving import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served") / "home", max_body_bytes=1_000_000) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.key, endpoint=server.address) as made:
        yield made


@pytest.fixture
def project(client: Client):
    made = client.create_project("pets")
    made.assets.register([{"filename": "image.png", "width": 400, "height": 200}])
    return made


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """Plain HTTP with the owner's key."""
    headers = {"Secret-Key": server.key}
    with httpx.Client(base_url=server.address, headers=headers, trust_env=False) as made:
        yield made
