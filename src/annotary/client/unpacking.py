"""Zips that the engine offers, fetched and unpacked without leaving their folder."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

from annotary.client.transport import Transport
from annotary.errors import AnnotaryError


def fetch_zip(transport: Transport, url: str, folder: Path) -> Sequence[str]:
    """Unpack the zip at ``url`` into ``folder``; answers the names of its files.

    Raises :class:`~annotary.errors.AnnotaryError`, having written nothing, when a member's name
    would lead out of the folder.
    """
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile() as fetched:
        transport.download(url, fetched)
        fetched.seek(0)
        with zipfile.ZipFile(fetched) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            for name in names:
                _must_stay_inside(name)
            archive.extractall(folder)
    return names


def _must_stay_inside(name: str) -> None:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or ":" in name.split("/", maxsplit=1)[0]
    ):
        raise AnnotaryError(f"The zip holds a file that would leave its folder: {name!r}.")
