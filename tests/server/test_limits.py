"""What holds before anybody has shown a key, and what keeps one caller from costing the others."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from annotary import Client, errors
from tests.contract.conftest import box
from tests.serving import Server, make_key, serving

HALF = b"GET /workspace HTTP/1.1\r\nHost: a\r\n"


def connection(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answer(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := sock.recv(1 << 20):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@contextmanager
def half_open(server: Server, count: int, said: bytes = HALF) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(closing(connection(server)))
            sock.sendall(said)
        yield


# --- half-open connections ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "limits", "count"),
    [
        ({"max_connections": 20}, None, 120),
        ({}, {resource.RLIMIT_NOFILE: 256}, 300),
        ({}, None, 1000),
    ],
    ids=["few connections", "few files", "a thousand"],
)
@pytest.mark.parametrize("said", [HALF, b""], ids=["half a request", "nothing"])
def test_half_open_connections_cost_others_nothing(tmp_path, settings, limits, count, said):
    with (
        serving(tmp_path / "home", limits, **settings) as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        client.create_project("before")
        with half_open(server, count, said):
            for number in range(5):
                assert httpx.get(f"{server.address}/health").status_code == 200
                client.create_project(f"while {number}")
        assert len(client.list_projects()) == 6
    assert "out of system resource" not in server.log()


def test_bodies_that_need_a_key_and_do_not_come_make_way(tmp_path):
    said = b"POST /workspace/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"
    with (
        serving(tmp_path / "home", max_connections=20) as server,
        Client(server.key, endpoint=server.address) as client,
        half_open(server, 60, said),
    ):
        client.create_project("x")


def test_heads_and_bodies_that_come_too_slowly_are_told_so(tmp_path):
    with serving(tmp_path / "home", header_seconds=1, body_seconds=1) as server:
        head = (
            f"POST /workspace/projects HTTP/1.1\r\nHost: a\r\nSecret-Key: {server.key}\r\n"
            "Content-Length: 5000\r\n\r\n"
        ).encode()
        for said in (b"", HALF, head, head + b'{"name"'):
            with closing(connection(server)) as sock:
                sock.sendall(said)
                got = answer(sock)
                assert got.startswith(b"HTTP/1.1 408 "), said
        # slow, but fast enough
        with closing(connection(server)) as sock:
            sock.sendall(head + b'{"name": "x"')
            for _ in range(4):
                time.sleep(0.5)
                sock.sendall(b" " * 1200)
            sock.sendall(b" " * (5000 - 4800 - 13) + b"}")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_who_takes_nothing_of_an_answer_is_let_go(tmp_path):
    with serving(tmp_path / "home", send_seconds=1) as server:
        with closing(connection(server)) as sock:
            sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
            time.sleep(4)
            answer(sock)  # what was under way, and then an end
        assert httpx.get(f"{server.address}/health").status_code == 200


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000,
        b"GET /health?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 40_000 + b"\r\n",
    ],
    ids=["one header", "no end", "address", "many headers"],
)
def test_a_head_that_is_too_large_is_refused(server, head):
    with closing(connection(server)) as sock:
        sock.sendall(head)
        got = answer(sock)
    assert not got or got.startswith(b"HTTP/1.1 431 ")  # it may be cut while it is still sent
    assert b"alive" not in got


def test_what_is_no_http_gets_an_error_of_ours(server):
    with closing(connection(server)) as sock:
        sock.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, _, body = answer(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"BadRequestError"' in body


def test_requests_one_after_the_other_on_one_connection(server):
    ask = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with closing(connection(server)) as sock:
        sock.sendall(ask * 3 + ask[:20])
        got = b""
        for count in range(3, 6):
            while got.count(b"alive") < count:
                got += sock.recv(10_000)
            sock.sendall(ask[20:] + ask[:20])


# --- one caller and the others --------------------------------------------------------------------


def test_exports_of_one_key_do_not_fill_the_queue(tmp_path):
    with (
        serving(tmp_path / "home", patience_seconds=0, exports_per_key=3) as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        project = client.create_project("x")
        project.assets.register([{"filename": "a.png", "width": 9, "height": 9}])
        project.annotations.create(box("a.png"))
        done = project.annotations.create_export({"format": "coco"})
        url = project.annotations._export(done.id).download.url
        server.hold()
        ask = {"format": "coco", "options": {}, "background": True}
        path = f"{server.address}/projects/{project.id}/annotationexports"
        mine = [httpx.post(path, json=ask, headers={"Secret-Key": server.key}) for _ in range(5)]
        other = httpx.post(path, json=ask, headers={"Secret-Key": server.make_key("viewer")})
        assert httpx.get(url).status_code == 200  # while all workers are held
        server.release()
        assert [each.status_code for each in mine] == [200, 200, 200, 429, 429]
        assert mine[-1].json()["code"] == "TooManyRequestsError"
        assert other.status_code == 200
        for each in mine[:3]:
            project.operations.wait_until_done(each.json()["id"])
        again = httpx.post(path, json=ask, headers={"Secret-Key": server.key})
        assert again.status_code == 200


# --- where the store is ---------------------------------------------------------------------------


@contextmanager
def command(folder: Path, *arguments: str) -> Iterator[str]:
    """``annotary serve`` run in a folder; the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "annotary", "serve", "--port", "0", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        yield re.search(r"http://\S+", line)[0]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize("home", [".", "s", "project", "store"])
