"""Queries: one language, one meaning, in lists, bulk changes, exports and conversions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import BadRequestError, Client
from annotary.cli import main
from annotary.client.project import Project
from annotary.query.language import parse
from annotary.query.rows import matching_rows
from tests.laws.projects import Project as Drawn
from tests.laws.projects import projects

BOXES = [
    # image, class, x, y, width, height, score, colour
    ("day/a.jpg", "cat", 10, 10, 5, 40, 0.9, "red"),
    ("day/a.jpg", "big dog", 20, 20, 50, 50, None, "blue"),
    ("night/b.jpg", "cat", 0, 0, 100, 100, 0.2, None),
    ("night/b.jpg", "owl", 30, 30, 8, 8, 0.5, "red"),
]


def coco() -> bytes:
    images = {"day/a.jpg": (100, 100), "night/b.jpg": (200, 100), "night/c.jpg": (100, 100)}
    names = ["cat", "big dog", "owl"]
    document: dict[str, Any] = {
        "images": [
            {"id": n, "file_name": name, "width": w, "height": h}
            for n, (name, (w, h)) in enumerate(images.items())
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [],
    }
    for n, (image, tag, x, y, w, h, score, colour) in enumerate(BOXES):
        record: dict[str, Any] = {
            "id": n,
            "image_id": [*images].index(image),
            "category_id": names.index(tag),
            "bbox": [x, y, w, h],
        }
        if score is not None:
            record["score"] = score
        if colour is not None:
            record["attributes"] = {"colour": colour}
        document["annotations"].append(record)
    return json.dumps(document).encode()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Client(home=tmp_path / "home").create_project("p")
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_bytes(coco(), "labels.json")
    project.assets.update("night/b.jpg", {"groups": ["x", "y"], "status": "Completed"})
    return project


CASES = [
    ("tag = cat", [0, 2]),
    ('tag = "big dog"', [1]),
    ("tag != cat", [1, 3]),
    ('tag in (owl, "big dog")', [1, 3]),
    ("tag ~ *o*", [1, 3]),
    ("type = Rectangle", [0, 1, 2, 3]),
    ("type in (Polygon, Keypoints)", []),
    ("width < 10px", [0, 3]),
    ("width <= 5", [0]),
    ("side < 10", [0, 3]),
    ("width = 50%", [1, 2]),
    ("height = 100%", [2]),
    ("area >= 25%", [1, 2]),
    ("area = 64", [3]),
    ("score >= 0.5", [0, 3]),
    ("not score >= 0.5", [1, 2]),
    ("score is none", [1]),
    ("score is not none and score < 0.3", [2]),
    ("attribute.colour = red", [0, 3]),
    ('attribute."colour" != red', [1]),
    ("attribute.colour is none", [2]),
    ("file ~ night/*", [2, 3]),
    ("file = day/a.jpg or tag = owl", [0, 1, 3]),
    ("(file = day/a.jpg or tag = owl) and not tag = cat", [1, 3]),
    ("tag = owl or tag = cat and file ~ day/*", [0, 3]),
    ("group = x", [2, 3]),
    ("group != x", [0, 1]),
    ("group is none", [0, 1]),
    ("status = Completed", [2, 3]),
    ("annotations > 1", [0, 1, 2, 3]),
    ("source = labels.json", [0, 1, 2, 3]),
    ("source = other.json", []),
    ("created > 2020-01-01", [0, 1, 2, 3]),
    ("created < 2020-01-01", []),
]


def numbers(project: Project, where: str) -> list[int]:
    places = {(b[0], b[1]): n for n, b in enumerate(BOXES)}
    names = {asset.id: asset.filename for asset in project.assets.list()}
    found = project.annotations.list(pagination={"limit": 1}, where=where)
    return sorted(places[names[each.asset_id], each.tag] for each in found)


@pytest.mark.parametrize(("where", "expected"), CASES)
def test_lists_have_what_is_meant(project: Project, where: str, expected: list[int]) -> None:
    assert numbers(project, where) == expected


STORED = ("group", "status", "annotations", "source", "created")


@pytest.mark.parametrize(("where", "expected"), CASES)
def test_exports_have_what_lists_have(
    project: Project, where: str, expected: list[int], tmp_path: Path
) -> None:
    operation = project.annotations.create_export({"format": "coco", "options": {"where": where}})
    project.annotations.download_exported_file(operation.id, tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("*.json")
    found = json.loads(file.read_text())
    assert boxes(found) == sorted(list(BOXES[n][2:6]) for n in expected)
    if not where.startswith(("file", "group", "status", "annotations")) or "tag" in where:
        assert {image["file_name"] for image in found["images"]} == {BOXES[n][0] for n in expected}


@pytest.mark.parametrize(("where", "expected"), [c for c in CASES if not c[0].startswith(STORED)])
def test_conversions_have_what_lists_have(where: str, expected: list[int], tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(coco())
    arguments = ["convert", tmp_path / "labels.json", "--to", "coco", "--out", tmp_path / "out"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--where", where])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "dump.json").read_text())
    assert boxes(found) == sorted(list(BOXES[n][2:6]) for n in expected)


def boxes(found: dict[str, Any]) -> list[list[float]]:
    return sorted(each["bbox"] for each in found["annotations"])


def test_images_are_asked_for_with_what_they_have(project: Project) -> None:
    for where, expected in [
        ("annotations = 0", ["night/c.jpg"]),
        ("file ~ night/* and annotations > 0", ["night/b.jpg"]),
        ("not group = x", ["day/a.jpg", "night/c.jpg"]),
    ]:
        found = project.assets.list(pagination={"limit": 1}, where=where)
        assert sorted(each.filename for each in found) == expected
    with pytest.raises(BadRequestError, match="no field 'tag'"):
        project.assets.list(where="tag = cat")


def test_an_image_without_annotations_is_exported_when_images_alone_are_asked_for(
    project: Project, tmp_path: Path
) -> None:
    options = {"format": "coco", "options": {"where": "file ~ night/*"}}
    operation = project.annotations.create_export(options)
    project.annotations.download_exported_file(operation.id, tmp_path)
    (file,) = tmp_path.rglob("*.json")
    names = [image["file_name"] for image in json.loads(file.read_text())["images"]]
    assert names == ["night/b.jpg", "night/c.jpg"]


def test_many_are_changed_and_deleted_by_a_query(project: Project) -> None:
    assert project.annotations.update_many({"tag": "pet"}, where="tag = cat").updated == 2
    assert numbers_of(project) == {"pet": 2, "big dog": 1, "owl": 1}
    assert project.annotations.delete_many(where="tag = pet and width < 10px").deleted == 1
    assert numbers_of(project) == {"pet": 1, "big dog": 1, "owl": 1}
    with pytest.raises(BadRequestError, match="two choices"):
        project.annotations.delete_many(["annot_1"], where="tag = pet")
    missing = "annot_01a211f8-8305-705f-acf2-bf78f8dfd9df"
    found = project.annotations.update_many({"tag": "x"}, [missing])
    assert (found.updated, found.missing) == (0, [missing])


def numbers_of(project: Project) -> dict[str, int]:
    statistic = project.get_info().statistic
    assert statistic is not None
    return {tag.name: tag.count for tag in statistic.tags_count if tag.count}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "It is empty"),
        ("tga = cat", "There is no field 'tga'"),
        ("tag", "An operator is missing"),
        ("tag =", "A value for tag is missing"),
        ('tag = "cat', "A quote is not closed"),
        ("(tag = cat", "A bracket is not closed"),
        ("tag = cat dog", "'dog' is too much"),
        ("tag = cat and", "A condition is missing"),
        ("tag < cat", "tag is a text"),
        ("width ~ 1*", "width is no text"),
        ("width = wide", "'wide' is no number"),
        ("score = 5%", "'5%' is no number"),
        ("created > yesterday", "'yesterday' is no date"),
        ("type = Box", "'Box' is no bound type"),
        ("attribute. = 1", "attribute of what"),
        ("tag in cat", '"\\(" is missing'),
        ("tag is cat", '"none" is missing'),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message) as caught:
        parse(text)
    assert "character" in str(caught.value)
    assert caught.value.hint


TEXTS = st.sampled_from([condition for condition, _ in CASES if not condition.startswith(STORED)])


@given(projects(), TEXTS, TEXTS)
@settings(max_examples=40, deadline=None)
def test_joins_are_sets(project: Drawn, one: str, two: str) -> None:
    for batch in project.scan(range(len(project.names))):

        def rows(text: str) -> Any:
            names = [tag.name for tag in project.tags]
            return matching_rows(parse(text), batch, project, names)  # noqa: B023

        a, b = rows(one), rows(two)
        assert np.array_equal(rows(f"({one}) and ({two})"), a & b)
        assert np.array_equal(rows(f"({one}) or ({two})"), a | b)
        assert np.array_equal(rows(f"not ({one})"), ~a)
        # an object stays whole
        begin = batch.objects()
        for first, end in zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True):
            assert len(set(a[first:end].tolist())) == 1


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_query_or_a_told_fault(text: str) -> None:
    try:
        parse(text)
    except BadRequestError as error:
        assert error.hint
