"""From annotations to files: split, reduce to what the format carries, number classes, write.

This is the way out, without a store: where annotations come from is an :class:`Origin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from annotary.batch import KIND_NAMES, AnnotationBatch
from annotary.contract.dataset import ClassEntry, Dataset, ImageTable, Part
from annotary.contract.format import Format
from annotary.errors import BadRequestError, LossRefusedError
from annotary.model import ExportManifest, ExportOptions, ExportPart, Loss, Skeleton
from annotary.writing import layouts, parts, pictures, selecting
from annotary.writing.laidout import LaidOut
from annotary.writing.losses import Losses
from annotary.writing.output import FolderOutput, ZipOutput
from annotary.writing.parts import split as split  # noqa: PLC0414 - the division of before
from annotary.writing.reduction import Reducer


class ExportTag(msgspec.Struct):
    """A class to export, in the project's order."""

    name: str
    numbers: dict[str, int] = {}
    """Its number in the files it came from, by family of formats."""
    skeleton: Skeleton | None = None
    attributes: dict[str, str] = {}
    """Names and types of its attributes."""


class Origin(Protocol):
    """Where an export comes from: one unchanging state of a project."""

    project: str
    """The project id's hexadecimal digits."""
    tags: list[ExportTag]
    names: list[str]
    """File names of all images, sorted."""
    widths: Any
    heights: Any
    ids: Sequence[str]
    groups: Sequence[Sequence[str]]
    count: int
    """How many annotations there are."""

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images with these places in ``names``, in that order.

        Coordinates are fractions; ``image`` is the place in ``images``, ``tag`` in ``tags``.
        """

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file, or None when they are not at hand."""

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every image's own metadata, as text; empty where there is none."""

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        """The file of an image as long as the context is open; None where there is none."""


Progress = Callable[[int], None]


def export(
    origin: Origin,
    format_: Format,
    options: ExportOptions,
    out: ZipOutput | FolderOutput,
    progress: Progress | None = None,
) -> ExportManifest:
    """Write all annotations of the origin; answers what was written and what was lost.

    Raises :class:`LossRefusedError` before anything is written when ``on_loss`` is ``refuse``
    and something would be lost; :class:`BadRequestError` for options that make no sense.
    """
    job = _Export(origin, format_, options)
    if options.on_loss != "allow":
        job.refuse_total_loss()
    if options.on_loss == "refuse":
        losses = job.plan()
        if losses:
            raise LossRefusedError(
                f"The format {format_.name} cannot carry all: "
                + " ".join(loss.text for loss in losses),
                hint="Choose a format that can, or allow the loss (on_loss='warn').",
            )
    return job.write(out, progress)


def plan(origin: Origin, format_: Format, options: ExportOptions) -> list[Loss]:
    """What an export would lose, without writing it."""
    return _Export(origin, format_, options).plan()


_SHARDED = ("tfrecord", "parquet")
"""What the names of formats end with whose readers take many files for one part."""


