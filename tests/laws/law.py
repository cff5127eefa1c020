"""What is exported, what is read back, and whether they are the same."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from annotary import formats
from annotary.batch import BITMASK, KEYPOINTS, KIND_NAMES, AnnotationBatch, Extra
from annotary.contract.dataset import ImageTable
from annotary.contract.format import Carries, Format
from annotary.model import ExportManifest, ExportOptions
from annotary.reading.file import FileReading
from annotary.reading.session import Reading
from annotary.syntax.source import SourceFile
from annotary.writing import layouts
from annotary.writing.exporting import export, plan, split
from annotary.writing.losses import Losses
from annotary.writing.reduction import Reducer
from tests.formats.harness import Images
from tests.laws.projects import Project

EXACT = 1e-9
"""Pixels."""


class MemoryOutput:
    """An output that keeps its members."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}
        self.digests: dict[str, str] = {}

    def put(self, path: str, data: bytes) -> None:
        """Write a member as a whole."""
        with self.file(path) as file:
            file.write(data)

    @contextmanager
    def file(self, path: str) -> Iterator[io.BytesIO]:
        """Open a member, which must be new."""
        assert path not in self.members, f"{path} is written twice"
        buffer = io.BytesIO()
        yield buffer
        self.members[path] = buffer.getvalue()
        self.digests[path] = hashlib.sha256(self.members[path]).hexdigest()

    def sources(self) -> list[SourceFile]:
        """The members as files of an import."""
        return [SourceFile(name, data=data) for name, data in sorted(self.members.items())]


@dataclass
class Shape:
    """One row: values in pixels (keypoints: with visibilities), or a mask."""

    kind: str
    values: tuple[float, ...]
    hole: bool = False
    mask: str = ""


@dataclass
class Object:
    """One object as a file can tell it."""

    image: str
    tag: str
    shapes: list[Shape]
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    frame: int | None = None
    extras: list[Extra] = field(default_factory=list)
    """What each of its rows says."""


def objects(
    batch: AnnotationBatch,
    images: Sequence[str],
    tags: Sequence[str],
    scale: dict[str, tuple[int, int]],
) -> Iterator[Object]:
    """The objects of a batch; ``scale``: what one unit of x and y is, in pixels, by image."""
    for begin, end in pairwise(batch.objects().tolist()):
        image = images[batch.image[begin]]
        width, height = scale[image]
        shapes = []
        for row in range(begin, end):
            kind = int(batch.kind[row])
            size = [width, height, 1] if kind == KEYPOINTS else [width, height]
            values = batch.values(row).reshape(-1, len(size)) * size
            if kind == KEYPOINTS:
                # a point that is not labelled has no place
                values[values[:, 2] == 0] = 0
            extra = batch.extras.get(row) or Extra()
            mask = ""
            if kind == BITMASK:
                assert extra.mask is not None
                mask = f"{extra.mask.height}x{extra.mask.width} {extra.mask.counts.decode()}"
                values = values[:0]
            flat = tuple(float(v) for v in values.ravel())
            shapes.append(Shape(KIND_NAMES[kind], flat, bool(batch.hole[row]), mask))
        extra = batch.extras.get(begin) or Extra()
        yield Object(
            image,
            tags[batch.tag[begin]],
            shapes,
            extra.attributes or {},
            extra.properties or {},
            extra.frame,
            [batch.extras[row] for row in range(begin, end) if row in batch.extras],
        )


class ReadBack:
    """What a session of files yields."""

    def __init__(self, sources: Sequence[SourceFile], sizes: dict[str, tuple[int, int]]) -> None:
        self._images = Images(sizes)
        self._sizes = sizes
        self.objects: list[Object] = []
        self.images: set[str] = set()
        self.classes: dict[str, int | None] = {}
        self.skeletons: dict[str, Any] = {}
        self.reading = Reading(self._images, self)
        self.reading.read(sources)
        self.log = [problem.text for problem in self.reading.log]

    def begin_file(self, file: FileReading) -> None:
        """Nothing to prepare."""

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        """Keep the objects."""
        self.objects += objects(batch, self._images.names, file.rows.tag_names, self._sizes)

    def end_file(self, file: FileReading) -> None:
        """Keep what the file is about."""
        self.images |= {self._images.names[i] for i in file.assets if i >= 0}
        for name, number in zip(file.rows.tag_names, file.rows.tag_ids, strict=True):
            assert self.classes.get(name) in (None, number), f"two numbers for {name}"
            self.classes[name] = number
        self.skeletons |= file.rows.skeletons


@dataclass
class Written:
    """An export into memory and all that it was made of."""

    project: Project
    format: Format
    options: ExportOptions
    manifest: ExportManifest
    members: dict[str, bytes]
    out: MemoryOutput
    expected: list[Object]
    lost: int
    """How many objects the reduction left nothing of."""


