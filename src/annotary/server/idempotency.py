"""Answers that are given again: a repeated write with the same ``Idempotency-Key``.

What a POST has created is kept in the transaction that created it, so that a repeat after a
crash finds either both or neither.
"""

from __future__ import annotations

import hashlib

from annotary import ids
from annotary.errors import BadRequestError, ConflictError
from annotary.service.sweeping import ANSWERS_KEPT_MS
from annotary.store import keys
from annotary.store.database import Database
from annotary.store.keys import AnswerRow

KEPT_MS = ANSWERS_KEPT_MS
_LONGEST = 255


class Repeat:
    """One request that may be a repeat of an earlier one."""

    def __init__(self, caller: bytes, key: bytes, method: str, path: str, body: bytes) -> None:
        if len(key) > _LONGEST:
            raise BadRequestError(f"Idempotency-Key is longer than {_LONGEST} characters.")
        self.caller = caller
        self.key = key.decode("latin-1")
        self._request = hashlib.sha256(f"{method} {path}\n".encode() + body).digest()

    def earlier(self, db: Database) -> bytes | None:
        """The body of the first answer, if there was one.

        Raises :class:`ConflictError` where the key was used for another request.
        """
        found = keys.find_answer(db, self.caller, self.key, ids.now_ms() - KEPT_MS)
        if found is None:
            return None
        if found.request != self._request:
            raise ConflictError(
                "The Idempotency-Key was used for a different request.",
                hint="Use a new one for each thing to be made.",
            )
        return found.body

    def keep(self, db: Database, body: bytes) -> None:
        """Remember the answer."""
        keys.keep_answer(db, self.caller, self.key, AnswerRow(self._request, 200, body))
