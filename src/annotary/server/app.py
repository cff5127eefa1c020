"""The ASGI application: everything that the server answers, and what is said of it in logs."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import FileResponse

from annotary.errors import (
    AnnotaryError,
    InternalServerError,
    StoreError,
    StoreFullError,
)
from annotary.routes import Nothing
from annotary.server import openapi
from annotary.server.access import Access
from annotary.server.api import Api
from annotary.server.files import Files
from annotary.server.http import (
    DisconnectedError,
    Exchange,
    Message,
    MethodNotAllowedError,
    Receive,
    Reply,
    Scope,
    Send,
    error_reply,
)
from annotary.server.links import PREFIX, SignedLinks
from annotary.server.metrics import Metrics, Requests, log
from annotary.server.pools import Pool
from annotary.server.settings import Settings
from annotary.service import Service

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SWEEP_SECONDS = 3600.0
_PROBE_SECONDS = 5.0
_PROBE_BYTES = 256 * 1024
_PAGE_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


class App:
    """The server of one store."""

    def __init__(
        self,
        service: Service,
        links: SignedLinks,
        settings: Settings,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._settings = settings
        self._access = Access(service.store, settings)
        self._api = Api(service, self._access, settings)
        self._files = Files(service, links, settings)
        self._upkeep = Pool("upkeep", 1, None)
        self._probes = Pool("probe", 1, settings.busy_seconds)
        self._probed = -_PROBE_SECONDS
        self._metrics = Metrics()
        self._requests = Requests(settings.log_requests)
        self._started = started
        self._closing = False
        self._pages: dict[str, Callable[[Exchange], Awaitable[Reply]]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._show_metrics,
            "/openapi.json": self._openapi,
            "/docs": self._docs,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or go through the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # no websockets here
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        exchange = Exchange(scope, receive)
        given = exchange.headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(8).hex().encode()
        more = [(b"x-request-id", request_id)]
        self._metrics.in_flight += 1
        status = 499
        begun = False

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        try:
            try:
                reply = await self._reply(exchange)
            except AnnotaryError as error:
                if error.status >= 500:
                    fields = {"request": request_id.decode(), "route": exchange.name}
                    log.error(error.message, extra={"fields": fields}, exc_info=error)
                reply = error_reply(self._outward(error, request_id))
            if isinstance(reply, FileResponse):
                reply.raw_headers.extend(more)
                await reply(scope, receive, sending)
            else:
                await reply.send(sending, more)
        except DisconnectedError:
            pass
        except Exception as error:
            fields = {"request": request_id.decode(), "route": exchange.name}
            log.error("a request failed", extra={"fields": fields}, exc_info=error)
            if begun:
                raise  # too late for an answer: the connection is cut
            fault = _fault(request_id)
            await error_reply(fault).send(sending, more)
        finally:
            seconds = time.perf_counter() - begin
            self._metrics.in_flight -= 1
            self._metrics.count(exchange.name, status, seconds)
            self._requests.line(
                {
                    "request": request_id.decode(),
                    "method": exchange.method,
                    "path": exchange.path,
                    "route": exchange.name,
                    "status": status,
                    "ms": round(seconds * 1000, 2),
                }
            )

    def _outward(self, error: AnnotaryError, request_id: bytes) -> AnnotaryError:
        """An error as callers may see it: without the names of this machine's folders."""
        if isinstance(error, StoreFullError):
            return error
        return _fault(request_id) if isinstance(error, StoreError) else error

    async def _reply(self, exchange: Exchange) -> Reply | FileResponse:
        if exchange.path.startswith(PREFIX):
            return await self._files.answer(exchange)
        page = self._pages.get(exchange.path)
        if page is not None:
            exchange.name = exchange.path[1:]
            if exchange.method != "GET":
                raise MethodNotAllowedError(exchange.method, ["GET"])
            return await page(exchange)
        return await self._api.answer(exchange)

    # --- pages ----------------------------------------------------------------------------------

    async def _health(self, exchange: Exchange) -> Reply:
        return Reply(200, b'{"status":"alive"}')

    async def _ready(self, exchange: Exchange) -> Reply:
        try:
            if not self._closing:
                self._service.workspace.get(Nothing())
                await self._probes.run(self._probe)
                return Reply(200, b'{"status":"ready"}')
        except StoreFullError:
            return Reply(503, b'{"status":"not ready","reason":"The disk is full."}')
        except (AnnotaryError, OSError):
            log.exception("the store cannot be used")
        return Reply(503, b'{"status":"not ready"}')

    def _probe(self) -> None:
        """Find out whether a file can be written; not more often than once in some seconds."""
        now = time.monotonic()
        if now < self._probed + _PROBE_SECONDS:
            return
        blobs = self._service.store.blobs
        key = f"probe/{os.urandom(8).hex()}"
        blobs.put(key, bytes(_PROBE_BYTES), durable=False)
        blobs.delete(key)
        self._probed = now

    async def _show_metrics(self, exchange: Exchange) -> Reply:
        self._access.identify(exchange.headers)
        text = self._metrics.text(self._service.jobs.count)
        return Reply(200, text, media=b"text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, exchange: Exchange) -> Reply:
        return Reply(200, openapi.document())

    async def _docs(self, exchange: Exchange) -> Reply:
        headers = [(b"content-security-policy", _PAGE_POLICY)]
        return Reply(200, openapi.page(), headers, b"text/html; charset=utf-8")

    # --- life -----------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        sweeping = asyncio.create_task(self._sweep())
        await send({"type": "lifespan.startup.complete"})
        self._started()
        await receive()
        self._closing = True
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._service.jobs.hand_back, self._settings.grace_seconds)
        self._api.close()
        self._files.close()
        self._upkeep.close()
        self._probes.close()
        self._service.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _sweep(self) -> None:
        """Now and then, end what nobody will end and remove what nobody needs."""
        while True:
            try:
                await self._upkeep.run(self._service.sweep)
            except AnnotaryError:
                log.exception("sweeping failed")
            await asyncio.sleep(_SWEEP_SECONDS)


def _fault(request_id: bytes) -> InternalServerError:
    return InternalServerError(
        "Something went wrong in the server.",
        hint=f"Its log says more, under {request_id.decode()}.",
    )
