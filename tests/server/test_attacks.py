"""Attacks, and what becomes of them."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest

from annotary import BadRequestError, Client, checksum, errors, model, routes
from annotary.ids import now_ms
from annotary.server import keys
from annotary.server.settings import Settings
from annotary.store import Store
from tests.contract.conftest import png
from tests.serving import serving

BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]


def changed(url: str, path: str | None = None, **query: object) -> str:
    """An address with another path or query."""
    parts = urlsplit(url)
    pairs = dict(parse_qsl(parts.query)) | {k: str(v) for k, v in query.items()}
    return urlunsplit(parts._replace(path=path or parts.path, query=urlencode(pairs)))


def announce(project, name: str, data: bytes, size: int | None = None) -> model.Upload:
    """Where an import session wants a file's bytes."""
    session = project.annotations.create_import_session()
    file = model.ImportFile(
        filename=name,
        size=len(data) if size is None else size,
        crc32c=checksum.to_base64(checksum.crc32c(data)),
    )
    answer = project._transport.call(
        "imports.add_files",
        routes.AddImportFiles(
            project_id=project.id, session_id=session.id, body=routes.NewImportFiles(files=[file])
        ),
    )
    return answer.files[0].upload


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["", "x", "annotary_", "annotary_" + "0" * 16 + "_" + "0" * 64, "5aa41e8ba", "\xff" * 90],
)
def test_unknown_keys(server, key):
    headers = {b"Secret-Key": key.encode("latin-1")}
    for path in ("/workspace", "/projects/x", "/nothing/here", "/metrics"):
        answer = httpx.get(server.address + path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "UnauthorizedError"


def test_a_key_is_stored_as_a_hash_and_can_be_revoked(server):
    store = Store(server.home)
    made, secret = keys.create(store, "soon gone", "viewer")
    files = [p.read_bytes() for p in server.home.glob("annotary.db*")]
    assert files
    assert not any(secret.rpartition("_")[2].encode() in data for data in files)
    with Client(secret, endpoint=server.address) as client:
        client.get_info()
        keys.revoke(store, made.id)
        with pytest.raises(errors.UnauthorizedError):
            client.get_info()
    assert [k.revoke_date is not None for k in keys.list(store) if k.id == made.id] == [True]
    with pytest.raises(errors.NotFoundError):
        keys.revoke(store, "key_nope")
    store.close()


def test_the_first_half_of_a_key_is_not_enough(server):
    wrong = server.key[:-1] + ("0" if server.key[-1] != "0" else "1")
    with Client(wrong, endpoint=server.address) as client, pytest.raises(errors.UnauthorizedError):
        client.get_info()


def test_roles(server, project):
    with Client(server.make_key("viewer"), endpoint=server.address) as client:
        viewer = client.get_project(project.id)
        assert viewer.tags.list() == []
        for write in (
            lambda: viewer.tags.create("x"),
            lambda: viewer.update("x"),
            lambda: viewer.assets.delete("image.png"),
            viewer.annotations.create_import_session,
            lambda: client.create_project("x"),
        ):
            with pytest.raises(errors.ForbiddenError):
                write()
    with Client(server.make_key("editor"), endpoint=server.address) as client:
        editor = client.get_project(project.id)
        editor.tags.create("x")
        for write in (lambda: editor.update("x"), lambda: client.delete_project(project.id)):
            with pytest.raises(errors.ForbiddenError):
                write()


def test_a_key_for_one_project_sees_no_other(server, client, project):
    other = client.create_project("other")
    key = server.make_key("owner", project.id)
    with Client(key, endpoint=server.address) as bound:
        assert [p.id for p in bound.list_projects()] == [project.id]
        bound.get_project(project.id).tags.create("x")
        with pytest.raises(errors.ForbiddenError):
            bound.create_project("more")
        told = []
        for id_ in (other.id, "proj_" + "0" * 32):
            for ask in (
                lambda i=id_: bound.get_project(i),
                lambda i=id_: bound.delete_project(i),
            ):
                with pytest.raises(errors.NotFoundError) as caught:
                    ask()
                told.append((caught.value.message.replace(id_, "ID"), caught.value.hint))
        assert len(set(told)) == 1
    assert client.get_project(other.id).name == "other"


# --- signed addresses -----------------------------------------------------------------------------


def test_addresses_cannot_be_changed(http, project):
    data = b"filename,xmin\n"
    url = announce(project, "a.csv", data).url
    other = announce(project, "b.csv", data).url
    parts = urlsplit(url)
    for wrong in (
        changed(url, path=urlsplit(other).path),
        changed(url, expires=now_ms() + 10**9),
        changed(url, size=10**6),
        changed(url, crc32c=1),
        changed(url, signature="0" * 64),
        changed(url, signature=""),
        urlunsplit(parts._replace(query="")),
    ):
        assert httpx.put(wrong, content=data).status_code == 403, wrong
    assert httpx.get(url).status_code == 403  # one verb
    assert httpx.delete(url).status_code == 405
    assert httpx.put(url, content=data).status_code == 200


def export_url(client: Client, project_id: str) -> str:
    """Where an export can be fetched."""
    annotations = client.get_project(project_id).annotations
    done = annotations.create_export({"format": "coco"})
    return annotations._export(done.id).download.url


def test_addresses_expire(tmp_path):
    with (
        serving(tmp_path / "home", link_seconds=-1) as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        answer = httpx.get(export_url(client, client.create_project("x").id))
        assert answer.status_code == 403
        assert "expired" in answer.json()["message"]


def test_addresses_end_with_the_key_that_they_were_given_to(server, project):
    data = b"filename,xmin\n"
    first, second = server.make_key("editor"), server.make_key("editor")
    with (
        Client(first, endpoint=server.address) as one,
        Client(second, endpoint=server.address) as other,
    ):
        mine, theirs = export_url(one, project.id), export_url(other, project.id)
        up = announce(one.get_project(project.id), "a.csv", data).url
        image = one.get_project(project.id).assets
        with image.create_upload_session() as session:
            session.add_bytes(png(), "sent.png")
        shown = image.get("sent.png").url
        assert [httpx.get(url).status_code for url in (mine, theirs, shown)] == [200, 200, 200]
        with closing(Store(server.home)) as store:
            keys.revoke(store, "key_" + first.split("_")[1])
        assert [httpx.get(url).status_code for url in (mine, theirs, shown)] == [403, 200, 403]
        assert httpx.put(up, content=data).status_code == 403
        # nor can it be given to another key
        forged = changed(mine, key=second.split("_")[1])
        assert httpx.get(forged).status_code == 403
        for key in ("", "zz", "0" * 16):
            assert httpx.get(changed(theirs, key=key)).status_code == 403


def test_addresses_can_be_rotated_while_the_server_runs(server, client, project):
    before = export_url(client, project.id)
    assert httpx.get(before).status_code == 200
    command = [sys.executable, "-m", "annotary", "key", "rotate-links", "--home", str(server.home)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert httpx.get(before).status_code == 403
    assert httpx.get(export_url(client, project.id)).status_code == 200


def test_used_addresses_cannot_write_again(project):
    data = b"filename,xmin\n"
    url = announce(project, "a.csv", data).url
    assert httpx.put(url, content=data).status_code == 200
    assert httpx.put(url, content=data).status_code == 200  # a repeat changes nothing
    assert httpx.put(url, content=b"x" * len(data)).status_code == 400
    session = project.annotations.create_import_session()
    reference = project._transport
    file = model.ImportFile(filename="a.csv", size=len(data))
    upload = (
        reference.call(
            "imports.add_files",
            routes.AddImportFiles(
                project_id=project.id,
                session_id=session.id,
                body=routes.NewImportFiles(files=[file]),
            ),
        )
        .files[0]
        .upload
    )
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert httpx.put(upload.url, content=data).status_code == 409  # its session has ended


@pytest.mark.parametrize("sent", [b"", b"filename,xmin", b"filename,xmin\n\n", b"filename,xmax\n"])
def test_wrong_bytes_leave_nothing(server, project, sent):
    upload = announce(project, "a.csv", b"filename,xmin\n")
    answer = httpx.put(upload.url, content=sent)
    assert answer.status_code == 400
    assert answer.json()["hint"]
    folder = server.home / "blobs" / "imports" / urlsplit(upload.url).path.split("/")[3]
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_body_that_goes_on_for_ever(server, project):
    upload = announce(project, "a.csv", b"12")

    def endless():
        for _ in range(10_000):
            yield b"x" * 65536

    with suppress(httpx.TransportError):  # cut while it was still sending
        assert httpx.put(upload.url, content=endless()).status_code == 400
    assert not list(server.home.rglob("*.part"))


@pytest.mark.parametrize(
    "path",
    [
        "/files/../annotary.db",
        "/files/%2e%2e/annotary.db",
        "/files/exports/..%2f..%2fannotary.db",
        "/files//etc/passwd",
        "/files/imports/x/../../../annotary.db",
        "/files/exports/%00.zip",
        "/docs/../../etc/passwd",
    ],
)
def test_paths_do_not_leave_their_folder(server, path):
    place = urlsplit(server.address)
    import http.client

    connection = http.client.HTTPConnection(place.netloc)
    connection.request("GET", path, headers={"Secret-Key": server.key})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in {403, 404}
    assert b"SQLite" not in body


# --- names and files of the server ----------------------------------------------------------------


def test_files_of_the_server_cannot_be_named(project):
    with pytest.raises(errors.ForbiddenError):
        project.assets.register(
            [{"filename": "x.png", "width": 1, "height": 1, "path": "/etc/passwd"}]
        )
    file = model.ImportFile(filename="a.csv", size=1, path="/etc/passwd")
    session = project.annotations.create_import_session()
    with pytest.raises(errors.ForbiddenError):
        project._transport.call(
            "imports.add_files",
            routes.AddImportFiles(
                project_id=project.id,
                session_id=session.id,
                body=routes.NewImportFiles(files=[file]),
            ),
        )
    image = model.AssetUploadFile("a.png", 1, 0, "image/png", path="/etc/passwd")
    with pytest.raises(errors.ForbiddenError):
        project._transport.call(
            "uploads.create",
            routes.CreateUploadSession(
                project_id=project.id, body=routes.NewUploadSession(assets=[image])
            ),
        )


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a\\..\\evil.png", "a\0.png"])
def test_names_of_uploads(project, name):
    session = project.assets.create_upload_session()
    with pytest.raises(errors.BadRequestError), session:
        session.add_bytes(png(), name)


def test_the_name_of_an_imported_file_is_only_a_name(server, project):
    session = project.annotations.create_import_session()
    name = "../../../evil.csv"
    with session:
        session.add_bytes(b"filename,xmin,ymin,xmax,ymax,label\nimage.png,1,2,30,40,dog\n", name)
    assert session.report.files[0].file == name
    assert not list(server.home.parent.rglob("evil.csv"))


def test_an_export_that_would_leave_its_folder(project, tmp_path, monkeypatch):
    """A server that is not ours to trust sends a zip with a climbing name."""
    project.annotations.create(
        {"asset_id": "image.png", "tag": "x", "bound_type": "Rectangle", "bound": BOX}
    )
    operation = project.annotations.create_export({"format": "coco"})
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("good.txt", "x")
        archive.writestr("../evil.txt", "x")
    transport = project._transport
    monkeypatch.setattr(transport, "download", lambda url, out: out.write(evil.getvalue()))
    with pytest.raises(errors.AnnotaryError, match=r"evil\.txt"):
        project.annotations.download_exported_file(operation.id, str(tmp_path / "out"))
    assert not list(tmp_path.rglob("*.txt"))


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"properties":' + b'{"a":' * 50_000,
        b'{"properties":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
        b"{",
        b"\xff\xfe",
        b"null",
        b'"x"',
        b'{"assetId":"image.png","tag":"\\ud800","boundType":"Rectangle","bound":[]}',
        b'{"assetId":"image.png","tag":"x","boundType":"Polygon","bound":[[1e999,0],[0,0],[0,1]]}',
        b'{"assetId":"image.png","tag":"x","boundType":"Polygon","bound":[[NaN,0],[0,0],[0,1]]}',
        b'{"assetId":"image.png","tag":"x","boundType":"Classification","bound":[],"frame":'
        + b"9" * 400
        + b"}",
        b'{"assetId":"image.png","tag":"x","boundType":"Bitmask",'
        b'"bound":{"size":[2000000000,2000000000],"counts":"0"}}',
        b'{"assetId":"image.png","tag":"x","boundType":"Bitmask",'
        b'"bound":{"size":[200,400],"counts":"\\u00ff~~~~~~"}}',
    ],
)
def test_bodies_that_are_wrong(http, project, body):
    answer = http.post(f"/projects/{project.id}/annotations", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


def test_huge_numbers(http, project):
    big = 9**30
    url = f"/projects/{project.id}"
    for answer in (
        http.patch(f"{url}/tags/{big}", json={"name": "x"}),
        http.delete(f"{url}/tags/{big}"),
        http.post(f"{url}/tags/{big}-{big}:merge"),
        http.put(f"{url}/ontologies/{big}", json={"attributes": []}),
        http.get(f"{url}/assets?limit={big}"),
    ):
        assert answer.status_code < 500
    size = {"filename": "x.png", "width": big, "height": 1}
    assert http.post(f"{url}/assets:register", json=[size]).status_code == 400


def test_large_bodies_are_refused(http, project):
    url = f"/projects/{project.id}/annotations"
    with suppress(httpx.TransportError):  # cut while it was still sending
        assert http.post(url, content=b" " * 3_000_000).status_code == 413

    def endless():
        for _ in range(100):
            yield b" " * 65536

    with suppress(httpx.TransportError):
        assert http.post(url, content=endless()).status_code == 413
    assert http.get("/health").status_code == 200


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + b"".join(
        b'<!ENTITY c%d "%s">' % (i, (b"&c%d;" % (i - 1) if i else b"&b;") * 10) for i in range(12)
    )
    + b"]><annotation><filename>&c11;</filename></annotation>"
)
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<annotation><filename>&x;</filename><size><width>9</width><height>9</height></size>"
    b"</annotation>"
)


@pytest.mark.parametrize("data", [BOMB, OUTSIDE])
def test_xml_with_entities(server, project, data):
    session = project.annotations.create_import_session()
    with pytest.raises(errors.ImportFailedError) as caught, session:
        session.add_bytes(data, "a.xml")
    assert "root:" not in str(caught.value)
    assert "root:" not in str(session.get_logs())


def test_answers_to_faults_say_nothing_of_the_inside(tmp_path):
    """What nobody foresaw is a 500 with the number of the request; the log has the rest."""
    with serving(tmp_path / "home") as server:
        with sqlite3.connect(server.home / "annotary.db") as db:
            db.execute("ALTER TABLE tags RENAME TO gone")
        db.close()
        headers = {"Secret-Key": server.key, "X-Request-Id": "find-me"}
        url = f"{server.address}/workspace/projects"
        answer = httpx.post(url, json={"name": "x"}, headers=headers)
        assert answer.status_code == 500
        assert answer.json()["code"] == "InternalServerError"
        assert "find-me" in answer.json()["hint"]
        for secret in ("Traceback", "tags", "sqlite", str(server.home), ".py"):
            assert secret not in answer.text
        (line,) = [x for x in server.log().splitlines() if '"level":"error"' in x]
        assert "find-me" in line
        assert "no such table" in line


# --- rates ----------------------------------------------------------------------------------------


def test_rate_limit(tmp_path):
    with serving(tmp_path / "home", rate_limit=0.5, rate_burst=5) as server:
        headers = {"Secret-Key": server.key}
        codes = [httpx.get(f"{server.address}/workspace", headers=headers) for _ in range(8)]
        assert [c.status_code for c in codes[:5]] == [200] * 5
        refused = codes[-1]
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == "TooManyRequestsError"
        other = {"Secret-Key": server.make_key("viewer")}
        assert httpx.get(f"{server.address}/workspace", headers=other).status_code == 200


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_public_addresses_need_a_word(host):
    with pytest.raises(BadRequestError, match="Other machines"):
        Settings.gather({}, host=host)
    assert Settings.gather({}, host=host, public=True).host == host


def test_settings():
    found = Settings.gather({"ANNOTARY_RATE_LIMIT": "2.5", "ANNOTARY_PORT": "1"}, port=9)
    assert (found.rate_limit, found.port) == (2.5, 9)
    with pytest.raises(BadRequestError):
        Settings.gather({"ANNOTARY_PORT": "many"})
    with pytest.raises(BadRequestError, match="no setting"):
        Settings.gather({}, prot=9)


def test_the_port_is_taken(server, tmp_path):
    from annotary.server import serve

    with pytest.raises(BadRequestError, match="Cannot listen"):
        serve(tmp_path, "127.0.0.1", urlsplit(server.address).port or 0)
