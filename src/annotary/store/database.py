"""What the modules of the store say SQL to: a transaction that somebody has opened.

Everything here could be said to another database as well. What only SQLite knows (connections,
locks, settings) is in ``annotary.store.sqlite``; words that control transactions stand there and
here alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_AT_ONCE = 500
"""So many values stand in one statement at most."""


class Result(Protocol):
    """What a statement answers."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    @property
    def description(self) -> Any:
        """Of each column its name, and what else the driver says of it."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def fetchone(self) -> Any:
        """The next row, or None."""


class Connection(Protocol):
    """What a driver offers."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, values: Any = (), /) -> Result:
        """Run a statement."""

    def executemany(self, sql: str, values: Any, /) -> Any:
        """Run a statement for each of many tuples of values."""


class Database:
    """A connection inside a transaction; :class:`annotary.store.Store` hands them out."""

    __slots__ = ("_connection", "execute", "many")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.execute = connection.execute
        """Run a statement: ``execute(sql, values)``."""
        self.many = connection.executemany
        """Run a statement for each of many tuples of values: ``many(sql, tuples)``."""

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is open still."""
        return self._connection.in_transaction

    def rows(self, sql: str, values: Any = ()) -> list[Any]:
        """All rows of a query."""
        return self.execute(sql, values).fetchall()

    def row(self, sql: str, values: Any = ()) -> Any:
        """The first row of a query, or None."""
        return self.execute(sql, values).fetchone()

    def value(self, sql: str, values: Any = ()) -> Any:
        """The first value of the first row, or None."""
        found = self.execute(sql, values).fetchone()
        return None if found is None else found[0]

    def insert(self, table: str, columns: Mapping[str, Any]) -> None:
        """Insert rows given as columns; what is not a list, range or tuple is the same in all.

        Columns of constants are written into the statement: they must be numbers of ours.
        """
        many = {n: c for n, c in columns.items() if isinstance(c, list | range | tuple)}
        same = {n: c for n, c in columns.items() if n not in many}
        assert all(isinstance(each, int) for each in same.values()), same
        names = ", ".join([*many, *same])
        marks = ", ".join([*("?" * len(many)), *map(str, same.values())])
        self.many(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", zip(*many.values(), strict=True)
        )

    def reserve(self, name: str, count: int = 1) -> int:
        """The first of ``count`` numbers in a row that were never given before, for a table."""
        found: int = self.value(
            "INSERT INTO counters (name, next) VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
            " SET next = counters.next + excluded.next - 1 RETURNING next",
            (name, count + 1),
        )
        return found - count

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the transaction: undone by an exception, while the rest stays."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO part")
            raise
        finally:
            self.execute("RELEASE part")


def among(values: Sequence[T]) -> Iterator[tuple[str, Sequence[T]]]:
    """Parts of a long list as ``(?, ?, ...)`` and its values, for ``column IN ...``."""
    for begin in range(0, len(values), _AT_ONCE):
        part = values[begin : begin + _AT_ONCE]
        yield f"({','.join('?' * len(part))})", part


def in_parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """A long list in lists of at most ``size``."""
    part: list[T] = []
    for value in values:
        part.append(value)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
