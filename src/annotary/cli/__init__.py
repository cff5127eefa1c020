"""The command line: ``annotary``.

Modules of this package import nothing but click at their top, so that help and completion
answer at once; the engine is loaded by the command that needs it.
"""

from annotary.cli.main import main

__all__ = ["main"]
