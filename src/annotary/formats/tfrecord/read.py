"""Reading of TFRecord files: whatever an Example says, by its keys."""

from __future__ import annotations

import io
from array import array
from collections.abc import Sequence
from typing import IO, Any, cast

import msgspec
import numpy as np

from annotary.batch import Extra
from annotary.contract.rows import RowSink
from annotary.formats.kit.json import RefusedError
from annotary.formats.tfrecord.label_map import LabelMapError, read_label_map
from annotary.formats.tfrecord.write import FAMILY, FLAGS, points_extent
from annotary.geometry import rle
from annotary.geometry.rle import Rle
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceError, SourceFile
from annotary.syntax.tfrecord import Example, TFRecordError, decode_example, read_records

LABEL_MAP = "label-map"
ADVICE = "Write the file again, or take it from where it came from."
_OBJECT = "image/object"
_OBJECTS_LIMIT = 1 << 20


def companion_kind(source: SourceFile) -> str | None:
    """``label-map`` for a label map in protobuf's text format."""
    if source.suffix == ".pbtxt" and b"item" in source.head:
        return LABEL_MAP
    return None


class Features:
    """One Example's features, asked for by type; a wrong one raises :class:`RefusedError`."""

    def __init__(self, example: Example) -> None:
        self.example = example

    def __contains__(self, key: str) -> bool:
        return len(self.example.get(key, ())) > 0

    def blobs(self, key: str) -> list[bytes]:
        """A list of bytes, empty where the feature is missing."""
        found = self.example.get(key, [])
        if isinstance(found, list):
            return found
        if not len(found):
            return []
        raise _wrong(key, "numbers", "text")

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        try:
            return [item.decode() for item in self.blobs(key)]
        except UnicodeDecodeError as error:
            detail = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise RefusedError("wrong-type", key=key, detail=detail, expected="text") from None

    def text(self, key: str) -> str:
        """The first text, or an empty one."""
        return next(iter(self.texts(key)), "")

    def floats(self, key: str) -> list[float]:
        """Numbers; of 32-bit floats the shortest decimals that they stand for."""
        found = self._numbers(key)
        if found.dtype == np.float32:
            return list(map(float, found.astype(str).tolist()))
        return [float(value) for value in found.tolist()]

    def ints(self, key: str) -> list[int]:
        """Whole numbers."""
        found = self._numbers(key)
        if found.dtype == np.float32:
            near = np.abs(found) < 2**53  # neither infinite nor NaN
            if not (near & (found == np.floor(found))).all():
                raise _wrong(key, "fractions", "whole numbers")
        return [int(value) for value in found.astype(np.int64).tolist()]

    def int(self, key: str) -> int:
        """The first whole number, or 0."""
        return next(iter(self.ints(key)), 0)

    def _numbers(self, key: str) -> Any:
        found = self.example.get(key, [])
        if not isinstance(found, list):
            return found
        if found:
            raise _wrong(key, "text", "numbers")
        return np.zeros(0, np.int64)


def _wrong(key: str, detail: str, expected: str) -> RefusedError:
    return RefusedError("wrong-type", key=key, detail=f"it holds {detail}", expected=expected)


