"""The server is killed in the middle of everything, and comes back."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from annotary import Client, checksum, errors, ids, model, routes
from annotary.client import remote
from annotary.service import Service
from annotary.store import Store
from tests.contract.conftest import png
from tests.serving import Server, serving

IMAGES = 200
OBJECTS = 60_000
BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]
_PATIENCE = 120


def coco(objects: int) -> bytes:
    images = [
        {"id": i, "file_name": f"{i}.png", "width": 400, "height": 200} for i in range(IMAGES)
    ]
    boxes = [
        {"id": i, "image_id": i % IMAGES, "category_id": i % 5, "bbox": [i % 300, 20, 80, 80]}
        for i in range(objects)
    ]
    categories = [{"id": i, "name": f"c{i}"} for i in range(5)]
    return json.dumps({"images": images, "categories": categories, "annotations": boxes}).encode()


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "home", patience_seconds=0, grace_seconds=0) as running:
        yield running


def connect(server: Server) -> Client:
    return Client(server.key, endpoint=server.address)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that will be so."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def restart(server: Server) -> None:
    server.kill()
    server.start()


def state(server: Server, operation_id: str) -> str:
    """How an operation stands in the store of a server that does not run."""
    with closing(sqlite3.connect(server.home / "annotary.db")) as db:
        sql = "SELECT overview FROM operations WHERE id = ?"
        return db.execute(sql, (ids.parse("op", operation_id),)).fetchone()[0]


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_an_import_is_taken_up_again(server, how, share):
    count = OBJECTS
    server.hold(int(count * share))
    with connect(server) as client:
        project = client.create_project("big")
        with project.annotations.create_import_session(
            background=True, create_assets=True
        ) as session:
            session.add_bytes(coco(count), "big.json")
        operation, *_ = project.operations.list()

        def far_enough() -> bool:
            done = project.operations.get(operation.id).status.progress.records or 0
            return done >= count * share

        until(far_enough)
    getattr(server, how)()
    assert state(server, operation.id) in {"Queued", "Running"}
    server.release()
    server.start()
    with connect(server) as client:
        project = client.get_project(project.id)
        done = project.operations.wait_until_done(operation.id, timeout=_PATIENCE)
        assert done.status.overview == "Finished"
        info = project.get_info().statistic
        assert info.total_annotations == count
        assert info.total_assets == IMAGES
        pages = itertools.islice(project.annotations.list(pagination={"limit": 1000}), count + 1)
        seen = [each.id for each in pages]
        assert len(seen) == len(set(seen)) == count
        found = project.annotations.get_import_session(session.id)
        assert found.status.overview == "Finished"
        assert found.report.committed == count
        # a repeat of the last step changes nothing
        session._transport = client.transport
        session._patch("FilesInserted", "Reached")
        assert project.get_info().statistic.total_annotations == count


def test_an_export_is_taken_up_again(server, tmp_path):
    with connect(server) as client:
        project = client.create_project("big")
        with project.annotations.create_import_session(create_assets=True) as session:
            session.add_bytes(coco(OBJECTS), "big.json")
        server.hold()
        operation = project.annotations.create_export({"format": "coco"}, background=True)
    server.kill()
    assert state(server, operation.id) in {"Queued", "Running"}
    server.release()
    # whoever opens the store embedded meanwhile leaves the server's work to the server
    Service(Store(server.home)).close()
    assert state(server, operation.id) in {"Queued", "Running"}
    server.start()
    with connect(server) as client:
        project = client.get_project(project.id)
        done = project.operations.wait_until_done(operation.id, timeout=_PATIENCE)
        assert done.status.overview == "Finished"
        manifest = project.annotations.get_export_manifest(operation.id)
        assert sum(part.objects for part in manifest.parts) == OBJECTS
        got = project.annotations.download_exported_file(operation.id, str(tmp_path / "out"))
        assert got.file_names


def test_uploads_go_on(server):
    files = {f"{i}.png": png(i + 1, 2) for i in range(6)}
    with connect(server) as client:
        project = client.create_project("images")
        made = client.transport.call(
            "uploads.create",
            routes.CreateUploadSession(
                project_id=project.id,
                body=routes.NewUploadSession(
                    groups=["main"],
                    assets=[
                        model.AssetUploadFile(
                            name, len(data), checksum.to_int32(checksum.crc32c(data)), "image/png"
                        )
                        for name, data in files.items()
                    ],
                ),
            ),
        )
        for target in made.assets[:4]:
            client.transport.upload(target.upload, files[target.metadata.filename])
    restart(server)
    for target in made.assets[3:]:  # one of them again: its answer may have been lost
        answer = httpx.put(target.upload.url, content=files[target.metadata.filename])
        assert answer.status_code == 200
    with connect(server) as client:
        project = client.get_project(project.id)
        done = project.operations.wait_until_done(made.op_id, timeout=_PATIENCE)
        assert done.status.overview == "Finished"
        found = {a.filename: a.metadata.width for a in project.assets.list()}
        assert found == {f"{i}.png": i + 1 for i in range(6)}


def test_a_repeat_across_a_kill_makes_nothing_twice(server):
    body = {"name": "once"}
    headers = {"Secret-Key": server.key, "Idempotency-Key": "k"}
    first = httpx.post(f"{server.address}/workspace/projects", json=body, headers=headers)
    restart(server)
    again = httpx.post(f"{server.address}/workspace/projects", json=body, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    with connect(server) as client:
        assert [p.name for p in client.list_projects()] == ["once"]


def test_the_clients_retry_succeeds(server):
    """A call that is on its way while the server is away arrives when it is back."""
    with connect(server) as client:
        project = client.create_project("x")
        project.assets.register([{"filename": "a.png", "width": 4, "height": 4}])
        server.kill()
        back = threading.Timer(0.3, server.start)
        back.start()
        made = project.annotations.create(
            {"asset_id": "a.png", "tag": "x", "bound_type": "Rectangle", "bound": BOX}
        )
        back.join()
        assert [each.id for each in project.annotations.list()] == [made.id]


def test_a_server_that_stays_away(server, monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.001)
    with connect(server) as client:
        server.kill()
        with pytest.raises(errors.ServiceUnavailableError, match="cannot be reached") as caught:
            client.get_info()
        assert "running" in caught.value.hint


def test_a_cancelled_import_leaves_nothing(server):
    with connect(server) as client:
        project = client.create_project("x")
        server.hold()
        with project.annotations.create_import_session(
            background=True, create_assets=True
        ) as session:
            session.add_bytes(coco(OBJECTS), "big.json")
        operation, *_ = project.operations.list()
        project.operations.cancel(operation.id)
        done = project.operations.wait_until_done(operation.id, timeout=_PATIENCE)
        assert done.status.overview == "Cancelled"
        info = project.get_info().statistic
        assert (info.total_annotations, info.total_assets) == (0, 0)
        assert not list((server.home / "blobs" / "imports").iterdir())
        assert session.status.overview == "Cancelled"
