"""Files by signed address: uploads are streamed to blobs, downloads are streamed from them."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from annotary import checksum
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
)
from annotary.server.http import Exchange, MethodNotAllowedError, Reply
from annotary.server.links import PREFIX, Permit, SignedLinks
from annotary.server.pools import Pool
from annotary.server.settings import MIB, Settings
from annotary.service import Service
from annotary.store import holdings
from annotary.syntax.image import read_header

_KEY = re.compile(
    r"((?:exports|rejects)/[0-9a-f]{32}\.zip|imports/[0-9a-f]{32}/\d+"
    r"|assets/[0-9a-f]{32}/[0-9a-f]{32}-\d+|parts/[0-9a-f]{32}/\d+)(?:/[^/]*)?$"
)
_THREADS = 8
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
]


class Files:
    """What stands below ``/files/``. No key is needed: the address itself is the permit."""

    def __init__(self, service: Service, links: SignedLinks, settings: Settings) -> None:
        self._service = service
        self._blobs = service.store.blobs
        self._links = links
        self._downloads = Pool("download", _THREADS, settings.busy_seconds)
        # the last file of a session waits for its turn to write
        self._uploads = Pool("upload", _THREADS, 2 * settings.busy_seconds)
        self._most = settings.max_file_bytes

    async def answer(self, exchange: Exchange) -> Reply | FileResponse:
        """The reply to a request."""
        if exchange.method not in {"GET", "HEAD", "PUT"}:
            raise MethodNotAllowedError(exchange.method, ["GET", "HEAD", "PUT"])
        match = _KEY.match(exchange.path, len(PREFIX))
        if match is None:
            raise NotFoundError("There is no such file.")
        key = match[1]
        query = dict(parse_qsl(exchange.query.decode("latin-1")))
        permit = self._links.verify(exchange.method, key, query)
        if exchange.method == "PUT":
            exchange.name = "files.put"
            return await self._put(exchange, permit)
        exchange.name = "files.get"
        return await self._get(key)

    def close(self) -> None:
        """Finish what runs."""
        self._downloads.close()
        self._uploads.close()

    # --- down ---------------------------------------------------------------------------------

    async def _get(self, key: str) -> FileResponse:
        def look() -> str | None:
            if self._blobs.size(key) is None:
                return None
            if key.startswith("assets/"):
                # what can be brought back is kept, and not shown
                with self._service.store.read() as db:
                    if not holdings.is_shown(db, key):
                        return None
            # what is in the trash is nobody's to see
            if key.startswith("assets/") and not self._service.assets.is_served(key):
                return None
            if key.endswith(".zip"):
                return "application/zip"
            with self._blobs.local(key) as path:
                return _media(path)

        media = await self._downloads.run(look)
        if media is None:
            raise NotFoundError("There is no such file any more.")
        name = key.rpartition("/")[2] if key.endswith(".zip") else None
        stack = ExitStack()
        path = stack.enter_context(self._blobs.local(key))
        response = _BlobResponse(path, media_type=media, filename=name)
        response.held = stack
        response.raw_headers.extend(_SAFE)
        return response

    # --- up -----------------------------------------------------------------------------------

    async def _put(self, exchange: Exchange, permit: Permit) -> Reply:
        size = permit.size or 0
        if size > self._most:
            raise PayloadTooLargeError(
                f"The file has {size:,} bytes, the most is {self._most:,}.",
                hint="The server's limit is max_file_bytes.",
            )
        announced = exchange.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) != size:
            raise _wrong_size(int(announced), size)
        here = await self._uploads.run(lambda: self._blobs.size(permit.key) is not None)
        if here:
            # a repeat, as after a lost answer; blobs are never written again
            await _check(exchange, permit)
        else:
            if not await self._uploads.run(lambda: self._awaited(permit.key)):
                raise ConflictError(
                    "The session takes no more files.", hint="It has ended; create a new one."
                )
            await self._store(exchange, permit)
        if permit.key.startswith("assets/"):
            await self._uploads.run(lambda: self._service.uploads.received(permit.key))
        return Reply(200, b'{"received":true}')

    def _awaited(self, key: str) -> bool:
        try:
            if key.startswith("imports/"):
                return self._service.imports.awaits(key)
            if key.startswith("assets/"):
                return self._service.uploads.awaits(key) is not None
            return self._service.multipart.awaits(key)
        except AnnotaryError:
            return False

    async def _store(self, exchange: Exchange, permit: Permit) -> None:
        """Stream the body into a blob; whatever is wrong with it, nothing is left behind."""
        loop = asyncio.get_running_loop()
        blob: AbstractContextManager[BinaryIO] = self._blobs.create(permit.key)
        file = await loop.run_in_executor(None, blob.__enter__)
        try:
            sum_ = _Sum(permit, file)
            await _stream(exchange, sum_)
            sum_.verify()
        except BaseException as error:
            # it may know better what is wrong, such as a disk that is full
            blob.__exit__(type(error), error, error.__traceback__)
            raise
        await loop.run_in_executor(None, blob.__exit__, None, None, None)


class _BlobResponse(FileResponse):
    """A file that is kept as long as it is sent."""

    held: ExitStack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.held:
            await super().__call__(scope, receive, send)


class _Sum:
    """Writes pieces of a body and sums them up."""

    def __init__(self, permit: Permit, out: BinaryIO | None) -> None:
        self._permit = permit
        self._out = out
        self._size = 0
        self._crc = 0

    def add(self, piece: bytes) -> None:
        self._crc = checksum.crc32c(piece, self._crc)
        self._size += len(piece)
        if self._size > (self._permit.size or 0):
            raise _wrong_size(self._size, self._permit.size or 0)
        if self._out is not None:
            self._out.write(piece)

    def verify(self) -> None:
        if self._size != (self._permit.size or 0):
            raise _wrong_size(self._size, self._permit.size or 0)
        if self._permit.crc32c is not None and self._crc != self._permit.crc32c:
            raise BadRequestError(
                f"The bytes have the CRC-32C {checksum.to_base64(self._crc)}, announced was "
                f"{checksum.to_base64(self._permit.crc32c)}.",
                hint="They were damaged on the way, or the file has changed: send it again.",
            )


async def _check(exchange: Exchange, permit: Permit) -> None:
    sum_ = _Sum(permit, None)
    await _stream(exchange, sum_)
    sum_.verify()


async def _stream(exchange: Exchange, sum_: _Sum) -> None:
    """Read the body in pieces of about one mebibyte, each summed and written off the loop."""
    loop = asyncio.get_running_loop()
    held: list[bytes] = []
    size = 0
    more = True
    while more:
        piece, more = await exchange.receive()
        held.append(piece)
        size += len(piece)
        if size >= MIB or (not more and size):
            whole = b"".join(held)
            held, size = [], 0
            if len(whole) < MIB // 8:
                sum_.add(whole)  # quicker than asking a thread
            else:
                await loop.run_in_executor(None, sum_.add, whole)


def _media(path: Path) -> str:
    try:
        return read_header(path, path.name).mime or "application/octet-stream"
    except (AnnotaryError, OSError):
        return "application/octet-stream"


def _wrong_size(size: int, announced: int) -> BadRequestError:
    return BadRequestError(
        f"{size:,} bytes were sent of a file that was announced with {announced:,}.",
        hint="Announce the file again: its size has changed.",
    )
