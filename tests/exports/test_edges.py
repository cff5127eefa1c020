"""Edges of skeletons: kept where the format has a place for them, counted where not."""

from __future__ import annotations

import json

import pytest

from annotary.client.project import Project

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}],
    "categories": [
        {"id": 1, "name": "dog", "keypoints": ["nose", "tail", "paw"], "skeleton": [[1, 2], [2, 3]]}
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [4, 2, 2, 9, 8, 1, 20, 5, 2]}
    ],
}


@pytest.mark.parametrize(
    ("format", "lost"), [("yolo_pose", 2), ("keypoints_tfrecord", 2), ("keypoints_coco", 0)]
)
def test_edges_are_kept_or_counted(project: Project, format: str, lost: int) -> None:
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_bytes(json.dumps(COCO).encode(), "a.json")
    request = {"format": format}
    operation = project.annotations.create_export(request)
    losses = project.annotations.get_export_manifest(operation.id).losses
    assert sum(loss.count for loss in losses if loss.code == "edges") == lost
    assert list(project.annotations.plan_export(request)) == losses
