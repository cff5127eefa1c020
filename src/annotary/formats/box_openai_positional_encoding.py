"""JSON lines of chat messages with boxes as location tokens. An own definition.

It joins two public ones: the rows of OpenAI's vision fine-tuning (``messages`` with an image's
URL), and PaliGemma's location tokens (google-research/big_vision), ``<loc0000>`` to
``<loc1023>``: y before x, 1024 steps along each side. A line for each image (here broken)::

    {"messages": [
      {"role": "system", "content": "You find objects ..."},
      {"role": "user", "content": [
        {"type": "text", "text": "detect boat ; dog"},
        {"type": "image_url", "image_url": {"url": "image.png"}}]},
      {"role": "assistant", "content": "<loc0102><loc0102><loc0512><loc0307> dog"}]}

The answer has for each object ymin, xmin, ymax, xmax and the class, joined by `` ; ``; it is
empty for an image without objects. A fraction v is the token round(v * 1023), a token t is the
fraction t / 1023.

**Written.** ``<part>.jsonl``, objects in the order of class, y, x. A box is at least one step
wide and high. The question names all classes. Polygons and masks become their boxes; keypoints,
classes of images, attributes and properties are left out. Options: ``url_prefix`` in front of
the image's name, for URLs where the images can be fetched; ``system``, the system message.

**Read.** These rows, those of
:mod:`polygon_openai_positional_encoding <annotary.formats.polygon_openai_positional_encoding>`
and ``bitmask_...``, and rows ``{"image": .., "prefix": .., "suffix": ..}`` as Roboflow writes them
for PaliGemma. An object of four tokens is a box, of six or more a polygon, parts are divided by
`` | ``. The image's name is the last part of the URL's path; rows with the image itself in the URL
(``data:``) have none and are rejected. The question's classes are declared. Segmentation tokens
(``<seg...>``) cannot be read without their model: the box is kept, and it is said. Places are told
as line, and column of the object's first token.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.location_tokens import (
    DECIMALS,
    OBJECTS,
    STEPS,
    Options,
    Place,
    places,
    write_rows,
)
from annotary.problems import Location
from annotary.syntax.source import FileSet, SourceFile


class BoxPositional(Format):
    """See the module."""

    name = "box_openai_positional_encoding"
    title = "JSON lines, boxes as location tokens"
    extensions = (".jsonl",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    carries = Carries(
        rectangle="Rectangle",
        polygon="Rectangle",
        bitmask="Rectangle",
        unit="normalized",
        natural="normalized",
        decimals=DECIMALS,
    )
    Options: ClassVar[type[msgspec.Struct]] = Options

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        if source.first != b"{" or source.is_binary:
            return False
        line = source.head.lstrip().split(b"\n", 1)[0]
        if b'"prefix"' in line and b'"suffix"' in line and b'"image"' in line:
            return True
        return b'"messages"' in line and (b"<loc" in source.head or b'"image_url"' in line)

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        _Reader(rows).read(source)

    def write(self, data: Dataset, out: Output) -> None:
        write_rows(data, out, "detect", boxes=True)


class _Reader:
    def __init__(self, rows: RowSink) -> None:
        self.rows = rows
        self.prompts: set[str] = set()
        self.segmented = 0
        rows.normalized = True

    def read(self, source: SourceFile) -> None:
        decoder = msgspec.json.Decoder()
        for number, line in source.lines():
            if not line.strip():
                continue
            try:
                record = doc.mapping(decoder.decode(line), "The line")
                name, question, answer = _row(record)
                self._line(number, line, name, question, answer)
            except msgspec.DecodeError as error:
                self.rows.reject(
                    "syntax", number, kind="JSON", detail=str(error),
                    advice="Every line is a JSON object of its own.",
                )  # fmt: skip
            except RefusedError as refused:
                self.rows.reject(refused.code, number, **refused.values)
        if self.segmented:
            self.rows.problem(
                "ignored",
                what=f"What segmentation tokens say of {self.segmented} objects",
                why="only the model that made them can read them; the boxes were kept",
                advice="Export the outlines in another format if they are needed.",
            )

    def _line(self, number: int, line: str, name: str, question: str, answer: str) -> None:
        rows = self.rows
        image = rows.image(name, at=number)
        if question not in self.prompts:
            self.prompts.add(question)
            verb, _, rest = question.partition(" ")
            if verb in ("detect", "segment"):
                for title in rest.split(OBJECTS):
                    if title.strip():
                        rows.tag(title.strip())
        begin = 0
        for place in places(answer):
            if not isinstance(place, Place):
                rows.reject(place.code, number, **place.values)
                continue
            begin = line.find(place.token, begin) + 1
            try:
                self._object(image, place, number)
            except RefusedError as refused:
                rows.reject(refused.code, Location(number, begin or None), **refused.values)

    def _object(self, image: int, place: Place, number: int) -> None:
        for part in place.parts:
            if max(part) > STEPS:
                raise RefusedError(
                    "wrong-type", key="A location token", detail=f"it is <loc{max(part)}>",
                    expected="<loc0000> to <loc1023>",
                )  # fmt: skip
            if len(part) != 4 and (len(part) % 2 or len(part) < 6):
                raise RefusedError(
                    "value-count", key="An object", count=len(part),
                    expected="4 location tokens for a box, or 6 or more, two for each point",
                    advice="A box is ymin, xmin, ymax, xmax; a polygon is y, x of each point.",
                )  # fmt: skip
        if not place.label:
            raise RefusedError("missing-key", key="The class", record="object")
        tag = self.rows.tag(place.label)
        rings = [_ring(part) for part in place.parts]
        self.segmented += place.segmented
        if len(rings) == 1 and len(rings[0]) == 4:
            xmin, ymin, xmax, ymax = rings[0]
            self.rows.rectangle(image, tag, xmin, ymin, xmax, ymax, number)
        else:
            self.rows.polygon(image, tag, rings, number)


def _ring(part: list[int]) -> list[float]:
    """Tokens y, x, ... as fractions x, y, ..."""
    return [part[i ^ 1] / STEPS for i in range(len(part))]


def _row(record: dict[str, Any]) -> tuple[str, str, str]:
    """The image's name, the question and the answer of a row."""
    if "messages" not in record:
        name = doc.text(doc.need(record, "image", "line", "image"), "image")
        question = doc.text(record.get("prefix") or "", "prefix")
        return (
            _name(name),
            question,
            doc.text(doc.need(record, "suffix", "line", "suffix"), "suffix"),
        )
    name = question = answer = ""
    images = 0
    for message in doc.listed(record["messages"], "messages"):
        entry = doc.mapping(message, "A message")
        role = entry.get("role")
        content = entry.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for part in doc.listed(parts, "content"):
            item = doc.mapping(part, "A part of content")
            if item.get("type") == "image_url":
                url = doc.mapping(item.get("image_url"), "image_url").get("url")
                name = doc.text(url, "image_url.url")
                images += 1
            elif item.get("type") == "text" and role == "assistant":
                said = doc.text(item.get("text"), "text")
                answer = f"{answer}{OBJECTS}{said}" if answer and said else answer or said
            elif item.get("type") == "text" and role == "user":
                question = doc.text(item.get("text"), "text")
    if images != 1:
        raise RefusedError(
            "value-count", key="The line", count=images, expected="1 image (image_url)",
            advice="Write a line for every image.",
        )  # fmt: skip
    return _name(name), question, answer


def _name(url: str) -> str:
    name = doc.file_name(url)
    if not name:
        raise RefusedError(
            "wrong-type", key="The image", detail="it stands in the line itself, without a name",
            expected="a file name or a URL",
        )  # fmt: skip
    return name


FORMAT = BoxPositional()
