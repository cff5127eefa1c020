"""The same file again, a corrected file, a file that lacks something: what each mode does."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import Client
from annotary.client.project import Project
from annotary.model import ImportReport
from tests.recount import contradictions

FORMATS = Path(__file__).parent.parent / "formats"
SAMPLES = sorted(path.parent.name for path in FORMATS.glob("*/sample"))
MODES = ["add", "update", "sync", "replace"]

Box = tuple[str, str, tuple[int, int, int, int]]
"""Image, class, and x, y, width, height."""


def coco(boxes: list[Box], images: tuple[str, ...] = ()) -> bytes:
    names = sorted({image for image, _, _ in boxes} | set(images))
    classes = sorted({tag for _, tag, _ in boxes})
    document = {
        "images": [
            {"id": n, "file_name": name, "width": 100, "height": 100}
            for n, name in enumerate(names, 1)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(classes, 1)],
        "annotations": [
            {
                "id": n,
                "image_id": names.index(image) + 1,
                "category_id": classes.index(tag) + 1,
                "bbox": list(box),
                "iscrowd": 0,
            }
            for n, (image, tag, box) in enumerate(boxes, 1)
        ],
    }
    return json.dumps(document).encode()


def put(project: Project, data: bytes, name: str = "a.json", **options: Any) -> ImportReport:
    with project.annotations.create_import_session(create_assets=True, **options) as session:
        session.add_bytes(data, name)
    report = session.report
    kept = report.committed + report.updated + report.unchanged
    assert report.records == kept + report.skipped + report.rejected
    store = project._transport.service.store  # type: ignore[attr-defined]
    assert contradictions(store.home) == []
    return report


def held(project: Project) -> Counter[Box]:
    """What the project has, in pixels of images of 100 x 100."""
    names = {asset.id: asset.filename for asset in project.assets.list()}
    found: Counter[Box] = Counter()
    for each in project.annotations.list():
        (x0, y0), _, (x1, y1), _ = each.bound
        box = tuple(round(v * 100) for v in (x0, y0, x1 - x0, y1 - y0))
        found[names[each.asset_id], each.tag, box] += 1  # type: ignore[index]
    return found


CAT: Box = ("a.jpg", "cat", (10, 10, 30, 30))
DOG: Box = ("a.jpg", "dog", (50, 50, 30, 30))
OWL: Box = ("b.jpg", "owl", (20, 20, 20, 20))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Client(home=tmp_path / "home").create_project("p")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_again_commits_nothing(name: str, mode: str, tmp_path: Path) -> None:
    project = Client(home=tmp_path / "home").create_project("p")
    images = FORMATS / name / "images.json"
    if images.exists():
        sizes = json.loads(images.read_text())
        project.assets.register(
            [{"filename": n, "width": w, "height": h} for n, (w, h) in sizes.items()]
        )
    reports = []
    for _ in range(2):
        session = project.annotations.create_import_session(
            create_assets=True,
            on_error="skip",
            mode=mode,  # type: ignore[arg-type]
        )
        with session:
            folder = FORMATS / name / "sample"
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                session.add_bytes(path.read_bytes(), path.relative_to(folder).as_posix())
        reports.append(session.report)
    first, again = reports
    assert first.committed > 0
    assert (again.committed, again.updated, again.removed) == (0, 0, 0)
    assert again.unchanged == first.committed
    assert again.annotations == 0


def test_append_commits_again(project: Project) -> None:
    put(project, coco([CAT, DOG]))
    assert put(project, coco([CAT, DOG]), mode="append").committed == 2
    assert held(project) == Counter({CAT: 2, DOG: 2})


def test_equal_boxes_of_one_file_are_all_kept_and_none_twice(project: Project) -> None:
    assert put(project, coco([CAT, CAT, CAT])).committed == 3
    assert put(project, coco([CAT, CAT, CAT])).unchanged == 3
    again = put(project, coco([CAT, CAT, CAT, CAT]))
    assert (again.committed, again.unchanged) == (1, 3)
    assert held(project) == Counter({CAT: 4})


MOVED: Box = ("a.jpg", "cat", (12, 10, 30, 30))
OTHER: Box = ("a.jpg", "fox", (50, 50, 30, 30))
NEW: Box = ("a.jpg", "cat", (80, 80, 10, 10))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("add", Counter([CAT, DOG, OWL, MOVED, OTHER, NEW])),
        ("update", Counter([MOVED, OTHER, OWL, NEW])),
        ("sync", Counter([MOVED, OTHER, NEW])),
        ("replace", Counter([MOVED, OTHER, OWL, NEW])),
    ],
)
def test_a_corrected_file(project: Project, mode: str, expected: Counter[Box]) -> None:
    put(project, coco([CAT, DOG, OWL]))
    ids = {each.id for each in project.annotations.list()}
    report = put(project, coco([MOVED, OTHER, NEW]), mode=mode)
    assert held(project) == expected
    if mode != "add":
        assert (report.committed, report.updated) == (1, 2)
        # what is updated keeps its id
        assert len(ids & {each.id for each in project.annotations.list()}) >= 2


def test_replace_empties_images_that_the_file_names(project: Project) -> None:
    put(project, coco([CAT, OWL]))
    report = put(project, coco([CAT], images=("b.jpg",)), mode="replace")
    assert (report.unchanged, report.removed) == (1, 1)
    assert held(project) == Counter([CAT])


def test_sync_leaves_other_sources_alone(project: Project) -> None:
    put(project, coco([CAT, DOG]), "a.json")
    put(project, coco([OWL]), "b.json")
    report = put(project, coco([CAT]), "a.json", mode="sync")
    assert (report.unchanged, report.removed) == (1, 1)
    assert held(project) == Counter([CAT, OWL])


def test_two_annotators_may_agree(project: Project) -> None:
    put(project, coco([CAT]), source="mara")
    assert put(project, coco([CAT]), source="tom").committed == 1
    assert put(project, coco([CAT]), source="tom").unchanged == 1
    assert put(project, coco([]), source="tom", mode="sync").removed == 1
    assert held(project) == Counter([CAT])


def test_edits_by_hand_are_kept_unless_they_may_be_overwritten(project: Project) -> None:
    put(project, coco([CAT, DOG]))
    (cat,) = [each for each in project.annotations.list() if each.tag == "cat"]
    project.annotations.update(cat.id, {"bound": [[0.1, 0.1], [0.1, 0.5], [0.4, 0.5], [0.4, 0.1]]})
    edited: Box = ("a.jpg", "cat", (10, 10, 30, 40))
    for mode in ("update", "sync"):
        report = put(project, coco([CAT]), mode=mode)
        assert (report.updated, report.unchanged, report.conflicts) == (0, 1, 1)
    assert held(project) == Counter([edited])
    report = put(project, coco([CAT]), mode="update", on_conflict="overwrite")
    assert (report.updated, report.conflicts) == (1, 0)
    assert held(project) == Counter([CAT])


@pytest.mark.parametrize("mode", MODES)
def test_a_dry_run_counts_as_the_real_run_and_does_nothing(project: Project, mode: str) -> None:
    put(project, coco([CAT, DOG, OWL]))
    before = held(project)
    dry = put(project, coco([MOVED, DOG, NEW]), mode=mode, dry_run=True)
    assert held(project) == before
    real = put(project, coco([MOVED, DOG, NEW]), mode=mode)
    counts = ("committed", "updated", "unchanged", "removed", "records")
    assert [getattr(dry, n) for n in counts] == [getattr(real, n) for n in counts]


def test_a_refused_import_changes_nothing(project: Project) -> None:
    put(project, coco([CAT, DOG]))
    before = held(project)
    faulty = json.loads(coco([MOVED]))
    faulty["annotations"].append({**faulty["annotations"][0], "id": 2, "category_id": 9})
    session = project.annotations.create_import_session(mode="sync")
    with pytest.raises(Exception, match="Nothing was imported"), session:
        session.add_bytes(json.dumps(faulty).encode(), "a.json")
    assert session.report.rejected == 2
    assert held(project) == before


def test_a_file_that_is_rejected_is_not_compared(project: Project) -> None:
    put(project, coco([CAT]), "good.json")
    faulty = json.loads(coco([DOG]))
    faulty["annotations"].append({**faulty["annotations"][0], "id": 2, "category_id": 9})
    session = project.annotations.create_import_session(
        create_assets=True, on_error="reject_file", mode="update"
    )
    with session:
        session.add_bytes(json.dumps(faulty).encode(), "bad.json")
        session.add_bytes(coco([CAT, OWL]), "good.json")
    report = session.report
    assert (report.committed, report.unchanged, report.rejected) == (1, 1, 2)
    assert held(project) == Counter([CAT, OWL])


# apart from each other by more than half: no two are taken for one object
PLACES = [(x, y, 8, 8) for x in range(0, 90, 20) for y in range(0, 90, 20)]
BOXES = st.lists(
    st.tuples(
        st.sampled_from(["a.jpg", "b.jpg", "c.jpg"]),
        st.sampled_from(["cat", "dog"]),
        st.sampled_from(PLACES[:6]),
    ),
    max_size=8,
)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "append", "sync", "replace"]), BOXES), max_size=5)
)
@settings(max_examples=15, deadline=None)
def test_any_series_of_imports_is_as_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[Box]]]
) -> None:
    project = Client(home=tmp_path_factory.mktemp("home")).create_project("p")
    model: Counter[Box] = Counter()
    for mode, boxes in steps:
        put(project, coco(boxes), mode=mode, on_conflict="overwrite")
        incoming = Counter(boxes)
        if mode == "append":
            model += incoming
        elif mode == "add":
            model |= incoming
        else:
            # all is of one source, and each image's boxes are what the file says
            named = {image for image, _, _ in boxes}
            kept = Counter(
                {b: n for b, n in model.items() if mode == "replace" and b[0] not in named}
            )
            model = kept + incoming
        assert held(project) == model
