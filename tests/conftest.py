"""What many tests start from: an empty store, a client on it, and a project in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from annotary import Client
from annotary.client.project import Project

# how long an example takes says nothing about whether it is right
settings.register_profile("annotary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("annotary")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store"


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    """A client on an empty embedded store."""
    with Client(home=home) as opened:
        yield opened


@pytest.fixture
def project(client: Client) -> Project:
    """An empty project."""
    return client.create_project("pets")
