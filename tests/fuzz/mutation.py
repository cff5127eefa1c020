"""Files made wrong: bytes at random, and values, keys and elements by each text's grammar."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

Mutation = Callable[[random.Random, bytes], bytes]

TOKENS = (
    "", "0", "-1", "1", "0.5", "1.5", "nan", "NaN", "inf", "-Infinity", "1e400", "1e-400", "0,5",
    "1 2",
    "99999999999999999999", "2147483648", "-0.0", "null", "true", "abc", "\"", "'", "[]", "{}",
    "[[",
    "</a>", "<a>", "&", "&amp;", "\x00", "\ufeff", "\u2028", "é", "臉", "..", "/", "\\", "%zz",
    "#frame=3",
    "0x10", "1_000", "+5", ".5", "5.", "--", ",", ";", "\t", "\r", "\n", "\n\n",
    "a" * 300, "9" * 400,
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 10**30, -(10**30), "", "abc", "1", "nan", "é", [], {},
    [[]], [None], [1], [1, 2, 3], [1, 2, 3, 4], ["a"], {"a": 1}, {"size": [1, 1], "counts": "0"},
    [[1, 2, 3, 4, 5]], [[-5, 1, 1e9, 2, 3, 4]], {"size": [3, 3], "counts": [1, 2, 3]}, "Infinity",
    "\ud800", "x" * 300,
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[^\s,;:<>\[\]{}\"'=]+")
_PLACE = re.compile(rb"[\[\]{},:;\"'<>=/\n\t ]")


def flip(rng: random.Random, data: bytes) -> bytes:
    """Some bytes are others."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def cut(rng: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data))]


def remove(rng: random.Random, data: bytes) -> bytes:
    """A piece is missing."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, max(1, min(200, len(data) // 2))) :]


def double(rng: random.Random, data: bytes) -> bytes:
    """A piece stands there twice."""
    at = rng.randrange(len(data))
    end = at + rng.randint(1, max(1, min(400, len(data))))
    return data[:end] + data[at:]


def insert(rng: random.Random, data: bytes) -> bytes:
    """Something stands where it should not."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS).encode() + data[at:]


def _instead(pattern: re.Pattern[bytes]) -> Mutation:
    def mutate(rng: random.Random, data: bytes) -> bytes:
        places = [found.span() for found in pattern.finditer(data[:200_000])]
        for begin, end in sorted(rng.sample(places, min(len(places), rng.randint(1, 3))))[::-1]:
            data = data[:begin] + rng.choice(TOKENS).encode() + data[end:]
        return data

    mutate.__doc__ = "Some tokens are others."
    return mutate


def lines(rng: random.Random, data: bytes) -> bytes:
    """Lines are missing, doubled, exchanged or joined."""
    found = data.splitlines(keepends=True)
    if len(found) < 2:
        return data
    a, b = rng.randrange(len(found)), rng.randrange(len(found))
    match rng.randrange(4):
        case 0:
            del found[a]
        case 1:
            found.insert(b, found[a])
        case 2:
            found[a], found[b] = found[b], found[a]
        case 3:
            found[a] = found[a].rstrip(b"\r\n")
    return b"".join(found)


def encoding(rng: random.Random, data: bytes) -> bytes:
    """The text is in another encoding, or has other line ends."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    match rng.randrange(6):
        case 0:
            return text.encode("utf-16")
        case 1:
            return text.encode("latin-1", "replace")
        case 2:
            return b"\xef\xbb\xbf" + data
        case 3:
            return data.replace(b"\n", b"\r\n")
        case 4:
            return data.replace(b"\n", b"\r")
    return text.encode("gb18030")


def json_tree(rng: random.Random, data: bytes) -> bytes:
    """Values of a JSON text are others, members and items are missing, doubled or renamed."""
    try:
        root = json.loads(data)
    except ValueError:
        return flip(rng, data)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in list(node.items()) if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    if not isinstance(root, dict | list):
        return b"[]"
    walk(root)
    for _ in range(rng.randint(1, 3)):
        if not places:
            return json.dumps(rng.choice(JUNK)).encode()
        node, key = rng.choice(places)
        try:
            match rng.randrange(5):
                case 0 | 1:
                    node[key] = rng.choice(JUNK)
                case 2:
                    del node[key]
                case 3 if isinstance(node, list):
                    node.append(node[key])
                case 3:
                    node[rng.choice(["", "x", "id", "name", "type"])] = node.pop(key)
                case 4:
                    other, place = rng.choice(places)
                    node[key] = json.loads(json.dumps(other[place]))
        except (KeyError, IndexError):
            continue  # an earlier change took it away
    return json.dumps(root, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def xml_tree(rng: random.Random, data: bytes) -> bytes:
    """Texts and attributes of an XML text are others; elements are missing, doubled or moved."""
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return flip(rng, data)
    nodes = list(root.iter())
    for _ in range(rng.randint(1, 3)):
        node = rng.choice(nodes)
        token = rng.choice(TOKENS).replace("\x00", "")
        match rng.randrange(5):
            case 0:
                node.text = token
            case 1 if node.attrib:
                node.attrib[rng.choice(list(node.attrib))] = token
            case 2 if node.attrib:
                del node.attrib[rng.choice(list(node.attrib))]
            case 3 if len(node):
                node.remove(rng.choice(list(node)))
            case _ if len(node):
                node.append(rng.choice(list(node)))
    return ElementTree.tostring(root, encoding="utf-8")


BYTES: tuple[Mutation, ...] = (flip, cut, remove, double, insert)
TEXT: tuple[Mutation, ...] = (
    *BYTES, _instead(_NUMBER), _instead(_NUMBER), _instead(_WORD), _instead(_PLACE), lines,
    encoding,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The data with one to three things wrong."""
    if not data:
        return rng.choice(TOKENS).encode()
    begin = data.lstrip()[:1]
    if b"\0" in data[:1000]:
        chosen = BYTES
    elif begin in (b"{", b"["):
        chosen = (*TEXT, *[json_tree] * 12)
    elif begin == b"<":
        chosen = (*TEXT, *[xml_tree] * 8)
    else:
        chosen = TEXT
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = rng.choice(chosen)(rng, data) or data
    return data
