"""What the readers and writers of XML formats share."""

from __future__ import annotations

from html import escape
from typing import Any

from annotary.contract.rows import RowSink
from annotary.formats.kit.numbers import scalar
from annotary.syntax.source import SourceError, SourceFile
from annotary.syntax.xml import Element, XmlText, root_name

__all__ = [
    "Record",
    "attribute_text",
    "content",
    "expect_root",
    "inner",
    "is_labelme",
    "root_of",
    "value",
]


def root_of(source: SourceFile) -> str:
    """The name of the file's root element, ``""`` if it is no XML."""
    return root_name(source.head) if source.first == b"<" else ""


def expect_root(source: SourceFile, root: str, title: str) -> None:
    """Raise :class:`SourceError` (``wrong-format``) for another kind of XML, or none.

    A root that cannot be made out is left to the parser.
    """
    if source.first != b"<":
        raise SourceError("wrong-format", format=title, detail="it does not begin like XML")
    found = root_name(source.head)
    if found and found != root:
        detail = f"its root element is <{found}>, not <{root}>"
        raise SourceError("wrong-format", format=title, detail=detail)


def is_labelme(head: bytes) -> bool:
    """Whether a file whose root is ``annotation`` is of the LabelMe web tool, not Pascal VOC."""
    return b"<imagesize>" in head or b"<pt>" in head or b"<deleted>" in head


def content(text: str) -> str:
    """Text as the content of an element; characters that XML cannot hold become U+FFFD."""
    return escape(_legal(text), quote=False)


def attribute_text(text: str) -> str:
    """Text as the value of an attribute, with its quotes."""
    quoted = escape(_legal(text)).translate(_BLANKS)
    return f'"{quoted}"'


_BLANKS = {9: "&#9;", 10: "&#10;", 13: "&#13;"}
_ILLEGAL = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)} | {
    0xFFFE: "\ufffd",
    0xFFFF: "\ufffd",
}


def _legal(text: str) -> str:
    return text.translate(_ILLEGAL)


def inner(element: Element, name: str) -> str:
    """The text of a child, stripped; ``""`` if there is none."""
    return (element.findtext(name) or "").strip()


def value(element: Element) -> Any:
    """An element that nothing is known of, as a value: text, or a dict of its children."""
    if not len(element):
        return scalar((element.text or "").strip())
    found: dict[str, Any] = {}
    for child in element:
        if child.tag in found:
            before = found[child.tag]
            found[child.tag] = (
                [*before, value(child)] if isinstance(before, list) else [before, value(child)]
            )
        else:
            found[child.tag] = value(child)
    return found


class Record:
    """A record's element, and how to tell what is wrong with it."""

    __slots__ = ("element", "number", "order", "rows", "top", "xml")

    def __init__(
        self,
        xml: XmlText,
        rows: RowSink,
        number: int,
        top: Element,
        element: Element | None = None,
        order: int | None = None,
    ) -> None:
        self.xml = xml
        self.rows = rows
        self.number = number
        self.top = top
        self.element = top if element is None else element
        self.order = order

    @property
    def at(self) -> int:
        """Where the record stands; an element that was not counted is looked for only now."""
        if self.order is None:
            return self.xml.at(self.number, self.top, self.element)
        return self.xml.nth(self.number, self.order)

    def place(self, element: Element) -> int:
        """Where an element of the record stands."""
        return self.xml.at(self.number, self.top, element)

    def missing(self, key: str, record: str, within: Element | None = None) -> None:
        """Reject the record: ``key`` is missing."""
        at = self.at if within is None else self.place(within)
        self.rows.reject("missing-key", at, key=key, record=record)

    def child_number(self, parent: Element, name: str) -> float | None:
        """The number in the child ``name``; None: there is none, and the record is rejected."""
        return self.number_in(parent, name, parent.find(name))

    def number_in(self, parent: Element, name: str, element: Element | None) -> float | None:
        """The number in a child that was found already, or not."""
        if element is None:
            self.missing(f"<{name}>", f"<{parent.tag}>", parent)
            return None
        text = (element.text or "").strip()
        try:
            return float(text)
        except ValueError:
            self.rows.reject("not-a-number", self.place(element), value=text, key=f"<{name}>")
            return None

    def attribute_number(self, name: str, default: float | None = None) -> float | None:
        """The number in the attribute ``name``; None: there is none, and it is rejected."""
        text = self.element.get(name)
        if text is None:
            if default is None:
                self.missing(name, f"<{self.element.tag}>")
            return default
        try:
            return float(text)
        except ValueError:
            self.rows.reject("not-a-number", self.at, value=text, key=name)
            return None
