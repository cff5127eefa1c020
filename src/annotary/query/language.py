"""The language of queries: what may be asked for, and a text as a tree of conditions.

::

    tag = cat and width < 10px
    tag in (cat, "big dog") and not (score >= 0.5 or attribute.colour = red)
    file ~ "night/*.jpg" and area < 1%

A condition is a field, an operator and a value: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``~``
(a glob: ``*`` any text, ``?`` one character), ``in (a, b, ...)`` or ``is none``. Conditions are
joined with ``and``, ``or``, ``not`` and brackets. Texts with blanks, commas or signs stand in
quotes. Lengths are pixels (``10`` or ``10px``) or parts of the image's side or area (``5%``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import translate
from typing import Any, Literal, NamedTuple, cast

from annotary.batch import KIND_NAMES
from annotary.errors import BadRequestError

Type = Literal["text", "number", "length", "area", "date"]
Level = Literal["object", "image"]


class Field(NamedTuple):
    """Something that can be asked for."""

    type: Type
    level: Level
    what: str


FIELDS = {
    "tag": Field("text", "object", "the tag's name"),
    "type": Field("text", "object", f"the bound type: {', '.join(KIND_NAMES)}"),
    "width": Field("length", "object", "the width of its extent"),
    "height": Field("length", "object", "the height of its extent"),
    "side": Field("length", "object", "the shorter side of its extent"),
    "area": Field("area", "object", "the area of its extent"),
    "score": Field("number", "object", "the property score"),
    "source": Field("text", "object", "the file it came from, or what its import said"),
    "created": Field("date", "object", "when it was made: 2026-11-25, or 2026-11-25T08:00"),
    "file": Field("text", "image", "the image's file name"),
    "group": Field("text", "image", "a group that the image is in"),
    "status": Field("text", "image", "the image's status"),
    "annotations": Field("number", "image", "how many annotations the image has"),
}
"""Beside these: ``attribute.NAME`` and ``property.NAME``."""
_OPEN = ("attribute", "property")
_WORDS = {"and", "or", "not", "in", "is", "none"}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<op><=|>=|!=|=|<|>|~)
      | (?P<mark>[(),])
      | (?P<word>[^\s"'<>=!~(),]+)
    )""",
    re.X,
)
_LENGTH = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(px|%)?")


class Value(NamedTuple):
    """What a field is compared with: the text as written, and what it means."""

    text: str
    number: float = float("nan")
    part: bool = False
    """Whether the number is a part of the image's side or area."""


class Compare(NamedTuple):
    """One condition; ``name`` is that of an attribute or property."""

    field: str
    op: str
    values: tuple[Value, ...] = ()
    name: str = ""


class Not(NamedTuple):
    """The contrary of a condition."""

    of: Node


class Join(NamedTuple):
    """Conditions that must all hold (``and``), or of which one must (``or``)."""

    how: Literal["and", "or"]
    parts: tuple[Node, ...]


Node = Compare | Not | Join


class Query(NamedTuple):
    """A query as a tree."""

    text: str
    root: Node

    @property
    def fields(self) -> frozenset[str]:
        """The fields that are asked for."""
        return frozenset(each.field for each in conditions(self.root))


def conditions(node: Node) -> list[Compare]:
    """All conditions of a tree."""
    if isinstance(node, Compare):
        return [node]
    parts = node.parts if isinstance(node, Join) else (node.of,)
    return [each for part in parts for each in conditions(part)]


def parse(text: str, levels: frozenset[Level] = frozenset({"object", "image"})) -> Query:
    """A query from its text; ``levels`` are those that may be asked for.

    Raises :class:`BadRequestError` with the place of the fault and what is known.
    """
    return Query(text, _Parser(text, levels).whole())


def pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression over whole texts, upper and lower case apart."""
    return re.compile(translate(glob))


class _Parser:
    def __init__(self, text: str, levels: frozenset[Level]) -> None:
        self._text = text
        self._levels = levels
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self._error("A quote is not closed", at, "Put texts in a pair of quotes.")
            kind = cast(str, found.lastgroup)
            token, start = found[kind], found.start(kind)
            if kind == "text":
                token = re.sub(r"\\(.)", r"\1", token[1:-1])
            elif kind == "word" and token.lower() in _WORDS:
                kind, token = "key", token.lower()
            self._tokens.append((kind, token, start))
            at = found.end()
        self._tokens.append(("end", "", len(text)))
        self._at = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise self._error("It is empty", 0, 'Write a condition, such as "tag = cat".')
        found = self._or()
        kind, token, at = self._next
        if kind != "end":
            raise self._error(f"{token!r} is too much", at, "Join conditions with and, or, not.")
        return found

    # --- grammar ------------------------------------------------------------------------------

    def _or(self) -> Node:
        return self._joined("or", self._and)

    def _and(self) -> Node:
        return self._joined("and", self._not)

    def _joined(self, how: Literal["and", "or"], part: Any) -> Node:
        parts = [part()]
        while self._take("key", how):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Join(how, tuple(parts))

    def _not(self) -> Node:
        if self._take("key", "not"):
            return Not(self._not())
        if self._take("mark", "("):
            found = self._or()
            if not self._take("mark", ")"):
                raise self._error("A bracket is not closed", self._next[2], 'Write a ")".')
            return found
        return self._compare()

    def _compare(self) -> Node:
        field, name, type_ = self._field()
        kind, op, at = self._pop()
        if kind == "op":
            if op == "~" and type_ != "text":
                raise self._error(f"{field} is no text", at, "~ compares texts; use = or <.")
            if op in "<=>=" and op != "=" and type_ == "text" and field not in _OPEN:
                raise self._error(f"{field} is a text", at, "Compare it with =, !=, ~ or in.")
            return Compare(field, op, (self._value(field, type_),), name)
        if (kind, op) == ("key", "in"):
            if not self._take("mark", "("):
                raise self._error('"(" is missing', self._next[2], "Write in (a, b).")
            values = [self._value(field, type_)]
            while self._take("mark", ","):
                values.append(self._value(field, type_))
            if not self._take("mark", ")"):
                raise self._error("A bracket is not closed", self._next[2], 'Write a ")".')
            return Compare(field, "in", tuple(values), name)
        if (kind, op) == ("key", "is"):
            negative = self._take("key", "not")
            if not self._take("key", "none"):
                raise self._error('"none" is missing', self._next[2], "Write is none.")
            found = Compare(field, "none", (), name)
            return Not(found) if negative else found
        raise self._error(
            f"An operator is missing after {field!r}", at, "Write =, !=, <, <=, >, >=, ~, in or is."
        )

    def _field(self) -> tuple[str, str, Type]:
        kind, token, at = self._pop()
        field, _, name = token.partition(".")
        if kind == "word" and field in _OPEN and "object" in self._levels:
            # a name in quotes follows the dot as a token of its own
            if not name and self._next[0] == "text":
                name = self._pop()[1]
            if not name:
                raise self._error(f"{field} of what?", at, f"Write {field}.NAME.")
            return field, name, "text"
        known = {n: f for n, f in FIELDS.items() if f.level in self._levels}
        if kind != "word" or token not in known:
            names = [*known, *([f"{each}.NAME" for each in _OPEN] * ("object" in self._levels))]
            what = f"There is no field {token!r}" if token else "A condition is missing"
            raise self._error(what, at, f"Fields: {', '.join(names)}.")
        return token, "", known[token].type

    def _value(self, field: str, type_: Type) -> Value:
        kind, token, at = self._pop()
        if kind not in ("word", "text"):
            raise self._error(f"A value for {field} is missing", at, "Put texts in quotes.")
        if type_ == "text":
            if field == "type" and token not in KIND_NAMES:
                hint = f"Bound types: {', '.join(KIND_NAMES)}."
                raise self._error(f"{token!r} is no bound type", at, hint)
            found = _LENGTH.fullmatch(token)
            plain = found is not None and not found[2] and kind == "word"
            return Value(token, float(found[1]) if plain and found else float("nan"))
        if type_ == "date":
            try:
                moment = datetime.fromisoformat(token)
            except ValueError:
                hint = "Write 2026-11-25 or 2026-11-25T08:00:00."
                raise self._error(f"{token!r} is no date", at, hint) from None
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return Value(token, moment.timestamp() * 1000)
        found = _LENGTH.fullmatch(token)
        if found is None or (found[2] and type_ == "number"):
            hint = "Write a number" + (", 10px or 5%." if type_ != "number" else ".")
            raise self._error(f"{token!r} is no number for {field}", at, hint)
        part = found[2] == "%"
        return Value(token, float(found[1]) / (100 if part else 1), part)

    # --- tokens -------------------------------------------------------------------------------

    @property
    def _next(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _pop(self) -> tuple[str, str, int]:
        found = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return found

    def _take(self, kind: str, token: str) -> bool:
        if self._next[:2] == (kind, token):
            self._at += 1
            return True
        return False

    def _error(self, what: str, at: int, hint: str) -> BadRequestError:
        return BadRequestError(
            f"The query {self._text!r} cannot be read: {what} (character {at + 1}).", hint=hint
        )