class _Export:
    def __init__(self, origin: Origin, format_: Format, options: ExportOptions) -> None:
        if not format_.writes:
            raise BadRequestError(
                f"The format {format_.name} can be imported, not exported.",
                hint="annotary formats lists those that can be written.",
            )
        self.origin: Origin = origin
        self.format = format_
        self.options = options
        try:
            self.own = msgspec.convert(options.extra, format_.Options)
        except msgspec.ValidationError as error:
            raise BadRequestError(
                f"Options of {format_.name}: {error}.",
                hint=f"It knows: {', '.join(format_.Options.__struct_fields__) or 'none'}.",
            ) from error
        parts.check(options)
        selecting.check(options)
        if options.shards and (options.layout or not format_.name.endswith(_SHARDED)):
            raise BadRequestError(
                f"{format_.name} cannot be written in shards"
                + (f" in the layout {options.layout}." if options.layout else "."),
                hint="The TFRecord formats and Parquet can, without a layout.",
            )
        self.notes: list[str] = []
        if selecting.selects(options):
            origin = self.origin = selected = selecting.Selection(origin, options)
            self.notes = selected.notes
        self.layout = layouts.chosen(options, format_)
        self.names = self.layout.names(origin.names)
        carries = format_.carries
        if carries.unit == "follows":
            natural = carries.natural == "normalized"
            self.normalized = natural if options.normalized is None else options.normalized
        else:
            self.normalized = carries.unit != "pixels"
        self.losses = Losses()
        self._unread: set[int] = set()
        self.written: list[ExportPart] = []
        self.classes = number_classes(origin.tags, format_)

    def plan(self) -> list[Loss]:
        """Count the losses of all parts by reducing every batch and writing none."""
        self.losses = Losses()
        for _, images in self._division[0]:
            table = self._table(images)
            reduce = Reducer(self.format.carries, table, self.normalized, self.losses)
            seen = np.zeros(len(images), np.bool_)
            for batch in self.origin.scan(images):
                seen[reduce(batch).image] = True
            self._count_empty(seen)
        self._count_classes()
        self._count_renamed()
        if self.options.images != "none":
            for image in range(len(self.names)):
                pictures.look(self.origin, image, self.losses)
        if getattr(self.own, "encoded", False):
            for image in range(len(self.names)):
                self._bytes(image)
        found, self.losses = self.losses.listing(), Losses()
        self._unread.clear()
        return found

    def refuse_total_loss(self) -> None:
        """Raise :class:`LossRefusedError` where nothing is left of a kind that the format carries.

        Only annotations whose images have no known size can be lost so: where all sizes are
        known, nothing is looked at.
        """
        if (np.asarray(self.origin.widths) > 0).all():
            return
        losses = Losses()
        before, after = np.zeros(len(KIND_NAMES), np.int64), np.zeros(len(KIND_NAMES), np.int64)
        images = list(range(len(self.names)))
        reduce = Reducer(self.format.carries, self._table(images), self.normalized, losses)
        for batch in self.origin.scan(images):
            before += np.bincount(batch.kind, minlength=len(before))
            after += np.bincount(reduce(batch).kind, minlength=len(after))
        unknown = sum(loss.count for loss in losses.listing() if loss.code == "unknown-size")
        for number, kind in enumerate(KIND_NAMES):
            target = getattr(self.format.carries, kind.lower())
            if unknown and target and before[number] and not after[KIND_NAMES.index(target)]:
                raise LossRefusedError(
                    f"All {before[number]} {kind} annotations would be lost: the sizes of their"
                    f" images are not known, and {self.format.name} needs them.",
                    hint="Give the images (--images FOLDER): sizes are read from them."
                    " on_loss='allow' (--on-loss allow) writes what is left.",
                )

    def write(
        self, out: ZipOutput | FolderOutput, progress: Progress | None = None
    ) -> ExportManifest:
        """Write all parts."""
        made = [
            _CountingPart(self, self.layout.part(name), images, progress)
            for name, images in self._division[0]
        ]
        data = Dataset(
            self.classes,
            made,
            normalized=self.normalized,
            options=self.own,
            project=self.origin.project,
        )
        self.format.write(data, LaidOut(out, self.layout))
        self.layout.finish(data, out)
        for part in made:
            self._count_empty(part.seen)
        self._count_classes()
        self._count_renamed()
        written = self._write_images(data, made, out) if self.options.images != "none" else []
        carries = self.format.carries
        return ExportManifest(
            project_id=f"proj_{self.origin.project}",
            format=self.format.name,
            normalized=None if carries.unit == "none" else self.normalized,
            split_ratio=self.options.split_ratio,
            seed=self.options.seed,
            classes={entry.name: entry.number for entry in self.classes},
            annotations_in_project=self.origin.count,
            parts=[part.report for part in made],
            losses=self.losses.listing(),
            files=dict(sorted(out.digests.items())),
            layout=self.options.layout,
            image_mode=self.options.images,
            image_folders=list(dict.fromkeys(self.layout.folders([p.name for p in made]))),
            images=written,
            notes=[*self.notes, *self._division[1]],
        )

    @cached_property
    def _division(self) -> tuple[parts.Parts, list[str]]:
        found, notes = parts.divide(self.origin, self.options)
        return parts.sharded(found, self.options.shards), notes

    def _write_images(
        self, data: Dataset, made: Sequence[_CountingPart], out: ZipOutput | FolderOutput
    ) -> list[str]:
        """Put every image of every part where the layout wants it; answers where they are."""
        written = []
        link = self.options.images == "link"
        for part in made:
            places = self.layout.places(data, part)
            for place, image in zip(places, part.numbers, strict=True):
                if not place:
                    self.losses.add("images-unplaced", 1)
                    continue
                try:
                    with self.origin.picture(image) as path:
                        loss = pictures.state(path)
                        if not loss:
                            assert path is not None
                            out.place(place, path, link=link)
                            written.append(place)
                except pictures.UnreadableImageError as error:
                    loss = f"images-{error.kind}"
                if loss:
                    self.losses.add(loss, 1)
        return written

    def _bytes(self, image: int) -> bytes | None:
        """The bytes of an image for formats that hold them; what cannot be read is counted."""
        try:
            return self.origin.read_image(image)
        except pictures.UnreadableImageError as error:
            if image not in self._unread:
                self._unread.add(image)
                self.losses.add(f"bytes-{error.kind}", 1)
            return None

    def _count_renamed(self) -> None:
        changed = [
            f"{old} is {new}"
            for old, new in zip(self.origin.names, self.names, strict=True)
            if old != new
        ]
        if changed:
            self.losses.add("renamed", len(changed), changed[0])

    def _count_empty(self, seen: Any) -> None:
        if not self.format.carries.empty_images:
            self.losses.add("empty-images", int((~seen).sum()))

    def _count_classes(self) -> None:
        """What belongs to classes and not to rows: names, and the edges of skeletons."""
        carries = self.format.carries
        if carries.tags == "none":
            self.losses.add("class-names", len(self.classes))
        # a format without keypoints loses those, and so says all
        if carries.keypoints == "Keypoints" and not carries.edges:
            self.losses.add("edges", sum(len(entry.edges) for entry in self.classes))

    def _table(self, images: Sequence[int]) -> ImageTable:
        origin = self.origin
        at = np.asarray(images, np.int64)
        return ImageTable(
            [self.names[i] for i in images],
            origin.widths[at],
            origin.heights[at],
            [origin.ids[i] for i in images] if origin.ids else [],
            lambda image: self._bytes(int(at[image])),
            [origin.groups[i] for i in images] if origin.groups else [],
        )


