"""Calls of the API: matched, allowed, decoded, answered by the service, encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from annotary.errors import (
    BadRequestError,
    NotFoundError,
)
from annotary.server.access import Access
from annotary.server.http import Exchange, MethodNotAllowedError, Reply
from annotary.server.idempotency import Repeat
from annotary.server.links import BASE
from annotary.server.requests import Endpoint, Table
from annotary.server.settings import Settings
from annotary.server.writing import Writer
from annotary.service import Service
from annotary.store.database import Database
from annotary.store.keys import KeyRow

_WAITING_CALLS = 32

_encode = msgspec.json.Encoder().encode


class Api:
    """Answers the calls of ``annotary.routes``."""

    def __init__(self, service: Service, access: Access, settings: Settings) -> None:
        self._service = service
        self._access = access
        self._settings = settings
        self._table = Table()
        self._readers = ThreadPoolExecutor(settings.read_threads, "annotary-read")
        self._waiters = ThreadPoolExecutor(_WAITING_CALLS, "annotary-call")
        self._writer = Writer(service.store, settings.busy_seconds)
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
        base = exchange.base

        def call(db: Database | None = None) -> bytes:
            token = BASE.set(base)
            try:
                return self._call(endpoint, key, request, repeat, db)
            finally:
                BASE.reset(token)

        return Reply(200, await self._run(route.way, call, repeat))

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """What ``work`` answers, done where it may wait."""
        return await asyncio.get_running_loop().run_in_executor(self._waiters, work)

    def close(self) -> None:
        """Finish the calls that run."""
        self._readers.shutdown()
        self._waiters.shutdown()
        self._writer.close()

    # --- inside -------------------------------------------------------------------------------

    async def _run(self, way: str, call: Callable[..., bytes], repeat: Repeat | None) -> bytes:
        loop = asyncio.get_running_loop()
        if way == "read":
            return await loop.run_in_executor(self._readers, call)
        if way == "wait":
            if repeat is None:
                return await loop.run_in_executor(self._waiters, call)
            place = (repeat.caller, repeat.key)
            lock = self._in_flight.setdefault(place, asyncio.Lock())
            try:
                async with lock:
                    return await loop.run_in_executor(self._waiters, call)
            finally:
                if not lock.locked():
                    self._in_flight.pop(place, None)
        answer: bytes = await self._writer.write(call, alone=way == "alone")
        return answer

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
