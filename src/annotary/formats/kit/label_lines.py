"""Text with one object per line and one file per image: what label files share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from annotary.contract.rows import RowSink
from annotary.problems import Location
from annotary.syntax.source import SourceFile

IMAGES_FOR = {"labels": "images", "labeltxt": "images"} | {
    f"label_{i}": f"image_{i}" for i in range(4)
}
"""Folders of labels, and the folders beside them where the images are."""

SAMPLE_LINES = 8

_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)", re.I)
_DECIMAL_COMMA = re.compile(rb"[-+]?\d+,\d+")
_TOKEN = re.compile(r"\S+")


def label_text(source: SourceFile) -> tuple[str, bool]:
    """The file's text with line ends of ``\\n``, and whether that is all of it.

    Where bytes are not UTF-8, the lines in front of them are answered; ``source.check_utf8()``
    then raises with their place.
    """
    data = source.buffer if isinstance(source.buffer, bytes) else bytes(source.buffer)
    whole = True
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        text = data[: data.rfind(b"\n", 0, error.start) + 1].decode()
        whole = False
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, whole


def image_name(name: str) -> str:
    """The image that a label file belongs to: its path without ending, in the images' folder."""
    stem = name
    for ending in (".gz", ".txt"):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    path = stem.split("/")
    for i in range(len(path) - 2, -1, -1):
        images = IMAGES_FOR.get(path[i].lower())
        if images is not None:
            path[i] = images
            return "/".join(path)
    return stem


class LineKind(NamedTuple):
    """What the lines of a format's label files look like; each format declares its own.

    ``test`` gets the values of a line: True for a faultless one of the format, False for one that
    may be of it with a fault, None for another. ``fields`` is how many values a line has at least:
    of two formats with a faultless line, the one that asks for more has it. ``folder`` is where
    files without a line are known to be of the format.
    """

    format: str
    fields: int
    test: Callable[[list[bytes]], bool | None]
    folder: re.Pattern[str] | None = None


_KINDS: dict[str, LineKind] = {}


def declare(kind: LineKind) -> None:
    """Say what the lines of a format look like."""
    _KINDS[kind.format] = kind


def looks_like_labels(source: SourceFile) -> str:
    """The format of a label file, ``empty`` (white space, ends with ``.txt``) or nothing.

    The first good line decides at once; of files that begin with a fault, most of the first
    lines.
    """
    head = source.head
    begin = head.lstrip()
    if not begin:
        name = source.name.lower()
        if not name.endswith((".txt", ".txt.gz")):
            return ""
        places = (
            kind.format for kind in _KINDS.values() if kind.folder and kind.folder.search(name)
        )
        return next(places, "empty")
    if b"\0" in head:
        return ""
    if begin[:1] in b"{[<":
        # a class may be called [box]
        found, good = _line_kind(begin.split(b"\n", 1)[0].split())
        return found if good else ""
    lines = begin.split(b"\n", SAMPLE_LINES)[:SAMPLE_LINES]
    votes = dict.fromkeys([*_KINDS, ""], 0)
    for line in lines:
        parts = line.split()
        if not parts:
            continue
        found, good = _line_kind(parts)
        if good:
            return found
        votes[found] += 1
    found = max(votes, key=lambda k: (votes[k], k))
    return found if votes[found] * 2 >= sum(votes.values()) else ""


def _line_kind(parts: list[bytes]) -> tuple[str, bool]:
    """Which format a line looks like, and whether it is a faultless example of that."""
    told = [(kind.test(parts), kind) for kind in _KINDS.values()]
    likely = [(good, kind.fields, kind.format) for good, kind in told if good is not None]
    if not likely:
        return "", False
    good, _, format = max(likely)
    return format, good


def is_number(part: bytes) -> bool:
    """Whether a value of a line is a number (or ``nan``, ``inf``: told later)."""
    return _NUMBER.fullmatch(part) is not None


def has_decimal_comma(part: bytes) -> bool:
    """Whether a value of a line is a number but for its comma."""
    return _DECIMAL_COMMA.fullmatch(part) is not None


def column(line: str, token: int) -> int:
    """The 1-based column where a line's value with the given number begins."""
    for i, found in enumerate(_TOKEN.finditer(line)):
        if i == token:
            return found.start() + 1
    return len(line) + 1


def fault(
    rows: RowSink,
    at: int,
    line: str,
    names: Sequence[str],
    *,
    first: int = 0,
    whole: int | None = None,
) -> None:
    """Reject a line for the first of its values that is not a number.

    ``names`` are those of the values in order (further ones are numbered), ``first`` is the
    number of the first value to look at; the one with the number ``whole`` must be whole.
    """
    for i, part in enumerate(line.split()):
        if i < first:
            continue
        name = names[i] if i < len(names) else f"value {i + 1}"
        place = Location(at, column(line, i))
        try:
            value = float(part)
        except ValueError:
            rows.reject("not-a-number", place, value=part, key=name)
            return
        if i == whole and not value.is_integer():
            rows.reject(
                "wrong-type",
                place,
                key=name[0].upper() + name[1:],
                detail=f"it is {part}",
                expected="a whole number from 0",
            )
            return
    raise AssertionError("every value is a number")
