"""TFRecord files of volumes: what the two formats share, and their reading."""

from __future__ import annotations

import io
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from annotary.contract.dataset import Dataset, ImageTable
from annotary.contract.rows import RowSink
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.volumes import PROPERTIES, Gathered
from annotary.formats.kit.voxels import Shape
from annotary.formats.tfrecord.write import Features, Options, texts
from annotary.problems import Location
from annotary.syntax import nifti

if TYPE_CHECKING:
    from annotary.formats.tfrecord.read import ExampleReader
    from annotary.formats.tfrecord.read import Features as Found

_FORMATS = {".nii": "nifti", ".gz": "nifti", ".dcm": "dicom", ".zip": "dicom"}


def volume_features(data: Dataset, images: ImageTable, image: int) -> Features:
    """What is said of every volume, and its shape and spacing where its file is NIfTI."""
    name = images.names[image]
    content = images.read(image) or b""
    features: Features = {
        "volume/filename": texts(name),
        "volume/format": texts(_FORMATS.get(PurePosixPath(name).suffix.lower(), "raw")),
        "volume/encoded": [content if (data.options or Options()).encoded else b""],
        "volume/width": np.array([images.widths[image]], np.int64),
        "volume/height": np.array([images.heights[image]], np.int64),
    }
    if content:
        try:
            header = nifti.read_header(nifti.unpacked(io.BytesIO(content)))
        except nifti.NiftiError:
            return features
        height, width = header.slice_shape
        shape = (header.slice_count, height, width)
        features |= placed(shape, {"spacing": list(header.voxel_sizes[:3])})
    return features


def placed(shape: Shape, properties: dict[str, Any]) -> Features:
    """The size of a volume, and how it lies."""
    features: Features = {"volume/shape": np.array(shape, np.int64)}
    spacing = properties.get("spacing")
    if isinstance(spacing, list | tuple) and all(isinstance(v, int | float) for v in spacing):
        features["volume/spacing"] = np.array(spacing[::-1], np.float32)
    kept = {name: value for name, value in properties.items() if name in PROPERTIES}
    if set(kept) - {"spacing"}:
        features["volume/properties"] = [msgspec.json.encode(kept, order="sorted")]
    return features


# --- reading ----------------------------------------------------------------------------------


def read_example(features: Found, rows: RowSink, at: int, reader: ExampleReader) -> None:
    """One volume: its classes and its 3D masks. Raises ``RefusedError``."""
    shape = features.ints("volume/shape")
    if shape and (len(shape) != 3 or min(shape) < 1):
        raise RefusedError(
            "wrong-type", key="volume/shape", detail=f"it is {shape}",
            expected="depth, height and width",
        )  # fmt: skip
    size = shape[:0:-1] or [features.int("volume/width"), features.int("volume/height")]
    known = all(0 < v < 2**31 for v in size)
    place = Location(pointer=reader.locate(at).pointer)
    width, height = size if known else (0, 0)
    image = rows.image(features.text("volume/filename"), width, height, place)
    reader.classify(features, "volume/class", image, at)
    raw = b"".join(features.blobs("volume/mask/raw"))
    if not raw:
        return
    if not shape:
        raise RefusedError("missing-key", key="volume/shape", record="volume with a mask")
    count = math.prod(shape)
    if len(raw) not in (count, 2 * count, 4 * count):
        raise RefusedError(
            "value-count", key="volume/mask/raw", count=f"{len(raw)} bytes of",
            expected=f"{count} voxels of 1, 2 or 4 bytes",
            advice="volume/shape is depth, height and width of the mask.",
        )  # fmt: skip
    names = features.texts("volume/mask/classes")
    voxels = np.frombuffer(raw, f"<u{len(raw) // count}").reshape(shape)
    gathered = Gathered((shape[0], shape[1], shape[2]))
    for first in range(0, shape[0], gathered.depth):
        gathered.add(first, voxels[first : first + gathered.depth])

    def tag(label: int) -> int:
        if not names:
            return reader.tag("", label)
        if label > len(names):
            raise RefusedError(
                "unknown-category", word="value", id=label, where=" in volume/mask/classes",
                advice="Name it there, or remove its voxels.",
            )  # fmt: skip
        return rows.tag(names[label - 1], label)

    gathered.deliver(rows, image, tag, lambda label: at + label, _properties(features))


def _properties(features: Found) -> dict[str, Any]:
    blobs = features.blobs("volume/properties")
    if blobs:
        try:
            return msgspec.json.decode(blobs[0], type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise RefusedError(
                "wrong-type", key="volume/properties", detail=str(error), expected="a JSON object"
            ) from None
    spacing = features.floats("volume/spacing")
    return {"spacing": spacing[::-1]} if len(spacing) == 3 else {}
