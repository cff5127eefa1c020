"""Label Studio's tasks put into rows: regions, their keypoints, and what is said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from annotary.batch import Extra
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, Tally, UnsupportedError
from annotary.formats.label_studio import regions as ls
from annotary.problems import Location
from annotary.syntax.json.text import Fault
from annotary.syntax.source import SourceFile

_ENDINGS = (
    ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".svg", ".jfif", ".avif",
    ".heic", ".mp4", ".avi", ".mov", ".webm", ".mkv", ".dcm",
)  # fmt: skip
_IMAGE_KEYS = ("image", "img", "image_url", "photo", "picture", "video", "url")
_MIN_END = {"annotator", "annotation_id", "created_at", "updated_at", "lead_time"}
_TASK, _ANNOTATION, _COMPLETION, _PREDICTION, _FLAT = range(5)
LISTS = ("", "annotations", "completions", "predictions")
"""Where a task has its results, by these numbers; flat tasks (JSON_MIN) have them anywhere."""


class _Region(msgspec.Struct):
    """The results of one id: the one with the place, and those that describe it."""

    at: int
    shape: dict[str, Any] | None = None
    labels: list[str] = []
    attributes: dict[str, Any] = {}
    controls: list[tuple[int, dict[str, Any]]] = []
    keypoints: list[tuple[int, dict[str, Any]]] = []


class TaskReader:
    """Puts tasks into rows."""

    def __init__(self, source: SourceFile, rows: RowSink, config: ls.Config) -> None:
        self.source = source
        self.rows = rows
        self.config = config
        self.skeletons: dict[str, list[str]] = {}
        self.tally = Tally()
        self.several = 0
        self.image = -1
        self.shared: dict[str, Any] = {}
        """Properties of all objects of the set of annotations being read."""

    # --- places -----------------------------------------------------------------------------

    def place(self, at: int) -> Location:
        """From :func:`_at` to a place in the file."""
        document = self.source.json
        if document is None:
            return Location()
        task, kind, number, result = at >> 35, at >> 32 & 7, at >> 20 & 0xFFF, at & 0xFFFFF
        path: tuple[str | int, ...] = () if document.kind == "object" else (task,)
        if kind not in (_TASK, _FLAT):
            alone = document.kind == "object" and "data" not in document.members
            path += ("result", result) if alone else (LISTS[kind], number, "result", result)
        return doc.place(document, *path)

    # --- skeletons --------------------------------------------------------------------------

    def find_keypoints_of_file(self) -> None:
        """Learn the keypoints of each label before the first row is given out."""
        document = self.source.json
        assert document is not None
        for chunk in document.elements(document.root, dict[str, Any]):
            self.find_keypoints(item for item in chunk.items if not isinstance(item, Fault))

    def find_keypoints(self, tasks: Iterable[dict[str, Any]]) -> None:
        """Learn the keypoints of each label: those of the configuration, then as they come."""
        for task in tasks:
            for kind in (*LISTS[1:], ""):
                sets = task.get(kind) if kind else [task]
                for one in sets if isinstance(sets, list) else []:
                    if isinstance(one, dict) and isinstance(one.get("result"), list):
                        self._keypoints_of(one["result"])

    def _keypoints_of(self, results: list[Any]) -> None:
        labels: dict[Any, list[str]] = {}
        points: list[tuple[Any, Any, str]] = []
        for result in results:
            value = result.get("value") if isinstance(result, dict) else None
            if not isinstance(value, dict):
                continue
            try:
                names = ls.labels_of(value)
            except RefusedError:
                continue
            if str(result.get("type", "")).startswith("keypoint"):
                control, parent = _key(result.get("from_name")), _key(result.get("parentID"))
                points += [(parent, control, name) for name in names]
            elif names:
                labels[_key(result.get("id"))] = names
        for parent, control, name in points:
            for label in labels.get(parent, [])[:1] if parent else []:
                known = self.skeletons.setdefault(label, [])
                if not known:
                    known += self.config.keypoints.get(control, [])
                if name not in known:
                    known.append(name)

    # --- tasks ------------------------------------------------------------------------------

    def task(self, index: int, task: dict[str, Any]) -> None:
        """All results of one task."""
        flat = False
        if "task" in task and "result" in task and "data" not in task:
            inner = task["task"] if isinstance(task["task"], dict) else {}
            task = {"data": inner.get("data"), "annotations": [task]}
        if not isinstance(task.get("data"), dict):
            if "data" in task or "annotations" in task:
                self.rows.reject("missing-key", _at(index), key="data", record="task")
                return
            task, flat = _unfolded(task), True
        data: dict[str, Any] = task["data"]
        main = _main_image(data)
        used = judged_by = 0
        skipped = False
        judged = "annotations" in task or "completions" in task
        for kind in (_ANNOTATION, _COMPLETION, _PREDICTION):
            sets = task.get(LISTS[kind]) or []
            for number, one in enumerate(sets if isinstance(sets, list) else []):
                if not isinstance(one, dict):
                    continue  # an id in place of the object: the short form of lists
                results = one.get("result") or []
                if not isinstance(results, list):
                    self.rows.reject(
                        "wrong-type", _at(index, kind, number), key="result",
                        detail=f"it is {doc.kind_of(results)}", expected="a list",
                    )  # fmt: skip
                    continue
                at = _at(index, _FLAT if flat else kind, number)
                if kind == _PREDICTION and judged:
                    self.tally.add(
                        "A result of a prediction",
                        "the task has annotations, which people made or confirmed",
                        "Delete the annotations from the file to import the predictions.",
                        at, len(results),
                    )  # fmt: skip
                    continue
                if one.get("was_cancelled"):
                    skipped = True
                    self.tally.add(
                        "A result of a cancelled annotation", "the annotator skipped the task",
                        "Submit the annotation in Label Studio if it is wanted.", at, len(results),
                    )  # fmt: skip
                    continue
                used += bool(results)
                judged_by += 1
                self.shared = {}
                if one.get("ground_truth"):
                    self.shared["ground_truth"] = True
                if kind == _PREDICTION and isinstance(one.get("score"), int | float):
                    self.shared["score"] = one["score"]
                self._results(at, results, data, main)
        if used > 1:
            self.several += 1
        if main:
            width, height = _size(task)
            image = self.rows.image(main, width, height, _at(index))
            if judged and not judged_by and not flat:
                why = "were skipped" if skipped else "are not annotated yet"
                self.rows.states[image] = "have drafts alone" if task.get("drafts") else why
        for name in _listed_images(data):
            self.rows.image(name, at=_at(index))

    def finish(self) -> None:
        """Tell what was only counted."""
        self.tally.tell(self.rows)
        for why, count in Counter(self.rows.states.values()).items():
            images = f"{count:,} image{'s' * (count > 1)}"
            self.rows.problem("unfinished", Location(), images=images, why=why)
        if self.several:
            self.rows.problem("several-annotations", Location(), count=self.several)

    def _results(self, at: int, results: list[Any], data: dict[str, Any], main: str) -> None:
        regions: dict[Any, _Region] = {}
        parents: set[Any] = set()
        for number, result in enumerate(results):
            try:
                self._gather(at + number, result, regions, parents)
            except RefusedError as refused:
                self.rows.reject(refused.code, at + number, **refused.values)
        for found in [r for r in regions.values() if r.keypoints and not _named(r)]:
            for place, point in found.keypoints:  # the parent is missing, or has no label
                alone = _Region(place, point, ls.labels_of(point["value"]))
                regions[place, "alone"] = alone
            found.keypoints = []
        for identity, found in regions.items():
            try:
                name = self._name(found, data, main)
                if name:
                    shape = found.shape or (found.controls[0][1] if found.controls else {})
                    self.image = self.rows.image(name, *ls.size_of(shape), at=found.at)
                    self._put(identity if identity in parents else None, found)
            except RefusedError as refused:
                self.rows.reject(refused.code, found.at, **refused.values)
            except UnsupportedError as skipped:
                self.rows.skip(skipped.code, found.at, **skipped.values)

    def _gather(self, at: int, result: Any, regions: dict[Any, _Region], parents: set[Any]) -> None:
        """Put a result to the others of its region."""
        result = doc.mapping(result, "The result")
        kind = doc.text(doc.need(result, "type", "result", "type"), "type")
        if kind == "relation":
            self.tally.add(
                "A relation", "only objects are stored", "Keep it as an attribute if needed.", at
            )
            return
        value = doc.mapping(doc.need(result, "value", "result", "value"), "value")
        identity = _key(result.get("id"), at)
        if kind.startswith("keypoint"):
            parent = _key(result.get("parentID"))
            if parent:
                regions.setdefault(parent, _Region(at)).keypoints.append((at, result))
            else:
                regions[at, "point"] = _Region(at, result, ls.labels_of(value))
            return
        labels = [] if kind in ls.CONTROLS else ls.labels_of(value)
        found = regions.get(identity)
        if found is None:
            found = regions[identity] = _Region(at)
        if kind in ls.CONTROLS:
            found.controls.append((at, result))
            return
        if found.shape is None or "labels" not in str(found.shape.get("type")):
            found.shape, found.at = result, at
        found.labels = list(dict.fromkeys([*found.labels, *labels]))
        if parent := _key(result.get("parentID")):
            parents.add(parent)

    # --- rows -------------------------------------------------------------------------------

    def _name(self, found: _Region, data: dict[str, Any], main: str) -> str:
        """The image that a region belongs to; tells of regions that belong to none."""
        result = found.shape or (found.controls[0][1] if found.controls else {})
        name = _image_of(result, data) or main
        if not name:
            count = (found.shape is not None) + len(found.controls) + len(found.keypoints)
            self.tally.add(
                "A result", "its task names no image",
                "Only annotations of images and videos can be stored.", found.at, count,
            )  # fmt: skip
        return name

    def _put(self, identity: Any, found: _Region) -> None:
        if found.shape is None:
            for at, control in found.controls:
                self._classify(at, control)
            return
        if not found.labels:
            raise UnsupportedError(
                "skipped-record", what="A region without a label", why="nothing says what it is",
                advice="Label it in Label Studio.",
            )  # fmt: skip
        extra = self._extra(identity, found)
        result, value = found.shape, found.shape["value"]
        if isinstance(value.get("sequence"), list):
            self._video(found, value["sequence"], extra)
            return
        place = ls.region(result, value)
        if place.rotation:
            extra = extra or Extra()
            extra.properties = {**(extra.properties or {}), "rotation": place.rotation}
        for label in found.labels:
            if found.keypoints:
                self._keypoints(found, label, place, extra)
                found.keypoints = []
            else:
                self._shape(found, label, place, extra)
            extra = None if extra is None else msgspec.structs.replace(extra, mask=None)

    def _shape(self, found: _Region, label: str, place: ls.Region, extra: Extra | None) -> None:
        rows, tag = self.rows, self.rows.tag(label)
        if place.box:
            left, top, right, bottom = place.box
            rows.rectangle(self.image, tag, left, top, right, bottom, found.at, extra)
        elif place.point:
            rows.skeletons.setdefault(label, ([label], []))
            rows.keypoints(self.image, tag, place.point, found.at, extra)
        elif place.mask is not None:
            rows.bitmask(self.image, tag, place.mask, place.extent, found.at, extra)
        else:
            rows.polygon(self.image, tag, [place.ring], found.at, extra)

    def _keypoints(self, found: _Region, label: str, place: ls.Region, extra: Extra | None) -> None:
        names = self.skeletons.get(label, [])
        points: list[float] = [0.0] * (3 * len(names))
        for at, result in found.keypoints:
            where = ls.region(result, result["value"]).point
            meta = result.get("meta")
            if isinstance(meta, dict) and meta.get("visibility") in (0, 1):
                where[2] = meta["visibility"]
            for name in ls.labels_of(result["value"]):
                slot = 3 * names.index(name)
                if points[slot + 2]:
                    self.rows.reject(
                        "value-count", at, key=f"The keypoint {name}", count=2, expected=1,
                        advice="A region can have each of its keypoints once.",
                    )  # fmt: skip
                else:
                    points[slot : slot + 3] = where
        rows, tag = self.rows, self.rows.tag(label)
        rows.skeletons.setdefault(label, (names, []))
        box: list[float] | None = place.box or None
        if extra is not None and (extra.properties or {}).get("enclosing"):
            box = None
            extra.properties = {
                k: v for k, v in (extra.properties or {}).items() if k != "enclosing"
            } or None
        rings = [place.ring] if place.ring else []
        rows.keypoints(self.image, tag, points, found.at, extra, rings, box)
        if place.mask is not None:
            rows.bitmask(self.image, tag, place.mask, place.extent, found.at)

    def _video(self, found: _Region, frames: list[Any], extra: Extra | None) -> None:
        for frame in frames:
            place = ls.box(found.shape or {}, doc.mapping(frame, "value.sequence"))
            number = doc.frame(frame.get("frame"), "value.sequence.frame", base=1)
            for label in found.labels:
                own = msgspec.structs.replace(extra or Extra(), frame=number)
                self._shape(found, label, place, own)

    def _classify(self, at: int, result: dict[str, Any]) -> None:
        kind, value = result["type"], result["value"]
        properties = dict(self.shared)
        if result.get("from_name") not in (None, "choice", "choices", "label", "taxonomy"):
            properties["from_name"] = result["from_name"]
        if kind == "choices":
            names = doc.listed(value.get("choices"), "value.choices")
        elif kind == "taxonomy":
            names = ls.taxonomy(value)
        else:
            self.tally.add(
                f"A {kind} without a region", "it names no class",
                "Only choices and taxonomies of the whole image can be stored.", at,
            )  # fmt: skip
            return
        for name in names:
            extra = Extra(properties=dict(properties)) if properties else None
            tag = self.rows.tag(doc.text(name, "value.choices"))
            self.rows.classification(self.image, tag, at, extra)

    def _extra(self, identity: Any, found: _Region) -> Extra | None:
        result = found.shape or {}
        properties = dict(self.shared)
        meta = result.get("meta")
        if isinstance(meta, dict):
            properties |= meta
        if isinstance(result.get("score"), int | float):
            properties["score"] = result["score"]
        if result.get("image_rotation"):
            properties["image_rotation"] = result["image_rotation"]
        if result.get("parentID"):
            properties["parentID"] = result["parentID"]
        if identity is not None:
            properties["id"] = identity
        attributes: dict[str, Any] = {}
        for _, control in found.controls:
            said = ls.answer(control["type"], control["value"])
            if said is not None:
                attributes[str(control.get("from_name", control["type"]))] = said
        if not properties and not attributes:
            return None
        return Extra(attributes=attributes or None, properties=properties or None)


def _at(task: int, kind: int = _TASK, number: int = 0, result: int = 0) -> int:
    """A place as one number: task, kind of list, set of annotations, result."""
    return task << 35 | kind << 32 | number << 20 | result


def _key(value: Any, otherwise: Any = None) -> Any:
    """An id that results refer to each other by: text or a number."""
    return value if isinstance(value, str | int) else otherwise


def _named(found: _Region) -> bool:
    return found.shape is not None and bool(found.labels)


def _unfolded(task: dict[str, Any]) -> dict[str, Any]:
    """A task of JSON_MIN in the shape of the whole export.

    Its keys are those of the data, ``id``, the controls by name, and what ``_MIN_END`` has.
    """
    data: dict[str, Any] = {}
    results: list[dict[str, Any]] = []
    controls = False
    for key, value in task.items():
        if key == "id" and not controls:
            controls = True
        elif key in _MIN_END:
            break
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for region in value:
                kind = next((k for k in region if k.endswith("labels")), None)
                if kind:
                    results.append({"type": kind, "from_name": key, "value": region, **region})
                else:
                    data[key] = value
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"type": "choices", "from_name": key, "value": value})
        elif controls and isinstance(value, str):
            results.append({"type": "choices", "from_name": key, "value": {"choices": [value]}})
        else:
            data[key] = value
    return {"data": data, "annotations": [{"result": results}]}


def _size(task: dict[str, Any]) -> tuple[int, int]:
    """The size of the image that a task's results state, if any does."""
    for kind in LISTS[1:]:
        for one in doc.optional_list(task.get(kind)):
            results = one.get("result") if isinstance(one, dict) else None
            for result in results if isinstance(results, list) else []:
                if isinstance(result, dict) and (size := ls.size_of(result)) != (0, 0):
                    return size
    return 0, 0


