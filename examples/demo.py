"""The main job, start to end: pictures with known shapes, imported as COCO, exported as YOLO.

Everything is written into the folder ``demo/``: pictures, the COCO file, the store, the export.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from PIL import Image, ImageDraw

from annotary import Client, ImportFailedError

FOLDER = Path("demo")
COLOURS = {"circle": "#e4572e", "square": "#17bebb", "triangle": "#ffc914"}


def draw_pictures(folder: Path, count: int = 12, seed: int = 7) -> dict[str, object]:
    """Draw pictures of shapes; answers what is on them as a COCO document."""
    chance = random.Random(seed)
    names = list(COLOURS)
    coco: dict[str, list[dict[str, object]]] = {"images": [], "categories": [], "annotations": []}
    coco["categories"] = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    folder.mkdir(parents=True)
    for image_id in range(1, count + 1):
        width, height = chance.choice([(320, 240), (240, 320), (400, 300)])
        picture = Image.new("RGB", (width, height), "#fdfdf8")
        pen = ImageDraw.Draw(picture)
        # the last picture stays empty: images without annotations are data too
        for _ in range(chance.randint(1, 4) if image_id < count else 0):
            size = chance.randint(30, 90)
            x, y = chance.randint(0, width - size), chance.randint(0, height - size)
            kind = chance.choice(names)
            ring = [x, y, x + size, y, x + size, y + size, x, y + size]
            if kind == "circle":
                pen.ellipse((x, y, x + size, y + size), fill=COLOURS[kind])
            elif kind == "square":
                pen.rectangle((x, y, x + size, y + size), fill=COLOURS[kind])
            else:
                ring = [x + size / 2, y, x + size, y + size, x, y + size]
                pen.polygon(ring, fill=COLOURS[kind])
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": names.index(kind) + 1,
                    "bbox": [x, y, size, size],
                    **({"segmentation": [ring]} if kind == "triangle" else {}),
                }
            )
        name = f"shapes-{image_id:02}.png"
        picture.save(folder / name)
        coco["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
    return dict(coco)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    coco = draw_pictures(FOLDER / "images")
    source = FOLDER / "annotations.json"
    source.write_text(json.dumps(coco))
    print(f"1. Drew {len(list((FOLDER / 'images').iterdir()))} pictures and wrote {source}.")

    project = Client(home=FOLDER / "store").create_project("shapes")
    with project.assets.create_upload_session() as upload:
        upload.add_path(FOLDER / "images")
    with project.annotations.create_import_session() as session:
        session.add_path(source)
    report = session.report
    found = report.files[0].format
    print(f"2. Imported {report.committed} of {report.records} records as {found}.")

    print("3. The first annotations in the store:")
    for annotation in project.annotations.list(pagination={"limit": 3}).data:
        print(f"   {annotation.tag:9} {annotation.bound_type:10} {annotation.id}")
    counts = project.get_info().statistic
    assert counts is not None
    tags = ", ".join(f"{tag.name} {tag.count}" for tag in counts.tags_count)
    print(f"   {counts.total_annotations} on {counts.annotated_assets} pictures: {tags}")

    operation = project.annotations.create_export(
        {"format": "yolo_ultralytics", "options": {"split_ratio": 0.25, "seed": 1337}}
    )
    files = project.annotations.download_exported_file(operation.id, str(FOLDER / "yolo"))
    print(f"4. Exported as yolo_ultralytics: {operation.status.message}")
    for name in files.file_names[:4]:
        print(f"   {FOLDER / 'yolo' / name}")
    print(f"   ... {len(files.file_names)} files in all")

    broken = json.loads(source.read_text())
    broken["annotations"][0]["bbox"] = [300, 10, 90, 40]
    broken["annotations"][1]["category_id"] = 9
    (FOLDER / "broken.json").write_text(json.dumps(broken, indent=1))
    print("5. The same file with two faults is refused, and both are found:")
    try:
        with project.annotations.create_import_session() as session:
            session.add_path(FOLDER / "broken.json")
    except ImportFailedError:
        for entry in session.get_logs().logs:
            print("   " + entry.message.replace("\n\n", "\n   "))
    count = project.get_info().statistic
    assert count is not None
    assert count.total_annotations == counts.total_annotations
    print(f"   The store still has its {count.total_annotations} annotations.")
    print(f"\nEverything is in {FOLDER.absolute()}. Next: README.md, and `annotary --help`.")


if __name__ == "__main__":
    main()
