"""XML one record at a time, and the place of every element."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.syntax import xml as xmltext
from annotary.syntax.source import SourceError, SourceFile
from annotary.syntax.xml import XmlText, root_name


@pytest.fixture(autouse=True, params=["pieces", "whole"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small documents are read in another way than large ones: everything holds for both."""
    if request.param == "pieces":
        monkeypatch.setattr(xmltext, "SMALL", -1)


def text(data: str | bytes) -> XmlText:
    return XmlText(SourceFile("x.xml", data=data.encode() if isinstance(data, str) else data))


def alone(element: ET.Element) -> str:
    """The element without the text behind it, which may not have been read yet."""
    tail, element.tail = element.tail, None
    try:
        return ET.tostring(element, encoding="unicode")
    finally:
        element.tail = tail


def children(data: str | bytes, **keywords: frozenset[str]) -> tuple[list[str], SourceError | None]:
    found: list[str] = []
    try:
        for number, element in text(data).children(**keywords):
            if number >= 0:
                assert number == len(found)
                found.append(alone(element))
    except SourceError as error:
        return found, error
    return found, None


def test_children_are_whole_and_in_order() -> None:
    assert children('<a x="1"><b>t</b><c><d/></c>\n</a>') == (["<b>t</b>", "<c><d /></c>"], None)


def test_the_root_comes_first_with_its_attributes() -> None:
    number, root = next(text('<a x="1"><b/></a>').children())
    assert (number, root.tag, root.get("x")) == (-1, "a", "1")


def test_root_name() -> None:
    assert root_name(b'<?xml version="1.0"?>\n<!-- <b> -->\n<annotation v="1">') == "annotation"
    assert root_name(b"<x:annotations/>") == "annotations"
    assert root_name(b"  text") == ""
    assert root_name(b"<!DOCTYPE annotation [ <!ENTITY a 'b'> ]><annotation>") == "annotation"
    assert root_name(b"<!-- never closed <a>") == ""


def test_namespaces_are_taken_off() -> None:
    found, error = children('<a xmlns="urn:x"><b><c/></b></a>')
    assert (found, error) == (["<b><c /></b>"], None)


@pytest.mark.parametrize(
    ("broken", "kept", "line", "column", "detail"),
    [
        ("<a><b>1</b>\n<b>2</c></a>", 1, 2, 7, "mismatched tag"),
        ("<a>\n<b>1</b><b>2</b>\n<b>", 2, 3, 4, "it ends in the middle"),
        ("<a>\n<b>x & y</b></a>", 0, 2, 7, "not well-formed (invalid token)"),
        ("<a><b/>\n</a>rest", 1, 2, 5, "junk after document element"),
        ("<a><b>é&nbsp;</b></a>", 0, 1, 8, "undefined entity"),
    ],
)
def test_what_stands_before_the_break_is_delivered(
    broken: str, kept: int, line: int, column: int, detail: str
) -> None:
    found, error = children(broken)
    assert len(found) == kept
    assert error is not None and error.code == "syntax"
    assert (error.location.line, error.location.column) == (line, column)
    assert error.values["detail"] == detail


def test_an_unfinished_child_keeps_what_is_complete_in_it() -> None:
    whole = "<a><i><b>1</b><b>2</b><b>3"
    assert children(whole)[0] == []
    found, error = children(whole, unfinished=frozenset({"i"}))
    assert found == ["<i><b>1</b><b>2</b></i>"]
    assert error is not None


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!-- c --><!DOCTYPE a SYSTEM "http://example.invalid/a.dtd">',
        "\n <!doctype a>",
    ],
)
def test_document_type_declarations_are_refused(declaration: str) -> None:
    with pytest.raises(SourceError) as caught:
        text(f'<?xml version="1.0"?>{declaration}<a>&x;</a>')
    assert caught.value.code == "syntax"
    assert "DTD" in str(caught.value.values["detail"])


def test_depth_is_limited() -> None:
    deep = "<a>\n" + "<b>" * 100 + "</b>" * 100 + "</a>"
    found, error = children(deep)
    assert found == []
    assert error is not None and error.code == "too-large"
    assert error.location.line == 2
    assert children("<a>" + "<b>" * 63 + "</b>" * 63 + "</a>")[1] is None


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "utf-16", "utf-8", "utf-8-sig"])
def test_declared_encodings(encoding: str) -> None:
    label = encoding.removesuffix("-sig")
    document = f'<?xml version="1.0" encoding="{label}"?>\n<a><b>臉書</b></a>'.replace("臉", "日")
    data = document.replace("書", "本").encode(encoding)
    assert children(data) == (["<b>日本</b>"], None)


