"""Small projects at random, with everything that makes files go wrong, as exports see them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from annotary.batch import (
    BITMASK,
    CLASSIFICATION,
    KEYPOINTS,
    POLYGON,
    RECTANGLE,
    AnnotationBatch,
    Extra,
)
from annotary.contract.rows import RowSink, Shape
from annotary.geometry import rle
from annotary.model import Skeleton
from annotary.writing.exporting import ExportTag

STEMS = ("image", "a b", "ü", unicodedata.normalize("NFD", "ü"), "臉書", "v1.2", "50%", "a%20b",
         "it's", "x,y;z", "no #1", "#frame", "say \"hi\"", "a&b<c>", "train", "(1)",
         "A b", "000")  # fmt: skip
ENDINGS = (".png", ".jpg", ".JPG", ".tif")
FOLDERS = ("", "", "", "day 1/", "über/sub.d/", "images/")
SIZES = ((400, 200), (1, 1), (7, 5), (640, 480), (4000, 3000), (30, 20_000), (333, 77))
TAGS = ("dog", "traffic light", "狗", "a,b;c", 'quo"te', "it's", "x<y>&z", "1", "Straße", "a/b",
        "50%", "loc #1", "[box]", "tail:wag", "person")  # fmt: skip
POINTS = ["nose", "left ear", "tail"]
EDGES = [(0, 1), (1, 2)]

Size = tuple[int, int]


@dataclass
class Thing:
    """One object: the method of a sink that writes it, and what it is given."""

    method: str
    image: int
    tag: int
    values: list[Any]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Project:
    """Images with their sizes in pixels, tags, and objects in fractions sorted by image.

    It is an origin of exports; every object's ``at`` is its place in ``things``.
    """

    sizes: dict[str, Size]
    tags: list[ExportTag]
    things: list[Thing]
    cut: int = 2
    project: str = "0" * 32
    ids: Sequence[str] = ()
    groups: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        self.sizes = dict(sorted(self.sizes.items()))
        self.things.sort(key=lambda thing: thing.image)
        self.names = list(self.sizes)
        self.widths = np.array([w for w, _ in self.sizes.values()], np.int64)
        self.heights = np.array([h for _, h in self.sizes.values()], np.int64)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(len(batch) for batch in self.scan(range(len(self.names))))

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Batches of ``cut`` images each, made anew: whoever gets them may change them."""
        found: list[AnnotationBatch] = []
        for begin in range(0, len(images), self.cut):
            sink = RowSink("", lambda _, batch: found.append(batch) if len(batch) else None)
            sink.records = 1000 * begin
            for place, image in list(enumerate(images))[begin : begin + self.cut]:
                for at, thing in enumerate(self.things):
                    if thing.image == image:
                        more = thing.more | {"at": at}
                        if "extra" in more:
                            more["extra"] = _copy(more["extra"])
                        values = thing.values
                        if thing.method == "object":
                            values = [[_copied(shape) for shape in values[0]]]
                        getattr(sink, thing.method)(place, thing.tag, *values, **more)
            sink.flush()
        yield from found

    def read_image(self, image: int) -> bytes | None:
        """No image is at hand."""
        return None


def _copied(shape: Shape) -> Shape:
    return shape._replace(extra=shape.extra and _copy(shape.extra))


def _copy(extra: Extra) -> Extra:
    found: Extra = msgspec.structs.replace(extra)
    found.attributes = dict(extra.attributes) if extra.attributes else None
    found.properties = dict(extra.properties) if extra.properties else None
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@st.composite
def names(draw: st.DrawFn, most: int = 4) -> list[str]:
    """Different file names; not all systems tell case and Unicode forms apart."""
    one = st.builds(
        lambda folder, stem, ending: folder + stem + ending,
        st.sampled_from(FOLDERS),
        st.sampled_from(STEMS),
        st.sampled_from(ENDINGS),
    )
    return draw(st.lists(one, min_size=1, max_size=most, unique_by=_folded))


def lengths(size: int) -> st.SearchStrategy[float]:
    """Places between two edges, in fractions: on the edges, on pixels, between them."""
    return st.one_of(
        st.integers(0, size).map(lambda v: v / size),
        st.integers(0, size * 4).map(lambda v: v / 4 / size),
        st.floats(0, 1, allow_subnormal=False).map(lambda v: 0.0 if v < 1e-9 else v),
    )


