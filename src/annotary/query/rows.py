"""Which rows of a batch a query means, in columns: the one place where queries are answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from annotary.batch import KIND_NAMES, AnnotationBatch, Extra
from annotary.errors import BadRequestError
from annotary.geometry.arrays import Bools, Floats
from annotary.query.language import Compare, Join, Node, Not, Query, Value, pattern


class ImageFacts(Protocol):
    """What is known of the images that a batch's ``image`` counts."""

    widths: Any
    heights: Any

    @property
    def names(self) -> Sequence[str]:
        """Their file names."""

    @property
    def groups(self) -> Sequence[Sequence[str]]:
        """The groups of each image; empty where none of them has any."""


class Stored(Protocol):
    """What only a store knows of the rows of a batch: one value for each."""

    @property
    def created(self) -> Sequence[int]:
        """When each row was made, in milliseconds."""

    @property
    def sources(self) -> Sequence[str | None]:
        """Which file each came from."""

    @property
    def statuses(self) -> Sequence[str]:
        """The status of each row's image."""

    @property
    def counts(self) -> Sequence[int]:
        """How many annotations each row's image has."""

    @property
    def groups(self) -> Sequence[Sequence[str]]:
        """The groups of each row's image."""


def matching_rows(
    query: Query,
    batch: AnnotationBatch,
    images: ImageFacts,
    tag_names: Sequence[str],
    stored: Stored | None = None,
) -> Bools:
    """Which rows [n] of a batch (fractions) a query means: an object with all of its rows.

    An object is asked by its tag, its whole extent, and what is said of its first row. Raises
    :class:`BadRequestError` for what only a store knows, where there is none.
    """
    if not len(batch):
        return np.zeros(0, np.bool_)
    asked = _Asked(batch, images, tag_names, stored)
    return np.repeat(asked.answer(query.root), np.diff(asked.begin))


class _Asked:
    """A batch while a query is answered: one value for each object."""

    def __init__(
        self,
        batch: AnnotationBatch,
        images: ImageFacts,
        tag_names: Sequence[str],
        stored: Stored | None,
    ) -> None:
        self._batch = batch
        self._images = images
        self._tag_names = tag_names
        self._stored = stored
        self.begin = batch.objects()
        self._first = self.begin[:-1]

    def answer(self, node: Node) -> Bools:
        if isinstance(node, Not):
            return np.logical_xor(self.answer(node.of), True).astype(np.bool_)
        if isinstance(node, Join):
            parts = [self.answer(part) for part in node.parts]
            join: Any = np.logical_and if node.how == "and" else np.logical_or
            found: Bools = np.asarray(join.reduce(parts), np.bool_)
            return found
        if node.field in ("width", "height", "side", "area"):
            return self._length(node)
        return _ASKED[node.field](self, node)

    # --- geometry -----------------------------------------------------------------------------

    @cached_property
    def _extent(self) -> Floats:
        return self._batch.extents(self.begin)

    def _length(self, node: Compare) -> Bools:
        if node.op == "none":
            return np.isnan(self._extent[:, 0])
        image = self._batch.image[self._first]
        parts = self._extent[:, 2:] - self._extent[:, :2]
        sizes = np.column_stack(
            [np.asarray(self._images.widths)[image], np.asarray(self._images.heights)[image]]
        ).astype(np.float64)
        sizes[sizes <= 0] = np.nan
        pixels = parts * sizes
        found = np.zeros(len(parts), np.bool_)
        for value in node.values:
            sides = parts if value.part else pixels
            if node.field == "area":
                measure = sides[:, 0] * sides[:, 1]
            elif node.field == "side":
                # the side that is shorter in pixels, also where it is asked for as a part
                shorter = np.argmin(np.where(np.isnan(pixels), parts, pixels), axis=1)
                measure = sides[np.arange(len(sides)), shorter]
            else:
                measure = sides[:, 0 if node.field == "width" else 1]
            found |= _compare(measure, node.op, value.number)
        return found

    # --- texts --------------------------------------------------------------------------------

    def _tag(self, node: Compare) -> Bools:
        return self._listed(node, self._tag_names, self._batch.tag[self._first])

    def _type(self, node: Compare) -> Bools:
        return self._listed(node, KIND_NAMES, self._batch.kind[self._first])

    def _file(self, node: Compare) -> Bools:
        return self._listed(node, self._images.names, self._batch.image[self._first])

    def _listed(self, node: Compare, texts: Sequence[str], numbers: NDArray[Any]) -> Bools:
        """A condition on a text that many objects share is answered once for each text."""
        used, where = np.unique(numbers, return_inverse=True)
        says = _text_condition(node)
        return np.array([says(texts[i]) for i in used.tolist()], np.bool_)[where]

    def _group(self, node: Compare) -> Bools:
        groups: list[Sequence[str]]
        if self._stored is not None:
            groups = [self._stored.groups[row] for row in self._first.tolist()]
        else:
            known = self._images.groups
            image = self._batch.image[self._first].tolist()
            groups = [known[i] if known else () for i in image]
        if node.op == "none":
            found = [not each for each in groups]
        elif node.op == "!=":
            # an image is in several groups: none of them may be the one
            found = [node.values[0].text not in each for each in groups]
        else:
            says = _text_condition(node)
            found = [any(map(says, each)) for each in groups]
        return np.array(found, np.bool_)

    # --- what is said -------------------------------------------------------------------------

    def _said(self, node: Compare) -> Bools:
        return self._each(node, [self._value(row, node) for row in self._first.tolist()])

    def _value(self, row: int, node: Compare) -> Any:
        extra = self._batch.extras.get(row, _NOTHING)
        if node.field == "attribute":
            return (extra.attributes or {}).get(node.name)
        name = "score" if node.field == "score" else node.name
        return (extra.properties or {}).get(name)

    def _each(self, node: Compare, values: Sequence[Any]) -> Bools:
        return np.array([_holds(value, node) for value in values], np.bool_)

    # --- what the store knows -----------------------------------------------------------------

    def _of_store(self, node: Compare) -> Bools:
        if self._stored is None:
            raise BadRequestError(
                f"{node.field} can be asked for in a project only.",
                hint="Import the files into a project first.",
            )
        rows = self._first.tolist()
        values: Any = getattr(self._stored, _STORED[node.field])
        return self._each(node, [values[row] for row in rows])


