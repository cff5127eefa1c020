"""The traps of the wire, byte for byte where that matters."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]


def make(http, project, count=1):
    body = [{"assetId": "image.png", "tag": "dog", "boundType": "Rectangle", "bound": BOX}] * count
    return http.post(f"/projects/{project.id}/annotations:batch", json=body).json()


@pytest.mark.parametrize("brackets", ["[]", "%5B%5D", ""])
def test_query_as_the_public_client_writes_it(http, project, brackets):
    make(http, project, 3)
    asset = project.assets.get("image.png").id
    query = f"limit=2&assetId{brackets}={asset}&assetId{brackets}=image.png&includeAttributes=true&"
    answer = http.get(f"/projects/{project.id}/annotations?{query}").json()
    assert len(answer["data"]) == 2
    assert "nextPage" in answer
    assert "prevPage" not in answer
    assert answer["data"][0]["attributes"] == []


def test_nulls_are_left_out_and_dates_are_integers(http, project):
    (made,) = make(http, project)
    assert type(made["createDate"]) is int
    assert None not in made.values()
    assert "ontologyId" not in made


def test_objects_use_snake_case(http, project):
    make(http, project)
    url = f"/projects/{project.id}/objects?include_attributes=true&limit=5&"
    data = http.get(url).json()["data"]
    assert data["annotations"][0][0]["attributes"] == []
    only = http.get(f'/projects/{project.id}/objects?annotationFilter={{"tags":["cat"]}}').json()
    assert only["data"]["annotations"] == []
    assert http.get(f"/projects/{project.id}/objects?assetFilter=nonsense").status_code == 400


def test_empty_body_with_a_json_content_type(http, project):
    headers = {"Content-Type": "application/json", "Content-Length": "0"}
    answer = http.post(f"/projects/{project.id}/annotationimportsessions", headers=headers)
    assert answer.status_code == 200
    session = answer.json()
    assert session["status"]["files"]["withStatus"]["FailedProcess"] == 0
    assert session["expiryDate"] > session["createDate"]
    body = {"files": [{"filename": "a.csv", "size": 9, "crc32c": "4waSgw=="}]}
    url = f"/projects/{project.id}/annotationimportsessions/{session['id']}"
    (target,) = http.post(f"{url}/files", json=body).json()["files"]
    assert target["upload"]["headers"]["x-goog-hash"] == "crc32c=4waSgw=="
    failed = {"status": {"conditions": [{"condition": "FilesProcessed", "status": "FailedReach"}]}}
    for _ in range(2):  # a client that lost the answer asks again
        assert http.patch(url, json=failed).json()["status"]["overview"] == "Cancelled"


def test_two_encodings_of_one_sum(http, project):
    # 123456789: e3069283 (RFC 3720)
    file = {"filename": "a.png", "size": 9, "crc32c": -486108541, "mime": "image/png"}
    url = f"/projects/{project.id}/assetuploadsessions"
    made = http.post(url, json={"groups": ["main"], "assets": [file]}).json()
    assert made["assets"][0]["upload"]["headers"]["x-goog-hash"] == "crc32c=4waSgw=="
    assert made["assets"][0]["metadata"]["crc32c"] == -486108541
    cancelled = http.post(f"{url}/{made['id']}:cancel")
    assert cancelled.json() == {"cancelled": True, "id": made["id"]}
    assert http.post(f"{url}/{made['id']}:cancel").status_code == 409


def test_an_import_that_never_got_its_bytes_is_refused(http, project):
    """The public client does not look at the answer of an upload: the server must."""
    url = f"/projects/{project.id}/annotationimportsessions"
    session = http.post(url).json()
    body = {"files": [{"filename": "a.csv", "size": 9, "crc32c": "4waSgw=="}]}
    (target,) = http.post(f"{url}/{session['id']}/files", json=body).json()["files"]
    assert http.put(target["upload"]["url"], content=b"12345678X").status_code == 400
    reached = {"status": {"conditions": [{"condition": "FilesInserted", "status": "Reached"}]}}
    done = http.patch(f"{url}/{session['id']}", json=reached).json()
    assert done["status"]["overview"] == "Errored"
    (log,) = http.get(f"{url}/{session['id']}/logs").json()["logs"]
    assert "a.csv" in log["message"]
    # a client that repeats the step is told the same
    again = http.patch(f"{url}/{session['id']}", json=reached).json()
    assert again["status"] == done["status"]


def test_errors_have_a_code_a_message_and_a_hint(http):
    answer = http.get("/projects/proj_" + "0" * 32)
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "hint"}
    assert answer.headers["x-request-id"]
    wrong = http.request("POST", "/workspace")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET"


def test_the_query_may_be_odd_but_not_break_anything(http, project):
    base = f"/projects/{project.id}/annotations"
    for query in ("&&&", "limit=&page=&", "=1&limit=3", "limit=-5", "limit=99999999999999999999"):
        assert http.get(f"{base}?{query}").status_code == 200, query
    for query in ("limit=ten", "page=%ff", "includeAttributes=perhaps"):
        assert http.get(f"{base}?{query}").status_code == 400, query


def test_idempotency_key(http, project):
    body = {"assetId": "image.png", "tag": "dog", "boundType": "Rectangle", "bound": BOX}
    url = f"/projects/{project.id}/annotations"
    headers = {"Idempotency-Key": "one"}
    first = http.post(url, json=body, headers=headers)
    second = http.post(url, json=body, headers=headers)
    assert first.content == second.content
    assert project.get_info().statistic.total_annotations == 1
    other = http.post(url, json=body | {"tag": "cat"}, headers=headers)
    assert other.status_code == 409
    fresh = http.post(url, json=body, headers={"Idempotency-Key": "two"})
    assert fresh.json()["id"] != first.json()["id"]
    # what failed may be tried again under the same key
    bad = http.post(url, json=body | {"bound": [[9, 9]]}, headers={"Idempotency-Key": "three"})
    assert bad.status_code == 400
    assert http.post(url, json=body, headers={"Idempotency-Key": "three"}).status_code == 200


def test_idempotency_key_of_a_deletion(http, project):
    (made,) = make(http, project)
    url = f"/projects/{project.id}/annotations/{made['id']}"
    answers = [http.delete(url, headers={"Idempotency-Key": "d"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json() == {"deleted": True, "id": made["id"]}
    assert http.delete(url).status_code == 404


def test_idempotency_key_of_an_export(http, project):
    make(http, project)
    url = f"/projects/{project.id}/annotationexports"
    answers = [
        http.post(url, json={"format": "coco"}, headers={"Idempotency-Key": "e"}).json()["id"]
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_pages_for_people_and_machines(http, server):
    assert http.get("/health").json() == {"status": "alive"}
    assert http.get("/ready").json() == {"status": "ready"}
    assert "<title>Annotary" in http.get("/docs").text
    http.get("/workspace")
    metrics = http.get("/metrics").text
    assert 'annotary_requests_total{route="workspace.get",status="200"}' in metrics
    document = http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert "/projects/{project_id}/tags/{index}-{into}:merge" in document["paths"]
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {"request", "route", "status", "ms"} <= set(lines[-1])


def test_a_caller_that_goes_away_does_no_harm(server, project):
    place = urlsplit(server.address)
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(
            f"POST /projects/{project.id}/annotations HTTP/1.1\r\nHost: x\r\n"
            f"Secret-Key: {server.key}\r\nContent-Length: 1000\r\n\r\n{{".encode()
        )
    assert project.get_info().statistic.total_annotations == 0
    assert '"level":"error"' not in server.log()
