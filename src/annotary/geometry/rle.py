"""COCO run-length masks: pure functions on runs.

A mask is ``height`` x ``width`` pixels read down the columns, first column first. Its *runs*
are the lengths of the alternating stretches of 0 and 1, beginning with 0. Its *counts* are the
runs as the ASCII text of the COCO API (https://github.com/cocodataset/cocoapi, ``maskApi``): from
the fourth run on, each run less the one two places before it; five bits to a character, low
bits first, bit 0x20 for "more follows", bit 0x10 of the last one for the sign, plus 48.

Work is done on runs and on *spans* (the ``[start, stop)`` ranges of ones), so that the cost
follows the outline of a mask and not its area; pixels are made only where a function says so.
Coordinates are pixels with the origin at the top left corner of the top left pixel. Every
function that is given malformed input raises ``ValueError`` with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from annotary.geometry import brush, outlines
from annotary.geometry.imagefile import open_mask

if TYPE_CHECKING:
    from PIL.Image import Image

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Ring = npt.NDArray[np.float64]

_MAX_CHARS = 7  # of one run: 35 bits, while an image has at most 2**34 pixels
_MAX_COORDINATE = 2.0**28  # where the reference rasteriser, five times finer, leaves int32
_NOT_RUNS = "run lengths must be a flat list of whole numbers from 0 up"


class Rle(msgspec.Struct, frozen=True, gc=False):
    """A mask of ``height`` x ``width`` pixels as compressed COCO counts (ASCII)."""

    height: int
    width: int
    counts: bytes


# --- text and runs ----------------------------------------------------------------------


def encode_counts(runs: npt.ArrayLike) -> bytes:
    """Runs, int ``[n]``, as compressed counts."""
    values = np.asarray(runs, dtype=np.int64)
    if values.ndim != 1 or int(values.min(initial=0)) < 0:
        raise ValueError(_NOT_RUNS)
    delta = values.copy()
    delta[3:] -= values[1:-2]
    # v fits n characters when -(2**(5n-1)) <= v < 2**(5n-1); ~v mirrors the negative half.
    size = np.where(delta < 0, ~delta, delta)
    limits = np.int64(1) << np.arange(4, 60, 5, dtype=np.int64)
    length = np.searchsorted(limits, size, side="right") + 1
    place = np.arange(int(length.max(initial=1)))
    chunks = (delta[:, None] >> (5 * place)) & 0x1F
    chunks += np.where(place < length[:, None] - 1, 0x20 + 48, 48)
    return chunks[place < length[:, None]].astype(np.uint8).tobytes()


def decode_counts(counts: bytes) -> Ints:
    """Compressed counts as runs, int64 ``[n]``; says where the text is not such counts."""
    code = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if not code.size:
        return code
    foreign = np.flatnonzero((code < 0) | (code > 0x3F))
    if foreign.size:
        at = int(foreign[0])
        raise ValueError(f"character {at + 1} of the counts, {chr(counts[at])!r}, is not '0'..'o'")
    stops = np.flatnonzero(code < 0x20) + 1
    if not stops.size or int(stops[-1]) != code.size:
        raise ValueError(f"the counts end in the middle of a number ({code.size} characters)")
    starts = np.concatenate(([0], stops[:-1]))
    length = stops - starts
    if int(length.max()) > _MAX_CHARS:
        at = int(starts[length > _MAX_CHARS][0])
        raise ValueError(f"the number at character {at + 1} of the counts is too long")
    place = np.arange(code.size) - np.repeat(starts, length)
    runs = np.add.reduceat((code & 0x1F) << (5 * place), starts)
    runs -= np.where(code[stops - 1] & 0x10, np.int64(1) << (5 * length), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    if int(runs.min()) < 0:
        raise ValueError(f"run {int(np.argmax(runs < 0)) + 1} of the counts is negative")
    return runs


def from_runs(runs: npt.ArrayLike, height: int, width: int) -> Rle:
    """A mask from its runs (COCO's uncompressed counts), which must cover all its pixels."""
    values = np.asarray(runs)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise ValueError(_NOT_RUNS)
    if reason := _fault(values, height, width):
        raise ValueError(reason)
    return Rle(height, width, encode_counts(values))


def check(rle: Rle) -> str | None:
    """Why this is not a valid mask, or None: bad text, or runs that miss its pixels."""
    try:
        return _fault(decode_counts(rle.counts), rle.height, rle.width)
    except ValueError as error:
        return str(error)


def _fault(runs: npt.NDArray[np.integer], height: int, width: int) -> str | None:
    if height < 0 or width < 0:
        return f"a mask cannot be {height} x {width} pixels"
    covered = sum(runs.tolist())  # exact, whatever the numbers are
    if covered != height * width:
        return (
            f"the run lengths cover {covered} pixels, but {height} x {width} has {height * width}"
        )
    return None


def _runs(rle: Rle) -> Ints:
    runs = decode_counts(rle.counts)
    if reason := _fault(runs, rle.height, rle.width):
        raise ValueError(reason)
    return runs


def _spans(rle: Rle) -> tuple[Ints, Ints]:
    """Where ones start and stop in the column-major order: sorted, apart, not empty."""
    edges = np.cumsum(_runs(rle))
    stops = edges[1::2]
    starts = edges[::2][: stops.size]
    toggles = _odd(np.stack((starts, stops), axis=1).reshape(-1))
    return toggles[::2], toggles[1::2]


def _odd(sorted_values: Ints) -> Ints:
    """The values that stand an odd number of times in a sorted array, once each."""
    first = np.ones(sorted_values.size, dtype=np.bool_)
    first[1:] = sorted_values[1:] != sorted_values[:-1]
    at = np.flatnonzero(first)
    odd = np.diff(at, append=sorted_values.size) & 1 == 1
    return np.asarray(sorted_values[at[odd]])


def _from_toggles(toggles: Ints, height: int, width: int) -> Rle:
    """From the sorted, distinct places where the value changes, ``0..height * width``."""
    size = height * width
    inside = toggles[toggles < size]
    return Rle(height, width, encode_counts(np.diff(np.concatenate(([0], inside, [size])))))


def _unroll(runs: npt.NDArray[np.integer]) -> Mask:
    """The flat pixels of runs."""
    return np.repeat((np.arange(runs.size) & 1).astype(np.bool_), runs)


# --- pixels -----------------------------------------------------------------------------


def from_dense(mask: npt.NDArray[np.generic]) -> Rle:
    """A mask from its pixels, ``[h, w]``; everything but zero is set."""
    height, width = mask.shape
    return _place(mask, 0, 0, height, width)


def to_dense(rle: Rle) -> Mask:
    """All pixels, bool ``[h, w]``."""
    runs = _runs(rle)
    return _unroll(runs).reshape(rle.width, rle.height).T


def crop(rle: Rle) -> tuple[Mask, int, int]:
    """The pixels of the mask's bounding box, bool ``[bh, bw]``, and its left and top.

    Makes the columns of the box dense, no more. An empty mask gives a 0 x 0 patch at 0, 0.
    """
    box = bbox(rle)
    if box is None:
        return np.zeros((0, 0), dtype=np.bool_), 0, 0
    left, top, right, bottom = box
    starts, stops = _spans(rle)
    size = (right - left) * rle.height
    toggles = np.stack((starts, stops), axis=1).reshape(-1) - left * rle.height
    runs = np.diff(np.concatenate(([0], toggles, [size])))
    return _unroll(runs).reshape(right - left, rle.height).T[top:bottom], left, top


def _place(patch: npt.NDArray[np.generic], left: int, top: int, height: int, width: int) -> Rle:
    """A patch of pixels, ``[ph, pw]``, put into an empty image."""
    rows, columns = patch.shape
    _must_fit((left, top, columns, rows), height, width)
    padded = np.zeros((columns, rows + 2), dtype=np.int8)
    padded[:, 1:-1] = (patch != 0).T
    column, row = np.nonzero(np.diff(padded, axis=1))
    return _from_toggles(_odd((left + column) * height + top + row), height, width)


def _must_fit(box: tuple[int, int, int, int], height: int, width: int) -> None:
    left, top, columns, rows = box
    if left < 0 or top < 0 or left + columns > width or top + rows > height:
        raise ValueError(
            f"the mask of {columns} x {rows} pixels at {left}, {top} leaves the image "
            f"of {width} x {height} pixels"
        )


def area(rle: Rle) -> int:
    """The number of set pixels."""
    return int(_runs(rle)[1::2].sum())


def bbox(rle: Rle) -> tuple[int, int, int, int] | None:
    """The set pixels' ``x0, y0, x1, y1``, half-open, or None for an empty mask."""
    starts, stops = _spans(rle)
    if not starts.size:
        return None
    first, last = starts // rle.height, (stops - 1) // rle.height
    if bool((first != last).any()):  # a span that turns into the next column touches both edges
        top, bottom = 0, rle.height
    else:
        top, bottom = int((starts % rle.height).min()), int(((stops - 1) % rle.height).max()) + 1
    return int(first[0]), top, int(last[-1]) + 1, bottom


# --- sets -------------------------------------------------------------------------------


def merge(rles: Sequence[Rle], intersect: bool = False) -> Rle:
    """The union of masks of one size, or their intersection, on runs."""
    if not rles:
        raise ValueError("there is no mask to merge")
    height, width = rles[0].height, rles[0].width
    if any((other.height, other.width) != (height, width) for other in rles):
        raise ValueError("masks of different sizes cannot be merged")
    spans = [_spans(rle) for rle in rles]
    places = np.concatenate([part for pair in spans for part in pair])
    steps = np.concatenate([np.repeat((1, -1), pair[0].size) for pair in spans])
    order = np.argsort(places, kind="stable")
    places, cover = places[order], np.cumsum(steps[order])
    last = np.ones(places.size, dtype=np.bool_)  # of those at the same place: the net effect
    last[:-1] = places[1:] != places[:-1]
    inside = cover[last] >= (len(rles) if intersect else 1)
    changes = inside != np.concatenate(([False], inside[:-1]))
    return _from_toggles(places[last][changes], height, width)


def subtract(a: Rle, b: Rle) -> Rle:
    """The pixels of one mask that are not set in another of its size."""
    both = np.concatenate([*_spans(merge((a, b))), *_spans(b)])
    return _from_toggles(_odd(np.sort(both)), a.height, a.width)


def iou(a: Rle, b: Rle) -> float:
    """Intersection over union of two masks of one size, 0..1; 0 where both are empty."""
    common = area(merge((a, b), intersect=True))
    union = area(a) + area(b) - common
    return common / union if union else 0.0


# --- shapes -----------------------------------------------------------------------------


def from_box(box: tuple[float, float, float, float], height: int, width: int) -> Rle:
    """The box ``x0, y0, x1, y1``, in pixels, as :func:`from_polygon` fills it.

    With whole numbers these are the pixels ``x0 <= x < x1, y0 <= y < y1``.
    """
    x0, y0, x1, y1 = box
    corners = np.array([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], dtype=np.float64)
    return from_polygon([corners], height, width)


def from_polygon(rings: Sequence[npt.ArrayLike], height: int, width: int) -> Rle:
    """The union of filled rings, each ``[n, 2]`` x, y in pixels.

    Pixel for pixel the COCO API's ``frPyObjects`` and ``merge``: a boundary walked on a grid
    five times finer, even-odd inside one ring, cut off at the image's edges. No ring gives an
    empty mask; fewer than three points, or numbers that are not finite, are an error.
    """
    masks = [_fill(np.asarray(ring, dtype=np.float64), height, width) for ring in rings]
    if len(masks) == 1:
        return masks[0]
    return merge(masks) if masks else _from_toggles(np.empty(0, np.int64), height, width)


def _fill(ring: Ring, height: int, width: int) -> Rle:
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
        raise ValueError(f"a ring needs at least 3 points of x and y; it has shape {ring.shape}")
    if not (np.abs(ring) <= _MAX_COORDINATE).all():
        raise ValueError("a ring has coordinates that are not finite, or beyond 2**28 pixels")
    fine = np.trunc(5 * ring + 0.5).astype(np.int64)
    crossings = outlines.column_crossings(fine, width)
    toggles = np.sort(crossings[:, 0] * height + np.clip(crossings[:, 1], 0, height))
    return _from_toggles(_odd(toggles), height, width)


def contours(rle: Rle) -> list[tuple[Ints, list[Ints]]]:
    """The exact outlines: for each 4-connected region its outer ring and its holes' rings.

    See :func:`annotary.geometry.outlines.trace`; rings are int64 ``[n, 2]`` in the image's pixels.
    Makes the columns of the bounding box dense.
    """
    patch, left, top = crop(rle)
    shift = np.array([left, top])
    return [
        (outer + shift, [hole + shift for hole in holes]) for outer, holes in outlines.trace(patch)
    ]


# --- as other programs write masks --------------------------------------------------------


def from_rowmajor_runs(
    runs: npt.ArrayLike, box: tuple[int, int, int, int], height: int, width: int
) -> Rle:
    """Runs that go along the rows of a box placed in the image (CVAT XML's ``mask``).

    ``box`` is left, top, width and height; the runs begin with zeros and cover the box.
    """
    values = np.asarray(runs)
    if (
        values.ndim != 1
        or (values.size and values.dtype.kind not in "iu")
        or int(values.min(initial=0)) < 0
    ):
        raise ValueError(_NOT_RUNS)
    left, top, columns, rows = box
    if reason := _fault(values, rows, columns):
        raise ValueError(reason)
    _must_fit(box, height, width)
    return _place(_unroll(values).reshape(rows, columns), left, top, height, width)


def to_rowmajor_runs(rle: Rle) -> tuple[Ints, tuple[int, int, int, int]]:
    """Runs along the rows of the bounding box, and the box: left, top, width and height."""
    patch, left, top = crop(rle)
    flat = np.concatenate(([False], patch.reshape(-1)))
    toggles = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate(([0], toggles, [patch.size])))
    return runs, (left, top, patch.shape[1], patch.shape[0])


