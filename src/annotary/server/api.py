"""Calls of the API: matched, allowed, decoded, answered by the service, encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from annotary import ids
from annotary.errors import (
    BadRequestError,
    NotFoundError,
)
from annotary.model import Operation
from annotary.server.access import Access
from annotary.server.http import Exchange, MethodNotAllowedError, Reply
from annotary.server.idempotency import Repeat
from annotary.server.links import CALLER, Caller
from annotary.server.pools import Pool
from annotary.server.requests import Endpoint, Table
from annotary.server.settings import Settings
from annotary.server.shares import Shares
from annotary.server.writing import Writer
from annotary.service import Service
from annotary.service.operations import CREATED
from annotary.store.changes import WHO, Who
from annotary.store.database import Database
from annotary.store.keys import KeyRow

_WAITING_CALLS = 32
_LONGEST_MESSAGE = 10_000

_encode = msgspec.json.Encoder().encode


class Api:
    """Answers the calls of ``annotary.routes``."""

    def __init__(self, service: Service, access: Access, settings: Settings) -> None:
        self._service = service
        self._access = access
        self._settings = settings
        self._table = Table()
        busy = settings.busy_seconds
        self._readers = Pool("read", settings.read_threads, busy)
        # they wait for the work that they start, and for their turn to write
        self._waiters = Pool("call", _WAITING_CALLS, 2 * busy + settings.patience_seconds)
        self._writer = Writer(service.store, busy)
        self._exports = Shares(
            settings.exports_per_key, lambda operation: service.jobs.find(operation) is not None
        )
        self._in_flight: dict[tuple[bytes, str], asyncio.Lock] = {}

    async def answer(self, exchange: Exchange) -> Reply:
        """The reply to a request. Raises the errors of ``annotary.errors``."""
        found = self._table.find(exchange.method, exchange.raw_path)
        if found is None:
            key = self._access.identify(exchange.headers)
            methods = self._table.methods(exchange.raw_path)
            if methods:
                raise MethodNotAllowedError(exchange.method, methods)
            raise NotFoundError("There is nothing at this path.", hint="See /docs.")
        endpoint, path = found
        route = endpoint.route
        exchange.name = route.name
        key = self._access.identify(exchange.headers)
        self._access.allow(key, route)
        body = await exchange.body(self._settings.max_body_bytes)
        request = endpoint.request(path, exchange.query, body)
        self._access.allow_project(key, request)
        repeat = None
        header = exchange.headers.get(b"idempotency-key")
        if header and route.method != "GET" and not route.converges:
            repeat = Repeat(key.id, header, route.method, exchange.raw_path, body)
        caller, who = Caller(key.id, exchange.base), _who(exchange, key)

        def call(db: Database | None = None) -> bytes:
            token, said = CALLER.set(caller), WHO.set(who)
            try:
                return self._call(endpoint, key, request, repeat, db)
            finally:
                CALLER.reset(token)
                WHO.reset(said)

        return Reply(200, await self._run(route.way, call, repeat))

    def close(self) -> None:
        """Finish the calls that run."""
        self._readers.close()
        self._waiters.close()
        self._writer.close()

    # --- inside -------------------------------------------------------------------------------

    async def _run(self, way: str, call: Callable[..., bytes], repeat: Repeat | None) -> Any:
        if way == "read":
            return await self._readers.run(call)
        if way == "wait":
            if repeat is None:
                return await self._waiters.run(call)
            place = (repeat.caller, repeat.key)
            lock = self._in_flight.setdefault(place, asyncio.Lock())
            try:
                async with lock:
                    return await self._waiters.run(call)
            finally:
                if not lock.locked():
                    self._in_flight.pop(place, None)
        return await self._writer.write(call, alone=way == "alone")

    def _export(self, endpoint: Endpoint, key: KeyRow, request: Any, repeat: Repeat | None) -> Any:
        """Make an export; its operation and the answer that a repeat gets are kept together."""

        def created(db: Database, operation: Operation) -> None:
            if repeat is not None:
                repeat.keep(db, _encode(operation))

        token = CREATED.set(created)
        try:
            with self._exports.one_more(key.id) as became:
                answer = self._service.call(endpoint.route, request)
                became(ids.parse("op", answer.id))
                return answer
        finally:
            CREATED.reset(token)

    def _call(
        self,
        endpoint: Endpoint,
        key: KeyRow,
        request: Any,
        repeat: Repeat | None,
        db: Database | None,
    ) -> bytes:
        store = self._service.store
        if repeat is not None:
            with store.read() as reading:
                earlier = repeat.earlier(reading)
            if earlier is not None:
                return earlier
        try:
            if endpoint.route.name == "exports.create":
                answer = self._export(endpoint, key, request, repeat)
            else:
                answer = self._service.call(endpoint.route, request)
        except OverflowError:
            raise BadRequestError(
                "A number is too large.", hint="Whole numbers have 64 bits."
            ) from None
        except UnicodeEncodeError:
            raise BadRequestError("A text is not valid Unicode.") from None
        body = _encode(self._access.narrow(key, endpoint.route, answer))
        if repeat is not None:
            if db is not None:
                repeat.keep(db, body)
            else:
                with store.write() as writing:
                    repeat.keep(writing, body)
        return body


def _who(exchange: Exchange, key: KeyRow) -> Who:
    """Whose write it is: the key's, with what the caller says of it."""
    message = unquote(exchange.headers.get(b"change-message", b"").decode("latin-1"))
    step = exchange.headers.get(b"x-change")
    part_of = None if step is None else ids.parse("change", step.decode("latin-1"))
    return Who(key.name, message[:_LONGEST_MESSAGE], part_of)
