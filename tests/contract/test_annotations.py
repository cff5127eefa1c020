"""Annotations one by one and in pages, through every door."""

from __future__ import annotations

import random

import pytest

from annotary import errors
from annotary.geometry import rle
from tests.contract.conftest import box

RUNS = rle.encode_counts([100, 300, 79_600]).decode()
RING = [[0.1, 0.1], [0.5, 0.1], [0.3, 0.7]]


def test_create_get_delete(project, image):
    made = project.annotations.create(box(image.id))
    assert made.id.startswith("annot_")
    assert made.asset_id == image.id
    assert made.bound == [
        [0.1, 0.1],
        [0.1, 0.5],
        [0.30000000000000004, 0.5],
        [0.30000000000000004, 0.1],
    ]
    assert isinstance(made.create_date, int)
    assert project.annotations.get(made.id) == made
    assert project.annotations.delete(made.id).id == made.id
    with pytest.raises(errors.NotFoundError):
        project.annotations.get(made.id)
    with pytest.raises(errors.NotFoundError):
        project.annotations.delete(made.id)


def test_create_by_file_name(project, image):
    assert project.annotations.create(box("image.png")).asset_id == image.id


@pytest.mark.parametrize(
    ("bound_type", "bound"),
    [
        ("Polygon", RING),
        ("Classification", []),
        ("Keypoints", [[0.1, 0.2, 2], [0.3, 0.4, 1], [0, 0, 0]]),
        ("Bitmask", {"size": [200, 400], "counts": RUNS}),
    ],
)
def test_kinds(project, image, bound_type, bound):
    given = {"asset_id": image.id, "tag": "dog", "bound_type": bound_type, "bound": bound}
    made = project.annotations.create(given)
    assert made.bound_type == bound_type
    found = project.annotations.get(made.id)
    assert found == made


def test_optional_fields_stay(project, image):
    first = project.annotations.create(box(image.id))
    given = box(image.id) | {
        "frame": 7,
        "group": first.id,
        "properties": {"iscrowd": 1, "source": {"deep": [1, 2.5, None, "x"]}},
    }
    made = project.annotations.create(given)
    found = project.annotations.get(made.id)
    assert (found.frame, found.group, found.properties) == (7, first.id, given["properties"])


def test_float64_is_kept(project, image):
    rng = random.Random(3)
    ring = [[rng.random(), rng.random()] for _ in range(20)]
    given = {"asset_id": image.id, "tag": "dog", "bound_type": "Polygon", "bound": ring}
    assert project.annotations.create(given).bound == ring


def test_create_many_is_all_or_nothing(project, image):
    good = [box(image.id, left=i / 100) for i in range(20)]
    made = project.annotations.create(good)
    assert len({each.id for each in made}) == 20
    bad = [*good, box(image.id) | {"bound": [[0, 0], [2, 2]]}]
    with pytest.raises(errors.ValidationError, match="Annotation 21 of 21"):
        project.annotations.create(bad)
    assert len(list(project.annotations.list(pagination={"limit": 7}))) == 20


@pytest.mark.parametrize(
    "change",
    [
        {"bound": [[0.1, 0.1], [0.1, 1.5], [0.3, 1.5], [0.3, 0.1]]},
        {"bound": []},
        {"bound_type": "Circle"},
        {"tag": ""},
        {"asset_id": "asset_00000000-0000-0000-0000-000000000000"},
        {"colour": "red"},
        {"attributes": [{"name": "nope", "value": "x"}]},
    ],
)
def test_wrong_annotations(project, image, change):
    with pytest.raises((errors.BadRequestError, errors.NotFoundError)) as caught:
        project.annotations.create(box(image.id) | change)
    assert caught.value.message
    assert len(project.annotations.list()) == 0


def test_update(project, image):
    made = project.annotations.create(box(image.id))
    ring = [[0.2, 0.2], [0.2, 0.4], [0.4, 0.4], [0.4, 0.2]]
    changed = project.annotations.update(
        made.id, {"tag": "cat", "bound": ring, "properties": {"x": 1}}
    )
    assert (changed.id, changed.tag, changed.bound) == (made.id, "cat", ring)
    assert changed.properties == {"x": 1}
    cleared = project.annotations.update(made.id, {"properties": None})
    assert cleared.properties is None
    assert cleared.bound == ring
    counts = {t.name: t.count for t in project.get_info().statistic.tags_count}
    assert counts == {"dog": 0, "cat": 1}


def test_delete_many(project, image):
    made = project.annotations.create([box(image.id) for _ in range(5)])
    gone = "annot_00000000-0000-0000-0000-000000000000"
    answer = project.annotations.delete_many([each.id for each in made[:3]] + [gone, "nonsense"])
    assert answer.deleted == 3
    assert sorted(answer.missing) == sorted([gone, "nonsense"])
    assert [each.id for each in project.annotations.list()] == [each.id for each in made[3:]]


def test_pages_forward_and_back(project, image):
    made = project.annotations.create([box(image.id, f"t{i % 3}") for i in range(25)])
    first = project.annotations.list(pagination={"limit": 10})
    assert len(first) == 10
    assert first.prev_page is None
    second = project.annotations.list(pagination={"limit": 10, "page": first.next_page})
    third = project.annotations.list(pagination={"limit": 10, "page": second.next_page})
    assert third.next_page is None
    ids = [each.id for page in (first, second, third) for each in page.data]
    assert ids == [each.id for each in made]
    back = project.annotations.list(pagination={"limit": 10, "page": third.prev_page})
    assert back.data == second.data


def test_pages_while_others_write(project, image):
    """What stays for the whole walk is seen exactly once, whatever comes and goes."""
    rng = random.Random(1)
    stays = {each.id for each in project.annotations.create([box(image.id) for _ in range(40)])}
    goes = [each.id for each in project.annotations.create([box(image.id) for _ in range(20)])]
    stays |= {each.id for each in project.annotations.create([box(image.id) for _ in range(15)])}
    seen: list[str] = []
    cursor = None
    while True:
        page = project.annotations.list(pagination={"limit": 6, "page": cursor})
        seen += [each.id for each in page.data]
        cursor = page.next_page
        if goes:
            project.annotations.delete(goes.pop(rng.randrange(len(goes))))
        project.annotations.create(box(image.id))
        if cursor is None or len(seen) > 200:
            break
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)


def test_filter_by_assets(project, image):
    other = project.assets.register([{"filename": "b/c d.png", "width": 9, "height": 9}])[0]
    project.annotations.create([box(image.id), box(other.id), box(other.id)])
    assert len(list(project.annotations.list(other))) == 2
    assert len(list(project.annotations.list("b/c d.png"))) == 2
    assert len(list(project.annotations.list(filters={"asset_ids": [image.id, other.id]}))) == 3
    with pytest.raises(errors.NotFoundError):
        project.annotations.list("nope.png")


def test_wrong_cursor_and_filter(project):
    with pytest.raises(errors.BadRequestError, match="cursor"):
        project.annotations.list(pagination={"page": "zzz"})
    with pytest.raises(errors.BadRequestError, match="assets"):
        project.annotations.list(filters={"assets": []})


def test_projects_do_not_see_each_other(client, project, image):
    made = project.annotations.create(box(image.id))
    other = client.create_project("other")
    assert len(other.annotations.list()) == 0
    with pytest.raises(errors.NotFoundError):
        other.annotations.get(made.id)
    with pytest.raises(errors.NotFoundError):
        other.annotations.create(box(image.id))
    assert other.annotations.delete_many([made.id]).deleted == 0
