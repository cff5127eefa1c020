"""Writing Label Studio's tasks, and the labelling configuration that fits them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from annotary.batch import BITMASK, CLASSIFICATION, KEYPOINTS, AnnotationBatch, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.output import Output
from annotary.formats.kit.rings import Body, bodies, length, points_of
from annotary.formats.kit.turned import ROTATION, box_of, turned_box
from annotary.geometry import rle
from annotary.geometry.arrays import spread, to_pixels

_CONTROL = {
    "rectanglelabels": "rectangle",
    "polygonlabels": "polygon",
    "brushlabels": "brush",
}
_DOT = 0.5
"""The width of a keypoint's dot, in percent of the image."""


def write(data: Dataset, out: Output, prefix: str) -> None:
    """Write ``<part>.json`` for each part, and ``label_config.xml``."""
    told = _Told(data)
    for part in data.parts:
        images = part.images
        with out.file(f"{part.name}.json") as member:
            separator = b"[\n"
            percent = _Percent()
            for image, batch, first, end in part.by_image():
                name = images.names[image]
                address = prefix + (
                    quote(name, safe="/") if "://" in prefix or "?" in prefix else name
                )
                task = _Task(told, (int(images.widths[image]), int(images.heights[image])))
                if batch is not None:
                    for body in bodies(percent(batch), first, end):
                        task.add(body)
                record = {
                    "id": image + 1,
                    "data": {"image": address},
                    "annotations": [{"result": task.results}],
                }
                member.write(separator)
                member.write(msgspec.json.encode(record))
                separator = b",\n"
            member.write(b"[]\n" if separator == b"[\n" else b"\n]\n")
    with out.file("label_config.xml") as member:
        member.write(told.config().encode())


class _Percent:
    """Batches in percent of the image's sides; the last one is kept for its other images."""

    def __init__(self) -> None:
        self._of: AnnotationBatch | None = None
        self._made: AnnotationBatch | None = None

    def __call__(self, batch: AnnotationBatch) -> AnnotationBatch:
        if self._of is not batch or self._made is None:
            coords = to_pixels(batch.coords, np.float64(100.0))  # type: ignore[arg-type]
            points = spread(batch.kind == KEYPOINTS, batch.start)
            if points.any():  # every third value is a visibility
                place = np.arange(len(coords)) - spread(batch.start[:-1], batch.start)
                seen = points & (place % 3 == 2)
                coords[seen] = batch.coords[seen]
            self._of = batch
            self._made = AnnotationBatch(
                batch.kind, batch.image, batch.tag, batch.start, coords, batch.record,
                batch.hole, batch.at, batch.extras,
            )  # fmt: skip
        return self._made


class _Told:
    """What the results name, for the configuration: labels, choices and attributes in order."""

    def __init__(self, data: Dataset) -> None:
        self.classes = data.classes
        self.used: dict[str, set[int]] = {}
        self.points: dict[int, set[str]] = {}
        self.attributes: dict[tuple[str, str], set[str]] = {}
        self.questions: dict[str, set[str]] = {}

    def config(self) -> str:
        """The labelling configuration as XML."""
        lines = ["<View>", '  <Image name="image" value="$image"/>']
        regions = [kind for kind in _CONTROL if kind in self.used]
        unused = set(range(len(self.classes))).difference(
            *(numbers for kind, numbers in self.used.items() if kind != "keypointlabels")
        )
        for kind in regions or ["rectanglelabels"]:
            # classes that nothing uses go where most are: into the first control
            extra = unused if kind == (regions or ["rectanglelabels"])[0] else set()
            numbers = sorted(self.used.get(kind, set()) | extra)
            lines += _control(_TAGS[kind], _CONTROL[kind], "Label", self._entries(numbers))
        for number in sorted(self.used.get("keypointlabels", ())):
            names = self.classes[number].keypoints or self._unnamed(number)
            points = [(name, f' model_index="{i}"') for i, name in enumerate(names)]
            lines += _control("KeyPointLabels", f"keypoint_{number}", "Label", points)
        for name, values in sorted(self.questions.items()):
            known = [n for n, entry in enumerate(self.classes) if entry.name in values]
            entries = self._entries(known)
            lines += _control("Choices", name, "Choice", entries, ' choice="multiple"')
        for (name, kind), values in sorted(self.attributes.items()):
            if kind == "choices":
                more = ' choice="multiple" perRegion="true"'
                options = [(value, "") for value in sorted(values)]
                lines += _control("Choices", name, "Choice", options, more)
            else:
                tag = "Number" if kind == "number" else "TextArea"
                lines.append(f'  <{tag} name="{escape(name)}" toName="image" perRegion="true"/>')
        return "\n".join([*lines, "</View>", ""])

    def _unnamed(self, number: int) -> list[str]:
        """The labels of a class's keypoints where it has no skeleton: its own, and numbers."""
        used = self.points.get(number, set())
        most = max((int(name) for name in used if name.isdecimal()), default=0)
        own = self.classes[number].name
        return [own] * (own in used) + [n for i in range(most) if (n := str(i + 1)) != own]

    def _entries(self, numbers: list[int]) -> list[tuple[str, str]]:
        """Classes with their place in the order of all."""
        return [(self.classes[n].name, f' category="{n}"') for n in numbers]


