"""Connections, transactions and migrations of the embedded store.

One writer at a time, any number of readers, each with its own snapshot (SQLite in WAL mode). A
transaction is durable when it returns. What a process was working on when it died is found by
:meth:`Store.dead_owners`: every open store holds a lock on a file of its own, which the
operating system lets go with the process.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from annotary.errors import ServiceUnavailableError, StoreError
from annotary.ids import new_id, now_ms
from annotary.store.blobs import FolderBlobs

Database = sqlite3.Connection

SERVER = "server-"
"""How the owner of a store begins that is open in a server."""

_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
"""Errors of SQLite that are a fault of this package, not of the file."""
_BUSY_SECONDS = 60.0
_CACHE_KIB = 64 * 1024


class Store:
    """An open store in the folder ``home``, which is created when missing.

    Raises :class:`StoreError` when the folder cannot be used or is of a newer version.
    """

    def __init__(self, home: Path, *, serving: bool = False) -> None:
        self.home = home
        try:
            home.mkdir(parents=True, exist_ok=True)
            (home / "running").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store's folder {home} cannot be used: {error.strerror or error}.",
                hint="Choose another folder with home=, --home or ANNOTARY_HOME.",
            ) from error
        self.path = home / "annotary.db"
        self.blobs = FolderBlobs(home / "blobs")
        # what a dead server was working on is left to the next server
        self.owner, self._lock = self._own_lock(SERVER if serving else "")
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._writing = threading.RLock()
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
        db = self._connection()
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
    def write(self) -> Iterator[Database]:
        """A transaction: committed and durable at the end, or undone by an exception.

        Inside :meth:`together` it is a part of that one, and still undone as a whole.
        """
        if getattr(self._local, "together", False):
            with _savepoint(self._connection()) as db:
                yield db
            return
        with self._writing:
            db = self._connection()
            if db.in_transaction:
                raise RuntimeError("a write transaction inside another transaction")
            try:
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
        path = Path(self._lock.lock_file)
        self._lock.release()
        path.unlink(missing_ok=True)

    # --- processes --------------------------------------------------------------------------

    def is_dead(self, owner: str) -> bool:
        """Whether the process that opened the store as ``owner`` is gone."""
        if owner == self.owner:
            return False
        path = self.home / "running" / f"{owner}.lock"
        if not path.exists():
            return True
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        # removed while it is held, where that is possible: whoever waits for it notices
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return True

    def ask_to_stop(self, operation: bytes) -> None:
        """Ask whichever process works on an operation to stop.

        This is a file and not a row, because an import holds the write lock while it works.
        """
        self._stop_file(operation).touch()

    def is_asked_to_stop(self, operation: bytes) -> bool:
        """Whether any process has asked for an operation to stop."""
        return self._stop_file(operation).exists()

    def forget_stops(self, unfinished: Iterable[bytes]) -> None:
        """Forget having asked, but for operations that have not ended."""
        kept = {self._stop_file(operation) for operation in unfinished}
        for path in (self.home / "running").glob("*.stop"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _stop_file(self, operation: bytes) -> Path:
        return self.home / "running" / f"{operation.hex()}.stop"

    def forget_the_dead(self) -> None:
        """Remove the locks of processes that are gone and of which nothing is left to end."""
        for path in (self.home / "running").glob("*.lock"):
            self.is_dead(path.stem)

    # --- inside -----------------------------------------------------------------------------

    def _own_lock(self, prefix: str) -> tuple[str, FileLock]:
        while True:
            owner = prefix + uuid.uuid4().hex
            path = self.home / "running" / f"{owner}.lock"
            lock = FileLock(path, thread_local=False)
            lock.acquire()
            if path.exists():
                return owner, lock
            # another process took the new file for one that nobody holds
            lock.release()

    def _connection(self) -> Database:
        if self._closed:
            raise StoreError("The store is closed.", hint="Open it again with a new Client.")
        found: Database | None = getattr(self._local, "db", None)
        if found is None:
            found = self._local.db = self._open()
        return found

    def _open(self) -> Database:
        try:
            db = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
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
        return db

    def _explain(self, error: sqlite3.Error) -> StoreError | ServiceUnavailableError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return ServiceUnavailableError(
                f"Another process has been writing to {self.path} for over {_BUSY_SECONDS:.0f} s.",
                hint="Wait for it to finish, or run a server that all share: annotary serve.",
            )
        hint = "Check free space, permissions and the disk."
        if "not a database" in text or "malformed" in text:
            hint = "The file is not an Annotary database, or it is damaged: restore a copy of it."
        return StoreError(f"The store {self.path} answered: {text}.", hint=hint)

    def _migrate(self) -> None:
        scripts = sorted(
            (int(entry.name.split("_")[0]), entry.read_text("utf-8"))
            for entry in files("annotary.store").joinpath("migrations").iterdir()
            if entry.name.endswith(".sql")
        )
        newest = scripts[-1][0]
        db = self._connection()
        version = self._version(db)
        if version > newest:
            raise StoreError(
                f"The store {self.path} was written by a newer Annotary (schema {version}, this "
                f"one knows {newest}).",
                hint="Upgrade: pip install --upgrade annotary",
            )
        if version == newest:
            return
        with self.write() as db:
            # another process may have migrated while this one waited
            version = self._version(db)
            for number, script in scripts:
                if number > version:
                    for statement in _statements(script):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {number}")
            if version == 0:
                db.execute(
                    "INSERT INTO workspace (id, name, owner, created) VALUES (?, ?, ?, ?)",
                    (new_id(), "Annotary", "local", now_ms()),
                )

    def _version(self, db: Database) -> int:
        try:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise self._explain(error) from error


@contextmanager
def _savepoint(db: Database) -> Iterator[Database]:
    db.execute("SAVEPOINT part")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK TO part")
        raise
    finally:
        db.execute("RELEASE part")


class _Connection(sqlite3.Connection):
    """A connection that a weak set can hold."""


def _statements(script: str) -> Iterator[str]:
    """The statements of a script (``executescript`` would commit by itself)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def rows(db: Database, sql: str, parameters: Any = ()) -> list[Any]:
    """All rows of a query."""
    return db.execute(sql, parameters).fetchall()


def row(db: Database, sql: str, parameters: Any = ()) -> Any:
    """The first row of a query, or None."""
    return db.execute(sql, parameters).fetchone()
