"""Export what a session of the harness has read, through the real way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from annotary import formats
from annotary.batch import AnnotationBatch, Extra
from annotary.model import ExportManifest, ExportOptions, Skeleton
from annotary.writing.exporting import ExportTag, export
from annotary.writing.output import FolderOutput
from tests.formats.harness import Collected


class Found:
    """An origin of an export: the images and annotations that a session has read."""

    project = "0" * 32
    ids: Sequence[str] = ()
    groups: Sequence[Sequence[str]] = ()

    def __init__(self, found: Collected, family: str = "coco") -> None:
        pool = sorted(found.images.pool, key=lambda candidate: candidate.filename)
        self._place = np.zeros(len(pool), np.int64)
        self._place[[candidate.asset for candidate in pool]] = np.arange(len(pool))
        self.names = [candidate.filename for candidate in pool]
        self.widths = np.array([candidate.width for candidate in pool], np.int64)
        self.heights = np.array([candidate.height for candidate in pool], np.int64)
        skeletons = getattr(found, "skeletons", {})
        self.tags = [
            ExportTag(
                name,
                {} if id is None else {family: id},
                Skeleton(keypoints=skeletons[name][0], edges=skeletons[name][1])
                if name in skeletons
                else None,
            )
            for name, id in found.classes.items()
        ]
        self._batches = found.batches
        self.count = sum(map(len, found.batches))

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """One batch per image."""
        for number, image in enumerate(images):
            for batch in self._batches:
                one = batch.take(self._place[batch.image] == image)
                if len(one):
                    one.image = np.full(len(one), number, np.int32)
                    one.extras = {row: _copy(extra) for row, extra in one.extras.items()}
                    yield one

    def read_image(self, image: int) -> bytes | None:
        return None

    def metadata(self, key: str) -> Sequence[str]:
        return [""] * len(self.names)

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        return nullcontext(None)


def _copy(extra: Extra) -> Extra:
    return Extra(extra.attributes, extra.properties, extra.mask, extra.frame)


def exported(
    found: Collected, folder: Path, format: str, **options: Any
) -> tuple[ExportManifest, Path]:
    """Export into a folder; answers the manifest and the file of the only part."""
    out = FolderOutput(folder)
    manifest = export(Found(found), formats.get(format), ExportOptions(**options), out)
    (made,) = [path for path in folder.rglob("dump.json") if path.is_file()]
    return manifest, made
