"""Files pass through the server without standing in its memory."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import httpx
import pytest

from annotary import Client, errors, model, routes
from annotary.server.links import SignedLinks
from annotary.server.settings import Settings
from annotary.store import Store
from tests.contract.conftest import png
from tests.serving import serving

MIB = 1024 * 1024


def memory(pid: int) -> int:
    """The most that a process has held in memory so far, in bytes (Linux)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("the system does not tell how much memory a process has used")
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_300_megabytes_up_and_down(tmp_path):
    """An image that is followed by much else: 300 MiB up, and down again."""
    big = tmp_path / "big.png"
    with big.open("wb") as file:
        file.write(png())
        file.truncate(300 * MIB)
    with (
        serving(tmp_path / "home") as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        project = client.create_project("big")
        with project.assets.create_upload_session() as session:
            session.add_bytes(png(), "small.png")
        before = memory(server.process.pid)
        with project.assets.create_upload_session() as session:
            session.add_path(big)
        up = memory(server.process.pid)
        asset = project.assets.get("big.png")
        assert asset.metadata.file_size == 300 * MIB
        tracemalloc.start()
        with (tmp_path / "back.png").open("wb") as out:
            project._transport.download(asset.url, out)
        _, ours = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        down = memory(server.process.pid)
    digests = set()
    for path in (big, tmp_path / "back.png"):
        with path.open("rb") as file:
            digests.add(hashlib.file_digest(file, "sha256").hexdigest())
    assert len(digests) == 1
    assert up - before < 50 * MIB
    assert down - before < 50 * MIB
    assert ours < 50 * MIB


def test_ranges(server, project):
    data = png(300, 200)
    with project.assets.create_upload_session() as session:
        session.add_bytes(data, "a.png")
    url = project.assets.get("a.png").url
    part = httpx.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert httpx.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    whole = httpx.get(url)
    assert whole.content == data
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["x-content-type-options"] == "nosniff"
    head = httpx.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(data)
    project.assets.delete("a.png")
    assert httpx.get(url).status_code == 404


def test_file_size_limit(tmp_path):
    with (
        serving(tmp_path / "home", max_file_bytes=1000) as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        project = client.create_project("x")
        session = project.assets.create_upload_session()
        with pytest.raises(errors.PayloadTooLargeError, match="1,000"), session:
            session.add_bytes(b"x" * 1001, "a.png")


def test_a_file_in_parts(project):
    """The public client sends files above 1 GiB so; the parts are whole numbers of bytes each."""
    call = project._transport.call
    data = png(200, 300)
    file = model.AssetUploadFile("a.png", len(data), _sum(data), "image/png")
    session = call(
        "uploads.create",
        routes.CreateUploadSession(
            project_id=project.id, body=routes.NewUploadSession(assets=[file])
        ),
    )
    large = routes.LargeFile(filename="a.png", mime="image/png", size=len(data))
    made = call(
        "multipart.create",
        routes.CreateMultipart(project_id=project.id, session_id=session.id, body=large),
    )
    assert made.part_count == 1
    reference = {"project_id": project.id, "upload_id": made.id}
    whole = routes.MultipartRef(**reference)
    with pytest.raises(errors.ConflictError):
        call("multipart.complete", whole)
    part = routes.PartRef(**reference, part=1)
    target = call("multipart.part", part)
    with pytest.raises(errors.NotFoundError):
        call("multipart.part", routes.PartRef(**reference, part=2))
    done = routes.CompletePart(**reference, part=1, body=routes.SentPart())
    assert not call("multipart.complete_part", done).completed
    sent = httpx.request(target.method, target.url, content=data, headers=target.headers)
    assert sent.status_code == 200
    assert call("multipart.complete_part", done).completed
    assert call("multipart.complete", whole).completed
    project.operations.wait_until_done(session.op_id)
    assert project.assets.get("a.png").metadata.width == 200
    with pytest.raises(errors.NotFoundError):
        call("multipart.abort", whole)


def test_links_of_a_server_behind_a_proxy(tmp_path):
    store = Store(tmp_path)
    links = SignedLinks(store, Settings(url="https://data.example.org/"))
    key = "exports/" + "0" * 32 + ".zip"
    assert links.download(key).url.startswith(f"https://data.example.org/files/{key}?")
    store.close()


def _sum(data: bytes) -> int:
    from annotary import checksum

    return checksum.to_int32(checksum.crc32c(data))
