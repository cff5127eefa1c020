"""Garbage collection, held back where it would only look at what is still being made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Do without collection in the block.

    Decoded records and pages hold no cycles: looking for some doubles the time they take.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
