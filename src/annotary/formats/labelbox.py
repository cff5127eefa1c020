"""Labelbox's export: one JSON object for each data row, a line each (NDJSON), or a list of them.

Source: docs.labelbox.com, "Export image annotations" and "Export overview". A row::

    {"data_row": {"id": "..", "external_id": "image.png", "global_key": "..", "row_data": ".."},
     "media_attributes": {"height": 200, "width": 400},
     "projects": {"<id>": {"name": "..", "labels": [{"annotations": {
       "objects": [{"name": "dog", "annotation_kind": "ImageBoundingBox", "classifications": [],
                    "bounding_box": {"top": 20, "left": 40, "height": 80, "width": 80}}],
       "classifications": [{"name": "weather", "radio_answer": {"name": "sunny"}}],
       "relationships": []}}]}}}

The image is ``external_id``, else ``global_key``, else the name in the address ``row_data``.
Coordinates are pixels from the top left.

===================== ============== ========================================================
ImageBoundingBox      bounding_box   Rectangle
ImagePolygon          polygon        Polygon: a list of {x, y}
ImagePoint            point          Keypoints of one point
ImageSegmentationMask mask,          skipped, counted and said: the pixels are behind a web
                      composite_mask address that needs Labelbox's key
ImagePolyline, others                skipped, counted and said
===================== ============== ========================================================

An object's ``classifications`` are attributes by name: the answer of a radio, the answers of
a checklist, the text; questions under an answer as ``question/question``. Those of the image
are classifications by answer, with the question in properties (``question``); free text
is skipped, counted and said, as relationships are. Objects of video ``frames`` have their
frame, from 0 (Labelbox counts from 1).

All labels of all projects are read. A row without labels is an image without objects. Not kept:
ids, who labelled and when, metadata fields, attachments. Not written: Labelbox imports with
its own client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from annotary.batch import Extra
from annotary.contract.format import Carries, Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, Tally, UnsupportedError
from annotary.problems import Location
from annotary.syntax.json.text import JsonSyntaxError, pointer
from annotary.syntax.source import FileSet, SourceFile

_MOST = 0xFFFFF
"""The most objects of a row that are told apart in messages."""
_KEPT = 50_000
"""Pointers that are kept: more than a batch has rows."""


class Labelbox(Format):
    name = "labelbox"
    title = "Labelbox NDJSON"
    family = "labelbox"
    extensions = (".ndjson", ".json", ".jsonl")
    reads = True
    header_lines = 0
    carries = Carries()

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        document = source.json
        if document is None:
            return False
        if document.kind == "object":
            return {"data_row", "projects"} <= source.json_keys
        try:
            first = next(islice(document.children(document.root.span), 1), None)
        except JsonSyntaxError:
            return False
        row = None if first is None else document.decode(first[1], object)
        return isinstance(row, dict) and {"data_row", "projects"} <= row.keys()

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        document = source.json
        if document is None:
            raise doc.broken(source)
        rows.normalized = False
        lines = document.kind == "object"
        reader = _Reader(rows, lines)
        rows.locate = reader.place
        if lines:
            for number, row in doc.lines(source, rows):
                reader.row(number, row)
        else:
            reader.line_of = lambda index: doc.place(document, index)
            for index, row in doc.records(source, document.root, rows, "row"):
                reader.row(index, row)
        reader.finish()


FORMAT = Labelbox()


class _Reader:
    """Puts data rows into rows."""

    def __init__(self, rows: RowSink, lines: bool) -> None:
        self.rows = rows
        self.lines = lines
        self.line_of: Callable[[int], Location] = Location
        self.tally = Tally()
        self.several = 0
        self.paths: dict[int, str] = {}
        """Pointers inside their rows, of the objects read last."""
        self.at = 0
        self.count = 0
        """Objects and answers of the row so far."""
        self.image = -1

    def place(self, at: int) -> Location:
        """The line of the row and the pointer in it; rows of a list also by their number."""
        number, inner = at >> 20, at & 0xFFFFF
        found = self.line_of(number)
        path = self.paths.get(at, "") if inner else ""
        whole = (found.pointer or "") + path
        return Location(found.line, found.column if not self.lines else None, whole or None)

    def finish(self) -> None:
        """Tell what was only counted."""
        self.tally.tell(self.rows)
        if self.several:
            self.rows.problem("several-annotations", Location(), count=self.several)

    def row(self, number: int, row: dict[str, Any]) -> None:
        """All labels of one data row."""
        at = number << 20
        try:
            held = doc.mapping(doc.need(row, "data_row", "row", "data_row"), "data_row")
            projects = doc.mapping(doc.need(row, "projects", "row", "projects"), "projects")
            name = _image_name(held)
        except RefusedError as refused:
            self.rows.reject(refused.code, at, **refused.values)
            return
        media = row.get("media_attributes")
        media = media if isinstance(media, dict) else {}
        size = doc.pixels(media.get("width")), doc.pixels(media.get("height"))
        self.image = self.rows.image(name, *size, at=self.line_of(number))
        self.at, self.count = at, 0
        if len(self.paths) > _KEPT:
            self.paths = dict(islice(self.paths.items(), _KEPT // 2, None))
        used = 0
        for project, content in projects.items():
            sets = content.get("labels") if isinstance(content, dict) else None
            for index, label in enumerate(sets if isinstance(sets, list) else []):
                annotations = label.get("annotations") if isinstance(label, dict) else None
                if not isinstance(annotations, dict):
                    continue
                base = pointer("projects", project, "labels", index, "annotations")
                before = self.count
                try:
                    for frame, inner, path in _frames(annotations, base):
                        self._label(frame, inner, path)
                except RefusedError as refused:
                    self.rows.reject(refused.code, self.at, **refused.values)
                used += self.count > before
        self.several += used > 1

    def _label(self, frame: int | None, held: dict[str, Any], base: str) -> None:
        """The objects and answers of one label, or of one frame of it."""
        objects = held.get("objects")
        keyed: Iterable[tuple[str | int, Any]] = (
            objects.items() if isinstance(objects, dict) else enumerate(doc.optional_list(objects))
        )
        for key, record in keyed:
            self._one(base + pointer("objects", key), frame, record, self._object)
        for key, record in enumerate(doc.optional_list(held.get("classifications"))):
            self._one(base + pointer("classifications", key), frame, record, self._answers)
        relations = doc.optional_list(held.get("relationships"))
        self.tally.add(
            "A relationship", "only objects are stored", "Keep it as an attribute if needed.",
            self.at, len(relations),
        )  # fmt: skip

    def _one(
        self,
        path: str,
        frame: int | None,
        record: Any,
        put: Callable[[int, int | None, dict[str, Any]], None],
    ) -> None:
        self.count += 1
        at = self.at | min(self.count, _MOST)
        self.paths[at] = path
        try:
            put(at, frame, doc.mapping(record, "The annotation"))
        except RefusedError as refused:
            self.rows.reject(refused.code, at, **refused.values)
        except UnsupportedError as skipped:
            self.rows.skip(skipped.code, at, **skipped.values)

    def _object(self, at: int, frame: int | None, record: dict[str, Any]) -> None:
        rows = self.rows
        name = record.get("name") or record.get("value")
        if not isinstance(name, str):
            raise RefusedError("missing-key", key="name", record="object")
        extra = _extra(record, frame)
        if "bounding_box" in record:
            box = doc.mapping(record["bounding_box"], "bounding_box")
            left, top, width, height = (
                doc.number(doc.need(box, k, "box", f"bounding_box.{k}"), f"bounding_box.{k}")
                for k in ("left", "top", "width", "height")
            )
            tag = rows.tag(name)
            rows.rectangle(self.image, tag, left, top, left + width, top + height, at, extra)
        elif "polygon" in record:
            ring = doc.ring_ends(doc.xy_objects(record["polygon"], "polygon"))
            rows.polygon(self.image, rows.tag(name), [ring], at, extra)
        elif "point" in record:
            x, y = doc.xy(record["point"], "point")
            rows.skeletons.setdefault(name, ([name], []))
            rows.keypoints(self.image, rows.tag(name), [x, y, 2], at, extra)
        elif "mask" in record or "composite_mask" in record:
            self.tally.add(
                "A segmentation mask", "its pixels are behind a web address, not in the file",
                "Download the masks with Labelbox's client and import them as PNG or COCO.", at,
            )  # fmt: skip
        elif "line" in record:
            raise UnsupportedError("unsupported-shape", shape="polyline", detail="")
        elif isinstance(kind := record.get("annotation_kind"), str) and not kind.startswith(
            ("ImageBoundingBox", "ImagePolygon", "ImagePoint")
        ):
            raise UnsupportedError("unsupported-shape", shape=kind, detail="")
        else:
            places = "bounding_box, polygon or point"
            raise RefusedError("missing-key", key=places, record="object")

    def _answers(self, at: int, frame: int | None, record: dict[str, Any]) -> None:
        question = record.get("name") or record.get("value")
        answers = _answer(record)
        if not isinstance(answers, list):
            if "radio_answer" not in record:
                self.tally.add(
                    "A text about an image", "it names no class",
                    "Only radios and checklists of the whole image can be stored.", at,
                )  # fmt: skip
                return
            answers = [answers] if isinstance(answers, str) else []
        for answer in answers:
            properties = {"question": question} if isinstance(question, str) else None
            extra = Extra(properties=properties, frame=frame)
            self.rows.classification(self.image, self.rows.tag(str(answer)), at, extra)


def _image_name(row: dict[str, Any]) -> str:
    for key in ("external_id", "global_key"):
        if isinstance(row.get(key), str) and row[key]:
            return str(row[key])
    address = row.get("row_data")
    name = doc.file_name(address) if isinstance(address, str) else ""
    if not name:
        raise RefusedError("missing-key", key="data_row.external_id", record="row")
    return name


def _frames(
    annotations: dict[str, Any], base: str
) -> Iterator[tuple[int | None, dict[str, Any], str]]:
    """The label itself, or each frame of a video with its number from 0."""
    frames = annotations.get("frames")
    yield None, annotations, base
    for number, held in frames.items() if isinstance(frames, dict) else ():
        if isinstance(held, dict):
            yield doc.frame(number, "frames", base=1), held, base + pointer("frames", number)


def _answer(record: dict[str, Any]) -> Any:
    """A classification's answer: text, a list for checklists, or None."""
    radio, several = record.get("radio_answer"), record.get("checklist_answers")
    if isinstance(radio, dict):
        return radio.get("name") or radio.get("value")
    if isinstance(several, list):
        return [a.get("name") or a.get("value") for a in several if isinstance(a, dict)]
    written = record.get("text_answer")
    if isinstance(written, dict):
        return written.get("content")
    return written


def _nested(record: dict[str, Any], name: str, attributes: dict[str, Any]) -> None:
    """Add a classification's answer to the attributes, and those of questions under it."""
    answer = _answer(record)
    if answer is not None:
        attributes[name] = doc.attribute(answer)
    under = [record.get("radio_answer"), *doc.optional_list(record.get("checklist_answers"))]
    for held in under:
        for inner in doc.optional_list(doc.optional_map(held).get("classifications")):
            if isinstance(inner, dict):
                _nested(inner, f"{name}/{inner.get('name') or inner.get('value')}", attributes)


def _extra(record: dict[str, Any], frame: int | None) -> Extra | None:
    attributes: dict[str, Any] = {}
    for entry in doc.optional_list(record.get("classifications")):
        if isinstance(entry, dict):
            _nested(entry, str(entry.get("name") or entry.get("value")), attributes)
    properties = {"score": record["confidence"]} if record.get("confidence") is not None else None
    if not attributes and properties is None and frame is None:
        return None
    return Extra(attributes=attributes or None, properties=properties, frame=frame)
