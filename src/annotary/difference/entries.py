"""A difference as data and as text: what happened to each object, and how many of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from annotary.batch import KIND_NAMES
from annotary.difference.difference import ADDED, KINDS, REMOVED, RETAGGED, UNCHANGED, Changes
from annotary.difference.objects import Objects
from annotary.difference.pairs import RULES, true_overlap
from annotary.geometry.arrays import Floats

_SIGNS = {"added": "+", "removed": "-"}


class Shown(msgspec.Struct, omit_defaults=True):
    """One object of one side.

    ``box`` is its extent (xmin, ymin, xmax, ymax) in pixels, in fractions where the image's size
    is not known; None for a class of the image as a whole.
    """

    tag: str
    bound_type: str
    box: tuple[float, float, float, float] | None = None
    annotations: int = 1
    """How many annotations it has: rings, an outline with its keypoints."""


class Entry(msgspec.Struct, omit_defaults=True):
    """What happened to one object; ``kind`` is one of KINDS but ``unchanged``."""

    asset: str
    kind: str
    before: Shown | None = None
    after: Shown | None = None
    iou: float | None = None
    by: str = ""
    """How both sides were found to be one object: by key, content, overlap or place."""


class Summary(msgspec.Struct):
    """How much differs."""

    images: int = 0
    changed_images: int = 0
    counts: dict[str, int] = {}
    """Objects by kind of difference, ``unchanged`` among them."""
    tags: dict[str, dict[str, int]] = {}
    """The same by tag, without what is unchanged; a retagged object counts for its old tag."""

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        return any(count for kind, count in self.counts.items() if kind != "unchanged")

    def add(self, changes: Changes, tags: list[str]) -> None:
        """Count what differs on some images."""
        self.images += len(changes.images)
        differs = changes.kind != UNCHANGED
        self.changed_images += len(np.unique(changes.image[differs]))
        for kind, count in enumerate(np.bincount(changes.kind, minlength=len(KINDS)).tolist()):
            self.counts[KINDS[kind]] = self.counts.get(KINDS[kind], 0) + count
        old = differs & (changes.left >= 0)
        for tag, kinds in (
            (changes.before.tag[changes.left[old]], changes.kind[old]),
            (
                changes.after.tag[changes.right[changes.kind == ADDED]],
                changes.kind[changes.kind == ADDED],
            ),
        ):
            found, counts = np.unique(tag * len(KINDS) + kinds, return_counts=True)
            for key, count in zip(found.tolist(), counts.tolist(), strict=True):
                of = self.tags.setdefault(tags[key // len(KINDS)], {})
                kind_name = KINDS[key % len(KINDS)]
                of[kind_name] = of.get(kind_name, 0) + count


def entries(changes: Changes, tags: list[str]) -> Iterator[Entry]:
    """What differs, object by object, image by image; outlines with their true overlap."""
    for row in np.flatnonzero(changes.kind != UNCHANGED).tolist():
        image = int(changes.image[row])
        i, j = int(changes.left[row]), int(changes.right[row])
        kind, size = int(changes.kind[row]), changes.sides[image]
        iou = float(changes.iou[row])
        if kind not in (ADDED, REMOVED):
            exact = true_overlap(changes.before, i, changes.after, j, size)
            iou = exact if np.isfinite(exact) else iou
        yield Entry(
            changes.images[image],
            KINDS[kind],
            None if i < 0 else _shown(changes.before, i, tags, size),
            None if j < 0 else _shown(changes.after, j, tags, size),
            round(iou, 6) if np.isfinite(iou) else None,
            RULES[int(changes.rule[row])],
        )


def _shown(side: Objects, number: int, tags: list[str], size: Floats) -> Shown:
    rows = side.rows(number)
    extent = side.extent[number]
    box = None
    if np.isfinite(extent).all():
        scale = np.tile(size if size.all() else np.ones(2), 2)
        x0, y0, x1, y1 = np.round(extent * scale, 3 if size.all() else 6).tolist()
        box = (x0, y0, x1, y1)
    return Shown(
        tags[int(side.tag[number])], KIND_NAMES[int(side.batch.kind[rows[0]])], box, len(rows)
    )


def text(found: Iterable[Entry]) -> Iterator[str]:
    """Lines for people: an image with its counts, then its objects."""
    held: list[Entry] = []
    for entry in found:
        if held and held[0].asset != entry.asset:
            yield from _image(held)
            held = []
        held.append(entry)
    if held:
        yield from _image(held)


def _image(found: list[Entry]) -> Iterator[str]:
    added = sum(entry.kind == "added" for entry in found)
    removed = sum(entry.kind == "removed" for entry in found)
    yield f"{found[0].asset}  +{added} -{removed} ~{len(found) - added - removed}"
    for entry in found:
        yield f"  {_SIGNS.get(entry.kind, '~')} {_line(entry)}"


def _line(entry: Entry) -> str:
    one = entry.before or entry.after
    assert one is not None
    if entry.kind in _SIGNS:
        return f"{one.tag}  {one.bound_type}{_box(one)}"
    if entry.kind == KINDS[RETAGGED] and entry.after is not None:
        return f"{one.tag} -> {entry.after.tag}  retagged{_box(one)}"
    overlap = f"  IoU {entry.iou:.3f}" if entry.iou is not None else ""
    said = {"rounded": "moved by rounding", "attributes": "attributes changed"}
    return f"{one.tag}  {said.get(entry.kind, entry.kind)}{overlap}{_box(one)}"


def _box(shown: Shown) -> str:
    if shown.box is None:
        return ""
    x0, y0, x1, y1 = (f"{value:g}" for value in shown.box)
    return f"  {x0},{y0} {x1},{y1}"


def summary_text(found: Summary) -> str:
    """The whole difference in one line."""
    what = [
        f"{found.counts.get(kind, 0):,} {kind}"
        for kind in KINDS
        if kind != "unchanged" and found.counts.get(kind)
    ]
    images = f"{found.changed_images:,} of {found.images:,} images differ"
    if not what:
        return f"No difference: {found.counts.get('unchanged', 0):,} objects are equal."
    return f"{images}: {', '.join(what)}; {found.counts.get('unchanged', 0):,} unchanged."