def test_a_relative_home_does_not_change_what_errors_say(tmp_path, home):
    with command(tmp_path, "--home", home) as address:
        key = make_key(tmp_path / home, "owner")
        with httpx.Client(base_url=address) as http:
            told = http.get("/workspace/projects")
            assert (told.status_code, told.json()["code"]) == (401, "UnauthorizedError")
            http.headers["Secret-Key"] = key
            for path, status in [
                (f"/projects/proj_{'0' * 32}", 404), ("/nothing", 404), ("/projects/x/tags", 404),
            ]:  # fmt: skip
                assert http.get(path).status_code == status
            assert http.post("/workspace/projects", content=b"{").status_code == 400
            assert http.post("/workspace/projects", json={"name": "x"}).status_code == 200


def test_a_second_server_of_a_store_is_refused(server):
    second = subprocess.run(
        [sys.executable, "-m", "annotary", "serve", "--port", "0", "--home", str(server.home)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert second.returncode == 3
    assert f"served already, by process {server.process.pid} at {server.address}" in second.stderr
    with Client(server.key, endpoint=server.address) as client:
        client.get_info()


def test_a_file_that_the_disk_has_no_room_for_is_told_and_not_kept(tmp_path):
    with serving(tmp_path / "home", {resource.RLIMIT_FSIZE: 2_000_000}) as server:
        with Client(server.key, endpoint=server.address) as client:
            project = client.create_project("x")
            session = project.annotations.create_import_session()
            with pytest.raises(errors.StoreFullError, match="is full") as caught, session:
                session.add_bytes(b"x" * 3_000_000, "a.csv")
            assert str(server.home) not in str(caught.value)
        assert not list(server.home.rglob("*.part"))


def test_a_server_whose_disk_is_full_is_not_ready(tmp_path):
    with serving(tmp_path / "home", {resource.RLIMIT_FSIZE: 200_000}) as server:
        told = httpx.get(f"{server.address}/ready")
        assert (told.status_code, told.json()["reason"]) == (503, "The disk is full.")
        assert httpx.get(f"{server.address}/health").status_code == 200


def test_requests_are_answered_when_nothing_can_be_logged(tmp_path):
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(
            [sys.executable, "-m", "annotary", "serve", "--port", "0", "--home", str(tmp_path)],
            stdout=subprocess.PIPE, stderr=full, text=True,
        ) as process,
    ):  # fmt: skip
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        with httpx.Client(base_url=address) as http:
            for _ in range(50):
                assert http.get("/health").status_code == 200
                assert http.get("/workspace").status_code == 401
        process.terminate()
        process.stdout.read()


@pytest.mark.parametrize("name", ["metadataQuery", "filter"])
def test_a_filter_that_is_not_known_is_refused(server, name):
    with Client(server.key, endpoint=server.address) as client:
        project = client.create_project("x")
        told = httpx.get(
            f"{server.address}/projects/{project.id}/assets?{name}=((((",
            headers={"Secret-Key": server.key},
        )
        assert told.status_code == 400
        assert "where" in told.json()["hint"]
