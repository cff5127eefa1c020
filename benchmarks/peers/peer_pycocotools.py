"""pycocotools, the parse reference: INPUT. Reads the file and indexes it, nothing else."""

import sys

from pycocotools.coco import COCO

found = COCO(sys.argv[1])
print(len(found.imgs), "images", len(found.anns), "annotations")
