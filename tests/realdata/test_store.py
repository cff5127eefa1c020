"""Real files through the whole store: images uploaded, imported, counted, exported, read again."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from annotary import Client, ImportFailedError
from annotary.client.project import Project
from tests.recount import contradictions

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is absent")
GTS = DATA / "same100" / "gts"

Box = tuple[str, str, float, float, float, float]
"""Image and class, xmin, ymin, xmax, ymax in pixels."""

SAME100 = [
    ("coco_format_v1/instances_default.json", "coco", 0.001),
    ("coco_format_v2/instances_v2.json", "coco", 0.001),
    ("imagenet_format/Annotations", "pascal_voc", 0.001),
    ("pascalvoc_format", "pascal_voc", 0.0011),
    ("labelme_format", "polygon_single", 0.001),
    ("cvat_format/annotations.xml", "cvat", 0.001),
    # six decimals of a fraction, of up to 500 pixels
    ("yolo_format", "yolo_darknet", 0.001),
]


def truth() -> list[Box]:
    """The 273 boxes, read here from the files with the most decimals."""
    found: list[Box] = []
    for path in sorted((GTS / "imagenet_format" / "Annotations").glob("*.xml")):
        root = ET.parse(path).getroot()
        for thing in root.iter("object"):
            corners = [
                float(thing.findtext(f"bndbox/{key}") or "nan")
                for key in ("xmin", "ymin", "xmax", "ymax")
            ]
            name = root.findtext("filename") or ""
            found.append((name, thing.findtext("name") or "", *corners))  # type: ignore[arg-type]
    assert len(found) == 273
    return sorted(found)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes projects with the hundred photographs uploaded."""
    client = Client(home=tmp_path_factory.mktemp("same100") / "store")

    def make(name: str) -> Project:
        project = client.create_project(name)
        with project.assets.create_upload_session() as session:
            session.add_path(DATA / "same100" / "images")
        return project

    return make


def extents(project: Project) -> list[Box]:
    """The extent in pixels of every object."""
    assets = {asset.id: asset for asset in project.assets.list(pagination={"limit": 1000})}
    objects: dict[str, list[Any]] = {}
    for each in project.annotations.list(pagination={"limit": 1000}):
        objects.setdefault(each.group or each.id, []).append(each)
    found: list[Box] = []
    for parts in objects.values():
        asset = assets[parts[0].asset_id]
        xs = [x * asset.metadata.width for part in parts for x, _ in part.bound]
        ys = [y * asset.metadata.height for part in parts for _, y in part.bound]
        found.append((asset.filename, parts[0].tag, min(xs), min(ys), max(xs), max(ys)))
    return sorted(found)


def assert_same(found: Iterable[Box], expected: Iterable[Box], tolerance: float) -> None:
    """The same boxes in any order, to so many pixels."""
    left = list(expected)
    for box in found:
        near = [
            other
            for other in left
            if other[:2] == box[:2]
            and all(abs(a - b) <= tolerance for a, b in zip(box[2:], other[2:], strict=True))
        ]
        assert near, box
        left.remove(near[0])
    assert left == []


# --- Shows 3 --------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "format_", "tolerance"), SAME100, ids=[p for p, _, _ in SAME100])
def test_same100_imports_its_273_boxes(
    path: str, format_: str, tolerance: float, photographs: Any
) -> None:
    project = photographs(path)
    assert len(list(project.assets.list())) == 100
    with project.annotations.create_import_session() as session:
        session.add_path(GTS / path)
    assert session.get_logs().logs == []
    report = session.report
    assert (report.records, report.committed, report.images) == (273, 273, 100)
    roles = {file.format for file in report.files if file.role == "annotations"}
    assert roles == {format_}
    assert len(project.tags.list()) == 20
    found = extents(project)
    assert len(found) == 273
    assert_same(found, truth(), tolerance)
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.annotated_assets == statistic.total_assets == 100


