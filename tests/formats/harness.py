"""Run a format's fixture folder through the way in, and show what came out as plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from annotary import formats
from annotary.batch import BITMASK, KEYPOINTS, KIND_NAMES, AnnotationBatch
from annotary.matching import Candidate, Match, key, keys, match, nearest
from annotary.reading.file import FileReading
from annotary.reading.session import Reading
from annotary.syntax.source import SourceFile

SIDE_FILES = {"expected.json", "expected.log", "images.json"}


class Images:
    """A fixed set of images: {name: (width, height)}; None accepts any name at its stated size."""

    def __init__(self, sizes: dict[str, tuple[int, int]] | None) -> None:
        self.open = sizes is None
        self.names = list(sizes or {})
        self.pool = [Candidate(i, n, *wh) for i, (n, wh) in enumerate((sizes or {}).items())]

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        found = []
        for name, size in zip(names, sizes, strict=True):
            if self.open:
                same = [c for c in self.pool if c.filename == name]
                if not same:
                    same = [Candidate(len(self.pool), name, *size)]
                    self.pool += same
                    self.names.append(name)
                found.append(Match(same[0], "created"))
            else:
                wanted = keys(name)
                found.append(match(name, [c for c in self.pool if key(c.filename) in wanted]))
        return found

    def suggest(self, name: str) -> str:
        near = nearest(name, self.names)
        return f"Did you mean {', '.join(near)}?" if near else "Upload the image first."


class Collected:
    """All that a session yields: objects as plain data, problems as text, and counts."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.objects: list[dict[str, Any]] = []
        self.batches: list[AnnotationBatch] = []
        self.log: list[str] = []
        self.reading: Reading

    def begin_file(self, file: FileReading) -> None:
        pass

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        self.batches.append(batch)
        starts = batch.objects().tolist()
        for begin, end in pairwise(starts):
            self.objects.append(describe(batch, begin, end, self.images.names, file.rows.tag_names))

    def end_file(self, file: FileReading) -> None:
        assert file.rows.records == (
            sum(len(b.objects()) - 1 for b in self.batches)
            - getattr(self, "_before", 0)
            + file.faulty
            + file.rows.rejected
            + file.rows.skipped
            + sum(file.refused.values())
        ), "records read are not all accounted for"
        self._before = sum(len(b.objects()) - 1 for b in self.batches)
        file.report.skipped = file.rows.skipped
        file.report.rejected = file.rows.rejected + file.faulty
        self.classes = dict(zip(file.rows.tag_names, file.rows.tag_ids, strict=True))
        self.skeletons = dict(file.rows.skeletons)


def describe(
    batch: AnnotationBatch, begin: int, end: int, images: Sequence[str], tags: Sequence[str]
) -> dict[str, Any]:
    """One object as plain data; coordinates are fractions rounded to 9 decimals."""
    parts = []
    for row in range(begin, end):
        step = 3 if batch.kind[row] == KEYPOINTS else 2
        values = np.round(batch.values(row), 9).reshape(-1, step)
        part: dict[str, Any] = {
            "kind": KIND_NAMES[batch.kind[row]],
            "points": [[float(v) for v in point] for point in values],
        }
        if batch.hole[row]:
            part["hole"] = True
        extra = batch.extras.get(row)
        if batch.kind[row] == BITMASK and extra is not None and extra.mask is not None:
            part["mask"] = [extra.mask.height, extra.mask.width, extra.mask.counts.decode()]
        parts.append(part)
    found: dict[str, Any] = {
        "image": images[batch.image[begin]],
        "tag": tags[batch.tag[begin]],
        "parts": parts,
    }
    extra = batch.extras.get(begin)
    if extra is not None:
        rest = msgspec.to_builtins(extra)
        rest.pop("mask", None)
        found |= {name: value for name, value in rest.items() if value}
    return found


def sources(folder: Path) -> list[SourceFile]:
    """The files of a fixture folder, named relative to it."""
    return [
        SourceFile(path.relative_to(folder).as_posix(), path=path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in SIDE_FILES
    ]


def read(
    files: Sequence[SourceFile],
    sizes: dict[str, tuple[int, int]] | None = None,
    *,
    format: str | None = None,
    tags: Sequence[str] = (),
) -> Collected:
    """Read a session of files against a fixed set of images (None: any image as stated)."""
    images = Images(sizes)
    collected = Collected(images)
    reading = Reading(images, collected, project_tags=tags)
    collected.reading = reading
    reading.read(files, formats.get(format) if format else None)
    collected.log = [problem.text for problem in reading.log]
    return collected


def read_folder(folder: Path, sizes: dict[str, tuple[int, int]] | None = None) -> Collected:
    """Read a folder with ``images.json`` beside or above it, if there is one."""
    for place in (folder, folder.parent, folder.parent.parent):
        if sizes is None and (place / "images.json").exists():
            sizes = {
                name: (int(w), int(h))
                for name, (w, h) in json.loads((place / "images.json").read_text("utf-8")).items()
            }
    return read(sources(folder), sizes)
