"""COCO's reader on files of all kinds, and every flavour written and read back."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotary.geometry import rle
from annotary.syntax.source import SourceFile
from tests.formats.exported import exported
from tests.formats.harness import Collected, read, read_folder

HERE = Path(__file__).parent
FLAVOURS = (
    "coco",
    "polygon_coco",
    "keypoints_coco",
    "rle_coco",
    "rle_semantic_coco",
    "bitmask_rle_coco",
    "bitmask_rle_semantic_coco",
)
IMAGES = [
    {"id": 5, "file_name": "b.png", "width": 100, "height": 50},
    {"id": 3, "file_name": "a.png", "width": 64, "height": 48},
]
BOX = {"id": 1, "image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 10]}


def document(*annotations: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A COCO file with the given annotations."""
    made: dict[str, Any] = {
        "images": IMAGES,
        "categories": [{"id": 1, "name": "dog"}, {"id": 7, "name": "cat"}],
        "annotations": list(annotations),
    }
    return made | given


def load(
    made: dict[str, Any] | bytes,
    format: str | None = None,
    sizes: dict[str, tuple[int, int]] | None = None,
) -> Collected:
    data = made if isinstance(made, bytes) else json.dumps(made).encode()
    return read([SourceFile("instances.json", data=data)], sizes, format=format)


def test_keys_in_any_order() -> None:
    made = document(BOX, BOX | {"id": 2, "image_id": 3, "category_id": 7})
    expected = load(made)
    assert len(expected.objects) == 2
    for order in (["annotations", "categories", "images"], ["categories", "annotations", "images"]):
        assert load({key: made[key] for key in order}).objects == expected.objects


@pytest.mark.parametrize("ids", [("a", "b"), (2**70, -(2**70)), (1.5, 2.5), ("01", "x")])
def test_ids_of_any_kind(ids: tuple[Any, Any]) -> None:
    images = [IMAGES[0] | {"id": ids[0]}, IMAGES[1] | {"id": ids[1]}]
    categories = [{"id": ids[1], "name": "dog"}, {"id": ids[0], "name": "cat"}]
    one = {"image_id": ids[0], "category_id": ids[1], "bbox": [1, 2, 3, 4], "id": ids[0]}
    found = load(document(one, one | {"id": ids[1]}, images=images, categories=categories))
    assert found.log == []
    assert [(o["image"], o["tag"]) for o in found.objects] == [("b.png", "dog")] * 2


def test_text_and_number_are_one_id() -> None:
    found = load(document(BOX | {"image_id": "5", "category_id": "7"}))
    assert [(o["image"], o["tag"]) for o in found.objects] == [("b.png", "cat")]
    assert len(load(document(BOX, BOX | {"id": "1"})).log) == 1


def test_umbrella_category_makes_no_tag_unless_used() -> None:
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "dog", "supercategory": "animals"},
        {"id": 7, "name": "cat", "supercategory": "animals"},
    ]
    assert list(load(document(BOX, categories=categories)).classes) == ["dog", "cat"]
    used = load(document(BOX, BOX | {"id": 2, "category_id": 0}, categories=categories))
    assert used.classes == {"dog": 1, "cat": 7, "animals": 0}
    assert [o["tag"] for o in used.objects] == ["dog", "animals"]
    other = [categories[0], categories[1], categories[2] | {"supercategory": "pets"}]
    assert list(load(document(BOX, categories=other)).classes) == ["animals", "dog", "cat"]


@pytest.mark.parametrize(
    ("boxes", "info", "fractions"),
    [
        ([[0.1, 0.2, 0.5, 0.25]], {}, True),
        ([[0, 0, 1, 1]], {}, False),
        ([[0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]], {}, True),
        ([[0.1, 0.2, 0.5, 0.25], [10, 20, 30, 10]], {}, False),
        ([[0.1, 0.2, 0.5, 0.25]], {"normalized": False}, False),
        ([[0, 0, 1, 1]], {"normalized": True}, True),
        ([[0.1, 0.2, 0.5, float("inf")]], {}, True),
    ],
)
def test_units(boxes: list[list[float]], info: dict[str, Any], fractions: bool) -> None:
    annotations = [BOX | {"id": i, "bbox": box} for i, box in enumerate(boxes)]
    found = load(document(*annotations, info=info))
    x, y = (1, 1) if fractions else (100, 50)
    expected = [
        [[b[0] / x, b[1] / y], [(b[0] + b[2]) / x, (b[1] + b[3]) / y]]
        for b in boxes
        if np.isfinite(b).all()
    ]
    points = [o["parts"][0]["points"] for o in found.objects]
    np.testing.assert_allclose(points, expected, atol=1e-9)