_STORED = {
    "created": "created",
    "source": "sources",
    "status": "statuses",
    "annotations": "counts",
}
_ASKED: dict[str, Callable[[_Asked, Compare], Bools]] = {
    "tag": _Asked._tag,
    "type": _Asked._type,
    "file": _Asked._file,
    "group": _Asked._group,
    "score": _Asked._said,
    "attribute": _Asked._said,
    "property": _Asked._said,
    **dict.fromkeys(_STORED, _Asked._of_store),
}
_NOTHING = Extra()


def _compare(measure: Any, op: str, value: float) -> Any:
    """Compare numbers; lengths are made of fractions, so what is equal but for that is equal."""
    with np.errstate(invalid="ignore"):
        equal = np.isclose(measure, value, rtol=1e-9, atol=1e-12)
        known = ~np.isnan(measure)
        return (
            known
            & {
                "=": equal,
                "in": equal,
                "!=": ~equal,
                "<": (measure < value) & ~equal,
                "<=": (measure < value) | equal,
                ">": (measure > value) & ~equal,
                ">=": (measure > value) | equal,
            }[op]
        )


def _text_condition(node: Compare) -> Callable[[str], bool]:
    texts = [value.text for value in node.values]
    if node.op == "~":
        return lambda text: pattern(texts[0]).match(text) is not None
    if node.op == "!=":
        return lambda text: text != texts[0]
    if node.op == "none":
        return lambda text: not text
    return lambda text: text in texts


def _holds(value: Any, node: Compare) -> bool:
    """Whether a condition holds of one value: a number, a text, a list of texts, or none."""
    if node.op == "none":
        return value is None
    if value is None:
        return False
    if isinstance(value, list):
        if node.op == "!=":
            return all(_holds(each, node) for each in value)
        return any(_holds(each, node) for each in value)
    if node.op == "in":
        return any(_equal(value, each) for each in node.values)
    (asked,) = node.values
    if node.op in ("=", "!="):
        return _equal(value, asked) == (node.op == "=")
    if node.op == "~":
        return pattern(asked.text).match(str(value)) is not None
    if isinstance(value, bool) or not isinstance(value, int | float) or np.isnan(asked.number):
        return False
    return bool(_compare(np.float64(value), node.op, asked.number))


def _equal(value: Any, asked: Value) -> bool:
    if isinstance(value, bool):
        return asked.text.lower() == str(value).lower() or asked.number == value
    if isinstance(value, int | float):
        return bool(np.isclose(value, asked.number, rtol=1e-9, atol=1e-12))
    return str(value) == asked.text
