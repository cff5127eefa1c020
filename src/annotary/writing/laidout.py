"""An output that puts the files of a format where a layout wants them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from annotary.contract.output import Output, Writable
from annotary.writing.layouts.layout import Layout


class LaidOut:
    """Files of the format, renamed by the layout; see :class:`Output`."""

    def __init__(self, out: Output, layout: Layout) -> None:
        self._out = out
        self._layout = layout

    def put(self, path: str, data: bytes) -> None:
        """Write a file as a whole."""
        self._out.put(self._layout.member(path), data)

    def file(self, path: str) -> AbstractContextManager[Writable]:
        """Open a file for writing."""
        return self._out.file(self._layout.member(path))
