"""labelformat, through its own command line: TASK INPUT OUT."""

import sys
from pathlib import Path

from labelformat.cli.cli import main

TARGETS = {
    "yolo": ["--output-format", "yolov8", "--output-file", "data.yaml", "--output-split", "train"],
    "voc": ["--output-format", "pascalvoc", "--output-folder", "voc"],
    "coco": ["--output-format", "coco", "--output-file", "coco.json"],
    "polygons": ["--output-format", "coco", "--output-file", "coco.json"],
}

task, source, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
target = TARGETS[task]
target[3] = str(out / target[3])
kind = "instance-segmentation" if task == "polygons" else "object-detection"
sys.argv = ["labelformat", "convert", "--task", kind, "--input-format", "coco"]
sys.argv += ["--input-file", source, *target]
main()
