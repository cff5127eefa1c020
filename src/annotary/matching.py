"""Which image a file means: names as written in annotation files, matched to assets.

Rules are tried in order; the first that finds exactly one asset wins and is recorded, one that
finds several is ambiguous and is an error. See ``RULES``.
"""

from __future__ import annotations

import difflib
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

RULES = {
    "exact": "the name is the asset's file name",
    "place": "found from the annotation file's folder: in it, above it, or in images, JPEGImages",
    "unicode": "equal after Unicode normalisation (NFC)",
    "percent-decoded": "equal after percent-decoding",
    "folder-suffix": "one name ends with the other, folder by folder",
    "basename": "equal but for their folders",
    "case": "equal but for upper and lower case",
    "frame": "<video>#frame=<n>: a frame of a video",
    "frame-file": "<video>#frame=<n>: the picture of that frame, by the usual names",
    "upload-prefix": "equal without the eight characters a labelling tool put in front",
    "roboflow": "<name>_jpg.rf.<hash>.jpg: the name before it was mangled",
    "stem": "equal but for the ending",
    "created": "registered from the size that the file states",
}

_FRAME = re.compile(r"^(?P<stem>.+)#frame=(?P<frame>\d+)(?P<ending>\.\w+)?$")
_ROBOFLOW = re.compile(
    r"^(?P<name>.+?)_(?P<ending>jpe?g|png|bmp|gif|webp|tiff?)\.rf\.[0-9a-zA-Z]+\.\w+$", re.I
)
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?P<name>.+)$")


IMAGE_FOLDERS = ("images", "JPEGImages", "img", "imgs")
_WORDS = frozenset(
    (*(each.casefold() for each in IMAGE_FOLDERS), "image", "labels", "label", "annotations",
     "annotation", "ann", "anns", "xml", "xmls", "json", "segmentationclass", "obj_train_data"),
)  # fmt: skip
_ENDING = re.compile(
    r"\.(?:jpe?g|jpe|jfif|png|bmp|gif|tiff?|webp|avif|heic|jp2|ppm|pgm|pbm|tga|mpo|dng|pfm|exr"
    r"|mp4|avi|mov|mkv|webm|m4v|nii|nii\.gz|dcm|nrrd|mha|mhd|npy|svg)$",
    re.I,
)


class Candidate(NamedTuple):
    """An asset that a name might mean."""

    asset: int
    filename: str
    width: int
    height: int


class Match(NamedTuple):
    """What a name was matched to; ``asset`` is None when nothing or too much was found."""

    asset: Candidate | None
    rule: str = ""
    frame: int | None = None
    ambiguous: tuple[str, ...] = ()


def key(name: str) -> str:
    """What equal images share whatever their folder, ending, case or Unicode form."""
    stem = _stem(_slashes(name))
    # most names are ASCII, which is normal already
    return stem.lower() if stem.isascii() else unicodedata.normalize("NFC", stem).casefold()


def keys(name: str) -> set[str]:
    """All keys under which the asset of ``name`` might be found."""
    base = _base(_slashes(name))
    # a name without an ending may hold dots: its stem is the whole of it
    found = {key(base), key(base + ".x")}
    if "%" in name:
        found.add(key(unquote(name)))
    if "#" in base and (frame := _FRAME.match(base)):
        found.add(key(frame["stem"] + ".x"))
        found |= {key(each + ".x") for each in _frame_files(frame["stem"], int(frame["frame"]))}
    if ".rf." in base and (mangled := _ROBOFLOW.match(base)):
        found.add(key(mangled["name"] + ".x"))
    if "-" in base and (upload := _UPLOAD.match(base)):
        found.add(key(upload["name"]))
        found.add(key(unquote(upload["name"])))
    return found


