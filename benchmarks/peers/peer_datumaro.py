"""Datumaro, through its Python API: TASK INPUT OUT.

Its command line stops at import in a plain installation (a missing optional package), so the
API is used, which also spares it that start. It wants ``annotations/instances_*.json`` beside
``images``, which may be empty: a link and two folders give it that.
"""

import sys
import tempfile
from pathlib import Path

from datumaro.components.dataset import Dataset

FORMATS = {"yolo": "yolo", "voc": "voc_detection", "coco": "coco_instances"}
FORMATS["polygons"] = FORMATS["coco"]

task, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "images").mkdir()
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train.json").symlink_to(source.resolve())
    dataset = Dataset.import_from(name, "coco_instances")
    dataset.export(str(out / task), FORMATS[task], save_media=False)