@st.composite
def boxes(draw: st.DrawFn, size: Size) -> list[float]:
    """xmin, ymin, xmax, ymax: from a hundredth of a pixel to the whole image."""
    sides = []
    for length in size:
        low = draw(lengths(length))
        if draw(st.booleans()):
            high = draw(lengths(length))
        else:
            high = low + draw(st.sampled_from([0.01, 0.5, 1.0])) / length
        low, high = sorted((min(low, 1.0), min(high, 1.0)))
        if high - low < 0.005 / length:
            low, high = 0.0, 1.0
        sides.append((low, high))
    (x0, x1), (y0, y1) = sides
    return [x0, y0, x1, y1]


def _ring(box: Sequence[float], shape: int) -> list[float]:
    """A ring that fills a box: a pentagon, a triangle or a staircase."""
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return [
        [x0, y0, x1, y0, x1, y1, x, (y + y1) / 2, x0, y1],
        [x0, y0, x1, y, x, y1],
        [x0, y0, x, y0, x, y, x1, y, x1, y1, x0, y1],
        [x0, y0, x1, y0, x1, y1, x0, y1],
    ][shape]


@st.composite
def rings(draw: st.DrawFn, size: Size) -> tuple[list[list[float]], list[list[float]]]:
    """One to three rings side by side, and perhaps a hole in the first."""
    x0, y0, x1, y1 = draw(boxes(size))
    count = draw(st.sampled_from([1, 1, 2, 3])) if (x1 - x0) * size[0] > 0.1 else 1
    step = (x1 - x0) / count
    cells = [(x0 + i * step, y0, x0 + (i + 0.75) * step, y1) for i in range(count)]
    outer = [_ring(cell, draw(st.integers(0, 3))) for cell in cells]
    holes = []
    if draw(st.sampled_from([False, False, True])):
        a, b, c, d = cells[0]
        w, h = c - a, d - b
        outer[0] = _ring(cells[0], 3)
        holes.append([a + w / 4, b + h / 4, a + w / 2, b + h / 4, a + w / 2, b + h / 2])
    return outer, holes


@st.composite
def masks(draw: st.DrawFn, size: Size) -> rle.Rle:
    """A few pixels somewhere, perhaps with a hole, or all of the image."""
    width, height = size
    dense = np.zeros((height, width), bool)
    w, h = draw(st.integers(1, min(width, 6))), draw(st.integers(1, min(height, 6)))
    left, top = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
    dense[top : top + h, left : left + w] = True
    if w > 2 and h > 2 and draw(st.booleans()):
        dense[top + 1, left + 1] = False
    if draw(st.integers(0, 9)) == 0:
        dense[:] = True
    return rle.from_dense(dense)


WORDS = st.sampled_from(
    ["red", 'größer, "als"', "a<b>&c", "12", "true", "x y", "狗", "0.50", "a|b;c"]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["colour", "is it <old>?", "größe", "a b", "type"]),
    st.one_of(
        WORDS,
        st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False),
        st.integers(-5, 5).map(float),
        st.lists(WORDS, min_size=1, max_size=3, unique=True),
    ),
    max_size=2,
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "iscrowd": st.just(1),
        "difficult": st.just(1),
        "truncated": st.just(1),
        "occluded": st.just(1),
        "score": st.floats(0.01, 0.99),
        "note": WORDS,
        "more": st.just({"a": [1, 2.5, "x"], "b": None, "c": True}),
    },
)


@st.composite
def things(draw: st.DrawFn, image: int, size: Size, tags: int, skeleton: int) -> Thing:
    """One object of any kind."""
    small = size[0] * size[1] <= 700_000
    kinds = ["rectangle", "polygon", "keypoints", "classification"] + ["bitmask"] * small
    kind = draw(st.sampled_from(kinds))
    tag = draw(st.integers(0, tags - 1))
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        extra = Extra(
            attributes=draw(ATTRIBUTES) or None,
            properties=draw(PROPERTIES) or None,
            frame=draw(st.sampled_from([None, None, None, 0, 12])),
        )
        if extra != Extra():
            more["extra"] = extra
    if kind == "rectangle":
        return Thing(kind, image, tag, draw(boxes(size)), more)
    if kind == "polygon":
        outer, holes = draw(rings(size))
        return Thing(kind, image, tag, [outer], more | ({"holes": holes} if holes else {}))
    if kind == "keypoints":
        points: list[float] = []
        for _ in POINTS:
            seen = draw(st.sampled_from([0, 1, 2]))
            points += [draw(lengths(size[0])), draw(lengths(size[1])), seen] if seen else [0, 0, 0]
        if not any(points[2::3]):
            points[:3] = [0.5, 0.5, 2]
        match draw(st.integers(0, 3)):
            case 0:
                more["box"] = draw(boxes(size))
            case 1:
                more["rings"] = draw(rings(size))[0]
        return Thing(kind, image, skeleton, [points], more)
    if kind == "bitmask":
        mask = draw(masks(size))
        box = rle.bbox(mask)
        assert box is not None
        more["extent"] = [v / size[i % 2] for i, v in enumerate(box)]
        return Thing(kind, image, tag, [mask], more)
    return Thing(kind, image, tag, [], more)


