"""Writing Parquet: the columns, and the two tables of a part."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from annotary.batch import KIND_NAMES, AnnotationBatch
from annotary.contract.dataset import Dataset, Part
from annotary.contract.output import Writable

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "image", "label", "kind", "coords", "object", "hole", "frame", "sequence", "attributes",
    "properties", "mask_height", "mask_width", "mask_counts", "aggregation", "chunk",
)  # fmt: skip
_ROW_GROUP = 100_000


class About(msgspec.Struct, omit_defaults=False):
    """What the schema's metadata says."""

    version: int = 1
    normalized: bool = True
    classes: list[tuple[str, int]] = []


class _Stream(io.RawIOBase):
    """A member of the export as pyarrow wants a file."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._target.write(piece)
        self._at += len(piece)
        return len(piece)


def _schema(data: Dataset) -> pa.Schema:
    import pyarrow as pa

    classes = list(zip(data.names, data.numbers.tolist(), strict=True))
    about = About(normalized=data.normalized, classes=classes)
    types = {
        "coords": pa.list_(pa.float64()),
        "object": pa.int64(),
        "hole": pa.bool_(),
        "frame": pa.int64(),
        "sequence": pa.int64(),
        "mask_height": pa.int32(),
        "mask_width": pa.int32(),
    }
    columns = [pa.field(name, types.get(name, pa.string())) for name in COLUMNS]
    return pa.schema(columns, metadata={b"annotary": msgspec.json.encode(about)})


def write_annotations(data: Dataset, part: Part, file: Writable) -> None:
    """The annotations of a part, one row each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(data)
    kinds, labels = pa.array(KIND_NAMES), pa.array(data.names, pa.string())
    objects = 0
    with pq.ParquetWriter(_Stream(file), schema, compression="zstd") as writer:
        for batch in part.batches():
            if not len(batch):
                continue
            names, images = np.unique(batch.image, return_inverse=True)
            image_names = pa.array([part.images.names[i] for i in names.tolist()], pa.string())
            starts = batch.objects()
            numbers = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) + objects
            objects += len(starts) - 1
            first = int(batch.start[0])
            coords = pa.ListArray.from_arrays(
                pa.array((batch.start - first).astype(np.int32)),
                pa.array(batch.coords[first : int(batch.start[-1])]),
            )
            columns = {
                "image": image_names.take(pa.array(images)),
                "label": labels.take(pa.array(batch.tag)),
                "kind": kinds.take(pa.array(batch.kind)),
                "coords": coords,
                "object": pa.array(numbers),
                "hole": pa.array(batch.hole),
                **_extras(batch),
            }
            arrays = [
                columns.get(field.name, pa.nulls(len(batch), field.type)).cast(field.type)
                for field in schema
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), _ROW_GROUP)


def _extras(batch: AnnotationBatch) -> dict[str, pa.Array]:
    """The columns that only some rows have; none of them when no row has an extra."""
    import pyarrow as pa

    if not batch.extras:
        return {}
    known = [batch.extras.get(row) for row in range(len(batch))]
    masks = [extra.mask if extra else None for extra in known]
    return {
        "frame": pa.array([e.frame if e else None for e in known], pa.int64()),
        "sequence": pa.array([e.sequence if e else None for e in known], pa.int64()),
        "attributes": _texts([e.attributes if e else None for e in known]),
        "properties": _texts([e.properties if e else None for e in known]),
        "aggregation": _texts([e.aggregation if e else None for e in known]),
        "chunk": pa.array([e.chunk if e else None for e in known], pa.string()),
        "mask_height": pa.array([m.height if m else None for m in masks], pa.int32()),
        "mask_width": pa.array([m.width if m else None for m in masks], pa.int32()),
        "mask_counts": pa.array([m.counts.decode() if m else None for m in masks], pa.string()),
    }


def _texts(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    texts = [msgspec.json.encode(value).decode() if value else None for value in values]
    return pa.array(texts, pa.string())


def write_images(part: Part, file: Writable) -> None:
    """All images of a part, with their sizes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "name": pa.array(list(part.images.names), pa.string()),
            "width": pa.array(np.asarray(part.images.widths, np.int32)),
            "height": pa.array(np.asarray(part.images.heights, np.int32)),
        }
    )
    pq.write_table(table, _Stream(file), compression="zstd")
