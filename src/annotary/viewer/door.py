"""Who may look: a code that works once, then a cookie; and only under the server's own name."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from http.cookies import CookieError, SimpleCookie

_CODE_SECONDS = 60.0


class Door:
    """The door of one viewer. Nothing is answered to whoever has not come through it."""

    def __init__(self, port: int) -> None:
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self.name = f"annotary-{port}"
        self.code = secrets.token_urlsafe(18)
        self._code: str | None = self.code
        self._until = time.monotonic() + _CODE_SECONDS
        self._cookie = secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    def enter(self, code: str) -> str | None:
        """The cookie's header for a code; None for a wrong one, a used one and one too old."""
        with self._lock:
            known, fresh = self._code, time.monotonic() <= self._until
            if known is None or not fresh or not hmac.compare_digest(known.encode(), code.encode()):
                return None
            self._code = None
        return f"{self.name}={self._cookie}; HttpOnly; SameSite=Strict; Path=/"

    def knows(self, cookie: str) -> bool:
        """Whether a request's cookies hold ours."""
        try:
            found = SimpleCookie(cookie).get(self.name)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(
            found.value.encode(), self._cookie.encode()
        )
