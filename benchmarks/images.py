"""Picture files of the right sizes, for peers that open every image: COCO.json FOLDER."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from PIL import Image


def make_images(coco: Path, folder: Path) -> Path:
    """A grey JPEG for each image of a COCO file; those of one size are links to one file."""
    done = folder / ".complete"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    first: dict[tuple[int, int], Path] = {}
    with coco.open("rb") as file:
        images = json.load(file)["images"]
    for image in images:
        size = (image["width"], image["height"])
        path = folder / image["file_name"]
        if size not in first:
            Image.new("L", size, 128).save(path, quality=30)
            first[size] = path
        elif not path.exists():
            os.link(first[size], path)
    done.touch()
    return folder


if __name__ == "__main__":
    make_images(Path(sys.argv[1]), Path(sys.argv[2]))
