"""How an image comes to lie in an export: as a copy of its file, or as the very file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def place(source: Path, target: Path, link: bool) -> None:
    """Put a copy of a file at ``target``; with ``link`` the very file, where one disk has both.

    A file that is there already is replaced, never written into: it may be a link itself.
    """
    target.unlink(missing_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
        except OSError:
            pass  # another disk, or one that knows no links
        else:
            return
    shutil.copyfile(source, target)