def test_latin_1_and_wrong_encodings() -> None:
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?><a>\n<b>é</b></a>'
    assert children(latin.encode("latin-1")) == (["<b>é</b>"], None)
    for label, detail in (("klingon", "is not known"), ("gbk", "not in the encoding gbk")):
        document = f'<?xml version="1.0" encoding="{label}"?>\n<a>'.encode() + b"\xff\xff</a>"
        with pytest.raises(SourceError, match="syntax") as caught:
            text(document)
        assert detail in str(caught.value.values["detail"])
    found, error = children(b"<a><b>\xff</b></a>")
    assert found == [] and error is not None and error.location.column == 7


def test_places_of_nested_elements() -> None:
    document = (
        '<?xml version="1.0"?>\n<a>\n  <n>é</n>\n'
        "  <o><p>1</p><q>é</q><q>\n <r/></q></o>\n  <o/>\n</a>"
    )
    xml = text(document)
    places = {}
    for number, child in xml.children():
        if number >= 0:
            for element in child.iter():
                place = xml.locate(xml.at(number, child, element))
                places[place.pointer] = (place.line, place.column)
    assert places == {
        "/a/n": (3, 3),
        "/a/o[1]": (4, 3),
        "/a/o[1]/p": (4, 6),
        "/a/o[1]/q[1]": (4, 14),
        "/a/o[1]/q[2]": (4, 22),
        "/a/o[1]/q[2]/r": (5, 2),
        "/a/o[2]": (6, 3),
    }
    assert xml.locate(xml.at(-1)).pointer == "/a"


NAMES = st.sampled_from(["a", "b", "über", "名"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=6)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> ET.Element:
    element = ET.Element(draw(NAMES), draw(st.dictionaries(NAMES, TEXTS, max_size=2)))
    element.text = draw(TEXTS)
    element.tail = draw(st.sampled_from(["", "\n", " \n\t", "é"]))
    if depth:
        for child in draw(st.lists(trees(depth - 1), max_size=3)):
            element.append(child)
    return element


@given(
    trees(), st.integers(1, 40), st.sampled_from(["", '<?xml version="1.0"?>\n', "<!-- <x> -->"])
)
def test_same_as_the_whole_tree_and_every_place_is_right(
    tree: ET.Element, chunk: int, prolog: str
) -> None:
    tree.tail = ""
    document = prolog + ET.tostring(tree, encoding="unicode")
    lines = re.split("\n", document)
    xml = text(document)
    parsed = ET.fromstring(document)
    original, xmltext.CHUNK = xmltext.CHUNK, chunk
    try:
        count = 0
        for number, child in xml.children():
            if number < 0:
                continue
            count += 1
            twin = parsed[number]
            assert alone(child) == alone(twin)
            for element, other in zip(child.iter(), twin.iter(), strict=True):
                place = xml.locate(xml.at(number, child, element))
                assert place.line is not None and place.column is not None
                assert place.pointer is not None
                rest = lines[place.line - 1][place.column - 1 :]
                assert rest.startswith("<" + element.tag)
                path = "." + place.pointer[len("/" + parsed.tag) :]
                assert parsed.findall(path) == [other]
        assert count == len(parsed)
    finally:
        xmltext.CHUNK = original


@given(trees(), st.data())
def test_truncation_never_loses_a_complete_child(tree: ET.Element, data: st.DataObject) -> None:
    tree.tail = ""
    document = ET.tostring(tree, encoding="unicode").encode()
    cut = document[: data.draw(st.integers(0, len(document) - 1))]
    whole, _ = children(document)
    found, error = children(cut)
    assert error is not None
    assert found == whole[: len(found)]


def test_a_large_document_is_not_held() -> None:
    import tracemalloc

    record = b'<i n="x"><b x="1"/><b x="2"/></i>\n'
    document = b"<a>" + record * 60_000 + b"</a>"
    xml = XmlText(SourceFile("x.xml", data=document))
    tracemalloc.start()
    count = sum(1 for number, _ in xml.children() if number >= 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 12_000_000
