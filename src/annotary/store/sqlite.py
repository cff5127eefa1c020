"""Connections and transactions of the embedded store.

One writer at a time, any number of readers, each with its own snapshot (SQLite in WAL mode). A
transaction is durable when it returns. Nobody waits for another's write for more than
``busy_seconds``.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from annotary.errors import ServiceUnavailableError, StoreError, StoreFullError
from annotary.store import migrating
from annotary.store.blobs import FolderBlobs
from annotary.store.database import Database
from annotary.store.owners import SERVER, Owners
from annotary.store.privacy import make_private

_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
"""Errors of SQLite that are a fault of this package, not of the file."""
_BUSY_SECONDS = 60.0
_CACHE_KIB = 64 * 1024


class Store:
    """An open store in the folder ``home``, which is created when missing.

    Raises :class:`StoreError` when the folder cannot be used or is of a newer version.
    """

    def __init__(
        self, home: Path, *, serving: bool = False, busy_seconds: float = _BUSY_SECONDS
    ) -> None:
        # a program may change its folder; connections are opened when threads need them
        self.home = home = home.absolute()
        try:
            mode = make_private(home)
            # what a dead server was working on is left to the next server
            self._owners = Owners(home / "running", SERVER if serving else "")
        except OSError as error:
            raise StoreError(
                f"The store's folder {home} cannot be used: {error.strerror or error}.",
                hint="Choose another folder with home=, --home or ANNOTARY_HOME.",
            ) from error
        self.path = home / "annotary.db"
        self.blobs = FolderBlobs(home / "blobs", mode)
        self.owner = self._owners.own
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._writing = threading.RLock()
        self._busy_seconds = busy_seconds
        self._closed = False
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    # --- transactions -----------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Database]:
        """A snapshot: all reads inside see the store at one moment."""
        db = self._database()
        if db.in_transaction:
            yield db
            return
        try:
            db.execute("BEGIN")
            yield db
        except _OURS:
            raise
        except sqlite3.DatabaseError as error:
            raise self._explain(error) from error
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    @contextmanager
    def write(self, *, durable: bool = True, secure: bool = False) -> Iterator[Database]:
        """A transaction: committed and durable at the end, or undone by an exception.

        One that is not ``durable`` becomes so with the next one that is; until then a power
        failure may undo it. What is removed in one that is ``secure`` is written over with zeros,
        also in the log of the database. Inside :meth:`together` it is a part of that one, and
        still undone as a whole. Raises :class:`ServiceUnavailableError` when others write for
        longer than ``busy_seconds``.
        """
        if getattr(self._local, "together", False):
            db = self._database()
            with db.part():
                yield db
            return
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise self._busy("Another part of this process")
        try:
            db = self._database()
            if db.in_transaction:
                raise RuntimeError("a write transaction inside another transaction")
            try:
                if not durable:
                    db.execute("PRAGMA synchronous = NORMAL")
                if secure:
                    db.execute("PRAGMA secure_delete = ON")
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except _OURS:
                raise
            except sqlite3.DatabaseError as error:
                raise self._explain(error) from error
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if not durable:
                    db.execute("PRAGMA synchronous = FULL")
                if secure:
                    db.execute("PRAGMA secure_delete = OFF")
                    # readers of older pages may stand in the way: then the next one does it
                    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._writing.release()

    @contextmanager
    def together(self) -> Iterator[Database]:
        """One transaction for several: writes of this thread inside it are durable at its end.

        A write that fails is undone by itself; what comes before and after it stays.
        """
        with self.write() as db:
            self._local.together = True
            try:
                yield db
            finally:
                self._local.together = False

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def close(self) -> None:
        """Close all connections. The store can be opened again by a new ``Store``."""
        self._closed = True
        for connection in list(self._connections):
            with suppress(sqlite3.Error):
                connection.close()
        self._local = threading.local()
        self._owners.close()

    # --- processes --------------------------------------------------------------------------

    def is_dead(self, owner: str) -> bool:
        """Whether the process that opened the store as ``owner`` is gone."""
        return self._owners.is_dead(owner)

    def forget_the_dead(self) -> None:
        """Remove what tells of processes that are gone and of which nothing is left to end."""
        self._owners.forget_the_dead()

    def ask_to_stop(self, operation: bytes) -> None:
        """Ask whichever process works on an operation to stop."""
        self._owners.ask_to_stop(operation)

    def is_asked_to_stop(self, operation: bytes) -> bool:
        """Whether any process has asked for an operation to stop."""
        return self._owners.is_asked_to_stop(operation)

    def forget_stops(self, unfinished: Iterable[bytes]) -> None:
        """Forget having asked, but for operations that have not ended."""
        self._owners.forget_stops(unfinished)

    # --- inside -----------------------------------------------------------------------------

    def _database(self) -> Database:
        if self._closed:
            raise StoreError("The store is closed.", hint="Open it again with a new Client.")
        found: Database | None = getattr(self._local, "db", None)
        if found is None:
            found = self._local.db = Database(self._open())
        return found

    def _open(self) -> _Connection:
        try:
            db: Any = sqlite3.connect(
                self.path,
                timeout=self._busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                factory=_Connection,
            )
            # before the first table is made; a later setting changes nothing
            db.execute("PRAGMA page_size = 8192")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = OFF")
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            db.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error as error:
            raise self._explain(error) from error
        self._connections.add(db)
        found: _Connection = db
        return found

    def _busy(self, who: str) -> ServiceUnavailableError:
        text = "has been writing to {} for over {:.0f} s."
        return ServiceUnavailableError(
            f"{who} {text.format(self.path, self._busy_seconds)}",
            hint="Wait for it to finish, or run a server that all share: annotary serve.",
            outward=f"{who} {text.format('the store', self._busy_seconds)}",
        )

    def _explain(self, error: sqlite3.Error) -> StoreError | ServiceUnavailableError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return self._busy("Another process")
        text = f"The store {self.path} answered: {error}."
        if code == sqlite3.SQLITE_FULL:
            return StoreFullError(text)
        hint = "Check free space, permissions and the disk."
        if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            hint = "The file is not an Annotary database, or it is damaged: restore a copy of it."
        return StoreError(text, hint=hint)

    def _migrate(self) -> None:
        db = self._database()
        try:
            version = migrating.version(db)
        except sqlite3.Error as error:
            raise self._explain(error) from error
        newest = migrating.newest()
        if version > newest:
            raise StoreError(
                f"The store {self.path} was written by a newer Annotary (schema {version}, this "
                f"one knows {newest}).",
                hint="Upgrade: pip install --upgrade annotary",
            )
        if version < newest:
            with self.write() as db:
                migrating.migrate(db)


class _Connection(sqlite3.Connection):
    """A connection that a weak set can hold."""
