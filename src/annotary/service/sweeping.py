"""Removing what nobody needs: files that no row names, old exports, old answers."""

from __future__ import annotations

import time

from annotary import ids
from annotary.store import Store, holdings, keys, operations
from annotary.store.blobs import export_images_key, export_key

_ABANDONED_SECONDS = 3600.0
ANSWERS_KEPT_MS = 3600 * 1000
_DAY_MS = 24 * 3600 * 1000


def sweep_files(store: Store, *, whole: bool) -> list[str]:
    """Remove blobs that no row names, and what writers that died have left; answers the keys.

    Without ``whole``, of images only those of projects that are gone: to look at each takes as
    long as there are many.
    """
    listed = holdings.listing(store.blobs, whole)
    if listed:
        with store.read() as db:
            listed = holdings.unnamed(db, listed)
    for key in listed:
        if key.endswith("/-"):
            store.blobs.delete_below(key[:-2])
        else:
            store.blobs.delete(key)
    if listed and whole:
        with store.write() as db:
            holdings.forget(db, listed)
    store.blobs.delete_parts(time.time() - _ABANDONED_SECONDS)
    return listed


def forget_old(store: Store, export_days: float) -> None:
    """Remove the files of exports that are older than so many days (0: none), and old answers."""
    now = ids.now_ms()
    with store.write() as db:
        keys.forget_answers(db, now - ANSWERS_KEPT_MS)
        old = operations.ended_before(db, operations.EXPORT, now - int(export_days * _DAY_MS))
    for id_ in old if export_days > 0 else ():
        store.blobs.delete(export_key(id_))
        store.blobs.delete(export_images_key(id_))
