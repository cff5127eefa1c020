"""Content of objects as 128 bits: equal on every machine, whatever names and ids stand beside it.

In it are tag, bound type, hole, the bits of the coordinates (-0.0 as 0.0), attributes, properties
and frame, and the order of the parts of an object. Ids, groups' names and the image are not: who
compares compares within one image. Everything is whole numbers modulo 2^64, so the order of the
machine's operations makes no difference.

The mixing function is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annotary.batch import AnnotationBatch, Extra
from annotary.geometry.arrays import Ints

Words = NDArray[np.uint64]

_LANES = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_SLICE = 1_000_000
_encode = msgspec.json.Encoder(order="deterministic", enc_hook=repr).encode


def contents(batch: AnnotationBatch, objects: Ints, tag_names: Sequence[str]) -> Words:
    """The content [n, 2] of each object; ``objects`` [n + 1] is where each begins in the rows."""
    names = np.array([_digest(name.encode()) for name in tag_names], np.uint64).reshape(-1, 2)
    extras = {row: _digest(_text(extra)) for row, extra in batch.extras.items() if _says(extra)}
    rows = np.fromiter(extras, np.int64, len(extras))
    more = np.array(list(extras.values()), np.uint64).reshape(-1, 2)
    lengths = np.diff(batch.start).astype(np.uint64)
    # the place of a row within its object
    place = np.arange(len(batch)) - np.repeat(objects[:-1], np.diff(objects))
    head = (
        batch.kind.astype(np.uint64)
        | batch.hole.astype(np.uint64) << np.uint64(8)
        | place.astype(np.uint64) << np.uint64(16)
        | lengths << np.uint64(40)
    )
    out = np.zeros((len(objects) - 1, 2), np.uint64)
    if not len(out):
        return out
    for lane, seed in enumerate(_LANES):
        word = np.uint64(seed)
        row = _mixed(head ^ word) + _coordinates(batch, word)
        if len(names):
            row += _mixed(names[batch.tag, lane])
        row[rows] += _mixed(more[:, lane] ^ word)
        # mixed with its place before it is summed: parts in another order are another object
        out[:, lane] = np.add.reduceat(_mixed(row ^ head), objects[:-1])
    return out


def digest(contents: Words, images: Sequence[str], image: NDArray[Any]) -> tuple[int, int]:
    """The sum of all objects with their images' names: order makes no difference to it.

    ``image`` [n] is the place of each object's image in ``images``. A state's digest is the sum of
    its parts' digests modulo 2^64.
    """
    names = np.array([_digest(name.encode()) for name in images], np.uint64).reshape(-1, 2)
    first, second = (
        int(np.add.reduce(_mixed(contents[:, lane] ^ names[image, lane]))) if len(contents) else 0
        for lane in (0, 1)
    )
    return first, second


def _coordinates(batch: AnnotationBatch, word: np.uint64) -> Words:
    """One word [n] for the coordinates of each row, in their order."""
    out = np.zeros(len(batch), np.uint64)
    filled = np.flatnonzero(np.diff(batch.start))
    begin = 0
    while begin < len(filled):
        # by slices, so that long outlines need no array of all their values at once
        last = int(np.searchsorted(batch.start[filled], batch.start[filled[begin]] + _SLICE))
        rows = filled[begin : max(last, begin + 1)]
        first, end = int(batch.start[rows[0]]), int(batch.start[rows[-1] + 1])
        values = batch.coords[first:end] + 0.0  # -0.0 becomes 0.0
        starts = batch.start[rows] - first
        place = np.arange(end - first) - np.repeat(starts, np.diff(np.append(starts, end - first)))
        bits = np.ascontiguousarray(values).view(np.uint64)
        out[rows] = np.add.reduceat(_mixed(bits ^ _mixed(place.astype(np.uint64) + word)), starts)
        begin += len(rows)
    return out


def _mixed(words: Words) -> Words:
    """SplitMix64's finalizer: every bit depends on every bit."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _digest(data: bytes) -> tuple[int, int]:
    found = blake2b(data, digest_size=16).digest()
    return int.from_bytes(found[:8], "little"), int.from_bytes(found[8:], "little")


def _says(extra: Extra) -> bool:
    return extra != _NOTHING


def _text(extra: Extra) -> bytes:
    """What a row has beside its geometry, in one order."""
    said: list[Any] = [extra.attributes or {}, extra.properties or {}, extra.frame, extra.sequence]
    if extra.mask is not None:
        said.append([extra.mask.height, extra.mask.width, extra.mask.counts])
    if extra.chunk is not None:
        said.append([extra.aggregation, extra.chunk])
    return _encode(said)


_NOTHING = Extra()
