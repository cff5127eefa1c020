"""From files through a store to files of every format: equal, but for the losses that are told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from annotary import Client, formats
from annotary.client.project import Project as Stored
from annotary.model import ExportOptions
from annotary.syntax.source import SourceFile
from annotary.writing.exporting import ExportTag
from tests.laws import counted
from tests.laws.law import write
from tests.laws.projects import Project
from tests.laws.test_losses import NAMES, agree, back, told
from tests.recount import contradictions
from tests.samples import register

COMPLETE = ("parquet", "keypoints_datature_raw")
"""Formats that hold all there is."""


def stored(client: Client, project: Project, name: str) -> Stored:
    """The project in a store, brought there by files of one format."""
    made = client.create_project(name)
    with made.annotations.create_import_session(create_assets=True) as session:
        for member, data in write(project, formats.get(name), ExportOptions()).members.items():
            session.add_bytes(data, member)
    assert session.report.committed == len(project.things)
    return made


def exported(project: Stored, name: str, folder: Path) -> tuple[Counter[str], list[SourceFile]]:
    """What the manifest of an export tells, and the files."""
    operation = project.annotations.create_export({"format": name})
    manifest = project.annotations.get_export_manifest(operation.id)
    local = project.annotations.download_exported_file(operation.id, str(folder))
    paths = [Path(local.download_path) / each for each in local.file_names]
    files = [
        SourceFile(path.relative_to(local.download_path).as_posix(), data=path.read_bytes())
        for path in paths
        if path.name != "manifest.json"
    ]
    return told(manifest), files


@pytest.mark.parametrize("source", COMPLETE)
def test_what_a_store_gives_back_is_what_it_was_given(
    source: str, client: Client, home: Path, tmp_path: Path
) -> None:
    before = counted.project(3)
    project = stored(client, before, source)
    assert contradictions(home) == []
    if not formats.get(source).carries.edges:
        before.tags = [ExportTag(tag.name) for tag in before.tags]
    for name in NAMES:
        format_ = formats.get(name)
        losses, files = exported(project, name, tmp_path / source / name)
        found = back(files, before.sizes)
        agree(losses, counted.losses(before, found, format_.carries))


def test_the_rows_of_an_object_share_its_group(client: Client) -> None:
    before = counted.project(4)
    project = stored(client, before, "parquet")
    groups: dict[str, list[str | None]] = {}
    names = {asset.id: asset.filename for asset in project.assets.list()}
    for annotation in project.annotations.list():
        groups.setdefault(names[annotation.asset_id], []).append(annotation.group)
    for thing in before.things:
        found = groups[before.names[thing.image]]
        rows = len(thing.values[0])
        assert len(found) == rows
        assert len(set(found)) == 1
        assert (found[0] is None) == (rows == 1)


@pytest.mark.parametrize("name", ["csv_fourcorner", "rle_coco", "parquet", "supervisely"])
def test_a_hole_without_its_ring_is_told_as_lost(name: str, client: Client) -> None:
    project = client.create_project("holes")
    (asset,) = register(project, "a.png")
    bound = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]
    ring = {"asset_id": asset.id, "tag": "dog", "bound_type": "Polygon", "bound": bound}
    outline = project.annotations.create(ring)
    project.annotations.create(ring | {"hole": True, "group": outline.id})
    project.annotations.delete(outline.id)
    losses = project.annotations.plan_export({"format": name})
    assert [(loss.code, loss.count) for loss in losses if loss.code == "left-out"] == [
        ("left-out", 1)
    ]
