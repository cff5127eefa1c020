"""What formats of 3D masks share: gathering labels slab by slab, and painting them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary.batch import BITMASK3D, AnnotationBatch, Extra
from annotary.contract.dataset import ClassEntry
from annotary.contract.rows import RowSink
from annotary.errors import BadRequestError
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.voxels import (
    Chunk,
    Mask,
    Shape,
    chunk_of,
    extras,
    label_chunks,
    slab_depth,
    volume_shape,
)
from annotary.syntax import nifti
from annotary.syntax.source import FileSet, SourceError, SourceFile

FAMILY = "nifti"
LABELS = "volume-labels"
LABELS_FILE = "labels.json"
ONE_HOT = b"one-hot"
"""``intent_name`` of files with channels, which depth 1 would hide."""
PROPERTIES = frozenset({"affine", "spacing", "nifti"})
"""Properties of every 3D mask: how its volume lies in the world."""

ADVICE = "Save the labels as whole numbers; if this is an image, leave it out of the import."

Overlaps = Literal["refuse", "last"]


# --- class lists ------------------------------------------------------------------------------


class Label(msgspec.Struct):
    """An entry of ``labels.json``."""

    id: int
    name: str


def is_labels(source: SourceFile) -> bool:
    """Whether a file is the class list of NIfTI masks."""
    name = source.basename.lower()
    return name.endswith(LABELS_FILE) and source.first == b"[" and b'"id"' in source.head


def read_labels(source: SourceFile, files: FileSet) -> dict[int, str]:
    """Names by number of the nearest ``labels.json``, in its order; empty without one."""
    companion = files.nearest(source, LABELS)
    if companion is None:
        return {}
    key = (companion.name, LABELS)
    found = files.read_cache.get(key)
    if not isinstance(found, dict):
        try:
            entries = msgspec.json.decode(bytes(companion.buffer), type=list[Label])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SourceError(
                "broken-companion", companion=companion.name, detail=str(error)
            ) from None
        found = dict[int, str]()
        for entry in entries:
            if entry.id in found:
                detail = f"the id {entry.id} stands twice"
                raise SourceError("broken-companion", companion=companion.name, detail=detail)
            if entry.id > 0:  # 0 is the background's
                found[entry.id] = entry.name
        files.read_cache[key] = found
    return found


def labels_json(classes: Sequence[ClassEntry], numbers: Sequence[int]) -> bytes:
    """``labels.json`` of the classes with these numbers."""
    entries = [Label(n, c.name) for n, c in sorted(zip(numbers, classes, strict=True), key=_first)]
    return msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n"


def _first(pair: tuple[int, ClassEntry]) -> int:
    return pair[0]


# --- reading ----------------------------------------------------------------------------------


class Gathered:
    """The labels of one volume, gathered slab by slab."""

    def __init__(self, shape: Shape, most: int = 65_535) -> None:
        self.shape = shape
        self.depth = slab_depth(*shape[1:])
        self._most = most
        self._chunks: dict[int, list[Chunk]] = {}

    def add(self, first: int, slab: NDArray[Any]) -> None:
        """The next slab ``[z, y, x]``, which begins with slice ``first``."""
        for label, text in label_chunks(slab):
            self.add_chunk(label, Chunk((first, 0, 0), (slab.shape[0], *self.shape[1:]), text))

    def add_chunk(self, label: int, chunk: Chunk) -> None:
        """A chunk of a label. Raises ``SourceError`` where there are too many labels."""
        self._chunks.setdefault(label, []).append(chunk)
        if len(self._chunks) > self._most:
            detail = f"it has more than {self._most} different values, as images have, not labels"
            raise SourceError("syntax", kind="label volume", detail=detail, advice=ADVICE)

    def deliver(
        self,
        rows: RowSink,
        image: int,
        tag: Callable[[int], int],
        at: Callable[[int], int],
        properties: dict[str, Any],
    ) -> None:
        """One object for each label, in the order of their numbers."""
        name = rows.image_names[image]
        for label in sorted(self._chunks):
            try:
                number = tag(label)
            except RefusedError as refused:
                rows.reject(refused.code, at(label), **refused.values)
                continue
            title = f"{name}\n{rows.tag_names[number]}"
            first, *more = extras(self._chunks[label], self.shape, title)
            first.properties = dict(properties) or None
            rows.volume(image, number, first, at(label), more)


def as_labels(slab: NDArray[Any], first: int) -> NDArray[Any]:
    """A slab as whole numbers from 0. Raises ``SourceError`` at the first voxel that is none."""
    if slab.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = ~(np.isfinite(slab) & (slab == np.floor(slab)) & (slab >= 0) & (slab < 2**31))
    elif slab.dtype.kind == "i" or slab.dtype.itemsize > 2:
        wrong = (slab < 0) | (slab >= 2**31)
    else:
        return slab
    if wrong.any():
        z, y, x = (int(v) for v in np.argwhere(wrong)[0])
        detail = (
            f"the voxel {x}, {y}, {z + first} is {slab[z, y, x].item()}; "
            "labels are whole numbers from 0"
        )
        raise SourceError("syntax", kind="label volume", detail=detail, advice=ADVICE)
    return slab.astype(np.int64) if slab.dtype.kind == "f" else slab


# --- where a volume lies ----------------------------------------------------------------------


class Placed(msgspec.Struct, omit_defaults=True):
    """The property ``nifti``: what a header says beside the affine and the spacing."""

    sform_code: int = 0
    qform_code: int = 0
    qfac: float = 1.0
    quaternion: tuple[float, float, float] = (0.0, 0.0, 0.0)
    qoffset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    xyzt_units: int = 2


class Lying(msgspec.Struct):
    """The properties of a 3D mask that say how its volume lies."""

    affine: tuple[tuple[float, float, float, float], ...] = ()
    spacing: tuple[float, ...] = ()
    nifti: Placed | None = None


def lying(header: nifti.Header, first: int = 0) -> dict[str, Any]:
    """The properties of a header whose axis x is the one with the number ``first``."""
    placed = Placed(**{name: getattr(header, name) for name in Placed.__struct_fields__})
    spacing = list(header.voxel_sizes[first : first + 3])
    if first and (header.sform_code > 0 or header.qform_code > 0):
        # programs that know no channels write sizes for the first three axes
        spacing = np.linalg.norm(header.affine[:3, :3], axis=0).tolist()
    return {
        "affine": header.affine.tolist(),
        "spacing": spacing,
        "nifti": msgspec.json.decode(msgspec.json.encode(placed)),  # lists, not tuples
    }


def header_of(
    properties: dict[str, Any], shape: tuple[int, ...], dtype: Any, first: int = 0
) -> nifti.Header:
    """A header of a mask that lies as the properties say; where they are wrong, as they do not."""
    try:
        known = msgspec.convert(
            {name: properties[name] for name in PROPERTIES & set(properties)}, Lying, strict=False
        )
    except msgspec.ValidationError:
        known = Lying()
    sizes = list(known.spacing) if len(known.spacing) == 3 else [1.0] * 3
    affine = known.affine if len(known.affine) == 4 else ()
    placed = known.nifti or Placed(sform_code=1 if affine else 0)
    fields = msgspec.structs.asdict(placed)
    if not affine:
        fields["sform_code"] = 0
    elif first:
        # a qform takes the sizes of the first three axes, and the first has the channels
        code = placed.sform_code or placed.qform_code or 1
        fields = {"sform_code": code, "xyzt_units": placed.xyzt_units}
    return nifti.Header(
        shape=shape,
        dtype=np.dtype(dtype),
        voxel_sizes=(*[1.0] * first, *sizes, *[1.0] * (4 - first)),
        srow=tuple(affine[:3]) if affine else ((0.0,) * 4,) * 3,
        intent_code=1002,
        intent_name=ONE_HOT if first else b"",
        **fields,
    )


# --- writing ----------------------------------------------------------------------------------


class Volume:
    """The 3D masks of one image: class, voxels and properties of each object."""

    def __init__(self, name: str, batch: AnnotationBatch | None, begin: int, end: int) -> None:
        self.name = name
        self.shape: Shape | None = None
        self.tags: list[int] = []
        self.masks: list[Mask] = []
        self.properties: dict[str, Any] = {}
        if batch is None:
            return
        chunks: list[Chunk] = []
        before = None
        for row in range(begin, end):
            if batch.kind[row] != BITMASK3D:
                continue
            extra = batch.extras.get(row) or Extra()
            chunk = self._chunk(extra)
            if batch.record[row] != before:
                before = batch.record[row]
                chunks = []
                self.tags.append(int(batch.tag[row]))
                assert self.shape is not None
                self.masks.append(Mask(chunks, self.shape))
            chunks.append(chunk)
            self.properties = self.properties or extra.properties or {}

    def _chunk(self, extra: Extra) -> Chunk:
        try:
            chunk, shape = chunk_of(extra), volume_shape(extra)
        except ValueError as error:
            raise self._broken(str(error)) from None
        if chunk is None or shape is None or min(shape) < 1:
            raise self._broken("a 3D mask says nothing of its place in the volume or its voxels")
        if self.shape is None:
            self.shape = shape
        if self.shape != shape:
            raise self._broken(
                f"its masks are of volumes of different sizes, {self.shape}, {shape}"
            )
        return chunk

    def _broken(self, detail: str) -> BadRequestError:
        return BadRequestError(
            f"The 3D masks of {self.name} cannot be written: {detail}.",
            hint="Delete the masks that are wrong, or import them again.",
        )

    def voxels(self, first: int, end: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The tag and the voxels of each chunk in the slices ``first..end``."""
        for tag, mask in zip(self.tags, self.masks, strict=True):
            try:
                for index in mask.voxels(first, end):
                    yield tag, index
            except ValueError as error:
                raise self._broken(str(error)) from None

    def painted(
        self, numbers: NDArray[np.int64], dtype: Any, overlaps: Overlaps
    ) -> Iterator[NDArray[Any]]:
        """Slabs ``[z, y, x]`` with the number of each voxel's class, 0 for none.

        Where two classes claim a voxel, the later object has it, or, with ``refuse``,
        ``BadRequestError`` is raised.
        """
        assert self.shape is not None
        depth, height, width = self.shape
        step = slab_depth(height, width)
        for first in range(0, depth, step):
            end = min(first + step, depth)
            slab = np.zeros((end - first, height, width), dtype)
            flat = slab.reshape(-1)
            for tag, index in self.voxels(first, end):
                number = numbers[tag]
                if overlaps == "refuse":
                    there = flat[index]
                    claimed = (there != 0) & (there != number)
                    if claimed.any():
                        raise self._overlap(int(claimed.sum()))
                flat[index] = number
            yield slab

    def _overlap(self, count: int) -> BadRequestError:
        return BadRequestError(
            f"In {self.name} masks of different classes overlap (in {count} voxels or more); this "
            "format has one class for each voxel.",
            hint="Export as nifti_one_hot_segmentation, or set the option overlaps='last' to let "
            "the later mask have the voxel.",
        )


def smallest_dtype(most: int) -> np.dtype[Any]:
    """The smallest type of whole numbers from 0 that holds ``most``."""
    return np.dtype(np.uint8 if most < 256 else np.uint16 if most < 65_536 else np.int32)
