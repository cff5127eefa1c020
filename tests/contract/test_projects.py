"""Projects, tags and ontologies, through every door."""

from __future__ import annotations

import pytest

from annotary import errors
from tests.contract.conftest import box


def test_workspace(client):
    found = client.get_info()
    assert found.id.startswith("ws_")
    assert found.name == "Annotary"
    assert isinstance(found.create_date, int)


def test_project_from_birth_to_death(client):
    project = client.create_project("cats and dogs", type="Keypoint")
    assert project.id in [each.id for each in client.list_projects()]
    again = client.get_project(project.id.removeprefix("proj_"))
    assert (again.id, again.name, again.type) == (project.id, "cats and dogs", "Keypoint")
    assert project.update("cats").name == "cats"
    info = client.get_project(project.id).get_info()
    assert info.name == "cats"
    assert info.tags == info.groups == []
    assert info.statistic.total_assets == info.statistic.total_annotations == 0
    assert client.delete_project(project.id).deleted
    with pytest.raises(errors.NotFoundError):
        client.get_project(project.id)


def test_project_needs_a_name(client):
    with pytest.raises(errors.ValidationError, match="needs a name"):
        client.create_project("  ")


@pytest.mark.parametrize("text", ["proj_00000000000000000000000000000000", "proj_x", "x:y", "%"])
def test_unknown_project(client, text):
    with pytest.raises(errors.NotFoundError) as caught:
        client.get_project(text)
    assert caught.value.message.startswith("There is no")
    assert caught.value.hint


def test_statistic_counts(project, image):
    project.annotations.create([box(image.id), box(image.id), box(image.id, "cat")])
    found = project.get_info()
    assert found.statistic.annotated_assets == 1
    assert {t.name: t.count for t in found.statistic.tags_count} == {"dog": 2, "cat": 1}
    assert found.tags == ["dog", "cat"]


def test_tags(project, image):
    assert project.tags.list() == []
    project.tags.create("dog", color="#ff0000", description="barks")
    tags = project.tags.create("cat")
    assert [(t.index, t.name) for t in tags] == [(0, "dog"), (1, "cat")]
    assert tags[0].color == "#ff0000"
    changed = project.tags.update("dog", name="hound", description=None)
    assert changed[0].name == "hound"
    assert changed[0].description is None
    with pytest.raises(errors.ConflictError):
        project.tags.create("cat")
    with pytest.raises(errors.NotFoundError):
        project.tags.update(7, name="x")


def test_merge_and_delete_tags(project, image):
    made = project.annotations.create([box(image.id, "dog"), box(image.id, "puppy")])
    with pytest.raises(errors.ConflictError):
        project.tags.delete("puppy")
    left = project.tags.merge("puppy", into="dog")
    assert [t.name for t in left] == ["dog"]
    assert {each.tag for each in project.annotations.list()} == {"dog"}
    assert project.annotations.get(made[1].id).tag == "dog"
    project.tags.create("bird")
    assert project.tags.delete("bird").deleted


def test_ontologies(project, image):
    project.tags.create("dog")
    attributes = [
        {"name": "breed", "type": "Categorical", "options": {"categories": ["pug", "lab"]}},
        {"name": "age", "type": "Numeric", "required": True, "description": "in years"},
    ]
    made = project.ontologies.set("dog", attributes)
    assert [a.name for a in made.attributes] == ["breed", "age"]
    assert project.ontologies.list() == [made]
    given = box(image.id) | {
        "attributes": [{"name": "breed", "value": ["pug"]}, {"name": "age", "value": 3}]
    }
    created = project.annotations.create(given)
    found = project.annotations.get(created.id, include_attributes=True)
    assert found.ontology_id == made.id
    assert {a.name: a.value for a in found.attributes}["breed"] == ["pug"]
    again = project.ontologies.set("dog", attributes[:1])
    assert again.id == made.id
    assert again.attributes[0].id == made.attributes[0].id


@pytest.mark.parametrize(
    "attribute",
    [
        {"name": "", "type": "String"},
        {"name": "x", "type": "Categorical"},
        {"name": "x", "type": "Colour"},
        {"name": "x", "type": "Numeric", "default": "a"},
    ],
)
def test_wrong_ontology(project, attribute):
    project.tags.create("dog")
    with pytest.raises(errors.BadRequestError) as caught:
        project.ontologies.set("dog", [attribute])
    assert caught.value.message