def match(name: str, candidates: Iterable[Candidate], *, loose: bool = True) -> Match:
    """Match one name among assets that share a key with it.

    With ``loose`` false, only rules that cannot confuse two images of different folders or
    endings apply: for imports that create the assets they do not find.
    """
    pool = list(candidates)
    if not pool:
        return Match(None)
    wanted = _slashes(name)
    nfc = _nfc(wanted)
    decoded = _nfc(unquote(wanted))
    path = PurePosixPath(nfc)
    base = path.name

    tests: list[tuple[str, Callable[[str], bool]]] = [
        ("exact", lambda f: f in (name, wanted)),
        ("unicode", lambda f: _nfc(f) == nfc),
        ("percent-decoded", lambda f: _nfc(f) == decoded or _nfc(unquote(f)) == nfc),
        ("folder-suffix", lambda f: _suffix(_nfc(f), nfc) or _suffix(_nfc(f), decoded)),
    ]
    if loose:
        tests += [
            (
                "basename",
                lambda f: PurePosixPath(_nfc(f)).name in (base, PurePosixPath(decoded).name),
            ),
            ("case", lambda f: PurePosixPath(_nfc(f)).name.casefold() == base.casefold()),
        ]
    for rule, test in tests:
        found = [c for c in pool if test(c.filename)]
        if rule == "folder-suffix" and len(found) > 1:
            # of all that end the name, the one with most folders is meant
            whole = [c for c in found if any(_ends(n, _nfc(c.filename)) for n in (nfc, decoded))]
            longest = max((c.filename.count("/") for c in whole), default=0)
            found = [c for c in whole if c.filename.count("/") == longest] or found
        if found:
            return _one(found, rule)
    if frame := _FRAME.match(base):
        found = [c for c in pool if _stem(_nfc(c.filename)) == _nfc(frame["stem"])]
        if found:
            return _one(found, "frame", int(frame["frame"]))
        for usual in _frame_files(_nfc(frame["stem"]), int(frame["frame"])):
            found = [c for c in pool if _stem(_nfc(c.filename)).casefold() == usual.casefold()]
            if found:
                return _one(found, "frame-file")
    if upload := _UPLOAD.match(base):
        original = _nfc(unquote(upload["name"]))
        found = [
            c for c in pool if PurePosixPath(_nfc(c.filename)).name in (original, upload["name"])
        ]
        if found:
            return _one(found, "upload-prefix")
    if mangled := _ROBOFLOW.match(base):
        found = [c for c in pool if _stem(_nfc(c.filename)) == _nfc(mangled["name"])]
        same = [c for c in found if c.filename.lower().endswith("." + mangled["ending"].lower())]
        if found:
            return _one(same or found, "roboflow")
    if not loose and _has_ending(base):
        # labels without a picture came first: what they are about is known by its stem alone
        found = [c for c in pool if not _has_ending(c.filename) and _base(c.filename) == path.stem]
        if found:
            return _one(found, "stem")
    if loose or not _has_ending(base):
        stems = {path.stem, base} if _has_ending(base) else {base}
        found = [c for c in pool if _stem(_nfc(c.filename)) in stems]
        if len(found) > 1:
            # folder by folder up to the root of its own name: images/train/a/1 means a/1.jpg
            whole = [c for c in found if _is_below(_stem_path(_nfc(c.filename)), nfc, base)]
            longest = max((c.filename.count("/") for c in whole), default=0)
            found = [c for c in whole if c.filename.count("/") == longest] or found
        if len(found) > 1 and path.parent != PurePosixPath("."):
            # the folder decides between equal stems: labels/a/1 means images/a/1.jpg
            near = [c for c in found if _shared_folders(c.filename, nfc)]
            best = max((_shared_folders(c.filename, nfc) for c in near), default=0)
            found = [c for c in near if _shared_folders(c.filename, nfc) == best] or found
        if found:
            return _one(found, "stem")
    return Match(None)


