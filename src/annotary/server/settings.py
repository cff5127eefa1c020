"""All settings of the server, in one place: flags first, then the environment, then these."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from annotary.errors import BadRequestError

MIB = 1024 * 1024
GIB = 1024 * MIB


class Settings(msgspec.Struct, frozen=True):
    """What can be set; each field is ``ANNOTARY_`` and its name in capitals in the environment."""

    host: str = "127.0.0.1"
    port: int = 8000
    public: bool = False
    """Allow a host that other machines can reach."""
    url: str = ""
    """The address that clients see, for links; the request's own when empty."""
    max_body_bytes: int = 64 * MIB
    """The largest JSON body."""
    max_file_bytes: int = 16 * GIB
    """The largest file that can be uploaded."""
    max_header_bytes: int = 64 * 1024
    """The largest head of a request: its address and its headers."""
    max_connections: int = 4096
    """Connections at a time; fewer where the system allows fewer files."""
    header_seconds: float = 20.0
    """How long the head of a request may take to come."""
    body_seconds: float = 30.0
    """Within so long, a body must have come at ``min_body_rate`` at least."""
    min_body_rate: float = 1024.0
    """Bytes a second."""
    send_seconds: float = 60.0
    """How long a caller may take none of its answer."""
    export_days: float = 7.0
    """How long the files of an export are kept; 0: until they are deleted."""
    exports_per_key: int = 8
    """Exports that may wait or run for one key."""
    rate_limit: float = 0.0
    """Requests a second that each key may make; 0: as many as it likes."""
    rate_burst: int = 100
    """Requests that a key may make at once before the rate counts."""
    link_seconds: int = 24 * 3600
    """How long a signed address is good for."""
    patience_seconds: float = 5.0
    """How long a call waits for the import or export it starts before it answers."""
    busy_seconds: float = 60.0
    """How long a call waits for another's write before it is refused."""
    read_threads: int = 4
    """Calls that are answered side by side."""
    jobs: int = 2
    """Imports and exports that run side by side."""
    grace_seconds: float = 30.0
    """How long a shutdown waits for running jobs; the rest is taken up at the next start."""
    log_requests: bool = True
    """Write a line of JSON to standard error for each request."""

    @classmethod
    def gather(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """The settings from those given and the environment. Raises :class:`BadRequestError`."""
        found = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name: text
            for name in cls.__struct_fields__
            if (text := found.get(f"ANNOTARY_{name.upper()}")) is not None
        }
        values.update(given)
        try:
            settings = msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequestError(
                f"A setting is wrong: {error}.",
                hint=f"There are: {', '.join(cls.__struct_fields__)}.",
            ) from None
        unknown = sorted(set(given) - set(cls.__struct_fields__))
        if unknown:
            raise BadRequestError(
                f"There is no setting {unknown[0]!r}.",
                hint=f"There are: {', '.join(cls.__struct_fields__)}.",
            )
        if not settings.public and not _is_loopback(settings.host):
            raise BadRequestError(
                f"Other machines can reach {settings.host}.",
                hint="Say --public if they should, and put a proxy with TLS in front.",
            )
        return settings


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
