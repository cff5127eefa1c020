"""Class lists of the YOLO family: which name a class number has, and the files that say so.

A class number is a place in a list that stands beside the label files: ``classes.txt``,
``obj.names`` or any ``*.names``, ``_darknet.labels``, ``_classes.txt`` (one name per line, the
first is 0), or ``data.yaml`` of Ultralytics (``names``, and ``kpt_shape`` for keypoints). The
list in a label file's folder, or the nearest above it, is its own, or a ``data.yaml`` whose
``train``, ``val`` or ``test`` name its folder. A list elsewhere is taken, with a warning, when it
is the only one; of several none is. Without any list, the project's tags in their order are.
"""

from __future__ import annotations

import re

import msgspec

from annotary.contract.rows import RowSink
from annotary.problems import Location, Problem
from annotary.syntax.source import FileSet, SourceError, SourceFile, is_at_or_above

NAMES = "yolo-names"
DATA = "yolo-data"
ADVICE = "classes.txt, obj.names, _darknet.labels or data.yaml"

_JSON = re.compile(rb'\s*(?:\{\s*["}]|\[\s*[\[{"\]0-9-])|\s*[\[{]\s*$')
_LIST_NAME = re.compile(
    r"(?:.*[._-])?(?:classes|class[_-]?names|class[_-]?list|labels)\.txt|obj\.names\.txt", re.I
)
_IMAGE_LINE = re.compile(
    rb"\s*\S.*\.(?:jpe?g|png|bmp|tiff?|webp|gif|mpo|dng|pfm|heic|avif|jp2)\s*", re.I
)
_SLIM = re.compile(r"\s*(\d+)\s*:\s*(.*\S)\s*")
_DATA_KEY = re.compile(rb"^(?:names|nc|kpt_shape)[ \t]*:", re.M)
_DARKNET_KEY = re.compile(rb"^[ \t]*(?:names|classes|train|valid)[ \t]*=", re.M)


def companion_kind(source: SourceFile) -> str | None:
    """The kind of companion that a file is to label files, or None; cheap for label files."""
    name = source.name.rpartition("/")[2].lower()
    ending = name.rpartition(".")[2]
    if ending in ("yaml", "yml"):
        return DATA if _DATA_KEY.search(source.head) else "yaml"
    if ending == "data":
        return "darknet-data" if _DARKNET_KEY.search(source.head) else None
    if ending not in ("txt", "names", "labels"):
        return None
    if ending == "txt":
        if name.startswith("readme"):
            return "readme"
        if _LIST_NAME.fullmatch(name) is None:
            return "image-list" if _is_image_list(source) else None
    if source.is_binary or _is_markup(source) or _is_numbers(source.head):
        return None
    return NAMES


def _is_image_list(source: SourceFile) -> bool:
    """Whether every line is the path of an image, as in ``train.txt``."""
    head = source.head
    first = head.lstrip()[:4096].split(b"\n", 1)[0]
    if not _IMAGE_LINE.fullmatch(first):
        return False
    lines = head.split(b"\n")
    if len(head) < len(source.buffer):
        lines.pop()  # cut off in the middle
    return all(_IMAGE_LINE.fullmatch(line) for line in lines if line.strip())


def _is_markup(source: SourceFile) -> bool:
    """Whether the text is JSON or XML; a class may be called ``[box]``."""
    if source.first == b"<":
        return source.head.lstrip()[1:2].isalpha() or source.head.lstrip()[1:2] in (b"?", b"!")
    # judged by its beginning, since broken JSON is JSON all the same
    return _JSON.match(source.head) is not None


def _is_numbers(head: bytes) -> bool:
    """Whether the first line is a label's: a class list has no lines of five numbers."""
    parts = head.lstrip()[:4096].split(b"\n", 1)[0].split()
    try:
        return len([float(part) for part in parts]) >= 5
    except ValueError:
        return False


