"""COCO: one JSON file for all images. This page holds for the whole COCO family.

The reader is the same for every flavour; the flavours differ in what is written (this one:
boxes). Definition: https://cocodataset.org/#format-data, the code of its API
(https://github.com/cocodataset/cocoapi) and, for whole bodies, COCO-WholeBody's data_format.md.

::

    {"info": {"normalized": false}, "licenses": [],
     "categories": [{"id": 2, "name": "dog", "supercategory": ""}],
     "images": [{"id": 1, "file_name": "image.png", "width": 400, "height": 200}],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "segmentation": [],
                      "bbox": [40.0, 20.0, 80.0, 80.0], "area": 6400.0, "iscrowd": 0}]}

``bbox`` is x, y, width and height in pixels, from the top left corner; ``segmentation`` a list of
rings ``[x, y, x, y, ...]``, or a mask ``{"size": [height, width], "counts": ...}`` with the counts
as numbers or as COCO's text; ``keypoints`` x, y, visibility of each of the category's keypoints
(0 not labelled, 1 hidden, 2 visible); ``skeleton`` pairs of keypoints counted from 1.
``info.normalized`` is our own: true says that coordinates are fractions of the image's size, which
other programs do not expect. Masks are in whole pixels always.

Written: images and annotations are numbered from 1, one record to a line; categories keep the
numbers of the COCO file they came from, gaps and 0 and all, and others follow. ``bbox`` and
``area`` are computed, unless a stated ``area`` was kept. Properties are written as fields of the
annotation, attributes as ``attributes`` (name -> value). This flavour writes boxes only.

Read: the root's keys in any order, ids of any kind (text as well). An annotation is

- its rings, if ``segmentation`` has any: one object, however many they are. There are no holes;
- its mask, if ``segmentation`` is one; a mask without a pixel is skipped, and told;
- its ``keypoints``, if any is labelled, together with its rings or mask, or else with its box
  where that is not just the keypoints' extent;
- else its ``bbox``. Four corners of a box in ``segmentation`` stay a polygon.

``bbox`` is not looked at where rings or a mask are. Feet, face and hands of COCO-WholeBody follow
the body's 17 keypoints, 133 in all. Kept as properties: ``iscrowd`` 1, an ``area`` that is more
than 0.1 % away from the shape's, and all unknown fields (``score``, ...) unless they are empty,
null or false, or flags of 0. ``attributes`` keep text, numbers and lists; true and false become
text; ``occluded``, ``truncated``, ``difficult`` and ``rotation`` in them, which are CVAT's and
say nothing of the class, become properties if they are not false or 0. Text that is no mapping
stays a property.

Coordinates are fractions if ``info.normalized`` says so, or, where it says nothing, if no value in
the file is above 1 and not all are whole numbers; the first value above 1 decides for pixels.
A category with the id 0 that no annotation uses and that is the supercategory of all others
(Roboflow's) makes no tag.

Lost, and told with their number unless empty: ``licenses`` and ``info``, fields of images and
categories other than those above (dates, addresses, supercategories, LVIS's frequencies and
negative categories) and other lists of the file. Lost, and made anew: ids of images and
annotations, and ``num_keypoints``.
Recognised and refused: results files, captions, panoptic files.
"""

from __future__ import annotations

from typing import Any

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.coco import write
from annotary.formats.coco.ahead import read_ahead
from annotary.formats.coco.dialect import LISTS, LenientRecords, keyed, tell, with_lists
from annotary.formats.coco.extras import is_blank
from annotary.formats.coco.lists import Categories, Images
from annotary.formats.coco.records import Annotation, CocoText
from annotary.formats.coco.rows import Rows
from annotary.formats.coco.units import set_units
from annotary.problems import Location
from annotary.syntax.json.text import Fault, JsonSyntaxError, JsonText, Member, pointer
from annotary.syntax.source import FileSet, SourceError, SourceFile