def test_units_of_a_long_file_are_decided_by_all_of_it() -> None:
    small = [BOX | {"id": i, "bbox": [0.25, 0.25, 0.5, 0.5]} for i in range(12_000)]
    assert load(document(*small)).objects[0]["parts"][0]["points"] == [[0.25, 0.25], [0.75, 0.75]]
    late = load(document(*small, BOX | {"id": 99_999, "bbox": [1, 1, 50, 40]}))
    assert late.objects[0]["parts"][0]["points"] == [[0.0025, 0.005], [0.0075, 0.015]]
    assert gc.isenabled()


def test_many_chunks_keep_order_and_places() -> None:
    many = [BOX | {"id": i, "bbox": [i % 60, i % 30, 5, 5]} for i in range(25_000)]
    many[17_000]["bbox"] = [1, 2, 3]
    many[24_999]["id"] = 3
    text = json.dumps(document(*many)).replace('{"id": ', '\n{"id": ').encode()
    found = load(text)
    assert len(found.objects) == 24_998
    # two images and two categories stand before the annotations
    assert [line.split(":", 2)[1].split()[0] for line in found.log] == ["17006", "25005"]
    first = [o["parts"][0]["points"][0] for o in found.objects[:40]]
    assert first == [[round(i % 60 / 100, 9), round(i % 30 / 50, 9)] for i in range(40)]


def test_mask_with_keypoints_is_one_object() -> None:
    mask = rle.from_box((10, 10, 20, 30), 50, 100)
    segmentation = {"size": [50, 100], "counts": mask.counts.decode()}
    points = [1, 2, 2, 3, 4, 1]
    found = load(document(BOX | {"segmentation": segmentation, "keypoints": points}))
    (one,) = found.objects
    assert [part["kind"] for part in one["parts"]] == ["Keypoints", "Bitmask"]


def test_areas_are_kept_only_where_they_say_something() -> None:
    found = load(
        document(
            BOX | {"area": 300.2},
            BOX | {"id": 2, "area": 250},
            BOX | {"id": 3, "area": 0},
            BOX | {"id": 4, "area": "many"},
            BOX | {"id": 5, "segmentation": [[0, 0, 10, 0, 10, 10]], "area": 50},
            BOX | {"id": 6, "segmentation": [[0, 0, 10, 0, 10, 10]], "area": 300},
        )
    )
    areas = [o.get("properties", {}).get("area") for o in found.objects]
    assert areas == [None, 250, None, None, None, 300]


def test_any_prefix_of_a_file_gives_a_prefix_of_its_records() -> None:
    text = (HERE / "coco/sample/instances.json").read_bytes()
    shuffled = json.loads(text)
    order = ("categories", "images", "annotations")
    text = json.dumps({key: shuffled[key] for key in order}, ensure_ascii=False).encode()
    sizes = json.loads((HERE / "coco/images.json").read_text("utf-8"))
    whole = load(text, "coco", sizes).objects
    assert len(whole) == 9
    seen = set()
    for end in range(text.index(b'"annotations"'), len(text), 3):
        found = load(text[:end], "coco", sizes)
        # the unit of a prefix may be doubtful, but here it never is
        assert found.objects == whole[: len(found.objects)]
        assert found.log, f"the cut at {end} is not told"
        seen.add(len(found.objects))
    assert seen == set(range(10))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_files_are_told_and_never_raise(data: st.DataObject) -> None:
    text = bytearray((HERE / "coco/sample/instances.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from(
                [b"", b",", b"]", b"}", b'"', b"[", b"{", b"null", b"-1", b"NaN", b"\xff"]
            )
        )
    load(bytes(text), "coco")


