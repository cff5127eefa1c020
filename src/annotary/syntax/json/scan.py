"""The structure of a JSON text (RFC 8259) by byte offsets, without decoding it.

Brackets are found by numpy, one block at a time, so that the cost is that of a few vector
operations a byte and memory is that of one block. What lies between the containers of one
level (commas, keys, scalars, and in broken files anything) is read by regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18
"""Bytes looked at in one go: the temporaries of one block stay in the processor's cache."""

DEEPEST = 10_000
"""Levels of nesting that are followed. Decoders give up long before."""

BLANK = b" \t\r\n"
_QUOTE, _BACKSLASH, _COMMA = 0x22, 0x5C, 0x2C
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_ARRAY_TOKEN = re.compile(rb",|" + _STRING + rb'|[^ \t\r\n,"\[\]{}]+|[\[\]{}]', re.S)
_OBJECT_TOKEN = re.compile(rb"[,:]|" + _STRING + rb'|[^ \t\r\n,:"\[\]{}]+|[\[\]{}]', re.S)

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


class JsonSyntaxError(Exception):
    """The text is not JSON from a certain byte on.

    ``offset`` is that byte's offset in the buffer, ``detail`` says what is wrong with it.
    """

    def __init__(self, offset: int, detail: str) -> None:
        super().__init__(f"{detail} (byte {offset})")
        self.offset = offset
        self.detail = detail


class Span(NamedTuple):
    """A half-open range of byte offsets in the buffer."""

    start: int
    end: int


class Brackets(NamedTuple):
    """Brackets outside strings, in order: offset, character, and level.

    The level of a bracket is the number of containers round the container that it opens or
    closes. Bit 1 is set in ``[`` and ``{`` and clear in ``]`` and ``}``.
    """

    at: Offsets
    char: Bytes
    level: NDArray[np.int32]


def brackets(data: Bytes, start: int, end: int, block: int = BLOCK) -> Iterator[Brackets]:
    """Yield the brackets in ``data[start:end]``, which begins outside a string, block by block.

    :raises JsonSyntaxError: after all brackets before the fault were yielded, where a closing
        bracket has no partner or the wrong one, or where the text ends inside a string or
        container.
    """
    quoted = escaped = False
    stack: Bytes = np.zeros(0, np.uint8)  # the opening brackets that wait for their partners
    for a in range(start, end, block):
        piece = data[a : min(a + block, end)]
        # Setting bit 5 makes { | } of [ \ ]: one comparison finds brackets and backslashes.
        folded = piece | np.uint8(0x20)
        folded -= np.uint8(0x7B)
        at = np.flatnonzero((folded <= 2) | (piece == _QUOTE))
        char = piece[at]
        quote = char == _QUOTE
        dead: Offsets = np.zeros(0, np.int64)
        slashes = at[char == _BACKSLASH]
        if escaped or slashes.size:
            targets = _escaped(slashes, escaped)
            escaped = bool(targets.size) and int(targets[-1]) == piece.size
            index = np.minimum(np.searchsorted(at, targets), max(at.size - 1, 0))
            dead = index[(at[index] == targets) & quote[index]] if at.size else dead
            quote[dead] = False
        inside = np.cumsum(quote, dtype=np.uint8)  # wraps, which keeps the parity
        if quoted:
            inside += np.uint8(1)
        if inside.size:
            quoted = bool(inside[-1] & 1)
        fault: JsonSyntaxError | None = None
        stray = dead[(inside[dead] & 1) == 0]
        if stray.size:
            # Nothing after it can be trusted: text and strings have changed places.
            fault = JsonSyntaxError(
                a + int(at[stray[0]]), "a backslash before a quote, outside a string"
            )
            at, char, inside = at[: stray[0]], char[: stray[0]], inside[: stray[0]]
        keep = ((char & ~inside) & 1).astype(bool)
        found, stack, wrong = _paired(at[keep] + a, char[keep], stack)
        if found.at.size:
            yield found
        fault = wrong or fault
        if fault:
            raise fault
    if quoted:
        raise JsonSyntaxError(end, "the text ends inside a string")
    if stack.size:
        missing = "".join("]" if char == 0x5B else "}" for char in stack[::-1][:10].tolist())
        raise JsonSyntaxError(end, f"the text ends before the closing {missing}")