class ExampleReader:
    """Reads one file."""

    def __init__(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        self.source = source
        self.rows = rows
        self.names = _label_map(source, files)
        self.offsets = array("q")
        self.dropped_masks = 0
        rows.normalized = True
        rows.id_space = FAMILY
        rows.locate = self.locate
        for number, name in self.names.items():
            rows.tag(name, number)

    def locate(self, at: int) -> Location:
        """``at`` is the record's number times 2**20, and the object's number."""
        record, item = divmod(at, _OBJECTS_LIMIT)
        offset = self.offsets[record - 1] if 0 < record <= len(self.offsets) else 0
        place = f"record {record} at byte {offset}"
        return Location(pointer=f"{place}, object {item}" if item else place)

    def read(self) -> None:
        buffer = self.source.buffer
        stream = io.BytesIO(buffer) if isinstance(buffer, bytes) else buffer
        stream.seek(0)
        number = 0
        try:
            for number, (offset, payload) in enumerate(read_records(cast(IO[bytes], stream)), 1):
                self.offsets.append(offset)
                self._record(number * _OBJECTS_LIMIT, payload)
        except TFRecordError as error:
            place = Location(pointer=f"record {number + 1} at byte {error.offset}")
            detail = error.reason
            raise SourceError(
                "syntax", place, kind="TFRecord file", detail=detail, advice=ADVICE
            ) from None
        finally:
            if self.dropped_masks:
                self.rows.problem(
                    "ignored",
                    what=f"The mask of each of {self.dropped_masks} objects",
                    why="the objects have keypoints too, and are kept with those and their boxes",
                    advice="Import a file with the masks alone as well, if they are needed.",
                )

    def _record(self, at: int, payload: bytes) -> None:
        rows = self.rows
        try:
            features = Features(decode_example(payload))
        except TFRecordError as error:
            detail = f"{error.reason} (byte {error.offset} of the record)"
            rows.reject("syntax", at, kind="tf.train.Example", detail=detail, advice=ADVICE)
            return
        try:
            if "volume/filename" in features:
                from annotary.formats.tfrecord.volumes import read_example

                read_example(features, rows, at, self)
            else:
                self._image(features, at)
        except RefusedError as refused:
            rows.reject(refused.code, at, **refused.values)

    def _image(self, features: Features, at: int) -> None:
        name = features.text("image/filename") or features.text("image/source_id")
        if not name:
            raise RefusedError("missing-key", key="image/filename", record="Example")
        width, height = features.int("image/width"), features.int("image/height")
        known = 0 < width < 2**31 and 0 < height < 2**31
        image = self.rows.image(name, width if known else 0, height if known else 0, at)
        self.classify(features, "image/class", image, at)
        _Objects(self, features, image, at).read()

    def classify(self, features: Features, prefix: str, image: int, at: int) -> None:
        """The classes of a whole image or volume."""
        tags = self.tags(features, prefix)
        said = _said(features, prefix, len(tags))
        for tag, extra in zip(tags, said, strict=True):
            try:
                self.rows.classification(image, self.tag(*tag), at, extra)
            except RefusedError as refused:
                self.rows.reject(refused.code, at, **refused.values)

    def tags(self, features: Features, prefix: str) -> list[tuple[str, int | None]]:
        """Names and numbers of the classes below a key."""
        names = features.texts(f"{prefix}/text")
        numbers = features.ints(f"{prefix}/label")
        if names and numbers and len(names) != len(numbers):
            raise _count(f"{prefix}/label", len(numbers), len(names), f"{prefix}/text")
        many = max(len(names), len(numbers))
        return list(
            zip(names or [""] * many, [*numbers] if numbers else [None] * many, strict=True)
        )

    def tag(self, name: str, number: int | None) -> int:
        """The class of a name, or else of a number in the label map."""
        if not name:
            if number is None:
                raise RefusedError("missing-key", key="class/text", record="object")
            if number not in self.names:
                if not self.names:
                    raise RefusedError("no-class-list", id=number, names="label_map.pbtxt")
                raise RefusedError(
                    "unknown-category", word="label", id=number, where=" in the label map",
                    advice="Add the item to the label map, or mend the label.",
                )  # fmt: skip
            name = self.names[number]
        return self.rows.tag(name, number if number and number > 0 else None)


def _count(key: str, count: int, expected: int, other: str) -> RefusedError:
    advice = f"Write one value for each in {other}."
    return RefusedError("value-count", key=key, count=count, expected=expected, advice=advice)


def _label_map(source: SourceFile, files: FileSet) -> dict[int, str]:
    companion = files.nearest(source, LABEL_MAP)
    if companion is None:
        return {}
    key = (companion.name, LABEL_MAP)
    found = files.read_cache.get(key)
    if not isinstance(found, dict):
        try:
            found = read_label_map(bytes(companion.buffer).decode())
        except (LabelMapError, UnicodeDecodeError) as error:
            raise SourceError(
                "broken-companion", companion=companion.name, detail=str(error)
            ) from None
        files.read_cache[key] = found
    return found


def _said(features: Features, prefix: str, count: int) -> list[Extra | None]:
    """The flags, properties and attributes of each object."""
    properties: list[dict[str, Any]] = [{} for _ in range(count)]
    attributes: list[dict[str, Any]] = [{} for _ in range(count)]
    if prefix == _OBJECT:
        for name, key in FLAGS.items():
            for of, value in zip(
                properties, _per(features, f"{prefix}/{key}", count), strict=False
            ):
                if value:
                    of[name] = int(value)
        for of, value in zip(properties, _per(features, f"{prefix}/weight", count), strict=False):
            if value != 1:
                of["weight"] = value
        if f"{prefix}/view" in features:
            for of, text in zip(properties, features.texts(f"{prefix}/view"), strict=False):
                if text not in ("", "Unspecified"):
                    of["view"] = text
    for found, name in ((properties, "properties"), (attributes, "attributes")):
        key = f"{prefix}/{name}"
        blobs = features.blobs(key)
        if blobs and len(blobs) != count:
            raise _count(key, len(blobs), count, f"{prefix}/class/text")
        for into, blob in zip(found, blobs, strict=False):
            try:
                into.update(msgspec.json.decode(blob, type=dict[str, Any]) if blob else {})
            except msgspec.DecodeError as error:
                raise RefusedError(
                    "wrong-type", key=key, detail=str(error), expected="a JSON object"
                ) from None
    return [
        Extra(properties=p or None, attributes=a or None) if p or a else None
        for p, a in zip(properties, attributes, strict=True)
    ]


def _per(features: Features, key: str, count: int) -> list[float]:
    values = features.floats(key)
    if values and len(values) != count:
        raise _count(key, len(values), count, f"{_OBJECT}/class")
    return values


class _Objects:
    """The objects of one image."""

    def __init__(self, reader: ExampleReader, features: Features, image: int, at: int) -> None:
        self.reader, self.rows = reader, reader.rows
        self.features = features
        self.image, self.at = image, at
        self.size = reader.rows.image_sizes[image]
        self.each = 0

    def read(self) -> None:
        features = self.features
        sides = [features.floats(f"{_OBJECT}/bbox/{side}") for side in _SIDES]
        tags = self.reader.tags(features, f"{_OBJECT}/class")
        count = len(tags)
        for side, values in zip(_SIDES, sides, strict=True):
            if len(values) != count:
                raise _count(f"{_OBJECT}/bbox/{side}", len(values), count, f"{_OBJECT}/class")
        if not count:
            return
        extras = _said(features, _OBJECT, count)
        outlines = self._outlines(count)
        points = self._points(count)
        masks = self._masks(count) if not outlines else []
        boxes = zip(*sides, strict=True)
        for number, (tag, box, extra) in enumerate(zip(tags, boxes, extras, strict=True)):
            at = self.at + min(number + 1, _OBJECTS_LIMIT - 1)
            try:
                of = self.reader.tag(*tag)
                if points and points[number] is not None:
                    self._keypoints(of, number, points[number] or [], box, at, extra)
                    self.reader.dropped_masks += len(masks) > 0
                elif outlines:
                    rings, holes = outlines[number]
                    self.rows.polygon(self.image, of, rings, at, extra, holes)
                elif len(masks):
                    self._mask(of, masks[number], at, extra)
                else:
                    xmin, ymin, xmax, ymax = box
                    self.rows.rectangle(self.image, of, xmin, ymin, xmax, ymax, at, extra)
            except RefusedError as refused:
                self.rows.reject(refused.code, at, **refused.values)

    # --- outlines -------------------------------------------------------------------------

    def _outlines(self, count: int) -> list[tuple[list[list[float]], list[list[float]]]]:
        """Rings and holes of each object, or nothing."""
        key, features = f"{_OBJECT}/polygon", self.features
        counts = features.ints(f"{key}/count")
        if not counts:
            return []
        x, y = features.floats(f"{key}/x"), features.floats(f"{key}/y")
        for name, values in (("x", x), ("y", y)):
            if len(values) != sum(counts) or min(counts) < 0:
                raise _count(f"{key}/{name}", len(values), sum(counts), f"{key}/count")
        rings = features.ints(f"{key}/rings") or [1] * count
        if len(rings) != count or sum(rings) != len(counts) or min(rings) < 0:
            raise _count(f"{key}/count", len(counts), sum(rings), f"{_OBJECT}/class and rings")
        flags = features.ints(f"{key}/hole") or [0] * len(counts)
        if len(flags) != len(counts):
            raise _count(f"{key}/hole", len(flags), len(counts), f"{key}/count")
        found: list[tuple[list[list[float]], list[list[float]]]] = []
        ring = begin = 0
        for many in rings:
            outer: list[list[float]] = []
            holes: list[list[float]] = []
            for _ in range(many):
                end = begin + counts[ring]
                flat = [v for pair in zip(x[begin:end], y[begin:end], strict=True) for v in pair]
                (holes if flags[ring] else outer).append(flat)
                ring, begin = ring + 1, end
            found.append((outer, holes))
        return found

    # --- masks ------------------------------------------------------------------------------

    def _masks(self, count: int) -> Sequence[bytes | Any]:
        """A PNG or an array [h, w] for each object, or nothing."""
        key = f"{_OBJECT}/mask"
        found = self.features.example.get(key, [])
        if not len(found):
            return []
        width, height = self.size
        if not isinstance(found, list):
            if len(found) != count * width * height:
                what = "height x width x objects"
                raise _count(key, len(found), count * width * height, what)
            return cast(Sequence[Any], found.reshape(count, height, width))
        if len(found) != count:
            raise _count(key, len(found), count, f"{_OBJECT}/class")
        return found

    def _mask(self, tag: int, found: bytes | Any, at: int, extra: Extra | None) -> None:
        try:
            mask: Rle = rle.from_png(found) if isinstance(found, bytes) else rle.from_dense(found)
        except ValueError as error:
            raise RefusedError(
                "wrong-type",
                key=f"{_OBJECT}/mask",
                detail=str(error).partition(": it is not an image")[0],
                expected="a PNG",
            ) from None
        x0, y0, x1, y1 = rle.bbox(mask) or (0, 0, 0, 0)
        w, h = mask.width or 1, mask.height or 1
        extent = [x0 / w, y0 / h, x1 / w, y1 / h] if x1 > x0 else []
        self.rows.bitmask(self.image, tag, mask, extent, at, extra)

    # --- keypoints --------------------------------------------------------------------------

    def _points(self, count: int) -> list[list[float] | None]:
        """Flat keypoints of each object that has any, or nothing."""
        key, features = f"{_OBJECT}/keypoint", self.features
        x, y = features.floats(f"{key}/x"), features.floats(f"{key}/y")
        if not x and not y:
            return []
        seen = features.ints(f"{key}/visibility")
        for name, values, expected in (("y", y, len(x)), ("visibility", seen, len(x))):
            if len(values) != expected and (values or name == "y"):
                raise _count(f"{key}/{name}", len(values), expected, f"{key}/x")
        if len(x) % count:
            many = len(x) // count * count
            raise _count(f"{key}/x", len(x), many, f"{_OBJECT}/class, as many for every object")
        each = self.each = len(x) // count
        counts = features.ints(f"{key}/count")
        if counts and (len(counts) != count or not 0 <= min(counts) <= max(counts) <= each):
            raise _count(f"{key}/count", len(counts), count, f"{_OBJECT}/class, at most {each}")
        found: list[list[float] | None] = []
        for begin in range(0, len(x), each):
            flat: list[float] = []
            labelled = False
            for i in range(begin, begin + (counts[begin // each] if counts else each)):
                visible = seen[i] if seen else 2
                if np.isnan(x[i]) or np.isnan(y[i]):
                    flat += (0.0, 0.0, 0.0)
                    continue
                flat += (x[i], y[i], float(visible))
                labelled |= visible > 0
            found.append(flat if (flat if counts else labelled) else None)
        return found

    def _keypoints(
        self,
        tag: int,
        number: int,
        points: list[float],
        box: tuple[float, ...],
        at: int,
        extra: Extra | None,
    ) -> None:
        title = self.rows.tag_names[tag]
        begin = number * self.each
        names = self.features.texts(f"{_OBJECT}/keypoint/text")[begin : begin + len(points) // 3]
        if any(names):
            self.rows.skeletons.setdefault(title, (names, []))
        extent = points_extent(np.array(points)).ravel().tolist()
        derived = list(box) == extent or not any(box)
        kept = None if derived else list(box)
        self.rows.keypoints(self.image, tag, points, at, extra, box=kept)


_SIDES = ("xmin", "ymin", "xmax", "ymax")
