"""Erasing: what is erased is in no file of the store."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from annotary import Client, NotFoundError
from annotary.client.project import Project
from tests.contract.conftest import png
from tests.recount import contradictions
from tests.samples import register

LEFT = 0.123456789012345
BOX = [[LEFT, 0.1], [LEFT, 0.5], [0.5, 0.5], [0.5, 0.1]]


def secret(asset: str) -> dict[str, object]:
    return {
        "asset_id": asset, "tag": "cat", "bound_type": "Rectangle", "bound": BOX,
        "properties": {"name": "Erika Mustermann"},
    }  # fmt: skip


def holds(home: Path, what: bytes) -> list[str]:
    return [p.name for p in home.rglob("*") if p.is_file() and what in p.read_bytes()]


def test_what_is_erased_is_in_no_file(home: Path) -> None:
    with Client(home=home) as client:
        project = client.create_project("pets")
        with project.assets.create_upload_session() as session:
            session.add_bytes(png(color="green"), "erika.png")
        register(project, "a.png")
        on_image = project.annotations.create(secret("erika.png"))
        one, two = project.annotations.create([secret("a.png"), secret("a.png")])
        project.annotations.update(one.id, {"properties": {}})
        project.annotations.delete(two.id)
        project.snapshots.create("v1")
        project.assets.update("erika.png", {"status": "Review"})
        project.annotations.create_export({"format": "keypoints_datature_raw"})
        project.annotations.create_export({"format": "coco"})
        number = project.changes.list()[0].number
        erased = project.erase(assets=["erika.png", "nobody.png"], annotations=[one.id, two.id])
        assert (erased.annotations, erased.assets, erased.missing) == (3, 1, ["nobody.png"])
        for seen in (project, project.at("v1")):
            assert [a.filename for a in seen.assets.list()] == ["a.png"]
            assert list(seen.annotations.list()) == []
        with pytest.raises(NotFoundError):
            project.annotations.get(on_image.id)
        last = project.changes.list()[0]
        assert last.counts == {"annotations": {"erased": 3}, "assets": {"erased": 1}}
        # of an edit of what is erased nothing is left to be taken back
        assert project.changes.undo(number).change.counts == {}
        assert contradictions(home) == []
        client._service.close()  # type: ignore[union-attr]
    for what in (b"Erika Mustermann", struct.pack("<d", LEFT), b"erika.png", png(color="green")):
        assert holds(home, what) == [], what


def test_what_is_not_there_is_said(project: Project) -> None:
    found = project.erase(assets=["x.png"], annotations=["annot_x"])
    assert (found.annotations, found.assets) == (0, 0)
    assert found.missing == ["x.png", "annot_x"]