class Coco(Format):
    name = "coco"
    title = "COCO (boxes)"
    family = "coco"
    extensions = (".json",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    record_paths = ("/annotations/*",)
    carries = Carries(
        fractions="unusual",
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        attributes=True,
        properties=True,
        image_sizes=True,
        class_numbers="source",
        class_base=1,
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        text = source.json
        if text is None:
            return False
        if text.kind != "array" and keyed(text):
            return {"images", "annotations"} <= source.json_keys
        if text.kind == "array":
            first = _first(text, text.root)
            return "image_id" in first and bool({"category_id", "caption"} & first.keys())
        images, annotations = text.members.get("images"), text.members.get("annotations")
        if annotations is not None and annotations.kind == "array":
            if images is not None and images.kind == "array":
                return (
                    "image_id" in _first(text, annotations)
                    or not annotations.count
                    or ("file_name" in _first(text, images))
                )
            return {"image_id", "category_id"} <= _first(text, annotations).keys()
        if images is not None and images.kind == "array" and annotations is None:
            return {"id", "file_name"} <= _first(text, images).keys()
        return False

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        listed = with_lists(source)
        if listed is not source:
            rows.problem(
                "dialect",
                what="Lists of this file are objects with a key for each record",
                advice="Write images, annotations and categories as lists.",
            )
        text = CocoText(listed)
        member = _refuse_relatives(text)
        struct = LenientRecords(Annotation)
        rows.locate = lambda at: _place(text, member, at)
        rows.id_space = self.family
        decoded = set_units(text, member, rows, struct)
        categories = Categories(text, rows)
        with read_ahead(text, member, rows, categories) as ahead:
            images = Images(text, rows)
            if member is not None:
                Rows(text, member, rows, images, categories, struct).read(decoded, ahead)
        tell(rows, struct.mended, "annotation")
        _tell_lost(text, rows)
        text.finish()

    def write(self, data: Dataset, out: Output) -> None:
        write.write(data, out, write.boxes)


_LOOKED_AT = 1000
"""A list of more elements is not decoded to see whether they are blank."""


def _tell_lost(text: CocoText, rows: RowSink) -> None:
    """Count what the file's root says besides its lists; ``normalized`` was read."""
    for key, member in text.json.members.items():
        if key in LISTS:
            continue
        value = True if member.count > _LOOKED_AT else text.value(key)
        if key == "info" and isinstance(value, dict):
            value.pop("normalized", None)
        if not is_blank(value) and (key, value) != ("type", "instances"):
            rows.dropped("file", key)


def _first(text: JsonText, member: Member) -> dict[str, Any]:
    """The first element of an array as far as it is an object, for its keys."""
    try:
        _, span = next(text.children(member.span), (0, None))
    except JsonSyntaxError:
        return {}
    if span is None:
        return {}
    found = text.decode(span, dict[str, Any])
    return {} if isinstance(found, Fault) else found


def _refuse_relatives(text: CocoText) -> Member | None:
    """The list of annotations; raises for files that only look like COCO's."""
    if text.json.kind == "array":
        raise SourceError("results-file", text.place(text.json.root.span.start))
    member = text.array("annotations")
    images = text.array("images")
    text.tell_duplicates()
    if text.unreadable("images", "categories"):
        # without them every annotation would be told as a fault
        text.finish()
    if images is None:
        where = text.place(text.json.root.span.start)
        raise SourceError("missing-key", where, key="images", record="COCO file")
    if member is None:
        return None
    first = _first(text.json, member)
    for key, what, detail, advice in _RELATIVES:
        if key in first and "category_id" not in first:
            raise SourceError(
                "export-only",
                text.place(member.span.start, pointer("annotations", 0)),
                format=what,
                detail=detail,
                advice=advice,
            )
    return member


_RELATIVES = (
    (
        "caption",
        "A COCO captions file",
        "its annotations are sentences, without shapes or classes",
        "Import the instances file of the same images.",
    ),
    (
        "segments_info",
        "A COCO panoptic file",
        "its shapes are in PNG files beside it",
        "Convert it to instances first (panopticapi: panoptic2detection_coco_format), then import.",
    ),
)


def _place(text: CocoText, member: Member | None, at: int) -> Location:
    """Annotations are told by their index, images by -1 less their index."""
    images = text.json.members.get("images")
    if at < 0 and images is not None:
        return text.element(images, -1 - at)
    return text.element(member, at) if member is not None else Location()


FORMAT = Coco()