_TAGS = {
    "rectanglelabels": "RectangleLabels",
    "polygonlabels": "PolygonLabels",
    "brushlabels": "BrushLabels",
}


def _control(
    tag: str, name: str, entry: str, entries: Iterable[tuple[str, str]], more: str = ""
) -> list[str]:
    """A control and its entries: values, each with further attributes."""
    return [
        f'  <{tag} name="{escape(name)}" toName="image"{more}>',
        *(f'    <{entry} value="{escape(value)}"{rest}/>' for value, rest in entries),
        f"  </{tag}>",
    ]


class _Task:
    """The results of one image."""

    def __init__(self, told: _Told, size: tuple[int, int]) -> None:
        self.told = told
        self.width, self.height = size
        self.results: list[dict[str, Any]] = []
        self.regions = 0

    def add(self, body: Body) -> None:
        """The results of one object."""
        properties = dict((body.extra and body.extra.properties) or {})
        if body.kind == CLASSIFICATION:
            self._choice(body, properties)
            return
        identity = f"r{self.regions + 1}"
        self.regions += 1
        if body.points is not None:
            if body.points[2:] and len(body.points) == 3 and not (body.rings or body.box):
                entry = self.told.classes[body.tag]
                if entry.keypoints in ([], [entry.name]):
                    result = self._keypoint(body.tag, body.points, entry.name, None)
                    self._describe(result, body.extra, properties)
                    return
            self._skeleton(body, identity, properties)
            return
        if body.rings or body.holes:
            ring = (body.rings or body.holes)[0]
            kind, value = "polygonlabels", _polygon(ring)
            turned = self._turned(ring, properties)
            if turned is not None:
                kind, value = "rectanglelabels", turned
                del properties[ROTATION]
        elif body.kind == BITMASK and body.extra is not None and body.extra.mask is not None:
            value = {"format": "rle", "rle": rle.to_brush(body.extra.mask)}
            kind = "brushlabels"
        elif body.box is not None:
            kind, value = "rectanglelabels", _rectangle(body.box)
        else:
            return
        self._describe(self._region(body.tag, identity, kind, value), body.extra, properties)

    def _turned(self, ring: list[float], properties: dict[str, Any]) -> dict[str, Any] | None:
        """The turned rectangle that a ring is: its top left corner, sides and angle."""
        if ROTATION not in properties or not self.width or not self.height:
            return None
        sides = (self.width / 100, self.height / 100)  # the ring is in percent
        found = box_of([v * sides[i % 2] for i, v in enumerate(ring)], properties)
        if found is None:
            return None
        x, y = turned_box(*found)[:2]
        return {
            "x": round(x / self.width * 100, 9),
            "y": round(y / self.height * 100, 9),
            "width": round(found.width / self.width * 100, 9),
            "height": round(found.height / self.height * 100, 9),
            "rotation": found.degrees,
        }

    def _skeleton(self, body: Body, identity: str, properties: dict[str, Any]) -> None:
        points = body.points or []
        if body.rings:
            kind, value = "polygonlabels", _polygon(body.rings[0])
        else:
            box = body.box
            if box is None:
                properties["enclosing"] = True
                seen = [i for i in range(0, len(points), 3) if points[i + 2]]
                xs, ys = [points[i] for i in seen] or [0], [points[i + 1] for i in seen] or [0]
                box = [min(xs), min(ys), max(xs), max(ys)]
            kind, value = "rectanglelabels", _rectangle(box)
        result = self._region(body.tag, identity, kind, value)
        names = self.told.classes[body.tag].keypoints
        shown = [n for n in range(len(points) // 3) if points[3 * n + 2]]
        for number in shown or [0]:  # one at least, or nothing would tell that it is a skeleton
            name = names[number] if number < len(names) else str(number + 1)
            self._keypoint(body.tag, points[3 * number : 3 * number + 3], name, identity)
        self._describe(result, body.extra, properties)

    def _keypoint(
        self, tag: int, point: list[float], name: str, parent: str | None
    ) -> dict[str, Any]:
        x, y, visibility = point
        self.told.points.setdefault(tag, set()).add(name)
        value = {"x": x, "y": y, "width": _DOT}
        identity = f"p{len(self.results) + 1}" if parent else f"r{self.regions}"
        result = self._region(tag, identity, "keypointlabels", value, name)
        if parent:
            result["parentID"] = parent
        if visibility < 2:
            result["meta"] = {"visibility": visibility}
        return result

    def _region(
        self, tag: int, identity: str, kind: str, value: dict[str, Any], label: str = ""
    ) -> dict[str, Any]:
        self.told.used.setdefault(kind, set()).add(tag)
        value[kind] = [label or self.told.classes[tag].name]
        control = _CONTROL.get(kind) or f"keypoint_{tag}"
        return self._result(identity, control, kind, value)

    def _result(
        self, identity: str, control: str, kind: str, value: dict[str, Any]
    ) -> dict[str, Any]:
        result: dict[str, Any] = {
            "id": identity, "from_name": control, "to_name": "image", "type": kind, "value": value,
        }  # fmt: skip
        if self.width and self.height:
            result |= {"original_width": self.width, "original_height": self.height}
            result["image_rotation"] = 0
        self.results.append(result)
        return result

    def _choice(self, body: Body, properties: dict[str, Any]) -> None:
        name = self.told.classes[body.tag].name
        control = str(properties.get("from_name", "choice"))
        self.told.questions.setdefault(control, set()).add(name)
        self.told.used.setdefault("choices", set()).add(body.tag)
        for result in self.results:
            if result["type"] == "choices" and result["from_name"] == control:
                result["value"]["choices"].append(name)
                return
        self.results.append(
            {
                "id": f"c{len(self.results) + 1}",
                "from_name": control,
                "to_name": "image",
                "type": "choices",
                "value": {"choices": [name]},
            }
        )

    def _describe(
        self, result: dict[str, Any], extra: Extra | None, properties: dict[str, Any]
    ) -> None:
        """Add score and properties to a result, and results for the attributes of its region."""
        if "score" in properties:
            result["score"] = properties.pop("score")
        for key in ("parentID", "id", "image_rotation"):
            properties.pop(key, None)  # they spoke of the file that was read
        if properties:
            result["meta"] = result.get("meta", {}) | properties
        for name, value in ((extra and extra.attributes) or {}).items():
            if isinstance(value, str):
                kind, said = "textarea", {"text": [value]}
            elif isinstance(value, list):
                kind, said = "choices", {"choices": value}
            else:
                kind, said = "number", {"number": value}
            told = self.told.attributes.setdefault((name, kind), set())
            if isinstance(value, list):
                told.update(value)
            self._result(result["id"], name, kind, said)


def _rectangle(box: list[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {
        "x": left, "y": top, "width": length(left, right), "height": length(top, bottom),
        "rotation": 0,
    }  # fmt: skip


def _polygon(ring: list[float]) -> dict[str, Any]:
    return {"points": points_of(ring), "closed": True}
