"""Who may do what: secret keys, their roles and projects, and how often they may ask."""

from __future__ import annotations

import time
from typing import Any

from annotary import ids
from annotary.errors import (
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from annotary.routes import Route
from annotary.server import keys
from annotary.server.settings import Settings
from annotary.store import Store
from annotary.store.keys import KeyRow


class Access:
    """Decides about each request before anything else looks at it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._rate = settings.rate_limit
        self._burst = float(settings.rate_burst)
        self._buckets: dict[bytes, tuple[float, float]] = {}

    def identify(self, headers: dict[bytes, bytes]) -> KeyRow:
        """The key of a request. Raises :class:`UnauthorizedError`.

        It stands in the header ``Secret-Key``, or in ``Authorization`` after ``Bearer``.
        """
        text = headers.get(b"secret-key", b"")
        if not text:
            scheme, _, text = headers.get(b"authorization", b"").partition(b" ")
            text = text if scheme.lower() == b"bearer" else b""
        key = keys.verify(self._store, text.decode("latin-1").strip())
        if key is None:
            raise UnauthorizedError(
                "The secret key is missing or is not valid.",
                hint="Send it in the header Secret-Key; 'annotary key create' makes one.",
            )
        self._count(key)
        return key

    def allow(self, key: KeyRow, route: Route) -> None:
        """Raise :class:`ForbiddenError` where the key's role may not call a route."""
        if keys.ROLES.index(key.role) < keys.ROLES.index(route.role):
            raise ForbiddenError(
                f"The secret key may not do this: it is for a {key.role}.",
                hint=f"A key for an {route.role} may.",
            )
        if key.project is not None and route.name == "projects.create":
            raise ForbiddenError("The secret key may not do this: it is for one project.")

    def allow_project(self, key: KeyRow, request: Any) -> None:
        """Answer as for a project that is not there where the key is for another one."""
        if key.project is None:
            return
        project_id = getattr(request, "project_id", None)
        if project_id is not None and ids.parse("proj", project_id) != key.project:
            raise NotFoundError(
                f"There is no project {project_id!r}.",
                hint="List them with client.list_projects().",
            )

    def narrow(self, key: KeyRow, route: Route, answer: Any) -> Any:
        """The part of an answer that a key for one project may see."""
        if key.project is not None and route.name in {"projects.list", "trash.list"}:
            mine = ids.show("proj", key.project)
            return [each for each in answer if each.id == mine]
        return answer

    def _count(self, key: KeyRow) -> None:
        if self._rate <= 0:
            return
        now = time.monotonic()
        left, last = self._buckets.get(key.id, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._rate)
        if left < 1:
            self._buckets[key.id] = (left, now)
            error = TooManyRequestsError(
                "The secret key has asked too often.",
                hint=f"It may ask {self._rate:g} times a second.",
            )
            error.retry_after = max(1, round((1 - left) / self._rate))  # type: ignore[attr-defined]
            raise error
        self._buckets[key.id] = (left - 1, now)
