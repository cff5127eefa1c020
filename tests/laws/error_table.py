"""Write docs/round-trip.md: how far coordinates move from COCO to any format and back to COCO.

``make docs`` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary import formats
from annotary.batch import AnnotationBatch
from annotary.contract.format import Format
from annotary.model import ExportOptions
from annotary.reading.file import FileReading
from annotary.reading.session import Reading
from annotary.syntax.source import SourceFile
from annotary.writing.exporting import ExportTag
from tests.formats.harness import Images
from tests.laws.law import EXACT, MemoryOutput
from tests.laws.projects import Project, Thing

PAGE = Path(__file__).parents[2] / "docs" / "round-trip.md"
RANDOM_IMAGES = 40
RANDOM_BOXES = 1000


class Error(NamedTuple):
    """What became of a set: shapes at the end, how many were found, of how many; in pixels."""

    count: int
    back: int
    total: int
    worst: float


def running_examples(kind: str) -> Project:
    """The example that the formats' pages use, its neighbours at the edges, and an odd size."""
    sizes = {"image.png": (400, 200), "edge.png": (333, 77), "small.png": (7, 5)}
    boxes = {
        "image.png": [(40, 20, 120, 100), (0.1, 0.2, 399.9, 199.7)],
        "edge.png": [(0, 0, 333, 77), (1 / 3, 2 / 3, 100 / 3, 76.5), (332.5, 76.25, 333, 77)],
        "small.png": [(0, 0, 7, 5), (2, 3, 3, 4)],
    }
    return _project(sizes, boxes, kind)


def random_set(kind: str) -> Project:
    """A thousand random shapes on images of random sizes, from part of a pixel to all of one."""
    rng = np.random.default_rng(7)
    sizes = {
        f"{i:03}.jpg": (int(w), int(h))
        for i, (w, h) in enumerate(rng.integers(40, 2000, (RANDOM_IMAGES, 2)))
    }
    boxes: dict[str, list[tuple[float, ...]]] = {name: [] for name in sizes}
    names = list(sizes)
    for _ in range(RANDOM_BOXES):
        name = names[int(rng.integers(len(names)))]
        size = np.array(sizes[name])
        low = rng.uniform(0, 1, 2) * (size - 1)
        high = low + (size - low) * rng.uniform(0, 1, 2) ** 3
        box = np.concatenate([low, np.maximum(high, low + 0.5)])
        if rng.integers(2):
            box = np.round(box, 2)
        boxes[name].append(tuple(box.tolist()))
    return _project(sizes, boxes, kind)


def _project(
    sizes: dict[str, tuple[int, int]], boxes: dict[str, list[tuple[float, ...]]], kind: str
) -> Project:
    found: list[Thing] = []
    for image, name in enumerate(sorted(sizes)):
        width, height = sizes[name]
        for i, (x0, y0, x1, y1) in enumerate(boxes[name]):
            a, b, c, d = x0 / width, y0 / height, x1 / width, y1 / height
            if kind == "box":
                found.append(Thing("rectangle", image, i % 2, [a, b, c, d]))
            else:
                ring = [a, b, c, b, c, d, (a + c) / 2, (b + 3 * d) / 4, a, d]
                found.append(Thing("polygon", image, i % 2, [[ring]]))
    return Project(sizes, [ExportTag("boat"), ExportTag("dog")], found, 5)


class Known:
    """A project made of what a session of files held, to be exported again."""

    project = "0" * 32
    ids = groups = ()

    def __init__(self, files: list[SourceFile], like: Project) -> None:
        images = Images(like.sizes)
        self.names, self.widths, self.heights = like.names, like.widths, like.heights
        self.sizes = like.sizes
        self.tags: list[ExportTag] = []
        self._batches: list[AnnotationBatch] = []
        reading = Reading(images, self)
        reading.read(files)
        assert reading.log.errors == 0, [problem.text for problem in reading.log]
        self.count = sum(map(len, self._batches))

    def begin_file(self, file: FileReading) -> None:
        """Nothing to prepare."""

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Keep a batch, with the tags of all files together."""
        batch.tag = np.array([self._tag(file.rows.tag_names[i]) for i in batch.tag], np.int32)
        self._batches.append(batch)

    def end_file(self, file: FileReading) -> None:
        """Declare the classes that no object has, too."""
        for name in file.rows.tag_names:
            self._tag(name)

    def _tag(self, name: str) -> int:
        names = [tag.name for tag in self.tags]
        if name not in names:
            self.tags.append(ExportTag(name))
            return len(names)
        return names.index(name)

    def scan(self, images: object) -> Iterator[AnnotationBatch]:
        """All images are asked for, in order."""
        for image in range(len(self.names)):
            for batch in self._batches:
                one = batch.take(batch.image == image)
                if len(one):
                    yield one

    def read_image(self, image: int) -> bytes | None:
        """No image is at hand."""
        return None


def write(origin: Project | Known, name: str) -> list[SourceFile]:
    """The files of an export in the format's own unit."""
    from annotary.writing.exporting import export

    out = MemoryOutput()
    export(origin, formats.get(name), ExportOptions(), out)  # type: ignore[arg-type]
    return out.sources()