def from_png(png: bytes) -> Rle:
    """A mask from an image file of its full size; which pixels are set: :func:`from_png_patch`."""
    with _open(png) as image:
        return _place(_pixels(image), 0, 0, image.height, image.width)


def from_png_patch(png: bytes, left: int, top: int, height: int, width: int) -> Rle:
    """A mask from a small image placed in an image of ``height`` x ``width`` pixels.

    LabelMe's ``mask`` shapes and Supervisely's bitmaps. Where the image has transparency, a
    pixel is set when its alpha is above 0; where it has none, or is opaque throughout, when its
    value is (index, grey, any colour).
    """
    with _open(png) as image:
        # Before its pixels are unpacked.
        _must_fit((left, top, image.width, image.height), height, width)
        return _place(_pixels(image), left, top, height, width)


def to_png(rle: Rle) -> bytes:
    """The mask as an 8-bit grey PNG of its full size with values 0 and 1."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(to_dense(rle), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def _open(png: bytes) -> Image:
    try:
        return open_mask(io.BytesIO(png))
    except Exception as error:  # a damaged header makes Pillow raise nearly anything
        raise ValueError(f"the mask is not a readable image: {error}") from None


def _pixels(image: Image) -> Mask:
    try:
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        values = np.atleast_3d(np.asarray(image))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"the mask is not a readable image: {error}") from None
    colours = len(image.getbands())
    if image.mode in ("RGBA", "LA"):
        alpha: npt.NDArray[np.uint8] = values[:, :, -1]
        if int(alpha.min(initial=255)) < 255:
            return alpha > 0
        colours -= 1
    return np.asarray((values[:, :, :colours] != 0).any(axis=2))


def from_brush(codes: Sequence[int], height: int, width: int) -> Rle:
    """A mask from a Label Studio brush: RGBA along the rows, set where alpha is above 0."""
    samples = brush.decode(codes, expected=height * width * 4)
    return _place(samples.reshape(height, width, 4)[:, :, 3], 0, 0, height, width)


def to_brush(rle: Rle) -> list[int]:
    """The mask as a Label Studio brush: RGBA, 255 in all four where it is set."""
    return brush.encode(np.repeat(to_dense(rle).reshape(-1), 4).astype(np.uint8) * 255)
