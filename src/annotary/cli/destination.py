"""The folder that an export is written into: empty, or cleared of exactly what stood there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotary.cli.failures import must_be_writable, writing

if TYPE_CHECKING:
    from annotary.model import ExportManifest

MANIFEST = "manifest.json"
OVERWRITE = click.option(
    "--overwrite", is_flag=True, help="Replace the files of an earlier export in --out."
)


class Destination:
    """An export's folder. Nothing is touched before :meth:`clear`."""

    def __init__(self, out: str, overwrite: bool) -> None:
        """Raises :class:`BadRequestError` for a folder that holds something else.

        Two exports in one folder are no dataset: images of one split would be in another part.
        """
        from annotary.errors import BadRequestError

        self.folder = Path(out)
        self._earlier: list[str] = []
        self._known: frozenset[str] = frozenset()
        must_be_writable(self.folder)
        if not self.folder.is_dir():
            return
        there = sorted(e.name for e in self.folder.iterdir() if not e.name.startswith("."))
        if not there:
            return
        if not overwrite:
            own = " --overwrite replaces the export in it." if MANIFEST in there else ""
            raise BadRequestError(
                f"The folder {out} is not empty: {', '.join(there[:3])}"
                + (", ..." if len(there) > 3 else "."),
                hint=f"Choose another --out.{own}",
            )
        self._earlier = self._earlier_files(out)
        self._known = frozenset(self._earlier)

    def clear(self) -> frozenset[str]:
        """Remove the files of the earlier export, and the folders that are empty then.

        Answers the files that stay, for none of them may be written over.
        """
        emptied: set[Path] = set()
        with writing(self.folder):
            for name in self._earlier:
                path = self.folder / name
                path.unlink(missing_ok=True)
                emptied.update(p for p in path.parents if p.is_relative_to(self.folder))
            for folder in sorted(emptied - {self.folder}, key=lambda p: -len(p.parts)):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            left = [p for p in self.folder.rglob("*") if p.is_file()] if self._earlier else []
        return frozenset(p.relative_to(self.folder).as_posix() for p in left)

    def clear_for(self, names: Iterable[str]) -> None:
        """The same, for files whose names are known. Raises where one of them must stay."""
        from annotary.errors import BadRequestError

        for name in names if self._earlier else ():
            if name not in self._known and (self.folder / name).exists():
                raise BadRequestError(
                    f"{self.folder / name} is there already, and no earlier export has written it.",
                    hint="Move it away, or choose another folder.",
                )
        self.clear()

    def write_manifest(self, manifest: ExportManifest) -> None:
        """Write what the export holds beside it."""
        import msgspec

        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / MANIFEST).write_bytes(text + b"\n")

    def _earlier_files(self, out: str) -> list[str]:
        import msgspec

        from annotary.contract.names import inside
        from annotary.errors import BadRequestError
        from annotary.model import ExportManifest

        try:
            data = (self.folder / MANIFEST).read_bytes()
            manifest = msgspec.json.decode(data, type=ExportManifest)
        except (OSError, msgspec.DecodeError):
            raise BadRequestError(
                f"The folder {out} holds no export of annotary (it has no {MANIFEST} of one).",
                hint="--overwrite replaces the files of an earlier export only: choose another"
                " --out.",
            ) from None
        names = [*manifest.files, *manifest.images, MANIFEST]
        if any(inside(name) != name or "\\" in name for name in names):
            raise BadRequestError(
                f"The {MANIFEST} in {out} names files outside of the folder.",
                hint="It was changed by hand: choose another --out.",
            )
        return names
