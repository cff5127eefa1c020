"""globox, through its Python API: TASK INPUT OUT. It knows boxes only."""

import sys
from pathlib import Path

from globox import AnnotationSet

task, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
found = AnnotationSet.from_coco(source)
if task == "yolo":
    # It writes label names as given: a line must hold a number, so it is told which.
    names = sorted(found._labels())
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in names))
    (out / "labels").mkdir()
    found.save_yolo_v5(out / "labels", label_to_id={name: n for n, name in enumerate(names)})
elif task == "voc":
    found.save_pascal_voc(out / "voc")
elif task == "coco":
    found.save_coco(out / "coco.json")
elif task == "csv":
    found.save_openimage(out / "boxes.csv")
else:
    sys.exit(f"no such task: {task}")