# --- written and read back ------------------------------------------------------------------

NUMBERS = st.integers(0, 4000).map(lambda n: n / 100)


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    x, y = draw(NUMBERS), draw(NUMBERS)
    return [x, y, draw(st.integers(1, 700)) / 100, draw(st.integers(1, 700)) / 100]


@st.composite
def rings(draw: st.DrawFn) -> list[float]:
    x, y, w, h = draw(boxes())
    return [x, y, x + w, y, x + w / 2, y + h]


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> dict[str, Any]:
    x, y = draw(st.integers(0, width - 3)), draw(st.integers(0, height - 3))
    dense = np.zeros((height, width), np.bool_)
    dense[y : y + draw(st.integers(1, 3)), x : x + draw(st.integers(1, 3))] = True
    return {"size": [height, width], "counts": rle.from_dense(dense).counts.decode()}


EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "iscrowd": st.just(1),
        "score": st.floats(0, 1),
        "note": st.text(min_size=1),
        "area": st.floats(1, 1e6),
        "attributes": st.dictionaries(
            st.sampled_from(["colour", "größe", "a b"]),
            st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.text()),
            max_size=2,
        ),
    },
)


@st.composite
def records(draw: st.DrawFn, kinds: frozenset[str]) -> dict[str, Any]:
    image = draw(st.sampled_from(IMAGES))
    kind = draw(st.sampled_from(sorted(kinds)))
    made = {"image_id": image["id"], "category_id": draw(st.sampled_from([1, 7]))}
    made |= draw(EXTRAS)
    if kind in {"box", "posed box"}:
        made["bbox"] = draw(boxes())
    elif kind in {"rings", "posed rings"}:
        made["segmentation"] = draw(st.lists(rings(), min_size=1, max_size=3))
    elif kind == "mask":
        made["segmentation"] = draw(masks(image["height"], image["width"]))
    if kind.startswith("posed"):
        made["category_id"] = 7
        points = draw(
            st.lists(
                st.tuples(NUMBERS, NUMBERS, st.sampled_from([0, 1, 2])), min_size=2, max_size=2
            )
        )
        points[0] = (*points[0][:2], 2)
        made["keypoints"] = [value for point in points for value in point]
    return made


POSED = [
    {"id": 1, "name": "dog"},
    {"id": 7, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
]
WRITES = {
    "coco": frozenset({"box"}),
    "polygon_coco": frozenset({"rings"}),
    "keypoints_coco": frozenset({"box", "rings", "mask", "posed box", "posed rings"}),
    "rle_coco": frozenset({"mask"}),
    "bitmask_rle_coco": frozenset({"mask"}),
}


def _sorted(found: Collected) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in found.objects)


