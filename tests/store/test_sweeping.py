"""Files that no row names, old exports, and images whose bytes are not what they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from annotary import Client, NotFoundError, routes
from annotary.model import AssetUploadFile
from annotary.service import Service
from annotary.service.sweeping import forget_old, sweep_files
from annotary.store import Store
from tests.contract.conftest import box, png


def files(home: Path) -> list[str]:
    root = home / "blobs"
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.fixture
def client(tmp_path):
    with Client(home=tmp_path / "home") as made:
        yield made


@pytest.fixture
def project(client):
    made = client.create_project("x")
    with made.assets.create_upload_session() as session:
        for i in range(4):
            session.add_bytes(png(40 + i, 20), f"{i}.png")
    made.annotations.create([box(f"{i}.png") for i in range(4)])
    return made


def stray(home: Path, *keys: str) -> None:
    for key in keys:
        path = home / "blobs" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")


GONE = "0" * 32


def test_what_no_row_names_is_removed_and_all_else_stays(tmp_path, client, project):
    home = tmp_path / "home"
    project.annotations.create_export({"format": "coco"})
    with project.annotations.create_import_session(rejects=True, on_error="skip") as session:
        session.add_bytes(b"filename,xmin,ymin,xmax,ymax,label\nnone.png,1,2,3,4,a\n", "a.csv")
    waiting = project.assets.create_upload_session()
    waiting.add_bytes(png(), "later.png")
    project.assets.delete("3.png")  # which can be undone
    before = files(home)
    assert sum(each.startswith("assets/") for each in before) == 4
    mine = project.id.removeprefix("proj_").replace("-", "")
    left = [
        f"exports/{GONE}.zip", f"rejects/{GONE}.zip", f"parts/{GONE}/1",
        f"assets/{GONE}/{GONE}-0", f"assets/{mine}/{GONE}-0",
    ]  # fmt: skip
    stray(home, *left)
    with closing(Store(home)) as store:
        assert sorted(sweep_files(store, whole=True)) == sorted(left)
        assert files(home) == before
        assert sweep_files(store, whole=True) == []


def test_opening_a_store_removes_what_is_cheap_to_find(tmp_path, client, project):
    home = tmp_path / "home"
    before = files(home)
    stray(home, f"exports/{GONE}.zip", f"rejects/{GONE}.zip", f"assets/{GONE}/{GONE}-0")
    with closing(Store(home)) as store:
        Service(store)
    assert files(home) == before


def test_files_of_an_upload_whose_process_died_go_when_the_store_is_opened(tmp_path):
    home = tmp_path / "home"
    with Client(home=home) as client:
        project = client.create_project("x")
    store = Store(home)
    service = Service(store)
    new = [
        AssetUploadFile(filename=name, mime="image/png", size=4, crc32c=0)
        for name in ("a.png", "b.png")
    ]
    body = routes.NewUploadSession(assets=new)
    made = service.uploads.create(routes.CreateUploadSession(project_id=project.id, body=body))
    key = store.blobs.key_of(made.assets[0].upload.url)
    store.blobs.put(key, b"half")
    assert files(home) == [key]
    store.close()  # as a process does that dies: its operation has not ended
    with closing(Store(home)) as other:
        Service(other)
    assert files(home) == []


def test_exports_that_are_old_go_and_say_so(tmp_path, client, project):
    home = tmp_path / "home"
    made = [project.annotations.create_export({"format": "coco"}) for _ in range(2)]
    with closing(sqlite3.connect(home / "annotary.db")) as db:
        db.execute("UPDATE operations SET updated = updated - 8 * 86400000 WHERE no ="
                   " (SELECT MIN(no) FROM operations WHERE kind LIKE '%export')")  # fmt: skip
        db.commit()
    with closing(Store(home)) as store:
        forget_old(store, 0)
        assert sum(each.startswith("exports/") for each in files(home)) == 2
        forget_old(store, 7)
    assert [each for each in files(home) if each.startswith("exports/")] == [
        f"exports/{made[1].id.removeprefix('op_').replace('-', '')}.zip"
    ]
    with pytest.raises(NotFoundError, match="deleted"):
        project.annotations.get_export_manifest(made[0].id)
    project.annotations.get_export_manifest(made[1].id)


def damage(home: Path, project) -> None:
    """Of four images: the first is cut, the second gone, the third other bytes of the same size."""
    found = sorted((home / "blobs" / "assets").rglob("*-*"))
    found[0].write_bytes(found[0].read_bytes()[:10])
    found[1].unlink()
    data = bytearray(found[2].read_bytes())
    data[len(data) // 2] ^= 1
    found[2].write_bytes(data)


@pytest.mark.parametrize(
    ("export", "word"),
    [
        ({"format": "tfrecord"}, "bytes"),
        ({"format": "coco", "options": {"images": "copy"}}, "images"),
    ],
)
def test_images_that_cannot_be_read_are_losses(tmp_path, client, project, export, word):
    damage(tmp_path / "home", project)
    planned = {each.code: each.count for each in project.annotations.plan_export(export)}
    made = project.annotations.create_export(export)
    manifest = project.annotations.get_export_manifest(made.id)
    counted = {each.code: each.count for each in manifest.losses}
    assert counted[f"{word}-missing"] == 1
    assert counted[f"{word}-damaged"] == 2
    assert planned[f"{word}-missing"] + planned[f"{word}-damaged"] >= 2
    assert "images" in made.status.message
    if word == "bytes":
        assert planned == counted
        out = project.annotations.download_exported_file(made.id, str(tmp_path / "out"))
        records = b"".join(p.read_bytes() for p in Path(out.download_path).rglob("*.tfrecord"))
        whole = [p.read_bytes() for p in (tmp_path / "home/blobs/assets").rglob("*-*")]
        assert [data in records for data in whole if len(data) > 10].count(True) == 1
