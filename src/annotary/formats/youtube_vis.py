"""YouTube-VIS: COCO's objects on the frames of videos, a track of boxes and masks for each.

Source: https://youtube-vos.org/dataset/vis/, "Annotation"; OVIS and UVO have the same shape.

What it looks like
------------------

::

    {"videos": [{"id": 1, "file_names": ["v/0.jpg", "v/5.jpg"], "width": 640, "height": 480}],
     "categories": [{"id": 1, "name": "cat"}],
     "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0,
                      "bboxes": [[1, 1, 40, 40], null],
                      "segmentations": [[[1, 1, 41, 1, 41, 41]], null], "areas": [800, null]}]}

``bboxes`` and ``segmentations`` have an entry for each frame, null where the object is not seen:
``[x, y, width, height]`` in pixels; rings, or a mask of run lengths as in
:mod:`annotary.formats.coco`.

Read
----

Each entry that is not null is an object on its frame, the image of that name: its outline or mask,
and its box where it has neither. The annotation's id becomes the property ``track_id``; ``iscrowd``
where it is 1, and fields that are not listed here, become properties, those with a value for each
frame frame by frame. ``areas`` and ``length`` say nothing new. An annotation whose video or
category is not in the lists is rejected as one record.

Written: not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from annotary.batch import Extra
from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.masks import coco_mask
from annotary.geometry import rle
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile

_FRAMES = 1 << 24
_KNOWN = {
    "id", "video_id", "category_id", "bboxes", "segmentations", "areas", "iscrowd", "length",
    "width", "height",
}  # fmt: skip


class YoutubeVis(Format):
    """See the module."""

    name = "youtube_vis"
    title = "YouTube-VIS"
    family = "coco"
    extensions = (".json",)
    reads = True
    project_types: ClassVar[tuple[str, ...]] = ("ObjectDetection",)
    record_paths = ("/annotations/*",)

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        if source.json is None or not {"videos", "annotations"} <= source.json_keys:
            return False
        members = source.json.members
        return members["videos"].kind == "array" and members["annotations"].kind == "array"

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        _Reader(source, rows).read()


class _Reader:
    def __init__(self, source: SourceFile, rows: RowSink) -> None:
        self.source = source
        self.rows = rows
        rows.normalized = False
        rows.id_space = "coco"
        rows.locate = self._locate
        self.videos: dict[Any, dict[str, Any]] = {}
        self.tags: dict[Any, int] = {}

    def _locate(self, at: int) -> Location:
        index, frame = divmod(at, _FRAMES)
        path: tuple[str | int, ...] = ("annotations", index)
        return doc.placed(self.source, *path, *(("bboxes", frame - 1) if frame else ()))

    def read(self) -> None:
        for entry in doc.member_value(self.source, "categories") or []:
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                number = entry.get("id")
                known = number if type(number) is int else None
                self.tags[_key(number)] = self.rows.tag(entry["name"], known)
        for entry in doc.member_value(self.source, "videos") or []:
            if isinstance(entry, dict) and isinstance(entry.get("file_names"), list):
                self.videos[_key(entry.get("id"))] = entry
                for name in entry["file_names"]:
                    if isinstance(name, str):
                        self._image(entry, name)
        member = doc.array(self.source, "annotations")
        for index, record in doc.records(
            self.source, member, self.rows, "annotation", ("annotations",)
        ):
            try:
                self._track(index, record)
            except RefusedError as refused:
                self.rows.reject(refused.code, index * _FRAMES, **refused.values)

    def _image(self, video: dict[str, Any], name: str) -> int:
        width, height = doc.pixels(video.get("width")), doc.pixels(video.get("height"))
        return self.rows.image(name, width, height)

    def _track(self, index: int, record: dict[str, Any]) -> None:
        video = self.videos.get(_key(doc.need(record, "video_id", "annotation", "video_id")))
        if video is None:
            raise RefusedError(
                "unknown-category", word="video id", id=record["video_id"], where="",
                advice="Add the video to the list of videos.",
            )  # fmt: skip
        number = doc.need(record, "category_id", "annotation", "category_id")
        tag = self.tags.get(_key(number))
        if tag is None:
            raise RefusedError(
                "unknown-category", word="category id", id=number, where="",
                advice="Add the category to the list of categories.",
            )  # fmt: skip
        names = video["file_names"]
        boxes = doc.listed(record.get("bboxes") or [], "bboxes")
        masks = doc.listed(record.get("segmentations") or [], "segmentations")
        for what, entries in (("bboxes", boxes), ("segmentations", masks)):
            if entries and len(entries) != len(names):
                raise RefusedError(
                    "value-count", key=what, count=len(entries), expected=len(names),
                    advice="Write one entry for each frame of the video, null where there is none.",
                )  # fmt: skip
        for frame, name in enumerate(names):
            box = boxes[frame] if boxes else None
            mask = masks[frame] if masks else None
            if box is None and not mask:
                continue
            at = index * _FRAMES + frame + 1
            try:
                image = self._image(video, doc.text(name, "file_names"))
                self._object(image, tag, at, box, mask, self._extra(record, frame, len(names)))
            except RefusedError as refused:
                self.rows.reject(refused.code, at, **refused.values)

    def _object(
        self, image: int, tag: int, at: int, box: Any, mask: Any, extra: Extra | None
    ) -> None:
        rows = self.rows
        if isinstance(mask, dict):
            found = coco_mask(mask, "segmentations")
            extent = [float(value) for value in rle.bbox(found) or ()]
            rows.bitmask(image, tag, found, extent, at, extra)
        elif mask:
            rings = [
                doc.numbers(ring, "segmentations") for ring in doc.listed(mask, "segmentations")
            ]
            if any(len(ring) % 2 for ring in rings):
                raise RefusedError(
                    "value-count", key="segmentations", count=len(rings[0]),
                    expected="an even number", advice="Write x, y for each point.",
                )  # fmt: skip
            rows.polygon(image, tag, rings, at, extra)
        else:
            x, y, width, height = doc.numbers(box, "bboxes", 4)
            rows.rectangle(image, tag, x, y, x + width, y + height, at, extra)

    def _extra(self, record: dict[str, Any], frame: int, frames: int) -> Extra:
        said: dict[str, Any] = {"track_id": record.get("id")}
        if record.get("iscrowd"):
            said["iscrowd"] = record["iscrowd"]
        for name, value in record.items():
            if name in _KNOWN:
                continue
            several = isinstance(value, list) and len(value) == frames
            found = value[frame] if several else value
            if found is not None:
                said[name] = found
        return Extra(properties=said)


def _key(value: Any) -> Any:
    """Ids are compared by value; lists and objects are none."""
    return value if isinstance(value, int | str | float) else None


FORMAT = YoutubeVis()