def _escaped(slashes: Offsets, first: bool) -> Offsets:
    """Offsets of the bytes that backslashes escape: those after runs of odd length.

    ``first`` says that the block's first byte is escaped by the block before.
    """
    if not slashes.size:
        return np.zeros(1, np.int64)
    border = np.flatnonzero(np.diff(slashes) != 1)
    heads = slashes[np.concatenate(([0], border + 1))]
    tails = slashes[np.concatenate((border, [slashes.size - 1]))]
    length = tails - heads + 1
    if first and heads[0] == 0:
        length[0] += 1
    targets = tails[length % 2 == 1] + 1
    return np.concatenate(([0], targets)) if first and heads[0] != 0 else targets


def _paired(
    at: Offsets, char: Bytes, stack: Bytes
) -> tuple[Brackets, Bytes, JsonSyntaxError | None]:
    """Give each bracket its level and check that partners are of one kind."""
    opens = (char >> 1) & np.uint8(1)
    depth = stack.size
    after = np.cumsum(opens.astype(np.int32) * 2 - 1, dtype=np.int32) + np.int32(depth)
    level = after - opens
    fault: JsonSyntaxError | None = None
    odd = np.flatnonzero((after < 0) | (after > DEEPEST))
    if odd.size:
        first = int(odd[0])
        detail = (
            "a closing bracket without an opening one"
            if after[first] < 0
            else f"more than {DEEPEST} containers inside each other"
        )
        fault = JsonSyntaxError(int(at[first]), detail)
        at, char, after, level = at[:first], char[:first], after[:first], level[:first]
    # Sorted by level, a container's opening and closing bracket become neighbours.
    levels = np.concatenate((np.arange(depth, dtype=np.int32), level)).astype(np.uint16)
    chars = np.concatenate((stack, char))
    order = np.argsort(levels.astype(np.uint8) if depth < 200 and after.max(initial=0) < 200
                       else levels, kind="stable")  # fmt: skip
    ordered = chars[order]
    pair = ordered[:-1] ^ ordered[1:]
    wrong = order[1:][(pair == 0x26) & (ordered[1:] & 2 == 0)]
    if wrong.size:
        first = int(wrong.min()) - depth
        closing = chr(char[first])
        fault = JsonSyntaxError(
            int(at[first]), f"{closing} closes what {'{' if closing == ']' else '['} has opened"
        )
        at, char, level = at[:first], char[:first], level[:first]
    final = int(after[-1]) if after.size else depth
    tops = np.searchsorted(levels[order], np.arange(final), side="right") - 1
    return Brackets(at, char, level), ordered[tops], fault


Follow = Literal["value", "close", "end"]
"""What comes after a gap: another value, the container's closing bracket, or nothing at all."""


class Slot(NamedTuple):
    """A place in a container: a value, or (``detail`` not empty) a fault.

    ``counts`` says whether it takes an index in its array: values do, also unreadable ones;
    faults of punctuation do not.
    """

    start: int
    end: int
    counts: bool
    detail: str = ""


class Entry(NamedTuple):
    """A member of an object: a key and its value's offsets (``end`` -1: a container follows)."""

    key: str
    start: int
    end: int


def array_gap(
    view: memoryview, start: int, end: int, after_value: bool, follow: Follow
) -> Iterator[Slot]:
    """Yield scalars and faults of a stretch of an array that has no containers in it.

    ``after_value``: the stretch follows an element, so that a comma is due first.
    """
    told = False  # one fault a place is enough
    comma = -1
    value_end = start
    for match in _ARRAY_TOKEN.finditer(view, start, end):
        at = match.start()
        if view[at] == _COMMA:
            if after_value:
                after_value, comma = False, at
            else:
                comma = -1
                if not told:
                    yield Slot(at, at + 1, False, "a value is missing before this comma")
                told = True
                continue
            told = False
        elif after_value:
            if not told:
                yield Slot(at, match.end(), False, "unexpected text after an array element")
            told = True
        else:
            value_end = match.end()
            cut = follow == "end" and value_end == end
            yield Slot(at, value_end, True, "the text ends inside this value" if cut else "")
            after_value, told = True, False
    if follow == "value" and after_value and not told:
        yield Slot(value_end, end, False, "a comma is missing between two array elements")
    if follow == "close" and not after_value and comma >= 0:
        yield Slot(comma, comma + 1, False, "a comma after the last array element")


