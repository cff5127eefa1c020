"""supervision, through its Python API: TASK INPUT OUT IMAGES.

It reads every image, for its size if for nothing else, so it is given a folder of small ones.
"""

import sys
from pathlib import Path

from supervision import DetectionDataset

task, source, out, images = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
dataset = DetectionDataset.from_coco(images_directory_path=images, annotations_path=source)
if task == "yolo":
    dataset.as_yolo(
        annotations_directory_path=str(out / "labels"), data_yaml_path=str(out / "data.yaml")
    )
elif task == "voc":
    dataset.as_pascal_voc(annotations_directory_path=str(out / "voc"))
elif task == "coco":
    dataset.as_coco(annotations_path=str(out / "coco.json"))
else:
    sys.exit(f"no such task: {task}")
