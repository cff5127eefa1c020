"""Location tokens: places in an image as words of a language model.

A coordinate is one of 1024 steps of the image's side, ``<loc0000>`` to ``<loc1023>``, y before x:
the tokens of PaliGemma (google-research/big_vision, ``configs/proj/paligemma/README.md``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch
from annotary.contract.dataset import Dataset
from annotary.contract.output import Output
from annotary.geometry.arrays import Floats
from annotary.problems import Problem

STEPS = 1023
"""The largest token: a fraction v is ``round(v * 1023)``, a token t is ``t / 1023``."""
DECIMALS = "1024 steps along each side of the image"
OBJECTS = " ; "
PARTS = " | "

_TOKEN = re.compile(r"<loc(\d{4})>")
_PLACES = re.compile(r"(?:<loc\d{4}>\s*)+(?:\|\s*(?:<loc\d{4}>\s*)+)*")
_BETWEEN = re.compile(r"\s*;\s*(?=<loc)")
_BROKEN = re.compile(r"<loc(?!\d{4}>)[^>\s;]*>?")
_SEGMENT = re.compile(r"<seg\d{3}>\s*")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``url_prefix`` stands in front of each image's name; ``system`` is the system message."""

    url_prefix: str = ""
    system: str = (
        "You find objects in images. Answer with location tokens, y before x, and the class of "
        "each object; separate objects with ' ; '."
    )


def steps(values: Floats) -> list[int]:
    """Fractions as tokens' numbers."""
    numbers: list[int] = np.clip(np.floor(values * STEPS + 0.5), 0, STEPS).astype(int).tolist()
    return numbers


def tokens(numbers: Sequence[int]) -> str:
    """Numbers as tokens."""
    return "".join([f"<loc{number:04d}>" for number in numbers])


def box_steps(box: Floats) -> list[int]:
    """A box (xmin, ymin, xmax, ymax) as ymin, xmin, ymax, xmax, at least one step wide and high."""
    x0, y0, x1, y1 = steps(box)
    if x0 == x1:
        x0, x1 = (x0, x1 + 1) if x1 < STEPS else (x0 - 1, x1)
    if y0 == y1:
        y0, y1 = (y0, y1 + 1) if y1 < STEPS else (y0 - 1, y1)
    return [y0, x0, y1, x1]


def ring_steps(ring: Floats) -> list[int]:
    """A ring [n, 2] as y, x, y, x, ...; one that the steps make a line becomes its box."""
    flat = np.array(steps(ring.ravel()), np.int64).reshape(-1, 2)
    if np.linalg.matrix_rank(flat - flat[0]) < 2:
        y0, x0, y1, x1 = box_steps(np.concatenate([ring.min(0), ring.max(0)]))
        flat = np.array([[x0, y0], [x0, y1], [x1, y1], [x1, y0]])
    numbers: list[int] = flat[:, ::-1].ravel().tolist()
    return numbers


# --- writing ----------------------------------------------------------------------------------


class Answer(NamedTuple):
    """One object of an answer, in its order: class, tokens' numbers, text."""

    tag: int
    numbers: list[int]
    text: str


def write_rows(data: Dataset, out: Output, verb: str, boxes: bool) -> None:
    """``<part>.jsonl`` with a row for every image."""
    options = data.options or Options()
    prompt = f"{verb} {OBJECTS.join(data.names)}"
    for part in data.parts:
        with out.file(f"{part.name}.jsonl") as file:
            for image, batch, begin, end in part.by_image():
                answers = sorted(_answers(data, batch, begin, end, boxes))
                url = options.url_prefix + part.images.names[image]
                row = {
                    "messages": [
                        {"role": "system", "content": options.system},
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": prompt},
                                {"type": "image_url", "image_url": {"url": url}},
                            ],
                        },
                        {
                            "role": "assistant",
                            "content": OBJECTS.join(answer.text for answer in answers),
                        },
                    ]
                }
                file.write(msgspec.json.encode(row) + b"\n")


def _answers(
    data: Dataset, batch: AnnotationBatch | None, begin: int, end: int, boxes: bool
) -> Iterator[Answer]:
    if batch is None:
        return
    row = begin
    while row < end:
        stop = row + 1
        while stop < end and batch.record[stop] == batch.record[row]:
            stop += 1
        rows = range(row, stop)
        if boxes:
            found = [box_steps(batch.values(r)) for r in rows]
        else:
            found = [ring_steps(batch.values(r).reshape(-1, 2)) for r in rows]
        tag = int(batch.tag[row])
        text = f"{PARTS.join(map(tokens, found))} {data.classes[tag].name}"
        yield Answer(tag, [number for part in found for number in part], text)
        row = stop


# --- reading ----------------------------------------------------------------------------------


class Place(NamedTuple):
    """An object of an answer: its parts' numbers, its label, and where it begins in the text."""

    parts: list[list[int]]
    label: str
    token: str
    segmented: bool


def places(text: str) -> list[Place | Problem]:
    """The objects of an answer; what is none is a problem of its own."""
    found: list[Place | Problem] = []
    for piece in _BETWEEN.split(text.strip().removesuffix(";").strip()):
        if not piece:
            continue
        match = _PLACES.match(piece)
        if broken := _BROKEN.search(piece):
            found.append(_wrong_token(broken[0]))
        elif match is None:
            found.append(_no_place(piece))
        else:
            label = piece[match.end() :]
            plain = _SEGMENT.sub("", label).strip()
            parts = [[int(t) for t in _TOKEN.findall(part)] for part in match[0].split("|")]
            found.append(Place(parts, plain, match[0][:9], _SEGMENT.search(label) is not None))
    return found


def _wrong_token(token: str) -> Problem:
    values = {
        "key": "A location token",
        "detail": f"it is {token}",
        "expected": "<loc0000> to <loc1023>",
    }
    return Problem("wrong-type", "", values=values)


def _no_place(text: str) -> Problem:
    values = {"key": f"The place of {text[:60]!r}", "record": "object"}
    return Problem("missing-key", "", values=values)