def file_name(address: str) -> str:
    """The name in an address (``https://``, ``s3://``, ``file://``): no host, query or escapes."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or address


def whole_path(address: str) -> str:
    """The path in an address, with its folders: tells two files of one name apart."""
    return unquote(urlsplit(address).path).strip("/")


def places(name: str, folder: str) -> list[str]:
    """Where the image ``name`` of an annotation file in ``folder`` lies, the likeliest first.

    In the file's folder, then in those above it; in each also in its ``images``, ``JPEGImages``
    and the like, there also below the folders that lead to the file.
    """
    wanted = _slashes(name)
    parts = folder.split("/") if folder else []
    found = []
    for depth in range(len(parts), -1, -1):
        above, below = parts[:depth], parts[depth + 1 :]
        for middle in ([], *([each] for each in IMAGE_FOLDERS)):
            rests = [[]] if not middle or not below else [[], below]
            for rest in rests:
                path = posixpath.normpath("/".join([*above, *middle, *rest, wanted]))
                found.append(path)
    return found


def folder_key(folder: str) -> tuple[str, ...]:
    """A folder without the words that tell pictures from labels."""
    return tuple(p for p in folder.casefold().split("/") if p and p not in _WORDS)


def related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one folder key begins or ends with the other."""
    a, b = sorted((one, other), key=len)
    return not a or b[: len(a)] == a or b[len(b) - len(a) :] == a


def in_other_folder(a: str, b: str) -> bool:
    """Whether two names are equal but for the folders they name."""
    first, second = (PurePosixPath(_nfc(unquote(_slashes(name)))) for name in (a, b))
    return first.name == second.name and first.parent != second.parent


def nearest(name: str, filenames: Sequence[str], count: int = 3) -> list[str]:
    """The file names that look most like ``name``."""
    base = PurePosixPath(_slashes(name)).name
    return difflib.get_close_matches(base, filenames, n=count, cutoff=0.6)


def _one(found: list[Candidate], rule: str, frame: int | None = None) -> Match:
    if len(found) == 1:
        return Match(found[0], rule, frame)
    return Match(None, rule, ambiguous=tuple(sorted(c.filename for c in found)))


def _slashes(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _has_ending(name: str) -> bool:
    """Whether a name ends as pictures, videos and volumes do: ``a_jpg.rf.0f3c9e`` does not."""
    return _ENDING.search(name) is not None


def _frame_files(stem: str, frame: int) -> Iterator[str]:
    """What tools call the picture of a frame, without its ending."""
    for width in (6, 5, 4, 8, 0):
        number = f"{frame:0{width}}" if width else str(frame)
        yield from (
            *(f"{stem}{mark}{number}" for mark in ("_", "-", "_frame_", "_frame", "-frame-", "#")),
            *(f"{mark}{number}" for mark in ("frame_", "frame", "frame-", "img_", "")),
        )


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(name: str) -> str:
    base = _base(name)
    stem, dot, _ = base.rpartition(".")
    return stem if dot and stem else base


def _stem_path(name: str) -> str:
    """A name without its ending."""
    return name.removesuffix(_base(name)) + _stem(name)


def _is_below(stem: str, name: str, base: str) -> bool:
    """Whether ``name``, with an ending or without, is ``stem`` in some folder or as it is."""
    return any(
        n == stem or n.endswith("/" + stem) for n in (name, name.removesuffix(base) + _stem(base))
    )


def _suffix(a: str, b: str) -> bool:
    return _ends(a, b) or _ends(b, a)


def _ends(name: str, end: str) -> bool:
    """Whether ``end`` is the last folders and the base name of ``name``."""
    return name.endswith("/" + end)


def _shared_folders(a: str, b: str) -> int:
    """How many folders two paths share, counted from their file names upwards."""
    count = 0
    for x, y in zip(PurePosixPath(a).parts[-2::-1], PurePosixPath(b).parts[-2::-1], strict=False):
        if x != y:
            break
        count += 1
    return count
