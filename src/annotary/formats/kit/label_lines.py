"""Text with one object per line and one file per image: what YOLO and KITTI label files share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from annotary.contract.rows import RowSink
from annotary.problems import Location
from annotary.syntax.source import SourceFile

IMAGES_FOR = {"labels": "images"} | {f"label_{i}": f"image_{i}" for i in range(4)}
"""Folders of labels, and the folders beside them where the images are."""

SAMPLE_LINES = 8
KITTI_FIELDS = 15

_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)", re.I)
_DECIMAL_COMMA = re.compile(rb"[-+]?\d+,\d+")
_KITTI_FOLDER = re.compile(r"(?:^|/)label_\d/[^/]*$")
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


def looks_like_labels(source: SourceFile) -> str:
    """``yolo``, ``kitti``, ``empty`` (nothing but white space, ends with ``.txt``) or nothing.

    The first good line decides at once; of files that begin with a fault, most of the first
    lines.
    """
    head = source.head
    begin = head.lstrip()
    if not begin:
        name = source.name.lower()
        if not name.endswith((".txt", ".txt.gz")):
            return ""
        return "kitti" if _KITTI_FOLDER.search(name) else "empty"
    if b"\0" in head:
        return ""
    if begin[:1] in b"{[<":
        # a type may be called [box]
        first = begin.split(b"\n", 1)[0].split()
        return "kitti" if _line_kind(first) == ("kitti", True) else ""
    lines = begin.split(b"\n", SAMPLE_LINES)[:SAMPLE_LINES]
    votes = {"yolo": 0, "kitti": 0, "": 0}
    for line in lines:
        parts = line.split()
        if not parts:
            continue
        kind, good = _line_kind(parts)
        if good:
            return kind
        votes[kind] += 1
    kind = max(votes, key=lambda k: (votes[k], k))
    return kind if votes[kind] * 2 >= sum(votes.values()) else ""


def _line_kind(parts: list[bytes]) -> tuple[str, bool]:
    """What a line looks like, and whether it is a faultless example of that."""
    count = len(parts)
    numeric = [_NUMBER.fullmatch(part) is not None for part in parts]
    if count >= KITTI_FIELDS and all(numeric[1 - KITTI_FIELDS :]):
        # a class may be called 1: then the box in pixels and the unknown sizes tell
        fields = [float(part) for part in parts[1 - KITTI_FIELDS :]]
        if not numeric[0] or (count <= KITTI_FIELDS + 1 and max(map(abs, fields)) > 2):
            return "kitti", True
    if not numeric[0]:
        return ("kitti", False) if _nearly_kitti(count, numeric) else ("", False)
    if count == 1:
        return "", False
    if all(numeric):
        values = [abs(float(part)) for part in parts[1:]]
        if count <= 6:
            return "yolo", count >= 5 and max(values) <= 1
        large = sum(value > 2 for value in values)
        return ("yolo", False) if large * 4 < count else ("", False)
    close = sum(numeric) + sum(_DECIMAL_COMMA.fullmatch(part) is not None for part in parts)
    return ("yolo", False) if count >= 3 and close * 2 >= count else ("", False)


def _nearly_kitti(count: int, numeric: list[bool]) -> bool:
    """Whether a line is a KITTI line but for a value or two."""
    return abs(count - KITTI_FIELDS) <= 3 and sum(numeric[1:]) >= 9


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