@pytest.mark.parametrize("format", WRITES)
@pytest.mark.parametrize("normalized", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_read_back(
    format: str, normalized: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = data.draw(st.lists(records(WRITES[format]), min_size=1, max_size=6))
    for number, one in enumerate(made):
        one["id"] = number
    before = load(document(*made, categories=POSED, info={"normalized": False}))
    assert before.log == []
    folder = tmp_path_factory.mktemp("export")
    manifest, path = exported(before, folder, format, normalized=normalized)
    assert manifest.losses == []
    after = load(path.read_bytes())
    assert after.log == []
    assert after.classes == before.classes
    assert _sorted(after) == _sorted(before)
    again, path_again = exported(
        after, tmp_path_factory.mktemp("again"), format, normalized=normalized
    )
    assert path_again.read_bytes() == path.read_bytes()
    assert again.files == manifest.files


@pytest.mark.parametrize("format", FLAVOURS)
def test_every_flavour_lists_all_images_and_classes(format: str, tmp_path: Path) -> None:
    found = read_folder(HERE / "coco/sample")
    _, path = exported(found, tmp_path, format)
    made = json.loads(path.read_bytes())
    assert [image["id"] for image in made["images"]] == [1, 2, 3, 4, 5]
    assert [image["file_name"] for image in made["images"]] == sorted(found.images.names)
    assert {c["name"]: c["id"] for c in made["categories"]} == found.classes
    ids = [one["id"] for one in made["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    for one in made["annotations"]:
        assert len(one["bbox"]) == 4
        assert one["area"] > 0
    # one record to a line
    assert len(path.read_bytes().splitlines()) == 7 + len(ids) + 10 - 3


def test_semantic_masks_are_the_union_of_a_class(tmp_path: Path) -> None:
    left, right = [[0, 0, 10, 0, 10, 10, 0, 10]], [[5, 5, 20, 5, 20, 20, 5, 20]]
    found = load(
        document(
            BOX | {"segmentation": left},
            BOX | {"id": 2, "segmentation": right},
            BOX | {"id": 3, "segmentation": left, "category_id": 7},
            BOX | {"id": 4, "segmentation": left, "image_id": 3},
        )
    )
    _, path = exported(found, tmp_path, "rle_semantic_coco")
    made = json.loads(path.read_bytes())["annotations"]
    assert [(a["image_id"], a["category_id"], a["area"], a["iscrowd"]) for a in made] == [
        (1, 1, 100.0, 1),
        (2, 1, 300.0, 1),
        (2, 7, 100.0, 1),
    ]
    assert made[1]["bbox"] == [0.0, 0.0, 20.0, 20.0]


def test_holes_are_cut_out_of_masks(tmp_path: Path) -> None:
    from annotary.contract.rows import RowSink

    found = load(document(BOX))
    batches: list[Any] = []
    sink = RowSink("x", lambda _, batch: batches.append(batch))
    outer, inner = [0, 0, 0.2, 0, 0.2, 0.4, 0, 0.4], [0.05, 0.1, 0.15, 0.1, 0.15, 0.3, 0.05, 0.3]
    sink.polygon(0, 0, [outer], holes=[inner])
    sink.flush()
    found.batches = batches
    _, path = exported(found, tmp_path, "rle_coco")
    (one,) = json.loads(path.read_bytes())["annotations"]
    assert one["area"] == 20 * 20 - 10 * 10


FILLED = {
    "images": {"license": 1, "date_captured": "2020-01-01", "coco_url": "http://x/b.png"},
    "categories": {"supercategory": "animal", "frequency": "r"},
}
"""Fields that are not kept, with values that say something."""


@pytest.mark.parametrize("having", [0, 1, 2])
def test_fields_that_are_not_kept_are_told_once_with_their_number(having: int) -> None:
    made = document(BOX)
    for key, fields in FILLED.items():
        made[key] = [one | fields if i < having else one for i, one in enumerate(made[key])]
    made |= {"info": {"normalized": False, "year": 2020}, "licenses": [{"id": 1, "name": "CC"}]}
    found = load(made)
    assert [problem.level for problem in found.reading.log] == ["Warning"]
    (line,) = found.log
    said = line.split("Not kept: ")[1].split(".\n")[0].split("; ")
    images = "license, date_captured and coco_url of {}"
    classes = "supercategory and frequency of {}"
    counted = {0: ("", ""), 1: ("1 image", "1 category"), 2: ("2 images", "2 categories")}[having]
    expected = {"info and licenses of the file"}
    if having:
        expected |= {images.format(counted[0]), classes.format(counted[1])}
    # the order of fields that are looked at by hand is not the file's
    assert {_words(part) for part in said} == {_words(part) for part in expected}


def _words(part: str) -> frozenset[str]:
    return frozenset(part.replace(",", "").split())


def test_templates_that_nobody_filled_in_are_not_told() -> None:
    made = document(
        BOX,
        images=[one | {"license": 0, "coco_url": "", "date_captured": None} for one in IMAGES],
        categories=[{"id": 1, "name": "dog", "supercategory": "none"}],
        info={"normalized": False, "version": "", "contributor": None},
        licenses=[{"id": 0, "name": "", "url": ""}],
        type="instances",
    )
    assert load(made).log == []