class ClassList(msgspec.Struct):
    """Names by class number; ``origin`` is the file they come from, empty for the project's tags.

    ``kpt_shape`` is (keypoints, values per keypoint) where ``data.yaml`` states it, with
    ``kpt_names`` for each class number that has any.
    """

    names: dict[int, str] = {}
    origin: str = ""
    kpt_shape: tuple[int, int] | None = None
    kpt_names: dict[int, list[str]] = {}
    broken: SourceError | None = None
    numbers: dict[str, int] = {}
    """Class numbers by their text as written: ``1`` and ``1.0`` are both 1."""
    parts: list[str] = []
    """The folders that ``train``, ``val`` and ``test`` of a ``data.yaml`` name."""
    candidates: str = ""
    """Lists of the import of which none belongs to the label files, where there are several."""

    def covers(self, folder: str, own: str) -> bool:
        """Whether ``folder`` holds labels of the parts that the list, in folder ``own``, names.

        A part names images; its labels lie beside them, or in a folder ``labels`` for ``images``.
        """
        here = _plain(folder)
        base = _plain(own)
        for part in self.parts:
            named = _plain(part)
            if part.startswith(("/", "..")):
                # a place on another machine: its last folders are what can be compared
                if not named or not here or named[-1] in here:
                    return True
                continue
            whole = [*base, *named]
            if here[: len(whole)] == whole:
                return True
            # images/test belongs as well where images/train is named
            holder = part.rstrip("/").split("/")[-2:-1]
            if (
                holder
                and holder[0].lower() in _CONVENTIONAL
                and here[: len(whole) - 1] == whole[:-1]
            ):
                return True
        return False

    def declare(self, rows: RowSink) -> dict[int, int]:
        """Declare every class, and answer the numbers of the tags by class number."""
        tags = {number: rows.tag(name, number) for number, name in self.names.items()}
        for number, keypoints in self.kpt_names.items():
            if number in self.names:
                rows.skeletons[self.names[number]] = (keypoints, [])
        return tags

    def number(self, text: str) -> int:
        """A class number from its text. Raises ``ValueError`` at what is not a whole number."""
        number = self.numbers.get(text)
        if number is None:
            value = float(text)
            if not value.is_integer():
                raise ValueError(text)
            number = self.numbers[text] = int(value)
        return number

    def refuse(self, rows: RowSink, number: int, at: int | Location) -> None:
        """Reject a record whose class number has no name."""
        if self.candidates:
            rows.reject("foreign-class-list", at, id=number, candidates=self.candidates)
            return
        if not self.origin:
            rows.reject("no-class-list", at, id=number, names=ADVICE)
            return
        last = max(self.names, default=-1)
        rows.reject(
            "unknown-category",
            at,
            word="class number",
            id=number,
            where=f" in {self.origin}, which has {len(self.names)} classes, numbered from 0"
            + (f" to {last}" if last >= 0 else ""),
            advice="Mend the number, or add the class to the list: its line number less one is "
            "its class number."
            if not self.origin.endswith(("yaml", "yml"))
            else "Mend the number, or add the class to names.",
        )


def class_list(source: SourceFile, rows: RowSink, files: FileSet) -> ClassList:
    """The classes of a label file, from the nearest list. Raises :class:`SourceError`.

    Looked up once per folder. A list that cannot be read is told once, at its own place; every
    file that needs it is refused.
    """
    folder = source.name.rpartition("/")[0]
    key = (folder, "yolo-classes")
    found = files.read_cache.get(key)
    if found is None:
        found = files.read_cache[key] = _nearest(folder, rows, files)
    assert isinstance(found, ClassList)
    if found.broken is not None:
        raise SourceError("broken-companion", companion=found.origin, detail=_words(found.broken))
    if not found.origin and found.names and ("", "yolo-order") not in files.read_cache:
        files.read_cache["", "yolo-order"] = True
        first = ", ".join(f"{i} {name}" for i, name in list(found.names.items())[:5])
        more = ", ..." if len(found.names) > 5 else ""
        rows.problem("class-order", tags=first + more, names=ADVICE)
    return found