KINDS = ("Rectangle", "Polygon", "Keypoints", "Classification", "Bitmask")


def combinations(most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """The kinds of an object's rows: every pair and triple of them, repeated ones too."""
    one = st.sampled_from(KINDS)
    return st.lists(one, min_size=2, max_size=most).map(tuple)


@st.composite
def groups(
    draw: st.DrawFn, image: int, size: Size, tags: int, skeleton: int, kinds: Sequence[str] = ()
) -> Thing:
    """One object of several rows of any kinds, in any order, each with what it has."""
    kinds = kinds or draw(combinations(4))
    tag = skeleton if "Keypoints" in kinds else draw(st.integers(0, tags - 1))
    shapes: list[Shape] = []
    for kind in kinds:
        extra = None
        if draw(st.booleans()):
            extra = Extra(
                attributes=draw(ATTRIBUTES) or None,
                properties=draw(PROPERTIES) or None,
                frame=draw(st.sampled_from([None, None, 0, 12])),
            )
        x0, y0, x1, y1 = box = draw(boxes(size))
        if kind == "Rectangle":
            shapes.append(Shape(RECTANGLE, box, extra))
        elif kind == "Polygon":
            outer, holes = draw(rings(size))
            shapes.append(Shape(POLYGON, outer[0], extra))
            shapes += [Shape(POLYGON, hole, None, True) for hole in holes]
        elif kind == "Keypoints":
            # not just the extent of some box: several formats leave such a box out
            middle = [x0 * 0.7 + x1 * 0.3, y0 * 0.6 + y1 * 0.4]
            shapes.append(Shape(KEYPOINTS, [x0, y0, 2, *middle, 1, 0, 0, 0], extra))
        elif kind == "Bitmask" and size[0] * size[1] <= 700_000:
            mask = draw(masks(size))
            extent = rle.bbox(mask)
            assert extent is not None
            extra = extra or Extra()
            extra.mask = mask
            values = [v / size[i % 2] for i, v in enumerate(extent)]
            shapes.append(Shape(BITMASK, values, extra))
        else:
            shapes.append(Shape(CLASSIFICATION, [], extra))
    return Thing("object", image, tag, [draw(st.permutations(shapes))])


@st.composite
def projects(draw: st.DrawFn, family: str = "", most: int = 4, grouped: bool = False) -> Project:
    """A project with up to ``most`` images; some have no annotations, some tags have numbers.

    With ``grouped``, there are objects of several rows of any kinds.
    """
    sizes = {name: draw(st.sampled_from(SIZES)) for name in draw(names(most))}
    used = draw(st.lists(st.sampled_from(TAGS), min_size=1, max_size=4, unique=True))
    tags = [ExportTag(name) for name in used]
    if family and draw(st.booleans()):
        numbers = draw(
            st.lists(st.integers(1, 99), min_size=len(tags), max_size=len(tags), unique=True)
        )
        tags = [ExportTag(t.name, {family: n}) for t, n in zip(tags, numbers, strict=True)]
    skeleton = ExportTag("pose 1", {}, Skeleton(keypoints=POINTS, edges=EDGES))
    found = [
        draw(things(image, size, len(tags), len(tags)))
        for image, size in enumerate(dict(sorted(sizes.items())).values())
        for _ in range(draw(st.integers(0, 3)))
    ]
    if grouped:
        found += [
            draw(groups(image, size, len(tags), len(tags)))
            for image, size in enumerate(dict(sorted(sizes.items())).values())
            for _ in range(draw(st.integers(0, 2)))
        ]
    if any(thing.tag == len(tags) for thing in found):
        tags.append(skeleton)
    return Project(sizes, tags, found, draw(st.integers(1, 3)))
