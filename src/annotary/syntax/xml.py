"""XML as readers need it: one record at a time, every fault with its line, column and path.

A document is read through the standard library's expat, child by child of its root, so that no
more than one child is ever held. Nothing is located while all is well: a place is a number
(which child, which element inside it), and only a fault pays for turning it into a line.

Refused: document type declarations, and with them all entities but the five that XML has built
in (expansion attacks, external files), and elements nested deeper than ``DEPTH``. Text is read
in the encoding that the XML declaration names. Namespaces are taken off the names.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from xml.etree.ElementTree import XML, Element, ParseError, XMLPullParser
from xml.parsers import expat

from annotary.problems import Location
from annotary.syntax.source import Buffer, SourceError, SourceFile

__all__ = ["Element", "XmlText", "root_name"]

CHUNK = 1 << 18
DEPTH = 64
SMALL = 1 << 18
"""Documents of so many bytes may be held as a whole."""

_DECLARATION = re.compile(rb"\s*<\?xml\b[^>]*\?>")
_ENCODING = re.compile(rb"\bencoding\s*=\s*[\"']([A-Za-z][\w.\-]*)[\"']")
_NAME = re.compile(rb"<([^\s<>/!?&;=\"']+)")
_DOCTYPE = re.compile(rb"<!DOCTYPE\s+([^\s<>\[]+)", re.I)
_UTF8 = frozenset({"utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii"})
_INSIDE = 32


class _Start(NamedTuple):
    """Where an element starts, and the how manieth of its name it is in its parent."""

    name: str
    parent: int
    same: int
    line: int
    column: int


def root_name(head: bytes) -> str:
    """The name of the document's root element, seen in its first bytes; ``""`` if it has none."""
    at, _ = _prolog(head)
    # a document type names the root too; the file is refused by who reads it
    found = _DOCTYPE.match(head, at) or _NAME.match(head, at)
    return found[1].decode("utf-8", "replace").rpartition(":")[2] if found else ""


