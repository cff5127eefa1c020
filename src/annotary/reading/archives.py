"""Archives read as folders: ``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.bz2``, ``.tar.xz``.

What is looked for in an archive is unpacked into a folder of its own, within limits that its
directory is held to before a byte is written. Members that are encrypted, that would climb out of
the folder, or that are no regular files are problems with their place; the others are read.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from annotary.problems import Problem
from annotary.reading.folders import Contents, ending_of

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ZIP = b"PK\x03\x04"
MEMBERS = 1_000_000
UNPACKED = 1 << 30
"""An archive may always unpack to so many bytes,"""
RATIO = 200
"""and beyond that to so many times its own size: JSON shrinks to a tenth, masks to a fiftieth."""

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class Member(NamedTuple):
    """An entry of an archive's directory; ``fault`` says why it is not to be read."""

    name: str
    size: int
    fault: tuple[str, str] | None = None


class _Archive(Protocol):
    def members(self) -> Iterator[Member]: ...

    def open(self, name: str) -> BinaryIO: ...


def is_archive(name: str) -> bool:
    """Whether a file is one by its name."""
    return name.lower().endswith(ENDINGS)


def looks_like_one(path: Path) -> bool:
    """Whether a file without a name is one, by its content."""
    with path.open("rb") as file:
        begin = file.read(512)
    return begin.startswith(_ZIP) or tarfile.is_tarfile(path)


def unpack(
    archive: Path,
    name: str,
    into: Path,
    endings: Collection[str],
    *,
    beside: Collection[str] = (),
    in_place: bool = False,
) -> Contents:
    """Unpack the files with these endings; ``name`` is the archive's in problems.

    With ``in_place``, an archive that was unpacked where it lies already is left alone: then
    there are no files, and the archive itself is counted among the files of other kinds.
    """
    found = Contents()
    wanted, expected = tuple(endings), tuple(beside)
    try:
        with _opened(archive) as opened:
            limit = max(UNPACKED, RATIO * archive.stat().st_size)
            chosen: dict[str, Member] = {}
            faulty: list[Member] = []
            total = 0
            for count, member in enumerate(opened.members(), 1):
                # what is only passed over costs time as well
                total += member.size
                if count > MEMBERS or total > limit:
                    found.problems.append(_too_large(name, count, total, limit))
                    return found
                base = member.name.rpartition("/")[2].lower()
                if not base.endswith(wanted):
                    if not base.startswith(".") and not base.endswith(expected):
                        found.others[ending_of(base)] += 1
                elif member.fault is not None:
                    faulty.append(member)
                else:
                    chosen[member.name] = member
            if in_place and chosen and _is_unpacked(archive, chosen.values()):
                found.others.clear()
                found.others[ending_of(archive.name)] += 1
                return found
            for member in chosen.values():  # in the archive's order: tars are read forwards
                target = into / member.name
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member.name) as source, target.open("wb") as out:
                        _copy(source, out, member.size)
                except _BROKEN as error:
                    with suppress(OSError):
                        target.unlink()
                    faulty.append(member._replace(fault=_words(error)))
                else:
                    found.files.append(target)
            found.problems += _faults(name, faulty)
    except _BROKEN as error:
        detail, advice = _words(error)
        code = "left-archive" if in_place else "broken-archive"
        found.problems.append(Problem(code, name, values={"detail": detail, "advice": advice}))
    found.files.sort()
    return found


def _copy(source: BinaryIO, out: BinaryIO, size: int) -> None:
    """Copy a member of exactly the size that its directory states."""
    shutil.copyfileobj(source, out, 1 << 20)
    if out.tell() != size:
        raise EOFError(f"it has {out.tell()} bytes of {size}")


def _is_unpacked(archive: Path, members: Collection[Member]) -> bool:
    """Whether all members lie beside the archive, or in a folder of its name."""
    stem = archive.name.lower()
    for ending in ENDINGS:
        if stem.endswith(ending):
            stem = archive.name[: -len(ending)]
            break
    return any(
        all(_has(root / each.name, each.size) for each in members)
        for root in (archive.parent, archive.parent / stem)
    )


def _has(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False


def _faults(archive: str, faulty: Collection[Member]) -> Iterator[Problem]:
    """One problem for each reason, with the first member that it keeps from being read."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for member in faulty:
        assert member.fault is not None
        reasons.setdefault(member.fault, []).append(member.name)
    for (detail, advice), (first, *more) in reasons.items():
        what = f"{first} and {len(more)} more" if more else first
        values = {"what": what, "detail": detail, "advice": advice}
        yield Problem("unreadable-member", archive, values=values)


def _too_large(name: str, count: int, total: int, limit: int) -> Problem:
    if count > MEMBERS:
        value, most = f"over {MEMBERS:,} files", f"{MEMBERS:,} files"
    else:
        value, most = f"over {total:,} bytes", f"{limit:,} bytes"
    values = {
        "what": "The unpacked archive",
        "value": value,
        "limit": most,
        "advice": "If you trust it, unpack it yourself and import the folder.",
    }
    return Problem("too-large", name, values=values)


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, "Check that there is room on the disk, and that you may read it."
    detail = str(error) or type(error).__name__
    return detail[0].lower() + detail[1:], "Download or pack the archive again."


_ENCRYPTED = ("it is encrypted", "Unpack the archive with its password and import the folder.")
_CLIMBS = ("its name leads out of the archive", "Pack the archive again, with plain names.")
_NO_FILE = ("it is a link or a device, not a file", "Pack the file itself.")


def _climbs(name: str) -> bool:
    parts = name.split("/")
    return name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name


@contextmanager
def _opened(archive: Path) -> Iterator[_Archive]:
    with archive.open("rb") as file_:
        is_zip = file_.read(4) == _ZIP
    if is_zip or archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            yield _Zip(file)
    else:
        with tarfile.open(archive) as tar:
            yield _Tar(tar)


class _Zip:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._infos = {_slashes(info.filename): info for info in file.infolist()}

    def members(self) -> Iterator[Member]:
        for name, info in self._infos.items():
            if info.is_dir():
                continue
            kind = info.external_attr >> 28
            fault = None
            if _climbs(name):
                fault = _CLIMBS
            elif info.flag_bits & 1:
                fault = _ENCRYPTED
            elif info.create_system == 3 and kind not in (0, 8):
                fault = _NO_FILE
            yield Member(name, info.file_size, fault)

    def open(self, name: str) -> BinaryIO:
        return self._file.open(self._infos[name])  # type: ignore[return-value]


class _Tar:
    def __init__(self, file: tarfile.TarFile) -> None:
        self._file = file
        self._infos: dict[str, tarfile.TarInfo] = {}

    def members(self) -> Iterator[Member]:
        for info in self._file:
            if info.isdir():
                continue
            name = _slashes(info.name)
            fault = None
            if _climbs(name):
                fault = _CLIMBS
            elif not info.isreg():
                fault = _NO_FILE
            self._infos[name] = info
            yield Member(name, info.size, fault)

    def open(self, name: str) -> BinaryIO:
        found = self._file.extractfile(self._infos[name])
        assert found is not None
        return found  # type: ignore[return-value]


def _slashes(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