def _main_image(data: dict[str, Any]) -> str:
    """The name of the image in a task's data, or nothing."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    for key in _IMAGE_KEYS:
        if key in texts:
            return doc.file_name(texts[key])
    for value in texts.values():
        if value.partition("?")[0].lower().endswith(_ENDINGS):
            return doc.file_name(value)
    return ""


def _image_of(result: dict[str, Any], data: dict[str, Any]) -> str:
    """The image that a result itself points at: by name, or by number in a list."""
    target = result.get("to_name")
    if not isinstance(target, str):
        return ""
    held = data.get(target)
    if isinstance(held, str) and (
        target in _IMAGE_KEYS or held.partition("?")[0].lower().endswith(_ENDINGS)
    ):
        return doc.file_name(held)
    number = result.get("item_index")
    stem, _, digits = target.rpartition("_")
    if number is None and stem and digits.isdigit():
        number = int(digits)
    if not isinstance(number, int):
        return ""
    for value in data.values():
        if isinstance(value, list) and 0 <= number < len(value):
            address = _address(value[number])
            if address:
                return doc.file_name(address)
    return ""


def _listed_images(data: dict[str, Any]) -> list[str]:
    """The images of lists in the data: the pages of a document."""
    addresses = (_address(v) for held in data.values() if isinstance(held, list) for v in held)
    return [doc.file_name(a) for a in addresses if a.partition("?")[0].lower().endswith(_ENDINGS)]


def _address(item: Any) -> str:
    """An image's address in a list: the item itself, or the first text in it."""
    if isinstance(item, dict):
        item = next((v for v in item.values() if isinstance(v, str)), None)
    return item if isinstance(item, str) else ""
