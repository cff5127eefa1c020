"""Limits that hold before anybody has shown a key: on connections, heads, bodies and patience.

A caller that opens connections and says nothing, or says it slowly, costs the others nothing:
when there is no room, the connection that has asked for nothing for longest makes way; what is
too slow is told so (408) and closed; a head that is too large is refused (431).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from annotary.server.settings import Settings

_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 10.0
"""How long a connection that is closed may take to send what it has left."""


class Connections:
    """All connections of a server, by what they are doing."""

    def __init__(self, settings: Settings, most: int) -> None:
        self.most = most
        self.settings = settings
        # each in the order in which it became so: the first has waited longest
        self.unasked: dict[Connection, None] = {}
        """They have never asked for anything, or have not said all of it."""
        self.idle: dict[Connection, None] = {}
        """They have been answered and may ask again."""
        self.working: dict[Connection, None] = {}
        """Their request is being read or answered."""
        self.stuck: dict[Connection, float] = {}
        """They do not take what is sent to them, since then."""
        self._looking: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.unasked) + len(self.idle) + len(self.working)

    def arrived(self, new: Connection) -> None:
        """Take a connection, for which the one that is needed least makes way."""
        if self.count >= self.most:
            least = next(iter(self.unasked or self.idle), None)
            if least is None:
                new.refuse(503, "ServiceUnavailableError", "The server has too many connections.")
                return
            least.drop()
        self.unasked[new] = None
        if self._looking is None:
            self._looking = new.loop.call_later(_LOOK_SECONDS, self._look, new.loop)

    def put(self, each: Connection, state: dict[Connection, None]) -> None:
        """A connection does something else now, if it is still one of ours."""
        if self._remove(each):
            state[each] = None

    def gone(self, each: Connection) -> None:
        """A connection is closed."""
        self._remove(each)
        self.stuck.pop(each, None)

    def _remove(self, each: Connection) -> bool:
        for state in (self.working, self.idle, self.unasked):
            if each in state:
                del state[each]
                return True
        return False

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once a second: end what has taken too long."""
        now = loop.time()
        settings = self.settings
        for each in list(self.unasked):
            if now - each.since < settings.header_seconds:
                break
            each.refuse(408, "BadRequestError", "The request did not come in time.")
        for each in list(self.working):
            if each.is_too_slow(now, settings.body_seconds, settings.min_body_rate):
                each.refuse(408, "BadRequestError", "The body came too slowly.")
        for each, since in list(self.stuck.items()):
            if now - since > settings.send_seconds:
                each.drop()
        self._looking = loop.call_later(_LOOK_SECONDS, self._look, loop) if self.count else None


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, limits: Connections, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits = limits
        self._most_head = limits.settings.max_header_bytes
        self.since = self.loop.time()
        """When its last request began."""
        self._in_head = True
        self._head = 0
        self._parsed = 0
        self._refused = False
        self._whole = True
        self._body = 0
        self._body_since = 0.0

    # --- what the connection tells --------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is there."""
        super().connection_made(transport)
        self._limits.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._limits.gone(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self._refused:
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > self._most_head:
            self._too_large()

    def pause_writing(self) -> None:
        """It does not take what is sent."""
        super().pause_writing()
        self._limits.stuck[self] = self.loop.time()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._limits.stuck.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self.refuse(400, "BadRequestError", "This is not a valid HTTP request.")

    def timeout_keep_alive_handler(self) -> None:
        """It has not asked again."""
        if not self.transport.is_closing():
            self._close()

    # --- what the parser tells ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.since = self.loop.time()
        self._in_head, self._parsed = True, 0
        if self.cycle is None or self.cycle.response_complete:
            self._limits.put(self, self._limits.unasked)

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._parsed += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._parsed += len(name) + len(value)
        if self._parsed <= self._most_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head, self._head = False, 0
        if self._parsed > self._most_head:
            self._too_large()
        if self._refused:
            return
        self._whole, self._body, self._body_since = False, 0, self.loop.time()
        self._limits.put(self, self._limits.working)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        if not self._refused:
            self._body += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._whole = self._in_head = True
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """It has been answered."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.pipeline:
            # what is answered before it has all been said may never be said
            self.since = self.loop.time()
            limits = self._limits
            limits.put(self, limits.idle if self._whole and not self._head else limits.unasked)

    # --- limits ---------------------------------------------------------------------------------

    def is_too_slow(self, now: float, seconds: float, rate: float) -> bool:
        """Whether too little of the body has come in the last ``seconds``."""
        if self._whole or self.flow.read_paused:
            self._body, self._body_since = 0, now
        if now - self._body_since < seconds:
            return False
        slow = self._body < rate * seconds
        self._body, self._body_since = 0, now
        return slow

    def refuse(self, status: int, code: str, message: str) -> None:
        """Tell why, unless an answer has begun, and close."""
        if self._refused:
            return
        self._refused = True
        busy = self.cycle is not None and self.cycle.response_started
        if not (busy and not self.cycle.response_complete) and not self.transport.is_closing():
            body = msgspec.json.encode({"code": code, "message": message})
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (status, HTTPStatus(status).phrase.encode(), len(body), body)
            )
        self._close()

    def drop(self) -> None:
        """Close without a word, at once."""
        self._refused = True
        self._limits.gone(self)
        self.transport.abort()

    def _too_large(self) -> None:
        text = f"The request's head is larger than {self._most_head:,} bytes."
        self.refuse(431, "BadRequestError", text)

    def _close(self) -> None:
        self._limits.gone(self)
        transport = self.transport
        transport.close()
        self.loop.call_later(_LINGER_SECONDS, transport.abort)
