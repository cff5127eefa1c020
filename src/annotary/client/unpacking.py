"""Zips that the engine offers, fetched and unpacked without leaving their folder."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

import msgspec

from annotary.client.transport import Transport
from annotary.errors import AnnotaryError


class _Image(msgspec.Struct):
    """An image of an export: where it goes, and the file of this machine that it is."""

    path: str
    source: str
    link: bool


def fetch_zip(
    transport: Transport, url: str, folder: Path, *, images: str | None = None, below: str = ""
) -> Sequence[str]:
    """Unpack the zip at ``url`` into ``folder``; answers the names of its files.

    ``images``: the address of the list of images that belong to it but lie on this machine.
    Members are unpacked without the folder ``below``. Raises
    :class:`~annotary.errors.AnnotaryError`, having written nothing, when a member's name would
    lead out of the folder.
    """
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile() as fetched:
        transport.download(url, fetched)
        fetched.seek(0)
        with zipfile.ZipFile(fetched) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            for info in infos:
                _must_stay_inside(info.filename)
            inner = {info.filename.split("/", 1)[0] for info in infos}
            for info in infos:
                if below:
                    info.filename = info.filename.removeprefix(f"{below}/")
                archive.extract(info, folder)
            names = [info.filename for info in infos]
    if images is None:
        return names
    # the list has no folder of its own: its images lie where the other files lie
    (prefix,) = [""] if below else [f"{name}/" for name in inner]
    return [*names, *_fetch_images(transport, images, folder, prefix)]


def _fetch_images(transport: Transport, url: str, folder: Path, prefix: str) -> Sequence[str]:
    from annotary.contract.placing import place

    names = []
    with TemporaryFile() as listed:
        transport.download(url, listed)
        listed.seek(0)
        for line in listed:
            image = msgspec.json.decode(line, type=_Image)
            name = prefix + image.path
            _must_stay_inside(name)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                place(Path(image.source), target, image.link)
            except FileNotFoundError:
                raise AnnotaryError(
                    f"The image {image.path} is gone since the export was made.",
                    hint="Export again: what is missing is counted then.",
                ) from None
            names.append(name)
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
