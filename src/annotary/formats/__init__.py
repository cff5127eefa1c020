"""All formats, found by listing this folder: one file or one folder each, named as the format is.

``kit`` is no format: it holds what several formats share.
"""

from __future__ import annotations

import difflib
import importlib
import re
from functools import cache
from pathlib import Path

from annotary.contract.format import Format
from annotary.errors import BadRequestError, InternalServerError


@cache
def names() -> tuple[str, ...]:
    """The names of all formats, sorted."""
    folder = Path(__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")} - {"kit"}
    return tuple(sorted(files | folders))


ALIASES = {
    "automl": "csv_automl",
    "automl_csv": "csv_automl",
    "createml_json": "createml",
    "coco_detection": "coco",
    "coco_instances": "coco",
    "coco_json": "coco",
    "coco_keypoints": "keypoints_coco",
    "cvat_xml": "cvat",
    "darknet": "yolo_darknet",
    "label_studio_json": "label_studio",
    "labelme": "polygon_single",
    "labelme_json": "polygon_single",
    "labelstudio": "label_studio",
    "nifti": "nifti_class_index_segmentation",
    "open_images": "open_images_csv",
    "openimages": "open_images_csv",
    "pascal": "pascal_voc",
    "pascalvoc": "pascal_voc",
    "retinanet": "retinanet_csv",
    "rtstruct": "dicom_rtstruct",
    "tf_record": "tfrecord",
    "ultralytics": "yolo_ultralytics",
    "vgg": "via",
    "voc": "pascal_voc",
    "voc2007": "pascal_voc",
    "voc2012": "pascal_voc",
    "yolo": "yolo_ultralytics",
    "yolo_seg": "yolo_segment",
    "yolo_segmentation": "yolo_segment",
    "yolov3": "yolo_darknet",
    "yolov4": "yolo_darknet",
}
"""Names that people type for formats of another name."""


def canonical(name: str) -> str:
    """The name of a format as this package writes it: of an alias, in any case, with any dashes."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    task = re.fullmatch(r"yolo_?v?(?:[5-9]|1[0-9])_?[nsmlx]?(?:_?(seg|pose|obb))?", plain)
    if task:
        return {"seg": "yolo_segment", "pose": "yolo_pose", "obb": "yolo_obb"}.get(
            task[1] or "", "yolo_ultralytics"
        )
    return ALIASES.get(plain, plain)


@cache
def get(name: str) -> Format:
    """The format called ``name``, or known by it. Raises :class:`BadRequestError` with near names.

    Case and dashes do not matter: ``COCO``, ``yolov8``, ``voc`` and ``labelme`` are known.
    """
    given, name = name, canonical(name)
    if name not in names():
        near = difflib.get_close_matches(name, [*names(), *ALIASES], n=3, cutoff=0.5)
        meant = list(dict.fromkeys(ALIASES.get(each, each) for each in near))
        raise BadRequestError(
            f"There is no format {given!r}.",
            hint=(f"Did you mean {' or '.join(meant)}? " if meant else "")
            + "All formats: annotary formats.",
        )
    try:
        found = importlib.import_module(f"annotary.formats.{name}").FORMAT
    except Exception as error:
        raise InternalServerError(
            f"The format {name} cannot be loaded: {type(error).__name__}: {error}.",
            hint="Install Annotary again; if a package is named, install that.",
        ) from error
    assert isinstance(found, Format)
    return found


@cache
def readers() -> tuple[Format, ...]:
    """All formats that can be read."""
    return tuple(f for f in map(get, names()) if f.reads)


@cache
def writers() -> tuple[Format, ...]:
    """All formats that can be written."""
    return tuple(f for f in map(get, names()) if f.writes)


@cache
def extensions() -> frozenset[str]:
    """Endings that some readable format uses: what to pick up from a folder."""
    return frozenset(e for f in readers() for e in f.extensions)