def names_of(project: Project, format_: Format, options: ExportOptions) -> dict[str, str]:
    """What each image is called there: layouts of labels cannot hold a folder ``images``."""
    there = layouts.get(options.layout, format_).names(project.names)
    return dict(zip(project.names, there, strict=True))


def write(project: Project, format_: Format, options: ExportOptions) -> Written:
    """Export, and say what the format must have been given."""
    out = MemoryOutput()
    manifest = export(project, format_, options, out)  # type: ignore[arg-type]
    losses = Losses()
    expected: list[Object] = []
    normalized = _normalized(format_.carries, options)
    left: set[int] = set()
    called = names_of(project, format_, options)
    for _, images in split(project.names, options):
        names = [project.names[i] for i in images]
        table = ImageTable(names, project.widths[images], project.heights[images])
        reduce = Reducer(format_.carries, table, normalized, losses)
        scale = project.sizes if normalized else dict.fromkeys(names, (1, 1))
        for batch in project.scan(images):
            reduced = reduce(batch)
            left |= set(reduced.at.tolist())
            found = objects(reduced, names, [t.name for t in project.tags], scale)
            expected += [replace(each, image=called[each.image]) for each in found]
    gone = len(project.things) - len(left)
    return Written(project, format_, options, manifest, out.members, out, expected, gone)


def _normalized(carries: Carries, options: ExportOptions) -> bool:
    if carries.unit == "follows":
        natural = carries.natural == "normalized"
        return natural if options.normalized is None else options.normalized
    return carries.unit != "pixels"


def check_accounts(written: Written) -> None:
    """Objects in = objects written + counted losses; the plan and the bytes are the same again."""
    manifest, project = written.manifest, written.project
    counted = sum(
        loss.count
        for loss in manifest.losses
        if loss.code in {"left-out", "unknown-size", "merged"}
    )
    assert written.lost == counted, f"{written.lost} objects are gone, {counted} are counted"
    assert sum(part.objects for part in manifest.parts) == len(written.expected)
    assert sum(part.images for part in manifest.parts) == len(project.names)
    assert manifest.annotations_in_project == project.count
    assert plan(project, written.format, written.options) == manifest.losses
    again = MemoryOutput()
    assert export(project, written.format, written.options, again) == manifest  # type: ignore[arg-type]
    assert again.members == written.members, "the same data gave other bytes"


def check_read_back(written: Written) -> None:
    """What the files hold is what the writer was given."""
    carries, project = written.format.carries, written.project
    called = names_of(project, written.format, written.options)
    sizes = {called[name]: size for name, size in project.sizes.items()}
    found = ReadBack(written.out.sources(), sizes)
    reports = found.reading.reports
    assert {report.role for report in reports} <= {"annotations", "companion"}, reports
    reader = written.format.read_by or written.format.name
    # a label file without a line is one of any format that has such files
    formats_found = {r.format for r in reports if r.role == "annotations" and r.records}
    assert formats_found <= {reader}, reports
    log = [problem.text for problem in found.reading.log if problem.code not in REMARKS]
    if not written.expected:
        log = []  # files without an object are not worth an import, and that is said
    assert log == []
    compare(written.format, written.expected, found.objects, sizes)
    if carries.empty_images:
        assert found.images >= {called[name] for name in _listed(written)}, (
            "images without annotations"
        )
    used = {each.tag for each in written.expected}
    if carries.classes and formats_found:
        known = [tag.name for tag in project.tags]
        by_number = sorted(known, key=written.manifest.classes.__getitem__)
        assert list(found.classes) in (known, by_number), "classes"
    else:
        assert set(found.classes) >= used
    if carries.class_numbers != "none":
        for name, number in found.classes.items():
            assert number == written.manifest.classes[name], f"number of {name}"
    for name, skeleton in found.skeletons.items():
        (tag,) = [tag for tag in project.tags if tag.name == name]
        assert tag.skeleton is not None
        assert skeleton[0] == tag.skeleton.keypoints
        assert skeleton[1] in ([], tag.skeleton.edges), "edges"


REMARKS = {"mixed-units"}
"""What may be said of files that are right: a box may be smaller than a pixel."""


def is_ambiguous(written: Written) -> bool:
    """Whether a file in pixels has no number above 2: then it looks like fractions.

    Only where the files do not say their unit; what lies in the first pixels of its image cannot
    be told from fractions, some out of bounds.
    """
    carries = written.format.carries
    if carries.unit != "follows" or _normalized(carries, written.options):
        return False
    # these have a file for each image
    alone = written.format.name in {"polygon_single", "pascal_voc"}
    parts = [images for _, images in split(written.project.names, written.options)]
    for images in [[i] for part in parts for i in part] if alone else parts:
        names = {written.project.names[i] for i in images}
        values = [
            value
            for each in written.expected
            if each.image in names
            for shape in each.shapes
            for value in _written_values(shape)
        ]
        if values and max(values) <= 2:
            return True
    return False


