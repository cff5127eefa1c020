"""Signed addresses: what carries one may send or fetch one file, for a while, without a key.

A signature is an HMAC-SHA256 (RFC 2104) over the verb, the blob's key, when it expires, the secret
key that the address was given to and, for uploads, the size and CRC-32C that the bytes must have.
An address works as long as its secret key does.
"""

from __future__ import annotations

import hashlib
import hmac
from contextvars import ContextVar
from typing import NamedTuple
from urllib.parse import quote, urlencode

from annotary import checksum
from annotary.errors import ForbiddenError
from annotary.ids import now_ms
from annotary.model import DownloadSignedUrl, Upload
from annotary.server.settings import Settings
from annotary.store import Store, keys


class Caller:
    """Who asks, and under which address the server is reached."""

    def __init__(self, key: bytes, base: str) -> None:
        self.key = key
        self.base = base
        self.secret: bytes | None = None
        """What addresses for them are signed with, once it was looked up."""


CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""The caller of the request that is being answered."""

_HOUR_MS = 3600 * 1000
PREFIX = "/files/"


class Permit(NamedTuple):
    """What a signed address allows."""

    method: str
    key: str
    expires: int
    size: int | None = None
    crc32c: int | None = None
    by: str = ""
    """The id of the secret key that it was given to, in hexadecimal digits."""


class SignedLinks:
    """The links of the server; see :class:`annotary.service.links.Links`."""

    local = False

    def __init__(self, store: Store, settings: Settings) -> None:
        self.patience = settings.patience_seconds
        self._url = settings.url.rstrip("/")
        self._life_ms = settings.link_seconds * 1000
        self._store = store
        with store.write() as db:
            if keys.signing_key(db) is None:
                keys.new_signing_key(db)

    def download(self, key: str) -> DownloadSignedUrl:
        """Where a blob can be fetched."""
        permit = Permit("GET", key, now_ms() + self._life_ms, by=_by())
        return DownloadSignedUrl(method="GET", expiry_date=permit.expires, url=self._show(permit))

    def upload(self, key: str, size: int, crc32c: int | None, mime: str) -> Upload:
        """Where the bytes of a new blob are to be sent; they must have that size and sum."""
        permit = Permit("PUT", key, now_ms() + self._life_ms, size, crc32c, _by())
        headers = {"content-type": mime}
        if crc32c is not None:
            headers["x-goog-hash"] = f"crc32c={checksum.to_base64(crc32c)}"
        return Upload(
            method="PUT", url=self._show(permit), headers=headers, expiry_date=permit.expires
        )

    def image(self, key: str | None, path: str | None, name: str) -> str:
        """Where an image can be fetched; ``""`` for one that only stands on a disk somewhere.

        The last part of the address is the image's name: the public client saves it under that.
        """
        if key is None:
            return ""
        # whole hours, so that the address of an image stays the same for a while
        expires = ((now_ms() + self._life_ms) // _HOUR_MS + 1) * _HOUR_MS
        return self._show(Permit("GET", key, expires, by=_by()), "/" + name.rpartition("/")[2])

    def verify(self, method: str, key: str, query: dict[str, str]) -> Permit:
        """What a request's address allows. Raises :class:`ForbiddenError`."""
        try:
            size = query.get("size")
            crc = query.get("crc32c")
            permit = Permit(
                "GET" if method == "HEAD" else method,
                key,
                int(query["expires"]),
                None if size is None else int(size),
                None if crc is None else int(crc),
                query["key"],
            )
            given = query["signature"]
            by = bytes.fromhex(permit.by)
        except (KeyError, ValueError):
            raise ForbiddenError("The address is not signed.", hint=_HINT) from None
        with self._store.read() as db:
            secret = keys.signing_key(db) or b""
            giver = keys.find(db, by)
        if not hmac.compare_digest(_sign(permit, secret).encode(), given.encode()):
            raise ForbiddenError("The address's signature is wrong.", hint=_HINT)
        if permit.expires < now_ms():
            raise ForbiddenError("The address has expired.", hint=_HINT)
        if giver is None or giver.revoked is not None:
            raise ForbiddenError("The secret key that the address was given to was revoked.")
        return permit

    def _show(self, permit: Permit, name: str = "") -> str:
        caller = CALLER.get() or Caller(b"", "")
        if caller.secret is None:
            with self._store.read() as db:
                caller.secret = keys.signing_key(db)
        query: dict[str, str | int] = {"expires": permit.expires, "key": permit.by}
        if permit.size is not None:
            query["size"] = permit.size
        if permit.crc32c is not None:
            query["crc32c"] = permit.crc32c
        query["signature"] = _sign(permit, caller.secret or b"")
        base = self._url or caller.base
        return f"{base}{PREFIX}{quote(permit.key + name)}?{urlencode(query)}"


def _by() -> str:
    caller = CALLER.get()
    return caller.key.hex() if caller is not None else ""


def _sign(permit: Permit, secret: bytes) -> str:
    text = "\n".join("" if part is None else str(part) for part in permit)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


_HINT = "Ask for a new one: addresses fit one file and one verb, and expire."
