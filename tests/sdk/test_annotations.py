"""What may be created and changed, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annotary import AnnotaryError, NotFoundError, ValidationError
from annotary.client.project import Project
from annotary.model import AnnotationChanges, NewAnnotation
from tests.samples import rectangle, register

RING = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
INNER = [[0.7, 0.3], [0.8, 0.3], [0.8, 0.4]]


@pytest.fixture
def image(project: Project) -> Project:
    register(project, "a.png", "b.png")
    return project


def polygon(**more: Any) -> dict[str, Any]:
    return {"asset_id": "a.png", "tag": "x", "bound_type": "Polygon", "bound": RING} | more


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bound": []}, "four corners, 0 points"),
        ({"bound": [[0, 0], [0.2, 0.3], [1, 1], [1, 0]]}, "not the corners of an upright box"),
        ({"bound": [[0, 0], [float("nan"), 1]]}, "nan is not a finite number"),
        ({"bound": [[0, 0], [2, 1]]}, "Point 2.0, 1.0 is out of bounds"),
        ({"bound": [[0.5, 0.5], [0.5, 0.9]]}, "no area"),
        ({"bound": [[0, "a"], [1, 1]]}, "Expected `int | float`, got `str`"),
        ({"bound": [[0, 0, 1], [1, 1, 1]]}, "has 3 values"),
        ({"bound": {"size": [3, 3], "counts": "1"}}, "list of points, not a mask"),
        ({"bound_type": "Circle"}, "Invalid enum value 'Circle'"),
        ({"bound_type": "Polygon", "bound": [[0, 0], [1, 1]]}, "has 2 points"),
        ({"bound_type": "Keypoints", "bound": [[0.1, 0.1, 3]]}, "visibility is 0, 1 or 2"),
        ({"bound_type": "Classification"}, "has no points"),
        ({"bound_type": "Bitmask"}, "is a mask"),
        ({"tag": " "}, "needs a name"),
        ({"colour": "red"}, "unknown field `colour`"),
        ({"asset_id": 5}, "Expected `str`"),
        ({"group": "annot_0"}, "no annotation 'annot_0'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stored(
    image: Project, change: dict[str, Any], said: str
) -> None:
    for new in (rectangle("a.png") | change, [rectangle("a.png"), rectangle("a.png") | change]):
        with pytest.raises(AnnotaryError) as caught:
            image.annotations.create(new)  # type: ignore[arg-type]
        assert said in str(caught.value)
    assert len(image.annotations.list()) == 0
    assert image.tags.list() == []


@pytest.mark.parametrize("wrong", [5, None, "x", ["x"], [None], {}])
def test_what_is_no_annotation_at_all(image: Project, wrong: Any) -> None:
    with pytest.raises(ValidationError):
        image.annotations.create(wrong)


def test_structs_arrays_and_either_spelling_are_taken(image: Project) -> None:
    struct = NewAnnotation(asset_id="a.png", tag="x", bound_type="Polygon", bound=RING)  # type: ignore[arg-type]
    camel = {"assetId": "a.png", "tag": "x", "boundType": "Polygon", "bound": RING}
    arrays = polygon(bound=np.array(RING), frame=np.int64(3))
    found = image.annotations.create([struct, camel, polygon(), arrays])
    assert [each.bound for each in found] == [RING] * 4
    assert found[3].frame == 3
    changed = image.annotations.update(found[0].id, AnnotationChanges(tag="y"))
    assert changed.tag == image.annotations.get(found[0].id).tag == "y"


def test_coordinates_are_kept_to_the_last_bit(image: Project) -> None:
    rng = np.random.default_rng(5)
    rings = [rng.uniform(0, 1, (7, 2)).tolist() for _ in range(50)]
    found = image.annotations.create([polygon(bound=ring) for ring in rings])
    assert [each.bound for each in found] == rings
    assert [each.bound for each in image.annotations.list()] == rings


def test_parts_share_a_group_that_begins_with_the_first(image: Project) -> None:
    first = image.annotations.create(polygon())
    assert first.group is None
    hole = image.annotations.create(polygon(bound=INNER, hole=True, group=first.id))
    assert hole.group == first.id
    # with a second part, the first has become a part as well
    assert image.annotations.get(first.id).group == first.id
    assert image.annotations.create(polygon(group=hole.group)).group == first.id
    operation = image.annotations.create_export({"format": "coco"})
    assert operation.status.message.startswith("Operation finished. 1 objects on 2 images")
    image.annotations.delete(first.id)
    assert image.annotations.create(polygon(group=first.id)).group == first.id
    alone = image.annotations.update(hole.id, {"group": None})
    assert alone.group is None


def test_an_object_is_in_one_image(image: Project) -> None:
    first = image.annotations.create(polygon())
    other = image.annotations.create(polygon(asset_id="b.png"))
    for call in (
        lambda: image.annotations.create(polygon(asset_id="b.png", group=first.id)),
        lambda: image.annotations.update(other.id, {"group": first.id}),
    ):
        with pytest.raises(ValidationError, match="No object of the image has the group"):
            call()
    assert image.annotations.get(first.id).group is None


def test_changes_leave_the_rest(image: Project) -> None:
    made = image.annotations.create(polygon(frame=2, properties={"score": 0.5}))
    changed = image.annotations.update(made.id, {"bound": INNER})
    assert changed.bound == INNER
    assert (changed.frame, changed.properties, changed.tag) == (2, {"score": 0.5}, "x")
    with pytest.raises(ValidationError, match="out of bounds"):
        image.annotations.update(made.id, {"bound": [[0, 0], [1, 0], [1, 7]]})
    with pytest.raises(ValidationError, match="unknown field `colour`"):
        image.annotations.update(made.id, {"colour": 1})
    assert image.annotations.get(made.id).bound == INNER


def test_attributes_are_checked_against_the_ontology(image: Project) -> None:
    image.tags.create("dog")
    image.ontologies.set(
        "dog",
        [
            {
                "name": "kind",
                "type": "Categorical",
                "options": {"categories": ["a", "b"]},
                "required": True,
            },
            {"name": "age", "type": "Numeric", "default": 3},
            {"name": "note", "type": "String"},
        ],
    )
    new = rectangle("a.png")
    for values, said in (
        ([], "'kind' of 'dog' is required"),
        ([{"name": "kind", "value": "c"}], "'c' is none of 'a', 'b'"),
        ([{"name": "kind", "value": "a"}, {"name": "age", "value": "old"}], "is not a number"),
        ([{"name": "kind", "value": "a"}, {"name": "note", "value": 1}], "is not text"),
        ([{"name": "kind", "value": "a"}, {"name": "size", "value": 1}], "no attribute 'size'"),
    ):
        with pytest.raises(ValidationError, match=said):
            image.annotations.create(new | {"attributes": values})
    made = image.annotations.create(new | {"attributes": [{"name": "kind", "value": "a"}]})
    found = image.annotations.get(made.id, include_attributes=True)
    assert {each.name: each.value for each in found.attributes or []} == {"kind": "a", "age": 3}
    (ontology,) = image.ontologies.list()
    assert found.ontology_id == ontology.id
    ids = {attribute.name: attribute.id for attribute in ontology.attributes}
    assert {each.name: each.id for each in found.attributes or []}.items() <= ids.items()
    # a new version keeps the ids of what keeps its name
    again = image.ontologies.set("dog", [{"name": "age", "type": "Numeric"}])
    assert again.version == ontology.version + 1
    assert again.attributes[0].id == ids["age"]


def test_what_is_not_there(image: Project) -> None:
    unknown = "annot_00000000-0000-7000-8000-000000000000"
    for call in (
        lambda: image.annotations.get(unknown),
        lambda: image.annotations.update(unknown, {"tag": "x"}),
        lambda: image.annotations.delete(unknown),
        lambda: image.annotations.list("missing.png"),
        lambda: image.annotations.create(rectangle("missing.png")),
        lambda: image.assets.get("missing.png"),
        lambda: image.tags.delete("missing"),
        lambda: image.operations.get("op_1"),
        lambda: image.annotations.get_import_session("annotsess_1"),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert image.annotations.delete_many([unknown, "x"]).missing == ["x", unknown]
    assert image.annotations.delete_many(unknown).missing == [unknown]
    with pytest.raises(ValidationError, match="limit"):
        image.annotations.list(pagination={"limit": "many"})