def _written_values(shape: Shape) -> tuple[float, ...]:
    """The smallest numbers that a shape may be written with: a box by its width and height."""
    if shape.kind != "Rectangle":
        return shape.values
    x0, y0, x1, y1 = shape.values
    return x0, y0, x1 - x0, y1 - y0


def _listed(written: Written) -> set[str]:
    """The images that must come back: all, but for a list of images alone where that is one."""
    if written.format.name != "yolo_keras_pytorch":
        return set(written.project.names)
    found: set[str] = set()
    used = {each.image for each in written.expected}
    for _, images in split(written.project.names, written.options):
        names = {written.project.names[i] for i in images}
        found |= names if names & used else set()
    return found


def _as_told(wanted: Object, format_: Format) -> None:
    """What the format itself cannot tell apart, in the one way it is read."""
    if not format_.carries.attribute_types:
        wanted.attributes = {name: untyped(v) for name, v in wanted.attributes.items()}
    if format_.name == "darwin":
        for shape in wanted.shapes:
            if shape.kind == "Keypoints":
                points = zip(*[iter(shape.values)] * 3, strict=True)
                told = [(x, y, v if (x, y, v) != (0, 0, 1) else 0.0) for x, y, v in points]
                shape.values = tuple(value for point in told for value in point)


def untyped(value: Any) -> Any:
    """A value as a format returns it that writes all values as text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        try:
            return float(value) if f"{float(value):g}" == value else value
        except ValueError:
            return value
    return value


ADDED = {"rle_semantic_coco": {"iscrowd": 1}, "bitmask_rle_semantic_coco": {"iscrowd": 1}}
"""What a format says of every object: the mask of a class is a crowd to COCO."""


def compare(
    format_: Format,
    expected: Sequence[Object],
    found: Sequence[Object],
    sizes: dict[str, tuple[int, int]],
) -> None:
    """Both are the same, object by object, in any order."""
    share = tolerance_of(format_)
    rest = list(found)
    missing = list(expected)
    for wanted in missing:
        wanted.properties |= ADDED.get(format_.name, {})
        _as_told(wanted, format_)
    # the nearest first: objects may lie closer together than a format can tell
    for part in (0.01, 0.35, 1):
        unmatched = []
        for wanted in missing:
            tolerance = EXACT + part * share * max(sizes[wanted.image])
            for i, candidate in enumerate(rest):
                if same(wanted, candidate, tolerance, format_):
                    del rest[i]
                    break
            else:
                unmatched.append(wanted)
        missing = unmatched
    assert not missing and not rest, "not read back:\n  {}\nread instead:\n  {}".format(
        "\n  ".join(map(str, missing)), "\n  ".join(map(str, rest))
    )


def same(a: Object, b: Object, tolerance: float, format_: Format) -> bool:
    """Whether two objects are equal; the order of rings means nothing."""
    if (a.image, a.tag, a.attributes, a.properties, a.frame) != (
        b.image,
        b.tag,
        b.attributes,
        b.properties,
        b.frame,
    ):
        return False
    rest = list(b.shapes)
    for shape in a.shapes:
        for i, other in enumerate(rest):
            if close(shape, other, tolerance, format_):
                del rest[i]
                break
        else:
            return False
    return not rest


def _extent(shape: Shape) -> tuple[float, ...]:
    xs, ys = shape.values[::2], shape.values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def close(a: Shape, b: Shape, tolerance: float, format_: Format) -> bool:
    """Whether two rows are equal but for the tolerance in pixels."""
    if (a.kind, a.hole, a.mask) != (b.kind, b.hole, b.mask):
        return False
    if format_.carries.decimals.startswith("1024 steps") and a.kind == "Polygon":
        x0, y0, x1, y1 = _extent(a)
        if min(x1 - x0, y1 - y0) < tolerance:
            # what is thinner than a step has become a box
            a, b = Shape(a.kind, (x0, y0, x1, y1)), Shape(b.kind, _extent(b))
    if format_.name in {"yolo_obb", "dota"} and len(a.values) != 8:
        return len(b.values) == 8
    return len(a.values) == len(b.values) and bool(
        np.all(np.abs(np.subtract(a.values, b.values)) <= tolerance)
    )


def tolerance_of(format_: Format) -> float:
    """How far a coordinate may be off, as a share of the image's side."""
    words = format_.carries.decimals
    if words.startswith("exact") or words == "whole pixels":
        return 0.0
    if words.startswith("32-bit"):
        return 2.0**-24
    if words.startswith("1024 steps"):
        return 1.51 / 1023
    raise AssertionError(f"{format_.name} says {words!r}: tell here what that is in pixels")


def units(format_: Format) -> list[bool | None]:
    """The choices of ``normalized`` that make a difference."""
    return [None, True, False] if format_.carries.unit == "follows" else [None]


def two_dimensional() -> list[str]:
    """The formats that can be written from images."""
    flat = ("rectangle", "polygon", "keypoints", "classification", "bitmask")
    return [f.name for f in formats.writers() if any(getattr(f.carries, kind) for kind in flat)]
