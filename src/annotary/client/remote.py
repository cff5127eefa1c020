"""The remote door: the same calls over HTTP.

Calls are tried again when the server is out of reach or busy, at most three more times. What
writes carries an ``Idempotency-Key``, so that a repeat cannot do it twice and gets the first
answer, should that have been lost on the way.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import msgspec

from annotary import errors
from annotary.client.transport import SAID
from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    InternalServerError,
    ServiceUnavailableError,
    UnauthorizedError,
)
from annotary.model import Upload
from annotary.routes import ROUTES, Route

try:
    import httpx
except ImportError as error:
    raise BadRequestError(
        "A server can only be reached with the package httpx, which is not installed.",
        hint="pip install 'annotary[remote]'",
    ) from error

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
_MORE_TRIES = 3
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
_AGAIN = frozenset({429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_CHUNK = 1024 * 1024
_UPLOADS = 8
_WATCH_STEP = 0.25

Progress = Callable[[int, int], None]
"""Called with the bytes of a file that have passed, and all of them (0: not known)."""


class HttpTransport:
    """Reaches a server at ``endpoint`` with a secret key.

    Connections are kept and shared between threads. ``on_progress`` is told how far uploads and
    downloads are. Raises :class:`UnauthorizedError` when there is no key.
    """

    local = False

    def __init__(
        self,
        endpoint: str,
        secret_key: str | None,
        *,
        read_seconds: float = READ_SECONDS,
        on_progress: Progress | None = None,
    ) -> None:
        if not re.match(r"https?://[^/]", endpoint):
            raise BadRequestError(
                f"{endpoint!r} is not the address of a server.",
                hint="It looks like http://127.0.0.1:8000.",
            )
        if not secret_key:
            raise UnauthorizedError(
                "A server needs a secret key.",
                hint="Give secret_key=, --secret-key or ANNOTARY_SECRET_KEY; the server's owner "
                "makes one with: annotary key create.",
            )
        self._endpoint = endpoint.rstrip("/")
        self.on_progress = on_progress
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
        self._api = httpx.Client(
            timeout=timeout, limits=limits, headers={"Secret-Key": secret_key}, trust_env=False
        )
        # signed addresses need no key, and may be another server's
        self._files = httpx.Client(timeout=timeout, limits=limits, trust_env=False)

    def __reduce__(self) -> Any:
        # another process has connections of its own; the key goes along
        return HttpTransport, (self._endpoint, self._api.headers["Secret-Key"])

    def call(self, route: str, request: Any) -> Any:
        """Answer the request of a route. Raises the errors of ``annotary.errors``."""
        shape = _shape(route)
        entry = shape.route
        headers = {}
        content = None
        if shape.has_body and request.body is not None:
            content = msgspec.json.encode(request.body)
            headers["Content-Type"] = "application/json"
        said = SAID.get()
        if said is not None:
            # any text may be a message; a header is ASCII
            headers["Change-Message"] = quote(said.message)
            if said.change is not None:
                headers["X-Change"] = said.change
        if entry.method != "GET":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        url = f"{self._endpoint}{shape.path(request)}"

        def once() -> httpx.Response:
            return self._api.request(entry.method, url, content=content, headers=headers)

        response = _retried(once)
        try:
            return shape.decode(response.content)
        except msgspec.DecodeError as error:
            raise InternalServerError(
                f"The answer of {self._endpoint} is not one of Annotary's: {error}.",
                hint="Is the address that of a server of this version?",
            ) from None

    def wait(self, project_id: str, operation_id: str, seconds: float) -> None:
        """Wait at most so long for news of an operation."""
        time.sleep(min(seconds, _WATCH_STEP))

    def upload(self, target: Upload, data: bytes | Path) -> None:
        """Send a file to where the server wants it; the server checks its size and sum."""

        def once() -> httpx.Response:
            size = len(data) if isinstance(data, bytes) else data.stat().st_size
            return self._files.request(
                target.method,
                target.url,
                content=self._pieces(data, size),
                headers={**target.headers, "Content-Length": str(size)},
            )

        _retried(once)

    def upload_all(self, uploads: Sequence[tuple[Upload, bytes | Path]]) -> None:
        """Send files, several at a time. Raises the first error once all that run have ended."""
        if len(uploads) < 2:
            for target, data in uploads:
                self.upload(target, data)
            return
        with ThreadPoolExecutor(_UPLOADS, "annotary-upload") as pool:
            futures = [pool.submit(self.upload, target, data) for target, data in uploads]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def uploaded(self, project_id: str, session_id: str) -> None:
        """All files of an upload session have been sent: the server has seen that itself."""

    def download(self, url: str, out: BinaryIO) -> None:
        """Fetch a file into ``out``; a broken connection is taken up where it broke."""
        begin = out.tell()
        total = -1
        for attempt in _attempts():
            here = out.tell() - begin
            headers = {"Range": f"bytes={here}-"} if here else {}
            try:
                with self._files.stream("GET", url, headers=headers) as response:
                    if response.status_code >= 400:
                        response.read()
                        if response.status_code in _AGAIN and attempt.wait(response):
                            continue
                        raise error_of(response)
                    if here and response.status_code != 206:
                        out.seek(begin)
                        out.truncate()
                    if total < 0:
                        total = int(response.headers.get("content-length", 0))
                    for piece in response.iter_bytes(_CHUNK):
                        out.write(piece)
                        if self.on_progress is not None:
                            self.on_progress(out.tell() - begin, total)
            except httpx.TransportError as error:
                if not attempt.wait():
                    raise _unreachable(url, error) from error
            else:
                return

    def close(self) -> None:
        """Let go of connections."""
        self._api.close()
        self._files.close()

    def _pieces(self, data: bytes | Path, size: int) -> Iterator[bytes]:
        sent = 0
        if isinstance(data, bytes):
            for begin in range(0, len(data), _CHUNK):
                piece = data[begin : begin + _CHUNK]
                yield piece
                sent += len(piece)
                if self.on_progress is not None:
                    self.on_progress(sent, size)
            return
        with data.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece
                sent += len(piece)
                if self.on_progress is not None:
                    self.on_progress(sent, size)


class _Shape(NamedTuple):
    """A route as requests of it are written."""

    route: Route
    parts: tuple[str, ...]
    query: tuple[tuple[str, str, Any], ...]
    has_body: bool
    decode: Callable[[bytes], Any]

    def path(self, request: Any) -> str:
        """Path and query of a request."""
        text = "".join(
            quote(str(getattr(request, part)), safe="") if i % 2 else part
            for i, part in enumerate(self.parts)
        )
        pairs = []
        for field, name, default in self.query:
            value = getattr(request, field)
            if value is None or value == default:
                continue
            if isinstance(value, list):
                pairs += [f"{name}[]={quote(str(each), safe='')}" for each in value]
            else:
                shown = str(value).lower() if isinstance(value, bool) else str(value)
                pairs.append(f"{name}={quote(shown, safe='')}")
        return f"{text}?{'&'.join(pairs)}" if pairs else text


@cache
def _shape(name: str) -> _Shape:
    route = ROUTES[name]
    parts = tuple(re.split(r"\{(\w+)\}", route.path))
    fields = msgspec.structs.fields(route.request)
    query = tuple(
        (f.name, f.encode_name, f.default)
        for f in fields
        if f.name != "body" and f.name not in parts[1::2]
    )
    decoder = msgspec.json.Decoder(route.response)
    return _Shape(route, parts, query, any(f.name == "body" for f in fields), decoder.decode)


class _Attempt:
    """One try; :meth:`wait` before the next, if there is one."""

    def __init__(self, number: int) -> None:
        self._number = number

    def wait(self, response: httpx.Response | None = None) -> bool:
        """Wait as long as the server asks, or longer each time; False when it was the last."""
        if self._number >= _MORE_TRIES:
            return False
        seconds = _FIRST_WAIT * 2**self._number * random.uniform(0.8, 1.2)  # noqa: S311
        asked = "" if response is None else response.headers.get("retry-after", "")
        if asked.isdigit():
            seconds = max(seconds, int(asked))
        time.sleep(min(seconds, _LONGEST_WAIT))
        return True


def _attempts() -> Iterator[_Attempt]:
    for number in range(_MORE_TRIES + 1):
        yield _Attempt(number)


def _retried(once: Callable[[], httpx.Response]) -> httpx.Response:
    """A good answer, after more tries if need be. Raises the errors of ``annotary.errors``."""
    for attempt in _attempts():
        try:
            response = once()
        except httpx.TransportError as error:
            if attempt.wait():
                continue
            raise _unreachable(str(error.request.url), error) from error
        if response.status_code < 300:
            return response
        if response.status_code not in _AGAIN or not attempt.wait(response):
            raise error_of(response)
    raise AssertionError("the last attempt answers or raises")


def error_of(response: httpx.Response) -> AnnotaryError:
    """The error that an answer tells of."""
    code, message, hint = "", "", ""
    try:
        told = msgspec.json.decode(response.content)
        code, message, hint = (str(told.get(k, "")) for k in ("code", "message", "hint"))
    except (msgspec.DecodeError, AttributeError):
        message = response.text[:500].strip()
    known = _errors().get(code)
    if known is None:
        by_status = {e.status: e for e in reversed(_errors().values())}
        fallback = InternalServerError if response.status_code >= 500 else BadRequestError
        known = by_status.get(response.status_code, fallback)
    return known(message or f"The server answered {response.status_code}.", hint=hint)


@cache
def _errors() -> dict[str, type[AnnotaryError]]:
    found = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, AnnotaryError)
    }
    del found["AnnotaryError"]
    return found


def _unreachable(url: str, error: Exception) -> ServiceUnavailableError:
    place = "/".join(url.split("/")[:3])
    return ServiceUnavailableError(
        f"{place} cannot be reached: {error or type(error).__name__}.",
        hint="Is the server running, and is this its address?",
    )
