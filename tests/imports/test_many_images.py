"""Images of a file are matched in parts; the parts make no difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annotary import Client
from annotary.model import NewAsset
from annotary.reading import file as reading

NAMES = ["a/1.jpg", "b/1.jpg", "2.jpg", "2.png", "known.jpg", "c d.jpg", "a/2.jpg", "e.jpg"]


def imported(home: Path) -> dict[str, Any]:
    """What an import makes of one box on each image, two of them on an image of the project."""
    client = Client(home=home)
    project = client.create_project("parts")
    project.assets.register([NewAsset(filename="known.jpg", width=10, height=10)])
    images = [{"id": i, "file_name": n, "width": 10, "height": 10} for i, n in enumerate(NAMES)]
    images[-1]["width"] = 0  # nothing states its size: its box is refused
    boxes = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [i, 1, 1, 1]} for i in range(len(NAMES))
    ]
    document = {"images": images, "categories": [{"id": 1, "name": "x"}], "annotations": boxes}
    with project.annotations.create_import_session(create_assets=True, on_error="skip") as session:
        session.add_bytes(json.dumps(document).encode(), "boxes.json")
    assets = {asset.id: asset.filename for asset in project.assets.list()}
    placed = [(assets[one.asset_id], one.bound) for one in project.annotations.list()]
    report = session.report
    found = {
        "placed": placed,
        "matched": report.files[0].matched,
        "logs": len(session.get_logs().logs),
    }
    client.close()
    return found | {"committed": report.committed, "made": report.assets_created}


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_the_parts_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    whole = imported(tmp_path / "whole")
    assert [name for name, _ in whole["placed"]] == NAMES[:-1]
    assert (whole["committed"], whole["made"]) == (len(NAMES) - 1, len(NAMES) - 1)
    monkeypatch.setattr(reading, "_MATCHED_AT_ONCE", at_once)
    assert imported(tmp_path / "parts") == whole
