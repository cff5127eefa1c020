"""The sink that readers fill, one call for each object of a file.

A reader calls :class:`RowSink` once for every object, in the file's own words, order and unit;
the sink hands full batches to whoever made it. An *object* (a record of the source) may be several
rows: the rings of a polygon, or a polygon and its keypoints.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from annotary.batch import (
    BATCH_MASK_BYTES,
    BATCH_ROWS,
    BATCH_VALUES,
    BITMASK,
    BITMASK3D,
    CLASSIFICATION,
    KEYPOINTS,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
    Extra,
)
from annotary.geometry.rle import Rle
from annotary.problems import KEPT, NOWHERE, Location, Problem

_ELSEWHERE = -(2**63)
Place = int | Location | Callable[[], Location]
"""A place in the reader's own terms, in the file's, or one that is costly and made when needed."""
MAX_SIDE = 2**31
"""Images have fewer pixels than this on a side, and videos fewer frames."""


class Shape(NamedTuple):
    """One row of an object: a kind of ``annotary.batch``, its values, and what it has besides.

    A mask is in ``extra``; its values are its extent.
    """

    kind: int
    values: Sequence[float]
    extra: Extra | None = None
    hole: bool = False


class RowSink:
    """Where a reader writes what it finds.

    Set ``normalized`` before the first row (True: coordinates are fractions, False: pixels) and
    ``locate``, which turns a row's ``at`` into a place in the file, lazily, for those rows that
    turn out to be faulty. Numbers are not checked here: anything that is a float may be handed
    in; what does not even have the right shape is told with :meth:`reject`.
    """

    def __init__(self, file: str, flush: Callable[[RowSink, AnnotationBatch], None]) -> None:
        self.file = file
        self.normalized = False
        self.locate: Callable[[int], Location] = _by_line
        self.image_names: list[str] = []
        self.image_sizes: list[tuple[int, int]] = []
        """(width, height) as the file states them, (0, 0) where it does not."""
        # eight bytes for each: there may be a million
        self._image_at = array("q")
        self._image_places: dict[int, Location] = {}
        self.tag_names: list[str] = []
        self.tag_ids: list[int | None] = []
        """The class numbers of the source, where it has any."""
        self.skeletons: dict[str, tuple[list[str], list[tuple[int, int]]]] = {}
        self.id_space = ""
        """What the class numbers mean to this format's family (``coco``, ``yolo``, ...)."""
        self.records = 0
        self.rejected = 0
        self.skipped = 0
        self.options: Any = None
        """The choices of the caller: an instance of the format's ``ReadOptions``, or None."""
        self.size_of: Callable[[int], tuple[int, int]] = self.image_sizes.__getitem__
        """The width and height of an image, of the image itself where it is known."""
        self.parts: dict[int, str] = {}
        """Images -> the part that their rows name: ``train``, ``validate``, ``test``, ..."""
        self.states: dict[int, str] = {}
        """Images that nobody has annotated to the end -> why, as the source says."""
        self.problems: list[Problem] = []
        self.untold: dict[str, int] = {}
        """Rules -> problems beyond those that are kept: only their number is known."""
        self._told: dict[str, int] = {}
        self.fields_dropped: Counter[tuple[str, str]] = Counter()
        """What is not kept of what the file says: (owner, field) -> how many have it."""
        self.lost_places: list[Location] | None = None
        """Where the records stand that were rejected or skipped; kept only if asked for."""
        self._flush = flush
        self._images: dict[str, int] = {}
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}
        self._tags: dict[str, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._kind: list[int] = []
        self._image: list[int] = []
        self._tag: list[int] = []
        self._start: list[int] = [0]
        self._coords: list[float] = []
        self._record: list[int] = []
        self._hole: list[int] = []
        self._at: list[int] = []
        self._extras: dict[int, Extra] = {}
        self._mask_bytes = 0

    # --- what the file is about -----------------------------------------------------------

    def image(
        self, name: str, width: int = 0, height: int = 0, at: int | Location = NOWHERE
    ) -> int:
        """Declare an image by its name as written; answers its number. Told once per name."""
        number = self._images.get(name)
        if number is None:
            number = self._images[name] = len(self.image_names)
            self.image_names.append(name)
            # a side that no image has says nothing
            known = 0 <= width < MAX_SIDE and 0 <= height < MAX_SIDE
            size = (width, height) if known else (0, 0)
            # a million images have some hundred sizes
            self.image_sizes.append(self._sizes.setdefault(size, size))
            if isinstance(at, int):
                self._image_at.append(at)
            else:
                self._image_at.append(_ELSEWHERE)
                if at is not NOWHERE:
                    self._image_places[number] = at
        return number

    def image_place(self, image: int) -> Location:
        """Where an image was declared first."""
        at = self._image_at[image]
        return self._image_places.get(image, NOWHERE) if at == _ELSEWHERE else self.place(at)

    def tag(self, name: str, id: int | None = None) -> int:
        """Declare a class by name, with its number in the source if it has one."""
        number = self._tags.get(name)
        if number is None:
            number = self._tags[name] = len(self.tag_names)
            self.tag_names.append(name)
            self.tag_ids.append(id)
        return number

    # --- objects --------------------------------------------------------------------------

    def rectangle(
        self,
        image: int,
        tag: int,
        xmin: float,
        ymin: float,
        xmax: float,
        ymax: float,
        at: int = 0,
        extra: Extra | None = None,
    ) -> None:
        """One box."""
        self._coords += (xmin, ymin, xmax, ymax)
        self._row(RECTANGLE, image, tag, at, extra)
        self._end()

    def polygon(
        self,
        image: int,
        tag: int,
        rings: Sequence[Sequence[float]],
        at: int = 0,
        extra: Extra | None = None,
        holes: Sequence[Sequence[float]] = (),
    ) -> None:
        """One object of one or more rings, each flat (x, y, x, y, ...), and its holes.

        Without a ring it is rejected: it would be an object without rows.
        """
        if not len(rings):
            self.reject("too-few-points", at, count=0)
            return
        for ring in rings:
            self._coords += ring
            self._row(POLYGON, image, tag, at, extra)
            extra = None
        for ring in holes:
            self._coords += ring
            self._row(POLYGON, image, tag, at, extra, hole=1)
        self._end()

    def keypoints(
        self,
        image: int,
        tag: int,
        points: Sequence[float],
        at: int = 0,
        extra: Extra | None = None,
        rings: Sequence[Sequence[float]] = (),
        box: Sequence[float] | None = None,
        holes: Sequence[Sequence[float]] = (),
    ) -> None:
        """Keypoints, flat (x, y, visibility, ...), with the outline or box of the same object."""
        self._coords += points
        self._row(KEYPOINTS, image, tag, at, extra)
        for ring in rings:
            self._coords += ring
            self._row(POLYGON, image, tag, at, None)
        for ring in holes if len(rings) else ():
            self._coords += ring
            self._row(POLYGON, image, tag, at, None, hole=1)
        if box is not None:
            self._coords += box
            self._row(RECTANGLE, image, tag, at, None)
        self._end()

    def classification(self, image: int, tag: int, at: int = 0, extra: Extra | None = None) -> None:
        """A class for the image as a whole."""
        self._row(CLASSIFICATION, image, tag, at, extra)
        self._end()

    def bitmask(
        self,
        image: int,
        tag: int,
        mask: Rle,
        extent: Sequence[float] = (),
        at: int = 0,
        extra: Extra | None = None,
    ) -> None:
        """A mask and its extent (xmin, ymin, xmax, ymax) in the unit of the file's rows."""
        extra = extra or Extra()
        extra.mask = mask
        self._mask_bytes += len(mask.counts)
        self._coords += extent
        self._row(BITMASK, image, tag, at, extra)
        self._end()

    def volume(
        self, image: int, tag: int, extra: Extra, at: int = 0, more: Sequence[Extra] = ()
    ) -> None:
        """A 3D mask: its chunks, each with ``aggregation`` and ``chunk``; ``more`` follow."""
        for each in (extra, *more):
            self._mask_bytes += len(each.chunk or "")
            self._row(BITMASK3D, image, tag, at, each)
        self._end()

    def object(self, image: int, tag: int, shapes: Sequence[Shape], at: int = 0) -> None:
        """One object of any rows, each with its own attributes and properties.

        A hole needs a ring that it is cut out of: without one, the object is rejected.
        """
        rings = sum(shape.kind == POLYGON and not shape.hole for shape in shapes)
        if not shapes or (not rings and any(shape.hole for shape in shapes)):
            self.reject("too-few-points", at, count=0)
            return
        for kind, values, extra, hole in shapes:
            if extra is not None:
                self._mask_bytes += len(extra.chunk or "")
                self._mask_bytes += len(extra.mask.counts) if extra.mask else 0
            self._coords += values
            self._row(kind, image, tag, at, extra, hole=int(hole))
        self._end()

    def extend(self, batch: AnnotationBatch) -> None:
        """Many objects at once, for readers that have columns; at most some ten thousand rows.

        ``batch.record`` numbers the objects in any way that differs from one to the next.
        """
        if not len(batch):
            return
        if self._kind:
            self.flush()
        first = np.zeros(len(batch), np.int64)
        first[1:] = batch.record[1:] != batch.record[:-1]
        batch.record = np.cumsum(first) + self.records
        self.records = int(batch.record[-1]) + 1
        self._flush(self, batch)

    def _row(
        self, kind: int, image: int, tag: int, at: int, extra: Extra | None, hole: int = 0
    ) -> None:
        if extra is not None:
            self._extras[len(self._kind)] = extra
        self._kind.append(kind)
        self._image.append(image)
        self._tag.append(tag)
        self._start.append(len(self._coords))
        self._record.append(self.records)
        self._hole.append(hole)
        self._at.append(at)

    def _end(self) -> None:
        self.records += 1
        if (
            len(self._kind) >= BATCH_ROWS
            or len(self._coords) >= BATCH_VALUES
            or self._mask_bytes >= BATCH_MASK_BYTES
        ):
            self.flush()

    # --- what is wrong ----------------------------------------------------------------------

    def reject(self, code: str, at: Place, **values: Any) -> None:
        """One record that cannot be read: it is counted, and the session's policy decides."""
        self.records += 1
        self.rejected += 1
        self._lose(at)
        self.problem(code, at, **values)

    def skip(self, code: str, at: Place, **values: Any) -> None:
        """One record that is well-formed but cannot be kept: counted and told as a warning."""
        self.records += 1
        self.skipped += 1
        self._lose(at)
        self.problem(code, at, **values)

    def _lose(self, at: Place) -> None:
        if self.lost_places is not None:
            self.lost_places.append(self.place(at))

    def problem(self, code: str, at: Place = NOWHERE, **values: Any) -> None:
        """A fault or a remark that concerns no record.

        The first ``KEPT`` of a rule are kept; the others are counted, without being made.
        """
        told = self._told.get(code, 0)
        if told >= KEPT:
            self.untold[code] = self.untold.get(code, 0) + 1
            return
        self._told[code] = told + 1
        self.problems.append(Problem(code, self.file, self.place(at), values))

    def dropped(self, owner: str, field: str, count: int = 1) -> None:
        """A field of an image, a class or the file (``owner``) that says something and is not kept.

        It is told once for the whole file, with how many have it.
        """
        self.fields_dropped[owner, field] += count

    def place(self, at: Place) -> Location:
        """A place in the file, from the reader's own terms."""
        if isinstance(at, int):
            return self.locate(at)
        return at() if callable(at) else at

    # --- batches ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand on what has been gathered."""
        batch = AnnotationBatch(
            np.array(self._kind, np.uint8),
            np.array(self._image, np.int32),
            np.array(self._tag, np.int32),
            np.array(self._start, np.int64),
            np.array(self._coords, np.float64),
            np.array(self._record, np.int64),
            np.array(self._hole, np.bool_),
            np.array(self._at, np.int64),
            self._extras,
        )
        self._clear()
        self._flush(self, batch)


def _by_line(at: int) -> Location:
    return Location(line=at)
