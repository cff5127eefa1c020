"""The errors that callers see.

::

    AnnotaryError
    ├── BadRequestError        400  the call itself is wrong
    │   ├── ValidationError    400  an annotation, tag or schema breaks a rule
    │   ├── ImportFailedError  400  an import session was refused; carries its problems
    │   └── LossRefusedError   400  an export would lose more than the caller allowed
    ├── UnauthorizedError      401  no key, or an unknown one
    ├── ForbiddenError         403  the key may not do this
    ├── NotFoundError          404  no such thing
    ├── ConflictError          409  the thing is not in a state that allows this
    ├── GoneError              410  it was there, and is forgotten for good
    ├── PayloadTooLargeError   413  a body, file or document is over its limit
    ├── TooManyRequestsError   429  over the rate limit
    ├── InternalServerError    500  our fault
    ├── ServiceUnavailableError 503 shutting down, busy or out of reach
    └── StoreError             500  the store cannot be opened or is damaged
        └── StoreFullError     507  the disk that the store is on is full

Every error has a ``code`` (its class name), an HTTP ``status``, a ``message`` and a ``hint``.
Where the message names a place of this machine, ``outward`` says it without: that is what a
server's callers read, and what is stored for them.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import ClassVar

from annotary.problems import Problem


class AnnotaryError(Exception):
    """The root of all errors that Annotary raises on purpose."""

    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", outward: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.outward = outward or message

    @property
    def code(self) -> str:
        """The error's name, as it stands in an HTTP answer."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message}\n\nHint: {self.hint}" if self.hint else self.message


class BadRequestError(AnnotaryError):
    """The call itself is wrong."""

    status = 400


class ValidationError(BadRequestError):
    """What was given breaks a rule; ``problem`` says which."""

    def __init__(self, message: str, *, hint: str = "", problem: Problem | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problem = problem


class ImportFailedError(BadRequestError):
    """An import session was refused and nothing of it was committed.

    ``problems`` holds the first ones; ``session.get_logs()`` has more.
    """

    def __init__(
        self, message: str, *, hint: str = "", problems: Sequence[str] = (), total: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)
        self.total = total


class LossRefusedError(BadRequestError):
    """An export would lose what the caller did not allow to be lost."""


class UnauthorizedError(AnnotaryError):
    """No secret key was given, or it is not a valid one."""

    status = 401


class ForbiddenError(AnnotaryError):
    """The secret key may not do this."""

    status = 403


class NotFoundError(AnnotaryError):
    """There is no such thing, or the key may not know of it."""

    status = 404


class ConflictError(AnnotaryError):
    """The thing is not in a state that allows this."""

    status = 409


class GoneError(AnnotaryError):
    """It was there once, and is forgotten for good."""

    status = 410


class PayloadTooLargeError(AnnotaryError):
    """A body, file or document is over its limit."""

    status = 413


class TooManyRequestsError(AnnotaryError):
    """Over the rate limit; try again later."""

    status = 429


class InternalServerError(AnnotaryError):
    """Something went wrong on the server's side."""

    status = 500


class ServiceUnavailableError(AnnotaryError):
    """The service is out of reach, shutting down or busy."""

    status = 503


class StoreError(AnnotaryError):
    """The store cannot be opened, is of a newer version, or is damaged."""

    status = 500

    def __init__(self, message: str, *, hint: str = "", outward: str = "") -> None:
        super().__init__(message, hint=hint, outward=outward or "The store has failed.")


class StoreFullError(StoreError):
    """The disk that the store is on is full; what was being written is undone."""

    status = 507

    def __init__(
        self,
        message: str,
        *,
        hint: str = "Make room on the disk, then try again: nothing of this was kept.",
        outward: str = "The disk that the store is on is full.",
    ) -> None:
        super().__init__(message, hint=hint, outward=outward)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_full(error: OSError) -> bool:
    """Whether the system refused to write because a disk, or a share of it, is full."""
    return error.errno in _FULL


def told(error: BaseException) -> str:
    """What a stored message says of a failure: its text for callers, or its kind alone."""
    return error.outward if isinstance(error, AnnotaryError) else f"{type(error).__name__}."
