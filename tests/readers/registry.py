"""Which reader that is not ours checks each export, and in which test.

    python tests/readers/registry.py

writes docs/readers.md; a test fails when the page or this table is not complete.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "readers.md"


class Reader(NamedTuple):
    """What reads an export: packages (as pip knows them) or documented rules, and the tests."""

    what: tuple[str, ...]
    tests: tuple[str, ...]


def _by(what: str, *tests: str) -> Reader:
    return Reader(tuple(what.split(" + ")), tests)


RULES = "the maker's documented rules"
TRAINER = "the trainer's documented checks"
READERS: dict[str, Reader] = {
    **dict.fromkeys(
        (
            "polygon_coco",
            "keypoints_coco",
            "rle_coco",
            "rle_semantic_coco",
            "bitmask_rle_coco",
            "bitmask_rle_semantic_coco",
        ),
        _by("pycocotools", "test_coco.py::test_pycocotools_reads_it"),
    ),
    "coco": _by(
        "pycocotools + supervision",
        "test_coco.py::test_pycocotools_reads_it",
        "test_coco.py::test_supervision_reads_it",
    ),
    **dict.fromkeys(
        ("csv_fourcorner", "csv_widthheight", "csv_vott", "tensorflow_csv", "open_images_csv"),
        _by("pandas", "test_tables.py::test_pandas_reads_boxes"),
    ),
    "retinanet_csv": _by(
        "pandas", "test_tables.py::test_pandas_reads_retinanet_as_its_author_does"
    ),
    "parquet": _by("pandas + pyarrow", "test_tables.py::test_pandas_reads_parquet"),
    "csv_classification": _by(RULES, "test_by_the_rules.py::test_csv_classification"),
    "csv_automl": _by(RULES, "test_by_the_rules.py::test_boxes"),
    "roboflow_classes_csv": _by(RULES, "test_by_the_rules.py::test_roboflow_classes_csv"),
    "pascal_voc": _by(
        "labelformat + globox",
        "test_image_files.py::test_labelformat_voc",
        "test_image_files.py::test_globox",
    ),
    "cvat": _by(
        "labelformat + globox",
        "test_image_files.py::test_labelformat_cvat",
        "test_image_files.py::test_globox",
    ),
    "polygon_single": _by("globox", "test_image_files.py::test_globox"),
    **dict.fromkeys(
        (
            "createml",
            "dota",
            "ibm",
            "vott",
            "edge_impulse",
            "via",
            "supervisely",
            "darwin",
            "yolo_keras_pytorch",
        ),
        _by(RULES, "test_by_the_rules.py::test_boxes"),
    ),
    "datumaro": _by(
        f"{RULES} + datumaro",
        "test_by_the_rules.py::test_boxes",
        "test_platforms.py::test_datumaro",
    ),
    "label_studio": _by(
        f"{RULES} + label-studio-sdk",
        "test_by_the_rules.py::test_boxes",
        "test_platforms.py::test_label_studio",
    ),
    "kitti": _by("labelformat", "test_yolo.py::test_labelformat_reads_the_boxes"),
    "yolo_darknet": _by("globox", "test_yolo.py::test_globox_reads_the_boxes"),
    "yolo_ultralytics": _by(
        f"labelformat + supervision + {TRAINER}",
        "test_yolo.py::test_labelformat_reads_the_boxes",
        "test_yolo.py::test_supervision_reads_the_boxes",
        "test_yolo.py::test_the_trainer_accepts_every_label",
    ),
    **dict.fromkeys(
        ("yolo_segment", "yolo_pose", "yolo_obb"),
        _by(TRAINER, "test_yolo.py::test_the_trainer_accepts_every_label"),
    ),
    "tfrecord": _by(
        "protobuf + tfrecord",
        "test_records.py::test_boxes",
        "test_records.py::test_frames_and_checksums",
    ),
    "polygon_tfrecord": _by("protobuf + pillow", "test_records.py::test_masks"),
    "bitmask_tfrecord": _by("protobuf + pillow", "test_by_the_rules.py::test_bitmask_tfrecord"),
    "keypoints_tfrecord": _by("protobuf", "test_records.py::test_keypoints"),
    "classification_tfrecord": _by(
        "protobuf", "test_by_the_rules.py::test_classification_tfrecord"
    ),
    **dict.fromkeys(
        ("segmentation_3d_tfrecord", "classification_3d_tfrecord"),
        _by("protobuf", "test_records.py::test_volumes_in_records"),
    ),
    **dict.fromkeys(
        ("nifti_one_hot_segmentation", "nifti_class_index_segmentation"),
        _by("nibabel", "test_records.py::test_nifti"),
    ),
    "keypoints_datature_raw": _by(RULES, "test_by_the_rules.py::test_keypoints_datature_raw"),
    **dict.fromkeys(
        (
            "box_openai_positional_encoding",
            "polygon_openai_positional_encoding",
            "bitmask_openai_positional_encoding",
        ),
        _by(RULES, "test_by_the_rules.py::test_location_tokens"),
    ),
}


def required() -> dict[str, str]:
    """The packages of the extra ``readers`` and what versions of them are asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = {}
    extras = project["optional-dependencies"]
    for each in (*extras["readers"], *extras["parquet"], *project["dependencies"]):
        name, version = re.fullmatch(r"([\w.-]+)(.*)", each).groups()  # type: ignore[union-attr]
        found[name] = version
    return found


def page() -> str:
    """The page."""
    versions = required()
    lines = [
        "# Who reads our exports",
        "",
        "Every export is read in the tests by something that is not ours: a package of the extra",
        "`readers`, or, where nobody publishes a light one, the standard library by the rules that",
        "the format's maker documents. Made by `python tests/readers/registry.py`. Packages",
        "without a version are not in the extra, for their size: their tests are skipped where",
        "they are not installed.",
        "",
        "| format | reader | tests in tests/readers/ |",
        "|---|---|---|",
    ]
    for name in sorted(READERS):
        reader = READERS[name]
        what = ", ".join(f"{each} {versions.get(each, '')}".strip() for each in reader.what)
        lines.append(f"| [{name}](formats/{name}.md) | {what} | {', '.join(reader.tests)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{len(READERS)} formats; see docs/{PAGE.name}")


if __name__ == "__main__":
    main()
