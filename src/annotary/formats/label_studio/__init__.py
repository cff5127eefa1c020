"""Label Studio's tasks: its JSON export and import, and its JSON_MIN export.

Source: labelstud.io/guide/task_format and /tags, and the converter in
HumanSignal/label-studio-sdk. A list of tasks (or one task, or one annotation with its task, as
cloud storage holds them)::

    [{"data": {"image": "image.png"},
      "annotations": [{"result": [
        {"id": "r1", "type": "rectanglelabels", "from_name": "rectangle", "to_name": "image",
         "original_width": 400, "original_height": 200, "image_rotation": 0,
         "value": {"x": 10, "y": 10, "width": 20, "height": 40, "rotation": 0,
                   "rectanglelabels": ["dog"]}}]}]}]

Coordinates are **percent** of the image's sides, from the top left; they are read as fractions.
The image is the part of ``data`` that ``to_name`` names, else the first that looks like an image
(``image``, ``img``, ``url``, an address with such an ending). ``/data/upload/<n>/<name>``,
``/data/local-files/?d=<path>`` and web and bucket addresses are reduced to the file's name; the
eight characters that an upload puts in front of it are left to the matching of images.

Results of one ``id`` are one region: its place, its labels (one object for each), and what
choices, text, numbers and ratings say of it (attributes, named by ``from_name``).

================== ===================================== =====================================
rectangle          x, y, width, height, rotation         Rectangle; turned: Polygon of its
                   (degrees clockwise about the top      corners, and ``rotation`` in properties
                   left)
polygon            points                                Polygon
ellipse            x, y, radiusX, radiusY, rotation      Polygon of 32 points
brush, bitmask     run lengths, or a PNG                 Bitmask
keypoint           x, y; ``parentID``: its region        Keypoints with that region's label, box
                                                         or outline; by itself: of one point
videorectangle     sequence of key frames                Rectangles with their frames
choices, taxonomy  without a region                      Classification for each
others             text, numbers without a region;       skipped, counted and said
                   relations; sound and text
================== ===================================== =====================================

The order of the keypoints of a skeleton is that of ``model_index`` in the labelling
configuration (an XML file with the root ``View``, in the same import; then its labels are
declared as classes too), else of their first appearance in the file.

All sets of ``annotations`` (``completions`` in old files) are read but the cancelled ones.
``predictions`` are read where a task has no ``annotations`` at all; otherwise they are counted
and skipped. A result's ``score`` and ``meta`` are kept in properties, and ``parentID`` (with
the parent's ``id``). JSON_MIN has the regions of each task in lists by ``from_name``, and
choices as plain text.

Written: ``<part>.json`` with a task for each image, which Label Studio imports, and
``label_config.xml``, the configuration that fits (option ``prefix``: what to put in front of the
names, such as ``/data/local-files/?d=``). Keypoints without a box get the box round
them as their region (``meta.enclosing``; left out again on reading). Not kept: the rings of an
object in several parts stay apart; on reading, who annotated, when, and drafts.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.label_studio import regions as ls
from annotary.formats.label_studio.tasks import LISTS, TaskReader
from annotary.formats.label_studio.write import write
from annotary.syntax.json.text import Fault, JsonSyntaxError
from annotary.syntax.source import FileSet, SourceFile


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``prefix``: what Label Studio needs in front of the images' names."""

    prefix: str = ""


class LabelStudio(Format):
    name = "label_studio"
    title = "Label Studio JSON"
    family = "label_studio"
    extensions = (".json", ".xml")
    reads = True
    writes = True
    Options = Options
    record_paths = ("/*/annotations/*/result/*", "/*/completions/*/result/*", "/*/label/*")
    carries = Carries(
        rectangle="Rectangle",
        polygon="Polygon",
        keypoints="Keypoints",
        classification="Classification",
        bitmask="Bitmask",
        with_keypoints=frozenset({"Rectangle", "Polygon"}),
        attributes=True,
        properties=True,
        bare=frozenset({"Classification"}),
        image_sizes=False,
        unit="normalized",
        natural="normalized",
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        document = source.json
        if document is None:
            return False
        if document.kind == "object":
            return _is_task(document.members.keys()) and (
                document.members["data" if "data" in document.members else "task"].kind == "object"
            )
        if document.kind != "array":
            return False
        try:
            first = next(islice(document.children(document.root.span), 1), None)
        except JsonSyntaxError:
            return False
        task = None if first is None else document.decode(first[1], object)
        if not isinstance(task, dict):
            return False
        if isinstance(task.get("data"), dict):
            return _is_task(task)
        return {"annotator", "annotation_id"} <= task.keys() or any(
            isinstance(v, list) and v and _is_min_region(v[0]) for v in task.values()
        )

    def companion(self, source: SourceFile) -> str | None:
        return ls.CONFIG if ls.is_config(source) else None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        document = source.json
        if document is None:
            raise doc.broken(source)
        rows.normalized = True
        config = ls.config_of(source, files)
        for label in config.classes:
            rows.tag(label)
        reader = TaskReader(source, rows, config)
        rows.locate = reader.place
        if document.kind == "object":
            task = document.decode(document.root.span, dict[str, Any])
            if isinstance(task, Fault):
                raise doc.broken(source)
            reader.find_keypoints([task])
            reader.task(0, task)
        else:
            if source.buffer.find(b"keypointlabels") >= 0:
                reader.find_keypoints_of_file()
            for index, task in doc.records(source, document.root, rows, "task"):
                reader.task(index, task)
        reader.finish()

    def write(self, data: Dataset, out: Output) -> None:
        write(data, out, data.options.prefix)


FORMAT = LabelStudio()


def _is_task(keys: Iterable[str]) -> bool:
    held = set(keys)
    if "data" in held:
        return not held.isdisjoint(LISTS[1:])
    return {"result", "task"} <= held


def _is_min_region(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and "original_width" in value
        and any(key.endswith("labels") for key in value)
    )
