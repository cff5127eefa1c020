"""A part of a project for an export: some tags, other names for them, some images.

In this order: tags are dropped, the others get their new names, of these those that are wanted are
kept; then the images are counted out. What is left out is said.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch
from annotary.errors import BadRequestError
from annotary.model import ExportOptions
from annotary.writing.splitting import digest

if TYPE_CHECKING:
    from annotary.writing.exporting import Origin


def selects(options: ExportOptions) -> bool:
    """Whether anything is left out or renamed."""
    return bool(options.tags or options.drop or options.map or options.limit or options.sample)


class Selection:
    """An origin with only what the options ask for; see ``annotary.writing.exporting.Origin``.

    With ``tags``, images stay that have one of them. Dropped tags leave their images behind.
    """

    def __init__(self, whole: Origin, options: ExportOptions) -> None:
        self._whole = whole
        self.notes: list[str] = []
        self.tags, self._new = _tags(whole.tags, options)
        self._every = bool((self._new >= 0).all())
        kept = list(range(len(whole.names)))
        seen = np.zeros(len(kept), np.int64)
        if not self._every or options.limit or options.sample:
            for batch in whole.scan(kept):
                meant = self._new[batch.tag] >= 0
                seen += np.bincount(batch.image[meant], minlength=len(kept))
            left = whole.count - int(seen.sum())
            if left:
                self.notes.append(f"{left} annotations of other tags were left out on request.")
        else:
            seen[:1] = whole.count
        if options.tags:
            kept = np.flatnonzero(seen).tolist()
        if options.sample:
            order = sorted(kept, key=lambda i: digest(options.seed, whole.names[i]))
            kept = sorted(order[: options.sample])
        if options.limit:
            kept = kept[: options.limit]
        if len(kept) < len(whole.names):
            self.notes.append(f"{len(whole.names) - len(kept)} images were left out on request.")
        places = self._places = np.array(kept, np.int64)
        whole_count = len(kept) == len(whole.names)
        self.count = int(seen.sum()) if whole_count else int(seen[places].sum())
        self.project = whole.project
        self.names = [whole.names[i] for i in kept]
        self.widths: Any = np.asarray(whole.widths)[places]
        self.heights: Any = np.asarray(whole.heights)[places]
        self.ids: Sequence[str] = [whole.ids[i] for i in kept] if whole.ids else ()
        self.groups: Sequence[Sequence[str]] = [whole.groups[i] for i in kept if whole.groups]

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of the images, with the numbers that their tags have here."""
        for batch in self._whole.scan(self._places[np.asarray(images, np.int64)].tolist()):
            new = self._new[batch.tag]
            kept = batch if self._every else batch.take(new >= 0)
            kept.tag = (new if self._every else new[new >= 0]).astype(np.int32)
            if len(kept):
                yield kept

    def read_image(self, image: int) -> bytes | None:
        """The bytes of an image's file."""
        return self._whole.read_image(int(self._places[image]))

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every image's own metadata, as text."""
        found = self._whole.metadata(key)
        return [found[place] for place in self._places.tolist()]

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        """The image's file."""
        return self._whole.picture(int(self._places[image]))


def check(options: ExportOptions) -> None:
    """Raise :class:`BadRequestError` for numbers that make no sense."""
    for name in ("limit", "sample"):
        if getattr(options, name) < 0:
            raise BadRequestError(
                f"{name} is {getattr(options, name)}.", hint="It is a number of images; 0: all."
            )


def _tags(tags: Sequence[Any], options: ExportOptions) -> tuple[list[Any], Any]:
    """The tags that are kept, and for every tag of before its number among them, or -1."""
    names = [tag.name for tag in tags]
    _must_be_known([*options.drop, *options.map], names)
    dropped = set(options.drop)
    if both := dropped & set(options.map):
        raise BadRequestError(f"The tag {min(both)!r} is to be dropped and to be renamed.")
    new_names = [None if name in dropped else options.map.get(name, name) for name in names]
    if options.tags:
        _must_be_known(options.tags, [name for name in new_names if name is not None])
        wanted = set(options.tags)
        new_names = [name if name in wanted else None for name in new_names]
    numbers: dict[str, int] = {}
    kept: list[Any] = []
    for tag, name in zip(tags, new_names, strict=True):
        if name is None:
            continue
        if name not in numbers:
            numbers[name] = len(kept)
            kept.append(msgspec.structs.replace(tag, name=name))
        elif tag.name == name or kept[numbers[name]].skeleton is None:
            # what it is merged into says how it is numbered and drawn
            old = kept[numbers[name]]
            own = tag if tag.name == name else old
            kept[numbers[name]] = msgspec.structs.replace(
                own,
                name=name,
                skeleton=own.skeleton or old.skeleton or tag.skeleton,
                attributes={**old.attributes, **tag.attributes},
            )
    return kept, np.array(
        [-1 if name is None else numbers[name] for name in new_names] or [0], np.int64
    )


def _must_be_known(given: Sequence[str], names: Sequence[str]) -> None:
    for each in given:
        if each not in names:
            near = difflib.get_close_matches(each, names, n=3)
            told = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(names[:20])}"
            raise BadRequestError(f"There is no tag {each!r}.", hint=told)
