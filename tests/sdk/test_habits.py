"""Habits that users bring: of the public client, of dictionaries, of pandas, of other tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from annotary import BadRequestError, Client, ValidationError, formats
from annotary.client.project import Project
from annotary.model import Annotation, Wire
from tests.samples import rectangle, register


@pytest.fixture
def annotation(project: Project) -> Annotation:
    register(project, "image.png", width=486, height=500)
    return project.annotations.create(rectangle("image.png"))


def test_calls_as_the_public_client_writes_them(project: Project, annotation: Annotation) -> None:
    project.annotations.create([rectangle("image.png") for _ in range(9)])
    assert len(project.annotations.list({"limit": 5})) == 5
    assert len(project.annotations.list({"limit": 5}, {"asset_ids": ["image.png"]})) == 5
    assert project.tags.create({"name": "cat", "color": "#112233"})[-1].color == "#112233"
    assert project.tags.update(1, {"name": "tiger"})[-1].name == "tiger"
    project.tags.merge("tiger", target_index="dog")
    assert [each.name for each in project.tags.list()] == ["dog"]
    assert project.update({"name": "zoo"}).name == "zoo"
    with pytest.raises(BadRequestError, match="no localization"):
        project.update({"localization": "EU"})
    project.ontologies.create_schema(0, [{"name": "age", "type": "Numeric"}])
    assert [each.name for each in project.ontologies.list_schemas()] == ["dog"]
    project.assets.add_custom_metadata("image.png", {"camera": "left"})
    (kept,) = project.assets.get_custom_metadata("image.png").custom_metadatas
    assert kept.custom_metadata == {"camera": "left"}
    project.assets.delete_custom_metadata("image.png", "camera")
    assert project.project_id == project.id
    assert project.list_users()[0].access_type == "owner"


@pytest.mark.parametrize("name", ["workflows", "runs", "deployments", "artifacts"])
def test_what_nexus_has_and_annotary_has_not_is_said_by_name(
    project: Project, client: Client, name: str
) -> None:
    with pytest.raises(AttributeError, match=f"no project.{name}: that is a part of Nexus"):
        getattr(project, name)
    with pytest.raises(AttributeError, match="client has no 'nothing'"):
        client.nothing  # noqa: B018
    assert not hasattr(project, "__array__")


def test_an_answer_is_a_mapping(annotation: Annotation) -> None:
    assert isinstance(annotation, Mapping)
    given: dict[str, Any] = dict(annotation)
    assert given["bound_type"] == annotation.bound_type == annotation["bound_type"]
    assert set(given) == set(annotation.keys()) == set(annotation)
    assert "tag" in annotation and "label" not in annotation
    assert dict(annotation.items()) == given
    assert json.loads(json.dumps(annotation.to_dict()))["asset_id"] == annotation.asset_id


def test_pandas_makes_columns_of_answers(project: Project, annotation: Annotation) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(list(project.annotations.list()))
    assert list(frame["tag"]) == ["dog"]
    assert set(frame.columns) == set(annotation.keys())


def test_every_struct_but_a_page_is_a_mapping() -> None:
    def all_of(kind: type) -> list[type]:
        return [kind, *(each for below in kind.__subclasses__() for each in all_of(below))]

    from annotary import model

    structs = [each for each in all_of(Wire) if each.__module__ == model.__name__]
    assert {s.__name__ for s in structs if not issubclass(s, Mapping)} == {
        "PaginationResponse",
        "Wire",
    }


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"bound": [[10, 20], [10, 50], [60, 50], [60, 20]]}, "divide x by 486 and y by 500"),
        ({"bound_type": "Polygon", "bound": [[1, 2], [10, 50], [60, 2]]}, "look like pixels"),
        ({"bound_type": "Keypoints", "bound": [[10, 20, 2]]}, "look like pixels"),
        ({"bound": [10, 20, 50, 60]}, "divided by the image's width and height"),
        ({"bound_type": "Rect"}, "Classification, Keypoints, Polygon, Rectangle"),
    ],
)
def test_pixels_and_misspelt_values_get_a_true_hint(
    project: Project, annotation: Annotation, changes: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        project.annotations.create({**rectangle("image.png"), **changes})
    assert hint in caught.value.hint


def test_a_point_just_outside_is_no_pixel(project: Project, annotation: Annotation) -> None:
    with pytest.raises(ValidationError) as caught:
        project.annotations.create(
            {**rectangle("image.png"), "bound": [[0.1, 0.1], [0.1, 1.2], [0.5, 1.2], [0.5, 0.1]]}
        )
    assert "486 x 500 pixels" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("yolo", "yolo_ultralytics"),
        ("YOLO", "yolo_ultralytics"),
        ("yolov8", "yolo_ultralytics"),
        ("yolo11", "yolo_ultralytics"),
        ("yolo11n-seg", "yolo_segment"),
        ("yolov8-obb", "yolo_obb"),
        ("darknet", "yolo_darknet"),
        ("COCO", "coco"),
        ("voc", "pascal_voc"),
        ("Pascal VOC", "pascal_voc"),
        ("labelme", "polygon_single"),
        ("label-studio", "label_studio"),
    ],
)
def test_formats_are_known_by_what_people_type(typed: str, meant: str) -> None:
    assert formats.get(typed).name == meant


def test_every_alias_leads_to_a_format_and_hides_none() -> None:
    assert set(formats.ALIASES.values()) <= set(formats.names())
    assert not set(formats.ALIASES) & set(formats.names())
    assert all(formats.canonical(name) == name for name in formats.names())


def test_a_hint_about_formats_is_short() -> None:
    with pytest.raises(BadRequestError) as caught:
        formats.get("lableme")
    assert caught.value.hint.startswith("Did you mean polygon_single")
    assert len(caught.value.hint) < 120
