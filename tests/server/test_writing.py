"""Many callers at once: their writes share transactions and do not share faults."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from annotary.ids import now_ms
from annotary.server.settings import Settings
from annotary.service import Service
from annotary.store import Store, keys
from annotary.store.keys import AnswerRow

BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]
GOOD = {"assetId": "image.png", "tag": "dog", "boundType": "Rectangle", "bound": BOX}
BAD = GOOD | {"tag": "never", "bound": [[2, 2], [2, 3], [3, 3], [3, 2]]}


def test_faults_of_others_undo_nothing(http, project):
    url = f"/projects/{project.id}/annotations"

    def create(number: int) -> tuple[int, str | None]:
        answer = http.post(url, json=BAD if number % 5 == 0 else GOOD | {"frame": number})
        return number, answer.json().get("id") if answer.status_code == 200 else None

    with ThreadPoolExecutor(12) as pool:
        made = dict(pool.map(create, range(200)))
    assert {n for n, id_ in made.items() if id_ is None} == set(range(0, 200, 5))
    found = {a.frame: a.id for a in project.annotations.list()}
    assert found == {n: id_ for n, id_ in made.items() if id_ is not None}
    # a tag that only a refused write would have made is not there
    assert [t.name for t in project.tags.list()] == ["dog"]
    assert project.get_info().statistic.total_annotations == 160


def test_one_key_at_the_same_time(http, project):
    url = f"/projects/{project.id}/annotations"

    def create(_: int) -> bytes:
        return http.post(url, json=GOOD, headers={"Idempotency-Key": "same"}).content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(create, range(24)))
    assert len(answers) == 1
    assert project.get_info().statistic.total_annotations == 1


def test_a_failed_write_inside_another_is_undone_alone(tmp_path):
    store = Store(tmp_path)
    with store.together() as outer:
        with store.write() as db:
            db.execute("INSERT INTO signing_key VALUES (x'01')")
        with pytest.raises(ZeroDivisionError), store.write() as db:
            db.execute("INSERT INTO signing_key VALUES (x'02')")
            raise ZeroDivisionError
        with store.read() as db:
            assert db is outer
    with store.read() as db:
        assert db.execute("SELECT secret FROM signing_key").fetchall() == [(b"\x01",)]
    with pytest.raises(ZeroDivisionError), store.together():
        with store.write() as db:
            db.execute("INSERT INTO signing_key VALUES (x'03')")
        raise ZeroDivisionError
    with store.write() as db:  # and the store can be written to again
        assert db.execute("SELECT COUNT(*) FROM signing_key").fetchone() == (1,)
    store.close()


def test_kept_answers_are_dropped_in_time(tmp_path):
    service = Service(Store(tmp_path))
    with service.store.write() as db:
        keys.keep_answer(db, b"caller", "new", AnswerRow(b"r", 200, b"{}"))
        keys.keep_answer(db, b"caller", "old", AnswerRow(b"r", 200, b"{}"))
        day = 3600 * 1000
        db.execute("UPDATE answers SET created = ? WHERE key = 'old'", (now_ms() - day - 1,))
    service.sweep()
    with service.store.read() as db:
        assert keys.find_answer(db, b"caller", "old", 0) is None
        assert keys.find_answer(db, b"caller", "new", 0) is not None
        assert keys.find_answer(db, b"another", "new", 0) is None
    service.close()


def test_a_writer_that_must_wait_too_long_is_told(tmp_path):
    """Another process holds the store: the caller gets a 503 and its write does not happen."""
    import sqlite3

    from tests.serving import serving

    with serving(tmp_path / "home", busy_seconds=0.2) as server:
        other = sqlite3.connect(server.home / "annotary.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        headers = {"Secret-Key": server.key}
        url = f"{server.address}/workspace/projects"
        answer = httpx.post(url, json={"name": "x"}, headers=headers)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert httpx.get(url, headers=headers).json() == []  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        assert httpx.post(url, json={"name": "y"}, headers=headers, timeout=30).status_code == 200
        assert [p["name"] for p in httpx.get(url, headers=headers).json()] == ["y"]


def test_every_setting_is_described():
    text = Path(__file__).parents[2].joinpath("docs", "server.md").read_text("utf-8")
    described = re.findall(r"(?m)^\| `(\w+)` \|", text)
    assert set(described) == set(Settings.__struct_fields__)
