"""Files that are to be uploaded under names that the project has already."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import msgspec

from annotary import checksum
from annotary.errors import ConflictError
from annotary.model import AssetUploadFile
from annotary.store import Store, holdings
from annotary.store.holdings import Held
from annotary.store.projects import ProjectKey

Sameness = Literal["same", "different"]
SAME: Literal["same"] = "same"
DIFFERENT: Literal["different"] = "different"


class Placed(NamedTuple):
    """A file, under the name that it gets, and what is there already in its stead."""

    file: AssetUploadFile
    existing: Sameness | None = None
    """``same`` or ``different`` bytes are there, and the file is left out; None: it is taken."""


class Existing:
    """Compares files with those of a project; two are the same by size and CRC-32C.

    ``local``: images that were registered by their path can be read.
    """

    def __init__(self, store: Store, project: ProjectKey, local: bool) -> None:
        self._store = store
        self._project = project
        self._local = local

    def place(self, files: Sequence[AssetUploadFile], how: str) -> list[Placed]:
        """Every file, in order, and what becomes of it.

        Raises :class:`~annotary.errors.ConflictError` where ``how`` is ``same`` and other bytes
        are there.
        """
        there = self._held([file.filename for file in files])
        found = {
            file.filename: self._compare(file, there[file.filename])
            for file in files
            if file.filename in there
        }
        clashing = sorted(name for name, each in found.items() if each == DIFFERENT)
        if clashing and how == "same":
            raise _conflict(clashing, there)
        if how != "rename":
            return [Placed(file, found.get(file.filename)) for file in files]
        names = {file.filename for file in files}
        return [
            self._renamed(file, names)
            if found.get(file.filename) == DIFFERENT
            else Placed(file, found.get(file.filename))
            for file in files
        ]

    def _renamed(self, file: AssetUploadFile, names: set[str]) -> Placed:
        """A file under the first of ``a-2.png``, ``a-3.png``, ... that is free or its own."""
        path = PurePosixPath(file.filename)
        ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        stem = path.name.removesuffix(ending)
        for number in count(2):
            name = str(path.with_name(f"{stem}-{number}{ending}"))
            if name in names:
                continue
            renamed = msgspec.structs.replace(file, filename=name)
            held = self._held([name]).get(name)
            if held is None:
                names.add(name)
                return Placed(renamed)
            if self._compare(file, held) == SAME:
                return Placed(renamed, SAME)
        raise AssertionError("numbers do not end")

    def _held(self, names: Sequence[str]) -> dict[str, Held]:
        with self._store.read() as db:
            return holdings.held(db, self._project, names)

    def _compare(self, file: AssetUploadFile, held: Held) -> Sameness:
        size = held.size
        place = None
        if held.blob is None and held.path is not None and self._local:
            place = Path(held.path)
            size = place.stat().st_size if place.is_file() else None
        if size != file.size:
            return DIFFERENT
        sent = file.crc32c % (1 << 32)
        if file.path is not None:
            sent = checksum.crc32c_file(Path(file.path))
        kept = held.crc32c
        if place is not None:
            kept = checksum.crc32c_file(place)
        elif kept is None and held.blob is not None:  # of a store that kept no sums yet
            if self._store.blobs.size(held.blob) is None:
                return DIFFERENT
            with self._store.blobs.open(held.blob) as stream:
                kept = checksum.crc32c_file(stream)
        return SAME if kept == sent else DIFFERENT


def _conflict(names: Sequence[str], there: dict[str, Held]) -> ConflictError:
    first, more = names[0], len(names) - 1
    held = there[first]
    how = "with other bytes" if held.blob or held.path else "registered without its bytes"
    return ConflictError(
        f"The project has an asset {first!r} already, {how}"
        + (f", and {more:,} more that clash." if more else "."),
        hint="Leave them out, or choose with on_existing=... or --on-existing: skip keeps what is "
        "there, rename adds these under new names.",
    )