def _nearest(folder: str, rows: RowSink, files: FileSet) -> ClassList:
    data = files.companions.get(DATA, [])
    named = {_list_of(file) for file in files.companions.get("darknet-data", [])}
    lists = sorted(files.companions.get(NAMES, []), key=lambda file: file.basename not in named)
    everything = [*data, *lists]
    shape: ClassList | None = None
    strangers = []
    for file in sorted(everything, key=lambda file: _above(file.folder, folder)):
        found = _read_once(file, rows, files)
        if not is_at_or_above(file.folder, folder):
            if not found.covers(folder, file.folder):
                strangers.append(found)
                continue
        elif found.parts and not found.covers(folder, file.folder):
            strangers.append(found)
            continue
        if found.broken is not None:
            return found
        if shape is None and found.kpt_shape is not None:
            shape = found
        if found.names:
            if shape is not None and found.kpt_shape is None:
                found = msgspec.structs.replace(found, kpt_shape=shape.kpt_shape)
            return found
    usable = [found for found in strangers if found.names or found.broken is not None]
    if len(usable) == 1:
        (found,) = usable
        if found.broken is None:
            rows.problem("class-list", list=found.origin, folder=folder or "this folder")
        return found
    if usable:
        return ClassList(candidates=", ".join(found.origin for found in usable[:5]))
    tags = dict(enumerate(files.project_tags))
    return ClassList(tags, kpt_shape=shape.kpt_shape if shape else None)


def _above(there: str, here: str) -> tuple[int, str]:
    """How lists are tried: in the own folder first, then above it, then elsewhere."""
    if not is_at_or_above(there, here):
        return 1_000_000, there
    depth = len(here.split("/")) if here else 0
    return depth - (len(there.split("/")) if there else 0), ""


_CONVENTIONAL = {"images", "labels"}


def _plain(path: str) -> list[str]:
    """The folders of a path without those that tell images from labels."""
    parts = path.replace("\\", "/").split("/")
    return [p for p in parts if p not in ("", ".", "..") and p.lower() not in _CONVENTIONAL]


def _list_of(source: SourceFile) -> str:
    """The base name of the class list that an ``obj.data`` names."""
    found = re.search(rb"^[ \t]*names[ \t]*=[ \t]*(.+)$", source.head, re.M)
    path = found[1].decode("utf-8", "replace").strip() if found else ""
    return path.replace("\\", "/").rpartition("/")[2]


def _read_once(source: SourceFile, rows: RowSink, files: FileSet) -> ClassList:
    key = (source.name, "yolo-class-list")
    found = files.read_cache.get(key)
    if found is None:
        try:
            if source.name.lower().endswith((".yaml", ".yml")):
                from annotary.formats.yolo_darknet.data_yaml import read_data_yaml

                found = read_data_yaml(source)
            else:
                found = ClassList(_names(source), source.name)
        except SourceError as error:
            found = ClassList(origin=source.name, broken=error)
            rows.problems.append(Problem(error.code, source.name, error.location, error.values))
        files.read_cache[key] = found
    assert isinstance(found, ClassList)
    return found


def _names(source: SourceFile) -> dict[int, str]:
    """One name per line, numbered from 0; or ``0:name`` where every line is like that."""
    lines = [line.strip() for _, line in source.lines()]
    slim = [_SLIM.fullmatch(line) for line in lines if line]
    if slim and all(slim):
        return {int(found[1]): found[2] for found in slim if found}
    return {number: name for number, name in enumerate(lines) if name}


def _words(error: SourceError) -> str:
    """A fault of a companion in a few words."""
    line = error.location.line
    return Problem(error.code, "", error.location, error.values).message.rstrip(".") + (
        f", line {line}" if line else ""
    )
