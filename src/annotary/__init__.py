"""Annotary: the store for image annotations.

::

    from annotary import Client

    project = Client().create_project("pets")
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_path("annotations.json")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotary.errors import (
    AnnotaryError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    ImportFailedError,
    InternalServerError,
    LossRefusedError,
    NotFoundError,
    PayloadTooLargeError,
    ServiceUnavailableError,
    StoreError,
    TooManyRequestsError,
    UnauthorizedError,
    ValidationError,
)

if TYPE_CHECKING:
    from annotary.client import Client

__version__ = "0.1.0"

__all__ = [
    "AnnotaryError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "ForbiddenError",
    "ImportFailedError",
    "InternalServerError",
    "LossRefusedError",
    "NotFoundError",
    "PayloadTooLargeError",
    "ServiceUnavailableError",
    "StoreError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "ValidationError",
]


def __getattr__(name: str) -> Any:
    # numpy and the engine are loaded with the first Client, not with the package
    if name == "Client":
        from annotary.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
