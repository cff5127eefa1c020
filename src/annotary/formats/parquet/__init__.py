"""Parquet: annotations as a columnar table, for pandas, Polars, DuckDB and Spark.

The definition is our own; the file is Apache Parquet (https://parquet.apache.org).
``<part>.parquet`` has one row per annotation:

| column | type | content |
|---|---|---|
| ``image`` | string | the image's name |
| ``label`` | string | the class |
| ``kind`` | string | Rectangle, Polygon, Keypoints, Classification, Bitmask, Bitmask3d |
| ``coords`` | list<double> | by kind, see below |
| ``object`` | int64 | rows of one object share it, and stand next to each other |
| ``hole`` | bool | a ring that is cut out of its object |
| ``frame``, ``sequence`` | int64 | of videos, else null |
| ``attributes``, ``properties`` | string | JSON objects, or null |
| ``mask_height``, ``mask_width`` | int32 | pixels of the mask, or null |
| ``mask_counts`` | string | COCO run lengths, compressed, or null |
| ``aggregation``, ``chunk`` | string | JSON and data of a piece of a volume, or null |

``coords`` holds, for a Rectangle, xmin ymin xmax ymax; for a Polygon x y of every point; for
Keypoints x y visibility of every point; for a Bitmask its extent, like a Rectangle.

``<part>.images.parquet`` lists **every** image of the part, also those without annotations:
``name`` (string), ``width`` and ``height`` (int32, pixels, 0 when not known).

The schema's metadata says ``annotary`` = ``{"version": 1, "normalized": true or false,
"classes": [[name, number], ...]}``. Coordinates are float64, fractions unless pixels are asked
for. Needs the package pyarrow: ``pip install annotary[parquet]``.

**Read.** Both tables; neither needs the other. Tables without the metadata are read if they have
the columns ``image`` and ``label``; their unit is then inferred as for
:mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`. Nothing is lost either way but skeletons.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from annotary.batch import BATCH_ROWS, BITMASK, KIND_NAMES, POLYGON, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink, Shape
from annotary.errors import BadRequestError
from annotary.formats.kit.json import RefusedError
from annotary.formats.parquet.write import COLUMNS, About, write_annotations, write_images
from annotary.geometry.rle import Rle
from annotary.model import Aggregation
from annotary.problems import NOWHERE, RULES, Location
from annotary.syntax.source import FileSet, SourceError, SourceFile

if TYPE_CHECKING:
    pass

MAGIC = b"PAR1"
_MISSING = {"format": "Parquet", "package": "pyarrow", "extra": "parquet"}
_KINDS = {name: number for number, name in enumerate(KIND_NAMES)}
_Row = dict[str, Any]


class Parquet(Format):
    """See the module."""

    name = "parquet"
    title = "Apache Parquet"
    extensions = (".parquet",)
    reads = True
    writes = True
    project_types = ("ObjectDetection", "Classification", "Keypoint", "RGBD")
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Bitmask",
        bitmask3d="Bitmask3d",
        parts=True,
        holes=True,
        objects=True,
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="dense",
        frames=True,
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return bytes(source.buffer[:4]) == MAGIC

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        _Reader(source, rows).read()

    def write(self, data: Dataset, out: Output) -> None:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            rule = RULES["missing-package"]
            raise BadRequestError(
                rule.message.format(**_MISSING), hint=rule.hint.format(**_MISSING)
            ) from None
        for part in data.parts:
            with out.file(f"{part.name}.parquet") as file:
                write_annotations(data, part, file)
            with out.file(f"{part.name}.images.parquet") as file:
                write_images(part, file)


# --- reading ------------------------------------------------------------------------------------


class _Reader:
    """Reads one Parquet file, of annotations or of images."""

    def __init__(self, source: SourceFile, rows: RowSink) -> None:
        self.rows = rows
        rows.locate = lambda at: Location(pointer=f"row {at}")
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise SourceError("missing-package", NOWHERE, **_MISSING) from None
        self.broken = (pa.ArrowException, OSError, ValueError, OverflowError)
        if bytes(source.buffer[-4:]) != MAGIC:
            raise _broken(ValueError("it ends before its footer"))
        try:
            self.file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(source.buffer)))
        except self.broken as error:
            raise _broken(error) from None
        self.names = list(self.file.schema_arrow.names)
        self._check_types(pa)

    def read(self) -> None:
        if "image" not in self.names and "name" in self.names:
            for number, row in enumerate(self._rows(("name", "width", "height")), 1):
                if isinstance(row["name"], str):
                    width, height = row.get("width") or 0, row.get("height") or 0
                    self.rows.image(row["name"], width, height, number)
                else:
                    self.rows.problem("missing-key", number, key="name", record="row")
            return
        for column in ("image", "label"):
            if column not in self.names:
                header = ", ".join(self.names)
                raise SourceError("missing-column", column=column, header=header)
        metadata = (self.file.schema_arrow.metadata or {}).get(b"annotary")
        if metadata is None:
            self.rows.normalized = self._looks_normalized()
        else:
            try:
                about = msgspec.json.decode(metadata, type=About)
            except msgspec.DecodeError as error:
                raise _broken(error) from None
            self.rows.normalized = about.normalized
            self.rows.id_space = "annotary" if about.classes else ""
            for name, number in about.classes:
                self.rows.tag(name, number)
        self._objects()

    def _check_types(self, pa: Any) -> None:
        def is_list(type: Any) -> bool:
            return bool(pa.types.is_list(type) or pa.types.is_large_list(type)) and is_number(
                type.value_type
            )

        def is_number(type: Any) -> bool:
            return bool(pa.types.is_floating(type) or pa.types.is_integer(type))

        def is_text(type: Any) -> bool:
            if pa.types.is_dictionary(type):
                type = type.value_type
            return bool(pa.types.is_string(type) or pa.types.is_large_string(type))

        tests = {
            "coords": (is_list, "a list of numbers"),
            "hole": (pa.types.is_boolean, "true or false"),
        }
        integers = ("object", "frame", "sequence", "mask_height", "mask_width", "width", "height")
        for field in self.file.schema_arrow:
            if field.name in integers:
                fits, expected = pa.types.is_integer, "an integer"
            elif field.name in (*COLUMNS, "name"):
                fits, expected = tests.get(field.name, (is_text, "text"))
            else:
                continue
            if not fits(field.type) and not pa.types.is_null(field.type):
                key = f"The column {field.name}"
                detail = f"it is {field.type}"
                raise SourceError("wrong-type", NOWHERE, key=key, detail=detail, expected=expected)

    def _rows(self, columns: tuple[str, ...]) -> Iterator[_Row]:
        known = [name for name in columns if name in self.names]
        try:
            for batch in self.file.iter_batches(BATCH_ROWS, columns=known):
                yield from batch.to_pylist()
        except self.broken as error:
            raise _broken(error) from None

    def _looks_normalized(self) -> bool:
        decimals = False
        for row in self._rows(("kind", "coords")):
            values = row.get("coords") or ()
            step = 3 if row.get("kind") == "Keypoints" else 0
            for place, value in enumerate(values):
                if isinstance(value, int | float) and not (step and place % step == 2):
                    if 2.0 < value < float("inf"):
                        return False
                    decimals = decimals or not float(value).is_integer()
        return decimals

    def _objects(self) -> None:
        group: list[tuple[int, _Row]] = []
        for number, row in enumerate(self._rows(COLUMNS), 1):
            of = row.get("object")
            if group and (of is None or of != group[0][1].get("object")):
                self._object(group)
                group = []
            group.append((number, row))
        if group:
            self._object(group)

    def _object(self, group: list[tuple[int, _Row]]) -> None:
        at = group[0][0]
        try:
            for at, row in group:  # noqa: B007
                _check(row)
            self._deliver(group[0][0], [row for _, row in group])
        except RefusedError as fault:
            self.rows.reject(fault.code, at, **fault.values)

    def _deliver(self, at: int, parts: list[_Row]) -> None:
        rows, first = self.rows, parts[0]
        image, tag = rows.image(first["image"], at=at), rows.tag(first["label"])
        rows.object(image, tag, [_shape(part) for part in parts], at)


def _shape(row: _Row) -> Shape:
    kind, extra = _KINDS[_kind(row)], _extra(row)
    if kind == BITMASK:
        extra = extra or Extra()
        extra.mask = Rle(row["mask_height"], row["mask_width"], row["mask_counts"].encode())
    return Shape(kind, row["coords"], extra, kind == POLYGON and bool(row.get("hole")))


def _kind(row: _Row) -> str:
    return row.get("kind") or "Rectangle"


def _check(row: _Row) -> None:
    """Raise ``RefusedError`` when a row has not the shape of its kind."""
    for column in ("image", "label"):
        if not isinstance(row[column], str):
            raise RefusedError("missing-key", key=column, record="row")
    kind = _kind(row)
    if kind not in _KINDS:
        known = ", ".join(KIND_NAMES)
        raise RefusedError("wrong-type", key="kind", detail=f"it is {kind!r}", expected=known)
    coords = row.setdefault("coords", [])
    if coords is None:
        coords = row["coords"] = []
    if any(value is None for value in coords):
        raise RefusedError("not-a-number", value=None, key="coords")
    count = len(coords)
    expected = {
        "Rectangle": "4" if count != 4 else "",
        "Polygon": "an even number" if count % 2 else "",
        "Keypoints": "3 for each point" if count % 3 else "",
        "Bitmask": "4 or none" if count not in (0, 4) else "",
        "Bitmask3d": "none" if count else "",
        "Classification": "none" if count else "",
    }[kind]
    if expected:
        advice = f"See what {kind} needs in the description of the format."
        raise RefusedError(
            "value-count", key="coords", count=count, expected=expected, advice=advice
        )
    mask = row.get("mask_height"), row.get("mask_width"), row.get("mask_counts")
    if kind == "Bitmask" and None in mask:
        raise RefusedError("missing-key", key="mask_counts or its size", record="Bitmask")


def _extra(row: _Row) -> Extra | None:
    found = Extra(
        attributes=_json(row, "attributes", dict[str, Any]),
        properties=_json(row, "properties", dict[str, Any]),
        frame=row.get("frame"),
        sequence=row.get("sequence"),
        aggregation=_json(row, "aggregation", Aggregation),
        chunk=row.get("chunk"),
    )
    return None if found == Extra() else found


def _json(row: _Row, column: str, type: Any) -> Any:
    text = row.get(column)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=type)
    except msgspec.DecodeError as error:
        raise RefusedError(
            "wrong-type", key=column, detail=str(error), expected="a JSON object as text"
        ) from None


def _broken(error: Exception) -> SourceError:
    return SourceError(
        "syntax",
        kind="Parquet file",
        detail=str(error).splitlines()[0].rstrip(".") if str(error) else "it cannot be read",
        advice="Write it again.",
    )


FORMAT = Parquet()
