"""The doors: every test of this folder runs through each of them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from annotary import Client
from annotary.client.local import LocalTransport
from tests.serving import Server, serving

DOORS = ("embedded", "json", "http")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served") / "home") as running:
        yield running


@pytest.fixture(params=DOORS)
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    if request.param == "http":
        server = request.getfixturevalue("server")
        with Client(server.key, endpoint=server.address) as made:
            yield made
        return
    made = Client(home=tmp_path_factory.mktemp("store"))
    service = made._service
    assert service is not None
    if request.param == "json":
        made.transport = LocalTransport(service, through_json=True)
    with made:
        yield made
    service.close()


@pytest.fixture
def project(client: Client):
    return client.create_project("pets")


@pytest.fixture
def image(project):
    """A registered image, 400 x 200 pixels."""
    return project.assets.register([{"filename": "image.png", "width": 400, "height": 200}])[0]


def png(width: int = 40, height: int = 20, color: str = "red") -> bytes:
    """An image file."""
    out = BytesIO()
    Image.new("RGB", (width, height), color).save(out, "PNG")
    return out.getvalue()


def box(asset: str, tag: str = "dog", left: float = 0.1) -> dict:
    """A rectangle to create."""
    corners = [[left, 0.1], [left, 0.5], [left + 0.2, 0.5], [left + 0.2, 0.1]]
    return {"asset_id": asset, "tag": tag, "bound_type": "Rectangle", "bound": corners}
