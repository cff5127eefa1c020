"""Datature Vi's JSON lines: phrases grounded in images.

Source: vi.developers.datature.com/docs/upload-annotations and the loader of Datature's vi-sdk
(``vi.dataset.loaders.types.annotations``). One annotation on each line::

    {"id": "1", "asset": {"type": "Image", "filename": "image.png", "width": 400, "height": 200},
     "contents": {"type": "PhraseGrounding", "caption": "a dog on the lawn",
       "groundedPhrases": [{"phrase": "a dog", "startTokenIndex": 0, "endTokenIndex": 5,
                            "bounds": [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]}]},
     "category": null}

Each grounded phrase is an object whose class is the phrase: a Rectangle where its ``bounds`` are
the four corners of one, else a Polygon. The caption and the token indexes are kept in
properties, as is the category. Names may also be written with underscores. Bounds are fractions
if no value in the file is above 1, else pixels. Questions and answers (``Vqa``) are skipped,
counted and said. Read only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.batch import Extra
from annotary.contract.format import Carries, Format
from annotary.contract.rows import RowSink
from annotary.formats.kit import json as doc
from annotary.formats.kit.json import RefusedError, Tally
from annotary.problems import Location
from annotary.syntax.json.text import pointer
from annotary.syntax.source import FileSet, SourceFile

_TOLERANCE = 1e-6


class DatatureVi(Format):
    name = "datature_vi"
    title = "Datature Vi JSONL"
    family = "datature"
    extensions = (".jsonl",)
    reads = True
    header_lines = 0
    carries = Carries()

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        document = source.json
        return (
            document is not None
            and document.kind == "object"
            and {"asset", "contents"} <= source.json_keys
            and document.members["asset"].kind == "object"
            and document.members["contents"].kind == "object"
        )

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.normalized = _fractions(source)
        rows.locate = lambda at: Location(
            at >> 20,
            None,
            pointer("contents", "groundedPhrases", at & 0xFFFFF) if at & 0xFFFFF != _ROW else None,
        )
        tally = Tally()
        for number, row in doc.lines(source, rows):
            try:
                _row(number, row, rows, tally)
            except RefusedError as refused:
                rows.reject(refused.code, Location(number), **refused.values)
        tally.tell(rows)


FORMAT = DatatureVi()

_ROW = 0xFFFFF
"""In place of a phrase's index: the row itself."""


def _row(number: int, row: dict[str, Any], rows: RowSink, tally: Tally) -> None:
    asset = doc.mapping(doc.need(row, "asset", "row", "asset"), "asset")
    name = doc.text(doc.need(asset, "filename", "asset", "asset.filename"), "asset.filename")
    size = doc.pixels(asset.get("width")), doc.pixels(asset.get("height"))
    image = rows.image(name, *size, at=Location(number))
    contents = doc.mapping(doc.need(row, "contents", "row", "contents"), "contents")
    questions = contents.get("interactions")
    if isinstance(questions, list):
        tally.add(
            "A question with its answer", "it has no place in the image",
            "Only grounded phrases can be stored.", number << 20 | _ROW, len(questions),
        )  # fmt: skip
        return
    phrases = contents.get("groundedPhrases", contents.get("grounded_phrases"))
    if phrases is None:
        raise RefusedError("missing-key", key="contents.groundedPhrases", record="row")
    shared = {"caption": contents.get("caption"), "category": row.get("category")}
    shared = {key: value for key, value in shared.items() if value}
    for index, entry in enumerate(doc.listed(phrases, "contents.groundedPhrases")):
        at = number << 20 | index
        try:
            phrase = doc.mapping(entry, "The phrase")
            title = doc.text(doc.need(phrase, "phrase", "phrase", "phrase"), "phrase")
            ring = doc.ring_ends(
                doc.pairs(doc.need(phrase, "bounds", "phrase", "bounds"), "bounds")
            )
        except RefusedError as refused:
            rows.reject(refused.code, at, **refused.values)
            continue
        more = {k: v for k, v in phrase.items() if k not in ("phrase", "bounds") and v is not None}
        extra = Extra(properties={**shared, **more}) if shared or more else None
        if box := _box(ring):
            rows.rectangle(image, rows.tag(title), *box, at, extra)
        else:
            rows.polygon(image, rows.tag(title), [ring], at, extra)


def _box(ring: list[float]) -> tuple[float, float, float, float] | None:
    """The box whose corners a ring has (four, or two opposite ones), or None."""
    xs, ys = ring[::2], ring[1::2]
    if len(xs) not in (2, 4):
        return None
    box = (min(xs), min(ys), max(xs), max(ys))
    corners = {(x, y) for x in box[::2] for y in box[1::2]}
    return box if len(xs) == 2 or set(zip(xs, ys, strict=True)) == corners else None


def _fractions(source: SourceFile) -> bool:
    """Whether no bound in the file is above 1."""
    for _, line in source.lines():
        try:
            row = msgspec.json.decode(line)
            contents = row["contents"]
            for phrase in contents.get("groundedPhrases", contents.get("grounded_phrases")) or []:
                for x, y in phrase["bounds"]:
                    if x > 1 + _TOLERANCE or y > 1 + _TOLERANCE:
                        return False
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            continue  # the reading itself tells what is wrong
    return True
