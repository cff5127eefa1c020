"""One request and its reply, on ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from annotary.errors import AnnotaryError, BadRequestError, PayloadTooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class MethodNotAllowedError(BadRequestError):
    """A path was called with a method that it does not have."""

    status = 405

    def __init__(self, method: str, methods: list[str]) -> None:
        super().__init__(f"{method} is not possible here.", hint=f"Use {', '.join(methods)}.")
        self.methods = methods


class DisconnectedError(Exception):
    """The caller has gone before its request was complete."""


class Reply(msgspec.Struct):
    """What is sent back: JSON, unless the headers say otherwise."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = []
    media: bytes = b"application/json"

    async def send(self, send: Send, more: list[tuple[bytes, bytes]]) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.media),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
            *more,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Exchange:
    """A request as it arrives."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        # still escaped: a slash inside a file name is not one between segments
        self.raw_path: str = scope.get("raw_path", b"").decode("latin-1") or self.path
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.name = "other"
        """What was asked for, once known; for logs and metrics."""
        self._receive = receive

    @property
    def base(self) -> str:
        """The address under which the caller reaches the server."""
        host = self.headers.get(b"host", b"localhost").decode("latin-1")
        return f"{self.scope.get('scheme', 'http')}://{host}"

    async def body(self, most: int) -> bytes:
        """The whole body. Raises :class:`PayloadTooLargeError` beyond ``most`` bytes."""
        announced = self.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        parts: list[bytes] = []
        size = 0
        while True:
            part, more = await self.receive()
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
            if not more:
                return b"".join(parts) if len(parts) > 1 else part

    async def receive(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether there is more."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        return message.get("body", b""), message.get("more_body", False)


def error_reply(error: AnnotaryError) -> Reply:
    """An error as it is sent: ``{code, message, hint}``."""
    body = {"code": error.code, "message": error.outward}
    if error.hint:
        body["hint"] = error.hint
    headers: list[tuple[bytes, bytes]] = []
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowedError):
        headers.append((b"allow", ", ".join(error.methods).encode()))
    wait = getattr(error, "retry_after", 1 if error.status in {429, 503} else None)
    if wait is not None:
        headers.append((b"retry-after", str(wait).encode()))
    return Reply(error.status, msgspec.json.encode(body), headers)


def _too_large(most: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"The body is larger than {most:,} bytes.",
        hint="Send several smaller ones, or import a file; the server's limit is max_body_bytes.",
    )
