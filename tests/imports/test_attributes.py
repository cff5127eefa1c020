"""Attributes of imported objects are checked where the project's ontology defines them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from annotary import ImportFailedError
from annotary.client.project import Project
from tests.samples import coco, register, send

DEFINED = [
    {"name": "age", "type": "Numeric"},
    {"name": "colour", "type": "Categorical", "options": {"categories": ["red", "blue"]}},
]


def with_attributes(*values: dict[str, Any]) -> bytes:
    """A COCO file of dogs that have these attributes."""
    file = json.loads(coco(boxes=[(0, "dog", (40, 20, 120, 100))] * len(values)))
    for record, attributes in zip(file["annotations"], values, strict=True):
        record["attributes"] = attributes
    return json.dumps(file).encode()


@pytest.fixture(autouse=True)
def defined(project: Project) -> None:
    """Dogs with an age and a colour."""
    register(project, "image.png")
    project.tags.create("dog")
    project.ontologies.set("dog", DEFINED)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"age": "old"}, "age"), ({"colour": ["green"]}, "green")]
)
def test_a_wrong_value_is_a_fault(project: Project, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ImportFailedError):
        send(project, {"a.json": with_attributes({"age": 3}, wrong)})
    assert list(project.annotations.list()) == []
    session = send(project, {"a.json": with_attributes({"age": 3}, wrong)}, on_error="skip")
    assert (session.report.committed, session.report.skipped) == (1, 1)
    (problem,) = session.get_logs().logs
    assert problem.code == "attribute"
    assert words in problem.message
    assert problem.pointer == "/annotations/1"


def test_right_values_and_new_attributes_are_kept(project: Project) -> None:
    send(project, {"a.json": with_attributes({"age": 3, "colour": ["red"], "note": "x"})})
    (found,) = project.annotations.list(include_attributes=True)
    assert {v.name: v.value for v in found.attributes or []} == {
        "age": 3, "colour": ["red"], "note": "x",
    }  # fmt: skip