class _CountingPart(Part):
    """A part that counts what passes through it the first time it is iterated to its end."""

    def __init__(
        self, export_: _Export, name: str, images: Sequence[int], progress: Progress | None
    ) -> None:
        self._export = export_
        self.numbers = images
        self._progress = progress
        self._counted = False
        self._told = 0
        self.seen = np.zeros(len(images), np.bool_)
        self.report = ExportPart(name=name, images=len(images), annotations=0, objects=0)
        super().__init__(name, export_._table(images), self._batches)

    def _batches(self) -> Iterator[AnnotationBatch]:
        losses = Losses()
        reduce = Reducer(self._export.format.carries, self.images, self._export.normalized, losses)
        annotations = objects = passed = 0
        seen = np.zeros(len(self.images), np.bool_)
        for stored in self._export.origin.scan(self.numbers):
            passed += len(stored)
            batch = reduce(stored)
            seen[batch.image] = True
            annotations += len(batch)
            objects += len(batch.objects()) - 1
            if self._progress and passed > self._told:
                self._progress(passed - self._told)
                self._told = passed
            if len(batch):
                yield batch
        if not self._counted:
            self._counted = True
            self._export.losses.update(losses)
            self.seen = seen
            self.report.annotations, self.report.objects = annotations, objects


def number_classes(tags: Sequence[ExportTag], format_: Format) -> list[ClassEntry]:
    """The classes with their numbers in the format.

    ``source`` keeps the numbers that the tags had in files of the format's family, gaps and all,
    and gives the others the next free ones; ``dense`` counts from the format's base.
    """
    carries = format_.carries
    numbers = [carries.class_base + i for i in range(len(tags))]
    if carries.class_numbers == "source" and any(format_.family in tag.numbers for tag in tags):
        used: set[int] = set()
        kept: list[int | None] = []
        for tag in tags:
            number = tag.numbers.get(format_.family)
            if number is None or number in used:
                kept.append(None)
            else:
                used.add(number)
                kept.append(number)
        following = max(used, default=carries.class_base - 1) + 1
        for i, number in enumerate(kept):
            if number is None:
                number, following = following, following + 1
            numbers[i] = number
    return [
        ClassEntry(
            tag.name,
            number,
            tag.skeleton.keypoints if tag.skeleton else [],
            tag.skeleton.edges if tag.skeleton else [],
            tag.attributes,
        )
        for tag, number in zip(tags, numbers, strict=True)
    ]
