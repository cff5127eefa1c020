"""States of a project: which changes somebody sees.

A change is in a state when its number is not greater than ``upto`` and it is none of those that
were not published then. A version of a thing is in a state when the change that made it is and
the change that ended it is not. The present state needs less: what is dead is dead.
"""

from __future__ import annotations

from typing import NamedTuple


class State(NamedTuple):
    """One state of a project."""

    upto: int
    open: tuple[int, ...] = ()
    """Changes up to ``upto`` that are not in it: imports that ran, or were given up."""
    now: bool = False
    """Whether it is the present one: nothing later is published."""

    def includes(self, change: int) -> bool:
        """Whether a change is in the state."""
        return (self.now or change <= self.upto) and change not in self.open

    def has(self, column: str) -> str:
        """SQL: whether the change that a column names is in the state."""
        known = "1" if self.now else f"{column} <= {self.upto}"
        if self.open:
            known = f"({known} AND {column} NOT IN ({','.join(map(str, self.open))}))"
        return known

    def alive(self, alias: str) -> str:
        """SQL: whether a row of ``annotations`` is in the state."""
        seq = f"{alias}.seq"
        if self.now:
            there = f"NOT EXISTS (SELECT 1 FROM dead d WHERE d.seq = {seq})"
            return f"{self.has(f'{alias}.born')} AND {there}" if self.open else there
        return (
            f"({self.has(f'{alias}.born')} OR EXISTS (SELECT 1 FROM past p WHERE p.seq = {seq}"
            f" AND {self.has('p.born')}))"
            f" AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.seq = {seq} AND {self.has('d.died')})"
            f" AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.until > {self.upto}"
            f" AND {self.has('g.died')} AND {seq} BETWEEN g.first AND g.last)"
        )

    def annotated(self, asset: str) -> str:
        """SQL: whether an asset has an annotation in the state."""
        join = "" if self.now and not self.open else " JOIN annotations n ON n.seq = x.seq"
        alias = "x" if not join else "n"
        return (
            f"EXISTS (SELECT 1 FROM asset_annotations x{join} WHERE x.asset = {asset}"
            f" AND {self.alive(alias)})"
        )


NOW = State(0, (), True)
"""The present state where no import runs."""
