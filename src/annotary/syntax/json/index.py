"""The table of contents of a JSON document: the root's members and where their elements are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from annotary.syntax.json.scan import (
    Bytes,
    Follow,
    JsonSyntaxError,
    ObjectGaps,
    Offsets,
    Span,
    array_gap,
    brackets,
    clean_gaps,
)

_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_SCALAR = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^ \t\r\n"\[\]{},:]+', re.S)


@dataclass(slots=True)
class Member:
    """A member of the root object, or the root itself (its key is empty).

    For an array, ``count`` is the number of its elements, and chunk ``i`` has the elements from
    index ``firsts[i]`` on, in the text from offset ``starts[i]`` to the next chunk's start.
    ``closed`` is false where the document breaks inside the container; its span ends there.
    """

    key: str
    kind: Literal["array", "object", "scalar"]
    span: Span
    closed: bool = True
    count: int = 0
    starts: Sequence[int] = ()
    firsts: Sequence[int] = ()


class JsonIndex:
    """One pass over a document. Memory: one entry per member of the root, and per chunk."""

    def __init__(
        self, view: memoryview, data: Bytes, begin: int, limits: tuple[int, int], block: int
    ) -> None:
        self._view, self._data, self._limits, self._block = view, data, limits, block
        self.members: dict[str, Member] = {}
        self.duplicates: list[Member] = []
        self.error: JsonSyntaxError | None = None
        self.kind: Literal["object", "array", "scalar", "broken"] = "broken"
        self.root = Member("", "scalar", Span(len(view), len(view)), closed=False)
        self._read(begin)

    def _read(self, begin: int) -> None:
        size = len(self._view)
        first = _NOT_BLANK.search(self._view, begin)
        if first is None:
            self.error = JsonSyntaxError(size, "the document is empty")
            return
        start = first.start()
        char = first.group()
        if char not in {b"{", b"["}:
            self._index_scalar(start)
            return
        self.kind = self.root.kind = "object" if char == b"{" else "array"
        self.root.span = Span(start, size)
        end = self._index_members(start) if char == b"{" else self._index_array(start)
        if end is not None:
            self.root.span = Span(start, end)
            self.root.closed = True
            self._expect_end(end)

    def _index_scalar(self, start: int) -> None:
        match = _SCALAR.match(self._view, start)
        if match is None:
            self.error = JsonSyntaxError(start, "this is no JSON value")
            return
        try:
            msgspec.json.decode(self._view[start : match.end()])
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.error = JsonSyntaxError(start, "this is no JSON value")
            return
        self.kind = "scalar"
        self.root = Member("", "scalar", Span(start, match.end()))
        self._expect_end(match.end())

    def _expect_end(self, end: int) -> None:
        after = _NOT_BLANK.search(self._view, end)
        if after and not self.error:
            self.error = JsonSyntaxError(after.start(), "text after the end of the document")

    def _index_array(self, start: int) -> int | None:
        """Index a root array; return the offset after it, or None if it does not end."""
        table = _Table(self._view, self._data, self._limits, self.root, start)
        stop = len(self._view)
        try:
            for found in brackets(self._data, start, stop, self._block):
                # The first bracket is the root's own; another one of its level closes it.
                ends = found.at[(found.level == 0) & (found.at > start)]
                shallow = found.level == 1
                if ends.size:
                    shallow &= found.at < ends[0]
                table.add(found.at[shallow], found.char[shallow])
                if ends.size:
                    table.finish(int(ends[0]), closed=True)
                    return int(ends[0]) + 1
        except JsonSyntaxError as error:
            self.error, stop = error, error.offset
        table.finish(stop, closed=False)
        self.root.span = Span(start, stop)
        return None

    def _index_members(self, start: int) -> int | None:
        """Index a root object; return the offset after it, or None if it does not end."""
        gaps = ObjectGaps(self._view)
        cursor, stop = start + 1, len(self._view)
        current: Member | None = None
        table: _Table | None = None
        broken: JsonSyntaxError | None = None
        end: int | None = None
        try:
            for found in brackets(self._data, start, stop, self._block):
                shallow = found.level <= 2
                at, char, level = found.at[shallow], found.char[shallow], found.level[shallow]
                edges = np.flatnonzero(level < 2)
                done = 0
                for edge in edges.tolist():
                    if table and edge > done:
                        table.add(at[done:edge], char[done:edge])
                    done = edge + 1
                    offset, opens = int(at[edge]), bool(char[edge] & 2)
                    if opens and offset == start:
                        continue
                    if opens:
                        current = self._read_gap(gaps, cursor, offset, "value")
                        if current and char[edge] == 0x5B:
                            table = _Table(self._view, self._data, self._limits, current, offset)
                    elif level[edge] == 1:
                        if table:
                            table.finish(offset, closed=True)
                        if current:
                            current.span = Span(current.span.start, offset + 1)
                            current.closed = True
                        current, table, cursor = None, None, offset + 1
                    else:
                        self._read_gap(gaps, cursor, offset, "close")
                        end = offset + 1
                        break
                if end is not None:
                    break
                if table and done < at.size:
                    table.add(at[done:], char[done:])
        except JsonSyntaxError as error:
            broken, stop = error, error.offset
        if end is None:
            if table:
                table.finish(stop, closed=False)
            if current:
                current.span = Span(current.span.start, stop)
            elif cursor <= stop:
                self._read_gap(gaps, cursor, stop, "end")
            self.root.span = Span(start, stop)
        faults = gaps.faults if broken is None else [*gaps.faults, broken]
        self.error = min(faults, key=lambda fault: fault.offset, default=None)
        return end

    def _read_gap(self, gaps: ObjectGaps, start: int, end: int, follow: Follow) -> Member | None:
        member: Member | None = None
        for key, at, stop in gaps.read(start, end, follow):
            if stop < 0:
                kind: Literal["array", "object"] = "array" if self._data[at] == 0x5B else "object"
                member = Member(key, kind, Span(at, at), closed=False)
            else:
                member = Member(key, "scalar", Span(at, stop))
            if key in self.members:
                self.duplicates.append(self.members.pop(key))
            self.members[key] = member
        return member if follow == "value" and member and not member.closed else None


class _Table:
    """Fills in an array member's count and chunk table as its brackets are found."""

    def __init__(
        self, view: memoryview, data: Bytes, limits: tuple[int, int], member: Member, opening: int
    ) -> None:
        self._view, self._data, self._limits, self._member = view, data, limits, member
        self._cursor = opening + 1  # after the last element
        self._after_value = False
        self._open = False
        self._starts = [opening + 1]
        self._firsts = [0]

    def add(self, at: Offsets, char: Any) -> None:
        """Take the next brackets of the array's elements."""
        if not at.size:
            return
        opens = (char & 2) != 0
        starts, ends = at[opens], at[~opens] + 1
        before = (ends if self._open else np.concatenate(([self._cursor], ends)))[: starts.size]
        self._open = bool(opens[-1])
        if ends.size:
            self._cursor = int(ends[-1])
        clean = clean_gaps(self._data, before, starts)
        if starts.size and not self._after_value:
            clean[0] = False
        done = 0
        for gap in np.flatnonzero(~clean).tolist():
            self._count(starts[done:gap])
            self._gap(int(before[gap]), int(starts[gap]), "value", self._after_value or gap > 0)
            done = gap
        self._count(starts[done:])
        self._after_value = self._after_value or bool(starts.size)

    def finish(self, end: int, closed: bool) -> None:
        """Take the offset of the closing bracket, or of where the text breaks off."""
        if not self._open and end > self._cursor:
            self._gap(self._cursor, end, "close" if closed else "end", self._after_value)
        self._member.starts, self._member.firsts = self._starts, self._firsts

    def _gap(self, start: int, end: int, follow: Follow, after_value: bool) -> None:
        scalars = array_gap(self._view, start, end, after_value, follow)
        batch: list[int] = []
        for slot in scalars:
            if slot.counts:
                batch.append(slot.start)
                if len(batch) == 10_000:
                    self._count(np.array(batch, np.int64))
                    batch.clear()
        self._count(np.array(batch, np.int64))

    def _count(self, starts: Offsets) -> None:
        """Count elements and begin a chunk wherever the one before is full."""
        elements, size = self._limits
        done = 0
        while True:
            room = elements - (self._member.count - self._firsts[-1])
            full = int(np.searchsorted(starts, self._starts[-1] + size))
            stop = max(done, min(done + room, full, starts.size))
            self._member.count += stop - done
            done = stop
            if done == starts.size:
                return
            self._starts.append(int(starts[done]))
            self._firsts.append(self._member.count)
