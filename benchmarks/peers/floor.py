"""The bare floor of an import: INPUT SCHEMA_FOLDER DATABASE.

What any durable import must at least do: decode the file with typed structs, and insert the same
columns and bytes, with the same indexes and the same durability, by ``executemany`` in one
transaction. It checks nothing, reports nothing, and holds the whole decoded file in memory.
The schema is read from the store's own migrations, so that it cannot drift from them; the
settings are those of ``annotary.store.database``.
"""

import sqlite3
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec

RECTANGLE, POLYGON = 0, 1


class Image(msgspec.Struct):
    id: int
    file_name: str
    width: int
    height: int


class Category(msgspec.Struct):
    id: int
    name: str


class Annotation(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: list[list[float]] = []


class Document(msgspec.Struct):
    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


def new_ids(kind: int) -> Iterator[bytes]:
    """16 bytes each, in rising order: the time, and a counter instead of random bits."""
    start = (int(time.time() * 1000) << 80) | (kind << 64)
    number = 0
    while True:
        yield (start + number).to_bytes(16, "big")
        number += 1


def open_database(path: str, schema: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size = 8192")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA cache_size = -65536")
    db.execute("PRAGMA temp_store = MEMORY")
    for script in sorted(schema.glob("*.sql")):
        db.executescript(script.read_text("utf-8"))
    return db


def annotation_rows(
    document: Document,
    assets: dict[int, int],
    tags: dict[int, int],
    by_asset: list[tuple[int, int]],
) -> Iterator[tuple[int, bytes, int, int, int, bytes | None, bytes]]:
    """A row for each ring; for each box where there is no ring. Fills ``by_asset``."""
    ids = new_ids(2)
    number = 0
    for annotation in document.annotations:
        asset, tag = assets[annotation.image_id], tags[annotation.category_id]
        rings = annotation.segmentation
        if not rings:
            x, y, width, height = annotation.bbox
            number += 1
            by_asset.append((asset, number))
            box = array("d", (x, y, x + width, y + height)).tobytes()
            yield number, next(ids), asset, tag, RECTANGLE, None, box
            continue
        first = next(ids)
        group = first if len(rings) > 1 else None
        for place, ring in enumerate(rings):
            number += 1
            by_asset.append((asset, number))
            id_ = next(ids) if place else first
            yield number, id_, asset, tag, POLYGON, group, array("d", ring).tobytes()


def insert(db: sqlite3.Connection, document: Document) -> int:
    now = int(time.time() * 1000)
    assets = {image.id: number for number, image in enumerate(document.images, 1)}
    tags = {category.id: number for number, category in enumerate(document.categories, 1)}
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "INSERT INTO projects VALUES (1, ?, 'floor', 'ObjectDetection', ?)", (b"p" * 16, now)
    )
    db.executemany(
        "INSERT INTO tags (no, project, idx, name) VALUES (?, 1, ?, ?)",
        ((tags[item.id], tags[item.id] - 1, item.name) for item in document.categories),
    )
    db.executemany(
        "INSERT INTO assets (no, project, id, filename, match_key, width, height, file_size, mime,"
        f" status, created) VALUES (?, 1, ?, ?, ?, ?, ?, 0, 'image/jpeg', 'None', {now})",
        (
            (assets[item.id], id_, item.file_name, item.file_name, item.width, item.height)
            for item, id_ in zip(document.images, new_ids(1), strict=False)
        ),
    )
    by_asset: list[tuple[int, int]] = []
    db.executemany(
        "INSERT INTO annotations (seq, project, id, asset, tag, kind, hole, created, grp, geometry)"
        f" VALUES (?, 1, ?, ?, ?, ?, 0, {now}, ?, ?)",
        annotation_rows(document, assets, tags, by_asset),
    )
    # Sorted, as anyone would who has tried it the other way round.
    by_asset.sort()
    db.executemany("INSERT INTO asset_annotations VALUES (?, ?)", by_asset)
    db.execute("COMMIT")
    return len(by_asset)


def main() -> None:
    source, schema, database = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    started = time.perf_counter()
    document = msgspec.json.decode(source.read_bytes(), type=Document)
    decoded = time.perf_counter()
    db = open_database(database, schema)
    count = insert(db, document)
    db.close()
    ended = time.perf_counter()
    print(f"{count} rows; decode {decoded - started:.1f} s, insert {ended - decoded:.1f} s")


main()