def corners(origin: Project | Known) -> dict[tuple[str, str], list[NDArray[np.float64]]]:
    """Boxes and rings in pixels by image and class."""
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for batch in origin.scan(range(len(origin.names))):
        for row in range(len(batch)):
            name = origin.names[batch.image[row]]
            points = batch.values(row).reshape(-1, 2) * origin.sizes[name]
            found.setdefault((name, origin.tags[batch.tag[row]].name), []).append(points)
    return found


def trip(project: Project, format_: Format, kind: str) -> Error:
    """COCO, the format, COCO: every shape against the nearest that came back."""
    coco = "coco" if kind == "box" else "polygon_coco"
    start = Known(write(project, coco), project)
    between = Known(write(start, format_.name), project)
    end = Known(write(between, coco), project)
    before, after = corners(start), corners(end)
    worst, back = 0.0, 0
    for place, shapes in before.items():
        rest = list(after.get(place, []))
        for shape in shapes:
            moves = [
                float(np.abs(other - shape).max())
                if len(shape) == len(other)
                else float(np.abs(_box(shape) - _box(other)).max())
                for other in rest
            ]
            if moves:
                best = int(np.argmin(moves))
                worst = max(worst, moves[best])
                del rest[best]
                back += 1
    total = len(project.things)
    count = sum(map(len, after.values()))
    return Error(count, back, total, worst)


def _box(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def trips() -> dict[str, dict[str, Error]]:
    """Every pair: by format, then ``examples box``, ``random polygon`` and so on."""
    sets = {
        f"{title} {kind}": make(kind)
        for title, make in (("examples", running_examples), ("random", random_set))
        for kind in ("box", "polygon")
    }
    found: dict[str, dict[str, Error]] = {}
    for format_ in formats.writers():
        carries = format_.carries
        if not (format_.reads or format_.read_by):
            continue
        for title, project in sets.items():
            kind = title.split()[1]
            if kind == "box" and carries.rectangle != "Rectangle":
                continue
            if kind == "polygon" and carries.polygon != "Polygon":
                continue
            found.setdefault(format_.name, {})[title] = trip(project, format_, kind)
    return found


def page(found: dict[str, dict[str, Error]]) -> str:
    """The page."""
    heads = ("examples box", "random box", "examples polygon", "random polygon")
    lines = [
        "# Round trips",
        "",
        "How far a coordinate moves, in pixels, from COCO to a format and back to COCO: the",
        "largest move of all corners and points. `make docs` measures it,",
        f"on the running examples of the formats' pages and on {RANDOM_BOXES:,} random shapes on",
        f"{RANDOM_IMAGES} images of 40 to 2,000 pixels. – : the format has no such shapes.",
        "A file that does not say its unit and has no number above 2 is read as fractions: shapes",
        "in the first pixels of an image, alone in their file, need a format that says its unit.",
        "",
        "| format | boxes, examples | boxes, random | polygons, examples | polygons, random"
        " | exact to |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, errors in found.items():
        cells = [_cell(errors.get(head)) for head in heads]
        decimals = formats.get(name).carries.decimals
        lines.append(f"| [{name}](formats/{name}.md) | {' | '.join(cells)} | {decimals} |")
    return "\n".join([*lines, ""])


def _cell(error: Error | None) -> str:
    if error is None:
        return "–"
    lost = "" if error.back == error.total else f" ({error.back} of {error.total} came back)"
    worst = error.worst
    text = "0.0" if worst <= EXACT else f"{worst:.1g}" if worst < 0.01 else f"{worst:.2f}"
    return text + lost


def main() -> None:
    """Write the page."""
    found = trips()
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"{len(found)} formats; see docs/{PAGE.name}")
