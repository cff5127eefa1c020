"""The durable store: a folder with a SQLite database and a folder of files.

All SQL lives in this package, one module per noun, as functions over an open
:class:`Database` connection. ``Store`` opens connections, migrates, and hands out transactions.
"""

from annotary.store.sqlite import Store

__all__ = ["Store"]