def clean_gaps(data: Bytes, starts: Offsets, ends: Offsets) -> NDArray[np.bool_]:
    """Tell which stretches are one comma and blanks, as they are between two array elements."""
    length = ends - starts
    clean = np.zeros(starts.size, bool)
    (usual,) = np.nonzero((length > 0) & (length <= 4096))
    if not usual.size:
        return clean
    size = length[usual]
    first = np.cumsum(size) - size
    text = data[np.repeat(starts[usual] - first, size) + np.arange(int(size.sum()))]
    comma = text == _COMMA
    other = ~(comma | (text == 0x20) | (text == 0x0A) | (text == 0x0D) | (text == 0x09))
    commas = np.add.reduceat(comma, first, dtype=np.int32)
    others = np.add.reduceat(other, first, dtype=np.int32)
    clean[usual] = (commas == 1) & (others == 0)
    return clean


class ObjectGaps:
    """Reads the stretches of one object between its containers: keys and scalar members.

    Faults are kept in ``faults``; reading goes on after them.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._key: str | None = None
        self._due: Literal["key", "colon", "value", "comma"] = "key"
        self._comma = -1
        self.faults: list[JsonSyntaxError] = []

    def read(self, start: int, end: int, follow: Follow) -> Iterator[Entry]:
        """Yield the scalar members between two offsets, and the key of a container after them."""
        for match in _OBJECT_TOKEN.finditer(self._view, start, end):
            at, stop = match.span()
            char = self._view[at]
            if char == _COMMA:
                if self._due != "comma":
                    self._fault(at, f"a comma where a {self._due} is due")
                self._due, self._comma = "key", at
            elif char == 0x3A:
                if self._due != "colon":
                    self._fault(at, f"a colon where a {self._due} is due")
                else:
                    self._due = "value"
            elif self._due == "value":
                if self._key is not None and not (follow == "end" and stop == end):
                    yield Entry(self._key, at, stop)
                self._due = "comma"
            elif char == _QUOTE:
                if self._due != "key":
                    self._fault(at, f"a string where a {self._due} is due")
                self._key, self._due = self._decoded(at, stop), "colon"
            else:
                self._fault(at, f"unexpected text where a {self._due} is due")
        if follow == "value":
            if self._due != "value":
                self._fault(end, f"a container where a {self._due} is due")
            elif self._key is not None:
                yield Entry(self._key, end, -1)
            self._due = "comma"
        elif follow == "close" and (self._due in {"colon", "value"} or self._comma_last()):
            self._fault(end, f"the object ends where a {self._due} is due")

    def _comma_last(self) -> bool:
        return self._due == "key" and self._comma >= 0

    def _decoded(self, start: int, end: int) -> str | None:
        try:
            return msgspec.json.decode(self._view[start:end], type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._fault(start, "a key that is no valid string")
            return None

    def _fault(self, offset: int, detail: str) -> None:
        self.faults.append(JsonSyntaxError(offset, detail))


class Piece(NamedTuple):
    """A stretch of a container's text: a ``gap``, or a container, closed or not."""

    kind: Literal["gap", "closed", "open"]
    start: int
    end: int


def pieces(data: Bytes, start: int, end: int, block: int = BLOCK) -> Iterator[Piece]:
    """Cut the text inside a container into the containers of its level and the gaps between.

    A gap comes before every container and at the end, also when it is empty.

    :raises JsonSyntaxError: as :func:`brackets`, after the pieces before the fault.
    """
    cursor, opened = start, -1
    try:
        for found in brackets(data, start, end, block):
            shallow = found.level == 0
            offsets, chars = found.at[shallow].tolist(), found.char[shallow].tolist()
            for at, char in zip(offsets, chars, strict=True):
                if char & 2:
                    yield Piece("gap", cursor, at)
                    opened = at
                else:
                    yield Piece("closed", opened, at + 1)
                    cursor, opened = at + 1, -1
    except JsonSyntaxError as fault:
        yield (
            Piece("open", opened, fault.offset)
            if opened >= 0
            else Piece("gap", cursor, fault.offset)
        )
        raise
    yield Piece("gap", cursor, end)
