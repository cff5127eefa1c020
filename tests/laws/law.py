"""What is exported, what is read back, and whether they are the same."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from annotary import formats
from annotary.batch import BITMASK, KEYPOINTS, KIND_NAMES, AnnotationBatch, Extra
from annotary.dataset import ImageTable
from annotary.exporting import export, plan, split
from annotary.format import Carries, Format
from annotary.model import ExportManifest, ExportOptions
from annotary.reading import FileReading, Reading
from annotary.reduction import Losses, Reducer
from annotary.source import SourceFile
from tests.formats.harness import Images
from tests.laws.projects import Project

EXACT = 1e-9
"""Pixels."""


class MemoryOutput:
    """An output that keeps its members."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}
        self.digests: dict[str, str] = {}

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


def write(project: Project, format_: Format, options: ExportOptions) -> Written:
    """Export, and say what the format must have been given."""
    out = MemoryOutput()
    manifest = export(project, format_, options, out)  # type: ignore[arg-type]
    losses = Losses()
    expected: list[Object] = []
    normalized = _normalized(format_.carries, options)
    left: set[int] = set()
    for _, images in split(project.names, options):
        names = [project.names[i] for i in images]
        table = ImageTable(names, project.widths[images], project.heights[images])
        reduce = Reducer(format_.carries, table, normalized, losses)
        scale = project.sizes if normalized else dict.fromkeys(names, (1, 1))
        for batch in project.scan(images):
            reduced = reduce(batch)
            left |= set(reduced.at.tolist())
            expected += objects(reduced, names, [t.name for t in project.tags], scale)
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
        loss.count for loss in manifest.losses if loss.code in {"left-out", "unknown-size"}
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
    found = ReadBack(written.out.sources(), project.sizes)
    reports = found.reading.reports
    assert {report.role for report in reports} <= {"annotations", "companion"}, reports
    reader = written.format.read_by or written.format.name
    assert {r.format for r in reports if r.role == "annotations"} <= {reader}
    assert found.log == []
    compare(written.format, written.expected, found.objects)
    if carries.empty_images:
        assert found.images == set(project.names), "images without annotations"
    used = {each.tag for each in written.expected}
    if carries.classes:
        assert list(found.classes) == [tag.name for tag in project.tags], "classes"
    else:
        assert set(found.classes) >= used
    if carries.class_numbers != "none":
        for name, number in found.classes.items():
            assert number == written.manifest.classes[name], f"number of {name}"
    for name, skeleton in found.skeletons.items():
        (tag,) = [tag for tag in project.tags if tag.name == name]
        assert tag.skeleton is not None
        assert skeleton == (tag.skeleton.keypoints, tag.skeleton.edges)


def compare(format_: Format, expected: Sequence[Object], found: Sequence[Object]) -> None:
    """Both are the same, object by object, in any order."""
    tolerance = tolerance_of(format_)
    rest = list(found)
    missing = []
    for wanted in expected:
        for i, candidate in enumerate(rest):
            if same(wanted, candidate, tolerance, format_):
                del rest[i]
                break
        else:
            missing.append(wanted)
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


def close(a: Shape, b: Shape, tolerance: float, format_: Format) -> bool:
    """Whether two rows are equal but for the tolerance in pixels."""
    if (a.kind, a.hole, a.mask) != (b.kind, b.hole, b.mask):
        return False
    if format_.name == "yolo_obb" and len(a.values) != 8:
        return len(b.values) == 8
    return len(a.values) == len(b.values) and bool(
        np.all(np.abs(np.subtract(a.values, b.values)) <= tolerance)
    )


FLOAT32 = 20_000 * 2.0**-23


def tolerance_of(format_: Format) -> float:
    """How far a coordinate may be off, in pixels of the largest image here."""
    words = format_.carries.decimals
    if words.startswith("exact") or words == "whole pixels":
        return EXACT
    if words.startswith("32-bit"):
        return FLOAT32
    if words.startswith("1/1023"):
        return 20_000 / 1023
    raise AssertionError(f"{format_.name} says {words!r}: tell here what that is in pixels")


def units(format_: Format) -> list[bool | None]:
    """The choices of ``normalized`` that make a difference."""
    return [None, True, False] if format_.carries.unit == "follows" else [None]


def two_dimensional() -> list[str]:
    """The formats that can be written from images."""
    flat = ("rectangle", "polygon", "keypoints", "classification", "bitmask")
    return [
        f.name
        for f in formats.writers()
        if any(getattr(f.carries, kind) for kind in flat)
    ]
