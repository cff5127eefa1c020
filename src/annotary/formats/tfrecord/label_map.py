"""Label maps: the ``label_map.pbtxt`` beside a TFRecord file.

Protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec) of the
``StringIntLabelMap`` of TensorFlow's Object Detection API: a row of
``item { id: 1 name: 'cat' display_name: "Cat" }``. Ids begin with 1; 0 is the background's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[A-Za-z0-9_.+-]+)
      | (?P<mark>[{}<>\[\]:,;/])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_CLOSING = {"{": "}", "<": ">", "[": "]"}


class LabelMapError(ValueError):
    """A broken label map: ``reason``, and the 1-based ``line`` where it was seen."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"at line {line}: {reason}")
        self.line = line
        self.reason = reason


def read_label_map(text: str) -> dict[int, str]:
    """Names by id, in the order of the file.

    An item's name is its ``display_name`` where it has one, for ``name`` may be a key such as
    ``/m/01g317``; other fields are skipped. Raises :class:`LabelMapError` at broken syntax, an
    item without id or name, and an id that stands twice.
    """
    tokens = _Tokens(text.removeprefix("\ufeff"))
    names: dict[int, str] = {}
    while tokens.peek():
        line = tokens.line
        key = tokens.take()
        tokens.skip(":")
        if key != "item" or tokens.peek() not in ("{", "<"):
            _skip_value(tokens)
        else:
            number, name = _item(tokens, line)
            if number in names:
                raise LabelMapError(line, f"the id {number} stands twice")
            names[number] = name
        tokens.skip(",", ";")
    return names


def write_label_map(names: Mapping[int, str]) -> str:
    """The label map of these names, sorted by id; :func:`read_label_map` reads the same."""
    items = (f"item {{\n  id: {id}\n  name: {_quote(names[id])}\n}}\n" for id in sorted(names))
    return "\n".join(items)


def _item(tokens: _Tokens, line: int) -> tuple[int, str]:
    """The id and name of one item, whose opening brace comes next."""
    closing = _CLOSING[tokens.take()]
    fields: dict[str, str] = {}
    number: int | None = None
    while (key := tokens.take()) != closing:
        tokens.skip(":")
        if key == "id":
            number = _id(tokens)
        elif key in ("name", "display_name"):
            fields[key] = _text(tokens)
        else:
            _skip_value(tokens)
        tokens.skip(",", ";")
    name = fields.get("display_name") or fields.get("name")
    if number is None or name is None:
        raise LabelMapError(line, f"the item has no {'id' if number is None else 'name'}")
    return number, name


def _id(tokens: _Tokens) -> int:
    line, word = tokens.line, tokens.take()
    if not re.fullmatch(r"[0-9]+", word):
        raise LabelMapError(line, f"the id {word} is not a whole number from 0 up")
    return int(word)


def _text(tokens: _Tokens) -> str:
    line = tokens.line
    parts: list[str] = []
    while tokens.peek()[:1] in ("'", '"'):  # neighbours are one text
        parts.append(tokens.take()[1:-1])
    if not parts:
        raise LabelMapError(line, f"expected a text in quotes, not {tokens.take()}")
    try:
        return b"".join(_ESCAPE.sub(_unescape, part.encode()) for part in parts).decode()
    except ValueError as error:
        raise LabelMapError(line, f"the text is not Unicode: {error}") from None


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, other = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if other is not None:
        return _NAMED.get(other, other)
    return chr(int(short or long, 16)).encode()


def _quote(name: str) -> str:
    safe = name.replace("\\", r"\\").replace("'", r"\'")
    return "'" + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\{ord(match[0]):03o}", safe) + "'"


def _skip_value(tokens: _Tokens) -> None:
    """Pass over a value: a scalar, neighbouring texts, a list or a message with all it holds."""
    closings: list[str] = []
    while True:
        line, token = tokens.line, tokens.take()
        if token in _CLOSING:
            closings.append(_CLOSING[token])
        elif token in _CLOSING.values() and (not closings or token != closings.pop()):
            raise LabelMapError(line, f"unexpected {token}")
        if not closings:
            break
    if token[0] in "'\"":
        while tokens.peek()[:1] in ("'", '"'):
            tokens.take()


class _Tokens:
    """The tokens of a text, without blanks and comments."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._next = ""
        self.line = 1
        """Line of the next token."""
        self._advance()

    def peek(self) -> str:
        """The next token, or an empty text at the end."""
        return self._next

    def take(self) -> str:
        """The next token, and go on."""
        token = self._next
        if not token:
            raise LabelMapError(self.line, "the file ends inside an item")
        self.line += token.count("\n")
        self._advance()
        return token

    def skip(self, *marks: str) -> None:
        """Pass over one of these marks, if it comes next."""
        if self._next in marks:
            self.take()

    def _advance(self) -> None:
        self._next = ""
        while self._at < len(self._text) and not self._next:
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                seen = self._text[self._at]
                raise LabelMapError(
                    self.line,
                    "a text in quotes does not end" if seen in "'\"" else f"unexpected {seen!r}",
                )
            self._at = match.end()
            if match.lastgroup == "space":
                self.line += match[0].count("\n")
            else:
                self._next = match[0]