class XmlText:
    """One XML document.

    ``children()`` is its content; ``locate`` turns the number of an element into its place.
    Numbers are made by :meth:`at`: they order elements as the document does.
    """

    def __init__(self, source: SourceFile) -> None:
        """Raises :class:`SourceError`: a refused declaration, an encoding that does not hold."""
        self._buffer = _as_utf8(source.buffer)
        end, doctype = _prolog(self._buffer)
        if doctype:
            raise SourceError(
                "syntax",
                Location(*_line_column(self._buffer, end)),
                kind="XML",
                detail="it has a document type declaration (DTD), which is not read",
                advice="Remove the <!DOCTYPE ...> part, and with it the entities it declares.",
            )
        declared = _DECLARATION.match(bytes(self._buffer[:1024]))
        # what the declaration says no longer holds for the text as it is handed to the parser
        self._skip = declared.end() if declared else 0
        # of every child of the root: offset, line, column, kind (of name), how manieth of it
        self._starts: array[int] | None = None
        self._root = ""
        self._names: dict[str, int] = {}
        self._inside: tuple[int, list[_Start]] = (-1, [])
        self._alike: dict[tuple[int, str], int] = {}

    # --- the content ----------------------------------------------------------------------

    def children(self, unfinished: frozenset[str] = frozenset()) -> Iterator[tuple[int, Element]]:
        """(number, element) of every child of the root, complete, in order; the root is -1.

        The first item is the root itself, for its attributes. Where the text breaks, the
        children before are handed out, then :class:`SourceError` is raised; a child that is
        open there is handed out first if its name is among ``unfinished``, with those of its
        own children that are complete.
        """
        strip = self._buffer.find(b"xmlns") >= 0
        whole = self._small_tree(strip)
        if whole is not None:
            yield -1, whole
            yield from enumerate(whole)
            return
        parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
        path: list[Element] = []
        number = -1
        try:
            for chunk in self._chunks():
                parser.feed(chunk)
                for event, element in parser.read_events():  # type: ignore[misc]
                    assert isinstance(element, Element)
                    if event == "start":
                        path.append(element)
                        depth = len(path)
                        if strip and element.tag[0] == "{":
                            element.tag = element.tag.rpartition("}")[2]
                        if depth == 1:
                            yield -1, element
                        elif depth > DEPTH:
                            raise self._too_deep(number + 1, path)
                    else:
                        path.pop()
                        if len(path) == 1:
                            number += 1
                            yield number, element
                            path[0].clear()
            parser.close()
        except ParseError as error:
            if len(path) > 1 and path[1].tag in unfinished:
                if len(path) > 2:
                    path[1].remove(path[2])
                yield number + 1, path[1]
            raise _broken(error) from None

    def _small_tree(self, strip: bool) -> Element | None:
        """A small and faultless document as a whole: several times faster than piece by piece."""
        if len(self._buffer) > SMALL:
            return None
        try:
            root = XML(b"".join(self._chunks()))
        except ParseError:
            return None
        depth, level = 1, list(root)
        while level:
            depth += 1
            level = [child for element in level for child in element]
        if depth > DEPTH:
            return None
        for element in root.iter() if strip else ():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def _chunks(self) -> Iterator[bytes]:
        if self._skip:
            # blanked out instead of left out, so that lines and columns stay what they are
            yield re.sub(rb"[^\r\n]", b" ", bytes(self._buffer[: self._skip]))
        for begin in range(self._skip, len(self._buffer), CHUNK):
            yield bytes(self._buffer[begin : begin + CHUNK])

    def _too_deep(self, child: int, path: list[Element]) -> SourceError:
        return SourceError(
            "too-large",
            self.locate(self.at(child, path[1], path[-1])) if child >= 0 else None,
            what="The nesting of elements",
            value=f"{len(path)} levels",
            limit=DEPTH,
            advice="Annotation files are nested a few levels deep: is this one?",
        )

    # --- places ---------------------------------------------------------------------------

    @staticmethod
    def at(number: int, child: Element | None = None, element: Element | None = None) -> int:
        """The place of a child, or of ``element`` inside ``child``; -1 is the root."""
        if child is None or element is None or element is child:
            return number << _INSIDE
        for order, found in enumerate(child.iter()):
            if found is element:
                return number << _INSIDE | order
        return number << _INSIDE

    @staticmethod
    def nth(number: int, order: int) -> int:
        """The place of the element that is ``order`` elements behind the start of a child."""
        return number << _INSIDE | order

    def locate(self, at: int) -> Location:
        """Line, column and path of an element."""
        number, order = at >> _INSIDE, at & ((1 << _INSIDE) - 1)
        places = self._starts = self._starts or self._index()
        if not 0 <= number < len(places) // 5:
            return Location(pointer=f"/{self._root}")
        _, line, column, kind, same = places[number * 5 : number * 5 + 5]
        name, total = list(self._names.items())[kind]
        pointer = f"/{self._root}/{name}" + (f"[{same}]" if total > 1 else "")
        if order == 0:
            return Location(line, column, pointer)
        starts = self._starts_inside(number)
        if order >= len(starts):
            return Location(line, column, pointer)
        path = []
        this = order
        while this:
            start = starts[this]
            several = self._alike[start.parent, start.name] > 1
            path.append(f"/{start.name}[{start.same}]" if several else f"/{start.name}")
            this = start.parent
        return Location(starts[order].line, starts[order].column, pointer + "".join(reversed(path)))

    def _index(self) -> array[int]:
        """Find where the root's children start: one pass, made for the first fault only."""
        places: array[int] = array("q")
        kinds: dict[str, int] = {}
        names: dict[str, int] = {}
        parser = expat.ParserCreate("utf-8")
        depth = 0

        def start(name: str, _attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth == 1:
                self._root = name.rpartition(":")[2]
            elif depth == 2:
                name = name.rpartition(":")[2]
                kind = kinds.setdefault(name, len(kinds))
                names[name] = names.get(name, 0) + 1
                line, column = parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
                places.extend((parser.CurrentByteIndex, line, column, kind, names[name]))

        def end(_name: str) -> None:
            nonlocal depth
            depth -= 1

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        try:
            for chunk in self._chunks():
                parser.Parse(chunk)
        except expat.ExpatError:
            pass  # told by whoever reads the children
        self._names = names
        return places

    def _starts_inside(self, number: int) -> list[_Start]:
        """The elements of one child, itself first, in the document's order."""
        if self._inside[0] == number:
            return self._inside[1]
        assert self._starts is not None
        begin, first_line, first_column = self._starts[number * 5 : number * 5 + 3]
        parser = expat.ParserCreate("utf-8")
        found: list[_Start] = []
        alike: dict[tuple[int, str], int] = {}
        path = [-1]

        def start(name: str, _attributes: dict[str, str]) -> None:
            line, column = parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
            if line == 1:
                column += first_column - 1
            name, parent = name.rpartition(":")[2], path[-1]
            same = alike[parent, name] = alike.get((parent, name), 0) + 1
            found.append(_Start(name, parent, same, line + first_line - 1, column))
            path.append(len(found) - 1)

        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _name: path.pop()
        after = number * 5 + 5
        end = self._starts[after] if after < len(self._starts) else len(self._buffer)
        with suppress(expat.ExpatError):  # what follows the child is no part of it
            parser.Parse(bytes(self._buffer[begin:end]))
        self._inside, self._alike = (number, found), alike
        return found


def _prolog(buffer: Buffer) -> tuple[int, bool]:
    """Where the root element starts, and whether a document type declaration stands before it."""
    at = 0
    while True:
        while buffer[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
            at += 1
        if buffer[at : at + 4] == b"<!--":
            end = buffer.find(b"-->", at)
        elif buffer[at : at + 2] == b"<?":
            end = buffer.find(b"?>", at) - 1
        else:
            return at, bytes(buffer[at : at + 9]).upper() == b"<!DOCTYPE"
        if end < 0:
            return at, False
        at = end + 3


def _as_utf8(buffer: Buffer) -> Buffer:
    """The text in UTF-8, whatever its declaration says it is in."""
    declared = _DECLARATION.match(bytes(buffer[:1024]))
    encoding = _ENCODING.search(declared[0]) if declared else None
    if encoding is None:
        return buffer
    label = encoding[1].decode()
    try:
        name = codecs.lookup(label).name
    except LookupError:
        name = ""
    # UTF-16 text has become UTF-8 by its byte order mark already
    if name in _UTF8:
        return buffer
    advice = "Save the file as UTF-8 and say so in its first line."
    place = Location(1, 1)
    try:
        text = bytes(buffer).decode(name or "ascii")
    except (LookupError, UnicodeDecodeError, TypeError) as error:
        if not name:
            detail = f"the encoding {label} that its first line names is not known"
        else:
            at = getattr(error, "start", 0)
            place = Location(*_line_column(buffer, at))
            detail = f"it is not in the encoding {label} that its first line names"
        raise SourceError("syntax", place, kind="XML", detail=detail, advice=advice) from None
    return text.encode()


def _line_column(buffer: Buffer, at: int) -> tuple[int, int]:
    before = bytes(buffer[:at])
    last = before[before.rfind(b"\n") + 1 :]
    return before.count(b"\n") + 1, len(last.decode("utf-8", "replace")) + 1


_CUT_OFF = {
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


def _broken(error: ParseError) -> SourceError:
    line, column = error.position
    detail = expat.ErrorString(error.code) or "it cannot be parsed"
    advice = "Mend the file at this place, or export it again."
    if error.code in _CUT_OFF:
        detail, advice = "it ends in the middle", "The file was cut off: export or copy it again."
    elif error.code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
        advice = "Write & as &amp; and < as &lt; in names, or export the file again."
    elif error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
        advice = "Only &amp; &lt; &gt; &quot; &apos; and numbers like &#233; can be used."
    return SourceError(
        "syntax", Location(line, column + 1), kind="XML", detail=detail, advice=advice
    )
