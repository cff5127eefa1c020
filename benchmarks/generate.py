"""Make COCO instance files of any size: the same bytes for the same size and seed.

The files have the shape of COCO 2017 (https://cocodataset.org/#format-data): its numbers of
images and annotations, 80 categories whose ids run from 1 to 90 with gaps, ids in no order,
images around 640 x 480, polygons of about 20 points with a heavy tail, one object in ten in
several parts, coordinates in hundredths of a pixel, and ``categories`` at the end of the file,
where a reader cannot know them before the annotations.

    python benchmarks/generate.py val|train|train10 OUT.json [--seed N] [--boxes] [--crowds]

Memory stays bounded: images are three arrays, annotations are made and written in batches.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

SIZES = {
    "tiny": (50, 368),
    "val": (5_000, 36_781),
    "train": (118_287, 860_001),
    "train10": (1_182_870, 8_600_010),
    "million": (137_500, 1_000_000),
    "million10": (1_375_000, 10_000_000),
}
"""Name of a size: how many images and how many annotations it has."""

BATCH = 10_000
GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
CATEGORY_IDS = [number for number in range(1, 91) if number not in GAPS]
COMMON_SHAPES = [(640, 480), (480, 640), (640, 427), (427, 640), (640, 426), (500, 375), (612, 612)]

# Every coordinate is a whole number of hundredths up to 640.00, so its text comes from a table.
HUNDREDTHS = [repr(number / 100) for number in range(64_001)]

# All prime: steps of one, modulo another, visit every id once, in scattered order.
ID_STEP = 1_000_003
IMAGE_ID_PRIME = 6_000_011
ANNOTATION_ID_PRIME = 40_000_003


@dataclass(frozen=True)
class Images:
    """One row per image: id, width and height in pixels, share of the annotations."""

    ids: NDArray[np.int64]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    shares: NDArray[np.float64]


def make_images(count: int, rng: np.random.Generator) -> Images:
    """``count`` images; a few are crowded, most are not, and one in a hundred is empty."""
    ids = (np.arange(1, count + 1, dtype=np.int64) * ID_STEP) % IMAGE_ID_PRIME
    shapes = np.array(COMMON_SHAPES, dtype=np.int64)[rng.integers(len(COMMON_SHAPES), size=count)]
    odd = rng.random(count) < 0.2
    shapes[odd] = rng.integers(200, 641, size=(int(odd.sum()), 2))
    shares = rng.gamma(4.0, size=count)
    shares[rng.random(count) < 0.01] = 0.0
    return Images(ids, shapes[:, 0], shapes[:, 1], np.cumsum(shares) / shares.sum())


def write_images(images: Images, out: TextIO) -> None:
    rows = zip(images.ids.tolist(), images.widths.tolist(), images.heights.tolist(), strict=True)
    separator = ""
    for number, width, height in rows:
        out.write(
            f'{separator}{{"license": {number % 8 + 1},"file_name": "{number:012d}.jpg",'
            f'"coco_url": "http://images.example.org/train2017/{number:012d}.jpg",'
            f'"height": {height},"width": {width},"date_captured": "2013-11-14 17:02:52",'
            f'"flickr_url": "http://photos.example.org/{number % 9000 + 1000}/{number}_z.jpg",'
            f'"id": {number}}}'
        )
        separator = ","


def annotation_batches(
    images: Images, count: int, rng: np.random.Generator, *, boxes: bool, crowds: bool
) -> Iterator[str]:
    """The text of ``count`` annotations, a batch at a time."""
    weights = 1.0 / np.arange(1, len(CATEGORY_IDS) + 1)
    chances = np.cumsum(weights) / weights.sum()
    # Category ids shuffled once, so that frequency does not follow the id.
    categories = rng.permutation(np.array(CATEGORY_IDS, dtype=np.int64))
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        numbers = np.arange(first + 1, first + size + 1, dtype=np.int64)
        ids = (numbers * ID_STEP) % ANNOTATION_ID_PRIME
        image = np.searchsorted(images.shares, rng.random(size), side="right")
        category = categories[np.searchsorted(chances, rng.random(size), side="right")]
        crowd = rng.random(size) < 0.01 if crowds else np.zeros(size, dtype=np.bool_)
        yield _batch_text(images, image, category, ids, crowd, rng, boxes=boxes)


def _batch_text(
    images: Images,
    image: NDArray[np.intp],
    category: NDArray[np.int64],
    ids: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    boxes: bool,
) -> str:
    width, height = images.widths[image], images.heights[image]
    rings = _make_rings(width, height, rng)
    texts = list(map(HUNDREDTHS.__getitem__, rings.points.ravel().tolist()))
    starts = (rings.starts * 2).tolist()
    ends = [*starts[1:], len(texts)]
    part_texts = [",".join(texts[a:b]) for a, b in zip(starts, ends, strict=True)]

    box = rings.boxes
    box_texts = list(map(HUNDREDTHS.__getitem__, box.ravel().tolist()))
    image_ids = images.ids[image].tolist()
    rows = []
    for row, (a, b) in enumerate(zip(rings.first_part, rings.last_part, strict=True)):
        if crowd[row]:
            run_lengths = _rectangle_runs(box[row], int(width[row]), int(height[row]))
            segmentation = (
                f'"segmentation": {{"counts": {run_lengths},"size": [{height[row]},{width[row]}]}},'
            )
        elif boxes:
            segmentation = '"segmentation": [],'
        else:
            segmentation = f'"segmentation": [[{"],[".join(part_texts[a:b])}]],'
        rows.append(
            f'{{{segmentation}"area": {rings.areas[row]!r},"iscrowd": {int(crowd[row])},'
            f'"image_id": {image_ids[row]},"bbox": [{",".join(box_texts[4 * row : 4 * row + 4])}],'
            f'"category_id": {category[row]},"id": {ids[row]}}}'
        )
    return ",".join(rows)


@dataclass(frozen=True)
class Rings:
    """The rings of a batch of objects, in hundredths of a pixel.

    ``points`` is (n, 2); ``starts`` the first point of each ring; an object's rings are
    ``first_part[i]:last_part[i]``; ``boxes`` is (objects, 4) as x, y, width, height; ``areas``
    are square pixels.
    """

    points: NDArray[np.int64]
    starts: NDArray[np.int64]
    first_part: list[int]
    last_part: list[int]
    boxes: NDArray[np.int64]
    areas: list[float]


def _make_rings(
    width: NDArray[np.int64], height: NDArray[np.int64], rng: np.random.Generator
) -> Rings:
    """Star-shaped rings: points at rising angles about a centre, so that none crosses itself."""
    count = len(width)
    reach = np.clip(np.exp(rng.normal(-2.6, 0.9, (count, 2))), 0.008, 0.49)
    half = reach * np.stack([width, height], axis=1)
    limit = np.stack([width, height], axis=1)
    centre = half + rng.random((count, 2)) * (limit - 2 * half)

    parts = np.where(rng.random(count) < 0.1, rng.integers(2, 5, count), 1)
    owner = np.repeat(np.arange(count), parts)
    shrink = np.where(parts[owner] > 1, 0.45, 1.0)[:, None]
    ring_half = half[owner] * shrink
    ring_centre = centre[owner] + (rng.random((len(owner), 2)) * 2 - 1) * (half[owner] - ring_half)

    lengths = np.clip(np.exp(rng.normal(2.62, 0.68, len(owner))), 4, 400).astype(np.int64)
    ring = np.repeat(np.arange(len(owner)), lengths)
    starts = np.cumsum(lengths) - lengths
    step = np.arange(len(ring)) - starts[ring]
    angle = (step + rng.random(len(ring)) * 0.6) / lengths[ring] * 2 * np.pi
    radius = 0.6 + 0.4 * rng.random(len(ring))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]
    points = np.rint((ring_centre[ring] + ring_half[ring] * circle) * 100).astype(np.int64)
    points = np.clip(points, 0, limit[owner][ring] * 100)

    following = np.arange(1, len(points) + 1)
    following[starts + lengths - 1] = starts
    x, y = points[:, 0], points[:, 1]
    cross = np.add.reduceat(x * y[following] - x[following] * y, starts)
    last_part = np.cumsum(parts)
    first_part = last_part - parts
    areas = np.add.reduceat(np.abs(cross), first_part) / 20_000
    object_starts = starts[first_part]
    low = np.minimum.reduceat(points, object_starts)
    high = np.maximum.reduceat(points, object_starts)
    boxes = np.concatenate([low, high - low], axis=1)
    return Rings(points, starts, first_part.tolist(), last_part.tolist(), boxes, areas.tolist())


def _rectangle_runs(box: NDArray[np.int64], width: int, height: int) -> list[int]:
    """The box as uncompressed run lengths, column by column, background first."""
    x, y = int(box[0]) // 100, int(box[1]) // 100
    across = max(1, min(int(box[2]) // 100, width - x))
    down = max(1, min(int(box[3]) // 100, height - y))
    runs = [x * height + y]
    for _ in range(across - 1):
        runs += [down, height - down]
    return [*runs, down, width * height - (x + across - 1) * height - y - down]


def write_coco(
    size: str, path: Path, *, seed: int = 0, boxes: bool = False, crowds: bool = False
) -> None:
    """Write one file of ``size`` (a key of `SIZES`).

    ``boxes`` leaves polygons out; ``crowds`` makes one annotation in a hundred an ``iscrowd``
    with run lengths (off by default, since not every reader takes them).
    """
    image_count, count = SIZES[size]
    rng = np.random.default_rng([seed, image_count, count])
    images = make_images(image_count, rng)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="ascii", newline="\n", buffering=1 << 20) as out:
        out.write('{"info": {"description": "Generated in the shape of COCO 2017",')
        out.write(f'"version": "1.0","year": 2017,"seed": {seed}}},')
        licences = ",".join(f'{{"id": {n},"name": "licence {n}","url": ""}}' for n in range(1, 9))
        out.write(f'"licenses": [{licences}],"images": [')
        write_images(images, out)
        out.write('],"annotations": [')
        separator = ""
        for text in annotation_batches(images, count, rng, boxes=boxes, crowds=crowds):
            out.write(separator)
            out.write(text)
            separator = ","
        categories = ",".join(
            f'{{"supercategory": "group {number % 12}","id": {number},"name": "class {number}"}}'
            for number in CATEGORY_IDS
        )
        out.write(f'],"categories": [{categories}]}}')
    unfinished.replace(path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--boxes", action="store_true", help="leave polygons out")
    parser.add_argument("--crowds", action="store_true", help="1 %% of the objects as run lengths")
    given = parser.parse_args(arguments)
    write_coco(given.size, given.out, seed=given.seed, boxes=given.boxes, crowds=given.crowds)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
