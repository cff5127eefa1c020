"""The server: the service behind HTTP, for teams that share one store.

``serve`` runs it; ``keys`` manages who may come in. Running it needs the extra ``server``
(Starlette and uvicorn); managing keys does not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from annotary.errors import BadRequestError

__all__ = ["serve"]


def serve(
    home: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    public: bool = False,
    **settings: Any,
) -> None:
    """Serve the store in the folder ``home`` until the process is told to stop.

    The first start creates an owner's secret key and prints it. ``host`` must be of this machine
    alone unless ``public``. Further settings: see :class:`annotary.server.settings.Settings`;
    those not given are taken from the environment.

    Raises :class:`BadRequestError` for settings that cannot be, and
    :class:`~annotary.errors.StoreError` when the store cannot be opened.
    """
    try:
        from annotary.server.run import run
    except ImportError as error:
        raise BadRequestError(
            f"The server needs a package that is not installed: {error.name}.",
            hint="pip install 'annotary[server]'",
        ) from error
    from annotary.server.settings import Settings

    run(Path(home), Settings.gather(host=host, port=port, public=public, **settings))
