"""JSON documents (RFC 8259) of any size: streamed, decoded in typed batches, faults located.

A document is one buffer, usually a mapped file. One pass finds the members of the root and, for
each array among them, where every 10,000th element starts; nothing else is kept. The elements
of an array are then decoded a chunk at a time. Only a chunk that cannot be decoded as a whole
is taken apart, so that its good records are kept and each bad one is reported by itself.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Generic, TypeVar, cast

import msgspec
import numpy as np

from annotary.syntax.json.growing import OpenStruct
from annotary.syntax.json.index import JsonIndex, Member
from annotary.syntax.json.record import Decodes, Fault, Plain, decode_record
from annotary.syntax.json.scan import (
    BLANK,
    BLOCK,
    Follow,
    JsonSyntaxError,
    ObjectGaps,
    Slot,
    Span,
    array_gap,
    pieces,
)

__all__ = [
    "Chunk",
    "Fault",
    "JsonSyntaxError",
    "JsonText",
    "Member",
    "OpenStruct",
    "Span",
    "pointer",
]

T = TypeVar("T")

CHUNK_ELEMENTS = 10_000
CHUNK_BYTES = 8 << 20

_LINES = 1 << 18  # bytes between two checkpoints of position()


@dataclass(slots=True, frozen=True)
class Chunk(Generic[T]):
    """Consecutive elements of an array: records, and faults in their places."""

    first_index: int
    items: list[T | Fault]


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a place: ``pointer("a/b", 0)`` is ``/a~1b/0``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class JsonText:
    """One JSON document in UTF-8, with or without a byte order mark.

    ``kind`` is that of the root; ``members`` are those of a root object, in order, the last of
    each key, and ``duplicates`` the ones that a later member of the same key has hidden.
    ``error`` is the first fault in the document's structure, if there is one: what was found
    before it is usable.

    :param buffer: bytes, a mapped file, or a view of them; call :meth:`close` before closing
        a mapped file.
    :param chunk_elements: most elements in a chunk.
    :param chunk_bytes: text of a chunk, exceeded by at most one element.
    :param block: bytes that are looked at in one go.
    """

    def __init__(
        self,
        buffer: bytes | mmap | memoryview,
        *,
        chunk_elements: int = CHUNK_ELEMENTS,
        chunk_bytes: int = CHUNK_BYTES,
        block: int = BLOCK,
    ) -> None:
        self._view = memoryview(buffer)
        self._data = np.frombuffer(self._view or b"\0", np.uint8)[: len(self._view)]
        self._block = block
        self._begin = 3 if bytes(self._view[:3]) == b"\xef\xbb\xbf" else 0
        self._lines = [(1, 0)]
        self._located: tuple[int, list[Span]] = (-1, [])
        index = JsonIndex(self._view, self._data, self._begin, (chunk_elements, chunk_bytes), block)
        self.kind = index.kind
        self.root = index.root
        self.members = index.members
        self.duplicates = index.duplicates
        self.error = index.error

    def close(self) -> None:
        """Let go of the buffer."""
        self._data = np.zeros(0, np.uint8)
        self._view.release()

    # --- the structure -------------------------------------------------------------------

    def children(self, span: Span) -> Iterator[tuple[str | int, Span]]:
        """Yield the members (key, span) or elements (index, span) of a nested container.

        Nothing for a scalar. Keys may repeat.

        :raises JsonSyntaxError: at the first fault, after what is before it.
        """
        opening = self._data[span.start] if span.end > span.start else 0
        inside = Span(span.start + 1, span.end - 1)
        if opening == 0x5B:
            slots = self._slots(inside, after_value=False, follow="close", strict=True)
            for index, slot in enumerate(slots):
                if slot.detail:
                    raise JsonSyntaxError(slot.start, slot.detail)
                yield index, Span(slot.start, slot.end)
        elif opening == 0x7B:
            yield from self._object_children(inside)

    def _object_children(self, inside: Span) -> Iterator[tuple[str, Span]]:
        gaps = ObjectGaps(self._view)
        gap = Span(inside.start, inside.start)
        key = ""
        for piece in pieces(self._data, *inside, self._block):
            if piece.kind == "gap":
                gap = Span(piece.start, piece.end)
                if gap.end < inside.end:
                    continue
            follow: Follow = "close" if piece.kind == "gap" else "value"
            if piece.kind == "open":
                continue
            for entry in gaps.read(*gap, follow):
                if entry.end >= 0:
                    yield entry.key, Span(entry.start, entry.end)
                else:
                    key = entry.key
            if gaps.faults:
                raise gaps.faults[0]
            if piece.kind == "closed":
                yield key, Span(piece.start, piece.end)

    # --- the elements --------------------------------------------------------------------

    def elements(self, member: Member, type: type[T] | Decodes[T]) -> Iterator[Chunk[T]]:
        """Yield an array's elements, decoded as ``type``, in order and in chunks.

        Elements that cannot be decoded, and faults of punctuation, are :class:`Fault` items.
        The numbers ``NaN``, ``Infinity`` and ``-Infinity``, which Python writes, are read.
        Where the document breaks inside an element, that element is the last item, a fault.

        :raises ValueError: the member is no array.
        """
        for number in range(len(member.firsts)):
            # nothing here holds on to a chunk while the caller works on it
            found = [self.chunk(member, number, type)]
            if found[0].items:
                yield found.pop()

    def chunk(self, member: Member, number: int, type: type[T] | Decodes[T]) -> Chunk[T]:
        """Decode one of an array's ``len(member.firsts)`` chunks, see :meth:`elements`.

        :raises ValueError: the member is no array.
        """
        if member.kind != "array":
            raise ValueError(f"{member.key!r} is no array")
        decoder = _decoder(type)
        first = member.firsts[number]
        items = self._decoded(member, number, decoder)
        if items is not None:
            return Chunk(first, items)
        apart: list[T | Fault] = []
        index = first
        for slot in self._chunk_slots(member, number):
            item = self._item(slot, index, decoder)
            apart.append(item)
            index += slot.counts
        return Chunk(first, apart)

    def decode(self, span: Span, type: type[T] | Decodes[T], index: int = 0) -> T | Fault:
        """Decode one value; the fault, if it cannot be, names ``index`` as its place."""
        return self._item(Slot(*span, counts=True), index, _decoder(type))

    def locate(self, member: Member, index: int) -> Span:
        """Return the span of an array's element. Quick when the last one was of the same chunk.

        :raises IndexError: the array has no such element.
        """
        if not 0 <= index < member.count:
            raise IndexError(index)
        chunk = int(np.searchsorted(member.firsts, index, side="right")) - 1
        if self._located[0] != member.starts[chunk]:
            slots = self._chunk_slots(member, chunk)
            spans = [Span(slot.start, slot.end) for slot in slots if slot.counts]
            self._located = (member.starts[chunk], spans)
        return self._located[1][index - member.firsts[chunk]]

    def _chunk(self, member: Member, chunk: int) -> tuple[Span, bool]:
        """Return the text of a chunk, and whether it is the array's last one."""
        last = chunk + 1 == len(member.starts)
        end = member.span.end - member.closed if last else member.starts[chunk + 1]
        return Span(member.starts[chunk], end), last

    def _chunk_slots(self, member: Member, chunk: int) -> Iterator[Slot]:
        span, last = self._chunk(member, chunk)
        follow: Follow = "value" if not last else "close" if member.closed else "end"
        return self._slots(span, after_value=False, follow=follow)

    def _slots(
        self, span: Span, after_value: bool, follow: Follow, strict: bool = False
    ) -> Iterator[Slot]:
        gap = Span(span.start, span.start)
        try:
            for piece in pieces(self._data, *span, self._block):
                if piece.kind == "gap":
                    gap = Span(piece.start, piece.end)
                    continue
                yield from array_gap(self._view, *gap, after_value, "value")
                gap, after_value = Span(piece.end, piece.end), True
                if piece.kind == "closed":
                    yield Slot(piece.start, piece.end, True)
                else:
                    yield Slot(piece.start, piece.end, True, "the text ends inside this value")
        except JsonSyntaxError:
            if strict:
                raise
        yield from array_gap(self._view, *gap, after_value, follow)

    def _decoded(self, member: Member, chunk: int, decoder: Decodes[T]) -> list[T | Fault] | None:
        """Decode a chunk as a whole, or return None if it has to be taken apart."""
        (start, end), last = self._chunk(member, chunk)
        if last and not member.closed:
            return None  # a number that is cut in two still looks like a number
        after = member.count if last else member.firsts[chunk + 1]
        end = self._trimmed(start, end)
        if not last:
            if end == start or self._data[end - 1] != 0x2C:
                return None
            end -= 1
        try:
            items = decoder.decode_list(b"".join((b"[", self._view[start:end], b"]")))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return list[T | Fault](items) if len(items) == after - member.firsts[chunk] else None

    def _trimmed(self, start: int, end: int) -> int:
        while end > start:
            tail = bytes(self._view[max(start, end - 64) : end])
            if kept := len(tail.rstrip(BLANK)):
                return end - len(tail) + kept
            end -= len(tail)
        return end

    def _item(self, slot: Slot, index: int, decoder: Decodes[T]) -> T | Fault:
        span = Span(slot.start, slot.end)
        if slot.detail:
            cut = slot.counts and self.error is not None and slot.end >= self.error.offset
            offset = slot.end if slot.counts else slot.start
            message = self.error.detail if cut and self.error else slot.detail
            return Fault(index, span, message, "$", "syntax", offset, counts=slot.counts)
        text = bytes(self._view[slot.start : slot.end])
        return decode_record(text, decoder, index, span)

    # --- places --------------------------------------------------------------------------

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column (both from 1, in characters) of a byte offset."""
        offset = max(self._begin, min(offset, len(self._view)))
        while len(self._lines) <= offset // _LINES:
            start = (len(self._lines) - 1) * _LINES
            self._lines.append(self._advance(*self._lines[-1], start, start + _LINES))
        start = offset // _LINES * _LINES
        line, column = self._advance(*self._lines[offset // _LINES], start, offset)
        return line, column + 1

    def _advance(self, line: int, column: int, start: int, end: int) -> tuple[int, int]:
        """Go on from a line and the number of characters before ``start`` in it."""
        text = self._data[max(start, self._begin) : end]
        breaks = int(np.count_nonzero(text == 0x0A))
        if breaks:
            text = text[bytes(text).rfind(b"\n") + 1 :]
            column = 0
        # Bytes 0x80 to 0xBF continue a character.
        return line + breaks, column + int(np.count_nonzero(text.view(np.int8) >= -64))


def _decoder(type: type[T] | Decodes[T]) -> Decodes[T]:
    return type if isinstance(type, Plain | OpenStruct) else Plain(cast("builtins.type[T]", type))