@pytest.fixture(scope="module")
def imported(photographs: Any) -> Project:
    """The 273 boxes as VOC has them."""
    project: Project = photographs("exported")
    with project.annotations.create_import_session() as session:
        session.add_path(GTS / "imagenet_format" / "Annotations")
    return project


def export(project: Project, folder: Path, format_: str, **options: Any) -> Path:
    operation = project.annotations.create_export({"format": format_, "options": options})
    project.annotations.download_exported_file(operation.id, str(folder))
    return folder / project.id.removeprefix("proj_")


@pytest.mark.parametrize(
    "format_",
    [
        "coco",
        "pascal_voc",
        "yolo_darknet",
        "yolo_ultralytics",
        "cvat",
        "createml",
        "csv_fourcorner",
        "via",
    ],
)
def test_same100_comes_back_from_an_export(
    format_: str, imported: Project, photographs: Any, tmp_path: Path
) -> None:
    folder = export(imported, tmp_path, format_)
    project = photographs(f"again {format_}")
    with project.annotations.create_import_session() as session:
        session.add_path(folder)
    assert session.get_logs().logs == []
    assert session.report.committed == 273
    assert_same(extents(project), truth(), 1e-6)


def test_same100_as_pycocotools_reads_it(imported: Project, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    found = coco.COCO(str(export(imported, tmp_path, "coco") / "dump.json"))
    boxes: list[Box] = []
    for one in found.loadAnns(found.getAnnIds()):
        x, y, w, h = one["bbox"]
        name = found.loadImgs(one["image_id"])[0]["file_name"]
        tag = found.loadCats(one["category_id"])[0]["name"]
        boxes.append((name, tag, x, y, x + w, y + h))
    assert_same(boxes, truth(), 0.001)


@pytest.mark.parametrize("format_", ["coco", "pascal_voc", "yolo_ultralytics"])
def test_same100_as_supervision_reads_it(format_: str, imported: Project, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    # this reader takes VOC files by the book: the first pixel is 1, decimals are cut off
    extra = {"base": 1} if format_ == "pascal_voc" else {}
    tolerance = 1.0 if format_ == "pascal_voc" else 0.001
    folder = export(imported, tmp_path, format_, extra=extra)
    images = str(DATA / "same100" / "images")
    if format_ == "coco":
        found = supervision.DetectionDataset.from_coco(images, str(folder / "dump.json"))
    elif format_ == "pascal_voc":
        place = next(folder.rglob("*.xml")).parent
        found = supervision.DetectionDataset.from_pascal_voc(images, str(place))
    else:
        place = next(p for p in folder.rglob("2007_000027.txt")).parent
        found = supervision.DetectionDataset.from_yolo(
            images, str(place), str(next(folder.rglob("data.yaml")))
        )
    boxes: list[Box] = []
    for path, _, detections in found:
        for xyxy, class_ in zip(detections.xyxy, detections.class_id, strict=True):
            boxes.append((Path(path).name, found.classes[class_], *map(float, xyxy)))  # type: ignore[arg-type]
    assert_same(boxes, truth(), tolerance)


@pytest.mark.parametrize("format_", ["coco", "pascal_voc"])
def test_same100_as_labelformat_reads_it(format_: str, imported: Project, tmp_path: Path) -> None:
    pytest.importorskip("labelformat")
    from labelformat import formats

    folder = export(imported, tmp_path, format_)
    if format_ == "coco":
        label_input = formats.COCOObjectDetectionInput(input_file=folder / "dump.json")
    else:
        label_input = formats.PascalVOCObjectDetectionInput(
            input_folder=next(folder.rglob("*.xml")).parent,
            category_names=",".join(tag.name for tag in imported.tags.list()),
        )
    boxes: list[Box] = []
    for label in label_input.get_labels():
        for one in label.objects:
            box = one.box
            boxes.append(
                (label.image.filename, one.category.name, box.xmin, box.ymin, box.xmax, box.ymax)
            )
    assert_same(boxes, truth(), 0.001)


# --- Shows 4 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "images", "records"),
    [("annotations", 1500, 4784), ("annotations_unofficial", 3831, 8334)],
)
def test_taco_adds_up(name: str, images: int, records: int, tmp_path: Path) -> None:
    home = tmp_path / "store"
    project = Client(home=home).create_project("taco")
    session = project.annotations.create_import_session(create_assets=True, on_error="skip")
    with session:
        session.add_path(DATA / "taco" / f"{name}.json")
    report = session.report
    assert (report.records, report.images, report.rejected) == (records, images, 0)
    assert report.committed + report.skipped == records
    assert report.assets_created == images
    statistic = project.get_info().statistic
    assert statistic is not None
    assert statistic.total_assets == images
    assert statistic.total_annotations == report.annotations
    stored = list(project.annotations.list(pagination={"limit": 1000}))
    objects = {each.group or each.id for each in stored}
    assert (len(stored), len(objects)) == (report.annotations, report.committed)
    # each anomaly is told with its place, and every record that is missing was told
    log = [item for item in session.get_logs().logs if item.level == "Error"]
    assert len({item.pointer for item in log}) == report.skipped > 0
    made = json.loads((DATA / "taco" / f"{name}.json").read_bytes())["annotations"]
    lines = (DATA / "taco" / f"{name}.json").read_bytes().split(b"\n")
    for item in log:
        assert item.pointer is not None
        assert item.hint
        one = made[int(item.pointer.rpartition("/")[2])]
        if item.code == "duplicate-annotation-id":
            assert f"id {one['id']} was used" in item.message
        assert item.line is not None
        assert 1 <= item.line <= len(lines)
    infinite = [item for item in log if item.code == "not-finite"]
    assert len(infinite) == (15 if name == "annotations_unofficial" else 0)
    assert all("inf is not a finite number" in item.message for item in infinite)
    assert contradictions(home) == []
    # folders tell images of one base name apart
    names = [asset.filename for asset in project.assets.list(pagination={"limit": 1000})]
    assert len(set(names)) == images
    if name == "annotations":
        assert len({each.rpartition("/")[2] for each in names}) < images


def test_taco_by_default_is_refused_with_all_its_anomalies(tmp_path: Path) -> None:
    project = Client(home=tmp_path).create_project("taco")
    session = project.annotations.create_import_session(create_assets=True)
    with pytest.raises(ImportFailedError) as caught, session:
        session.add_path(DATA / "taco" / "annotations.json")
    log = [item for item in session.get_logs().logs if item.level == "Error"]
    assert caught.value.total == len(log)
    assert len({item.pointer for item in log}) == session.report.faulty == 8
    assert len(project.assets.list()) == 0


# --- Shows 5 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line", "point"),
    [
        ("annotations-bbox-below-0", 16, "0.99707, -1.0"),
        ("annotations-bbox-greater-img-height", 9, "0.255859, 1.039062"),
        ("annotations-bbox-greater-img-width", 8, "1.163086, 0.0"),
    ],
)
def test_discolight_out_of_bounds(name: str, line: int, point: str, tmp_path: Path) -> None:
    project = Client(home=tmp_path / "store").create_project("wheat")
    with project.assets.create_upload_session() as upload:
        upload.add_path(DATA / "discolight" / "augmentor")
    session = project.annotations.create_import_session()
    with pytest.raises(ImportFailedError), session:
        session.add_path(DATA / "discolight" / "augmentor" / f"{name}.csv")
    log = session.get_logs().logs
    # what leaves the image may be of a negative size besides; no other line is faulty
    assert {item.line for item in log} == {line}
    assert log[0].message == (
        f"At {name}.csv:{line}: Point {point} is out of bounds.\n\n"
        "Hint: The asset for this annotation has dimensions 1024 x 1024 pixels."
    )
    assert len(project.annotations.list()) == 0
