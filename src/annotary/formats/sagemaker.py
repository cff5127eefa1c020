"""Amazon SageMaker Ground Truth's augmented manifest.

Source: docs.aws.amazon.com/sagemaker, "Labeling job output data", and Rekognition's "Manifest
files". One image on each line; each labelling job adds a key of its own and ``<key>-metadata``::

    {"source-ref": "s3://bucket/image.png",
     "boxes": {"image_size": [{"width": 400, "height": 200, "depth": 3}],
               "annotations": [{"class_id": 1, "left": 40, "top": 20, "width": 80, "height": 80}]},
     "boxes-metadata": {"objects": [{"confidence": 0.9}], "class-map": {"0": "boat", "1": "dog"},
                        "type": "groundtruth/object-detection", "human-annotated": "yes"}}

By the metadata's ``type``: ``object-detection``: Rectangles, in pixels;
``image-classification``: a Classification by ``class-name``;
``image-classification-multilabel``: one for each number in the ``class-map``. A confidence
above 0 is the property ``score``. Other jobs (segmentation masks lie in other files) and
failed ones are skipped, counted and said. The image is the path in the bucket. Read only.
"""

from __future__ import annotations

from typing import Any

from annotary.batch import Extra
from annotary.contract.format import Carries, Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, Tally
from annotary.problems import Location
from annotary.syntax.json.text import pointer
from annotary.syntax.source import FileSet, SourceFile

_META = "-metadata"


class SageMaker(Format):
    name = "sagemaker"
    title = "SageMaker Ground Truth manifest"
    family = "sagemaker"
    extensions = (".manifest", ".jsonl", ".json")
    reads = True
    header_lines = 0
    carries = Carries()

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        keys = source.json_keys
        return "source-ref" in keys and any(key.endswith(_META) for key in keys)

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.normalized = False
        rows.locate = Location
        tally = Tally()
        for number, row in doc.lines(source, rows):
            try:
                _row(number, row, rows, tally)
            except RefusedError as refused:
                rows.reject(refused.code, number, **refused.values)
        tally.tell(rows)


FORMAT = SageMaker()


def _row(number: int, row: dict[str, Any], rows: RowSink, tally: Tally) -> None:
    address = doc.text(doc.need(row, "source-ref", "line", "source-ref"), "source-ref")
    jobs = [(key.removesuffix(_META), meta) for key, meta in row.items() if key.endswith(_META)]
    size = (0, 0)
    for job, _ in jobs:
        sizes = row[job].get("image_size") if isinstance(row.get(job), dict) else None
        if isinstance(sizes, list) and sizes and isinstance(sizes[0], dict):
            size = doc.pixels(sizes[0].get("width")), doc.pixels(sizes[0].get("height"))
    image = rows.image(doc.file_name(address), *size, at=number)
    for job, held in jobs:
        meta = doc.mapping(held, job + _META)
        kind = str(meta.get("type", "")).rpartition("/")[2]
        if meta.get("failure-reason"):
            tally.add(
                "The result of a failed job", "Ground Truth could not label the image",
                "Run the labelling job again.", number,
            )  # fmt: skip
        elif kind == "object-detection":
            _boxes(number, image, job, row, rows)
        elif kind.startswith("image-classification"):
            _classes(number, image, row.get(job), meta, rows)
        else:
            tally.add(
                f"The result of a job of type {kind or 'unknown'}", "it is not in this file",
                "Boxes and classifications can be imported from manifests.", number,
            )  # fmt: skip


def _boxes(number: int, image: int, job: str, row: dict[str, Any], rows: RowSink) -> None:
    meta: dict[str, Any] = row[job + _META]
    result = doc.mapping(doc.need(row, job, "line", job), job)
    names = meta.get("class-map")
    names = names if isinstance(names, dict) else {}
    for key in sorted(names, key=lambda k: (len(k), k)):
        rows.tag(str(names[key]))
    objects = meta.get("objects")
    objects = objects if isinstance(objects, list) else []
    boxes = doc.listed(doc.need(result, "annotations", "job", f"{job}.annotations"), "annotations")
    for index, entry in enumerate(boxes):
        try:
            box = doc.mapping(entry, "The annotation")
            title = names.get(str(box.get("class_id")))
            if title is None:
                raise RefusedError(
                    "unknown-category", word="class_id", id=box.get("class_id"),
                    where=f" in the class-map of {job}{_META}",
                    advice="Add it to the class-map, or mend the number.",
                )  # fmt: skip
            left, top, width, height = (
                doc.number(doc.need(box, key, "box", key), key)
                for key in ("left", "top", "width", "height")
            )
        except RefusedError as refused:
            at = Location(number, None, pointer(job, "annotations", index))
            rows.reject(refused.code, at, **refused.values)
            continue
        extra = _score(objects[index] if index < len(objects) else None)
        rows.rectangle(
            image, rows.tag(str(title)), left, top, left + width, top + height, number, extra
        )


def _classes(number: int, image: int, value: Any, meta: dict[str, Any], rows: RowSink) -> None:
    names = meta.get("class-map")
    if isinstance(names, dict):
        scores = meta.get("confidence-map")
        scores = scores if isinstance(scores, dict) else {}
        for entry in value if isinstance(value, list) else [value]:
            if str(entry) not in names:
                raise RefusedError(
                    "unknown-category", word="class", id=entry, where=" in the class-map",
                    advice="Add it to the class-map, or mend the number.",
                )  # fmt: skip
            extra = _score({"confidence": scores.get(str(entry))})
            rows.classification(image, rows.tag(str(names[str(entry)])), number, extra)
        return
    title = doc.text(doc.need(meta, "class-name", "metadata", "class-name"), "class-name")
    rows.classification(image, rows.tag(title), number, _score(meta))


def _score(held: Any) -> Extra | None:
    score = held.get("confidence") if isinstance(held, dict) else None
    return Extra(properties={"score": score}) if score else None
