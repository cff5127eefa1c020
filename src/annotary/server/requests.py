"""HTTP requests as the structs that routes take.

Path parameters stand in the route's template, ``body`` is the JSON body, all else is the query.
The query is read as the public client writes it: unescaped values (``+`` is a plus sign), lists
as ``name[]``, with the brackets escaped or not, and an empty pair at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import msgspec

from annotary.errors import BadRequestError
from annotary.routes import ROUTES, Route

_SEGMENTS = {"asset_id": ".+"}  # a file name may hold folders
_PARAMETER = re.compile(r"\{(\w+)\}")


class Endpoint:
    """A route, ready to be asked for over HTTP."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.path_names = _PARAMETER.findall(route.path)
        self.pattern = re.compile(_regex(route.path))
        hints = get_type_hints(route.request)
        self.types = {name: hints[name] for name in route.request.__struct_fields__}
        self.query = {
            field.encode_name: field
            for field in msgspec.structs.fields(route.request)
            if field.name not in {"body", *self.path_names}
        }
        body = self.types.get("body")
        self.takes_body = body is not None
        self.body_type = body
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(body).decode if body else bytes
        self._body_optional = "body" in {
            field.name for field in msgspec.structs.fields(route.request) if not field.required
        }
        self._body_is_list = get_origin(body) is list

    def request(self, path: dict[str, str], query: bytes, body: bytes) -> Any:
        """The route's request struct. Raises :class:`BadRequestError`."""
        values: dict[str, Any] = {}
        for name, text in path.items():
            kind = self.types[name]
            values[name] = text if kind is str else _convert(text, kind, name)
        if query and self.query:
            self._read_query(query, values)
        if self.takes_body and (body or not self._body_optional):
            values["body"] = self._read_body(body)
        return self.route.request(**values)

    def _read_query(self, query: bytes, values: dict[str, Any]) -> None:
        for name, text in _pairs(query):
            field = self.query.get(name)
            if field is None:
                continue
            kind = self.types[field.name]
            if get_origin(kind) is list:
                values.setdefault(field.name, []).append(text)
            elif text == "" and str not in (kind, *get_args(kind)):
                continue
            else:
                values[field.name] = _convert(text, kind, name)

    def _read_body(self, body: bytes) -> Any:
        if not body:
            # the public client sends nothing where the body is empty
            body = b"[]" if self._body_is_list else b"{}"
        try:
            return self._decode(body)
        except RecursionError:
            raise BadRequestError("The body is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestError(f"The body is not valid: {error}.") from None


class Table:
    """All endpoints, found by method and path."""

    def __init__(self) -> None:
        self._by_method: dict[str, list[Endpoint]] = {}
        for route in ROUTES.values():
            self._by_method.setdefault(route.method, []).append(Endpoint(route))
        for found in self._by_method.values():
            # where two templates fit, the one with more that is fixed is meant
            found.sort(key=lambda e: (-e.route.path.count("/"), -_fixed(e.route.path)))

    def find(self, method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint for a call and its path parameters; the path is still escaped."""
        path = raw_path.replace("%3A", ":")
        for endpoint in self._by_method.get(method, ()):
            match = endpoint.pattern.fullmatch(path)
            if match is not None:
                return endpoint, {name: unquote(text) for name, text in match.groupdict().items()}
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that a path can be called with."""
        return sorted(m for m in self._by_method if self.find(m, path) is not None)


def _fixed(path: str) -> int:
    return len(_PARAMETER.sub("", path))


def _regex(template: str) -> str:
    parts = _PARAMETER.split(template)
    for i, text in enumerate(parts):
        parts[i] = f"(?P<{text}>{_SEGMENTS.get(text, '[^/]+?')})" if i % 2 else re.escape(text)
    return "".join(parts)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    pairs = []
    for pair in query.decode("latin-1").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            pairs.append((unquote(name).removesuffix("[]"), unquote(value)))
    return pairs


def _convert(text: str, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{name}={text} is not valid: {error}.") from None
