"""The problems of a session, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec

from annotary.problems import ERROR, KEPT, MORE, RULES, Problem


class ProblemLog:
    """The problems of a session in order; beyond some thousands they wait on disk.

    ``errors`` and ``warnings`` count all. The first ``KEPT`` of each rule and file are kept in
    full; of the others, a line of the rule ``more`` at the end of the file tells the number.
    """

    _IN_MEMORY = 20_000

    def __init__(self) -> None:
        self.errors = 0
        self.warnings = 0
        self.first: list[Problem] = []
        self._kept: dict[tuple[str, str], int] = {}
        """(file, rule) -> problems kept, of the files since the last that ended."""
        self._more: dict[tuple[str, str], Problem] = {}
        self._memory: list[Problem] = []
        self._file = 0
        self._spool: Any = None
        self._encode = msgspec.msgpack.Encoder(enc_hook=str).encode

    def is_full(self, file: str, code: str) -> bool:
        """Whether further problems of this rule in this file are only counted."""
        return self._kept.get((file, code), 0) >= KEPT

    def count(
        self, file: str, code: str, problems: int, records: int = 0, *, strict: bool = False
    ) -> None:
        """Count problems that are not kept; ``records``: how many they are of, if not as many."""
        strict = strict or RULES[code].level == ERROR
        if strict:
            self.errors += problems
        else:
            self.warnings += problems
        records = records or problems
        before = self._more.get((file, code))
        if before is not None:
            problems += before.values["problems"]
            records += before.count
        values = {"rule": code, "problems": problems}
        self._more[file, code] = Problem(MORE, file, values=values, count=records, strict=strict)

    def add(self, problem: Problem) -> None:
        """Keep a problem, or count it."""
        file, code = problem.file, problem.code
        kept = self._kept.get((file, code), 0)
        if kept >= KEPT:
            self.count(file, code, 1, problem.count, strict=problem.strict)
            return
        self._kept[file, code] = kept + 1
        if problem.level == ERROR:
            self.errors += 1
            if len(self.first) < 10:
                self.first.append(problem)
        else:
            self.warnings += 1
        self._keep(problem)

    def _keep(self, problem: Problem) -> None:
        self._memory.append(problem)
        if len(self._memory) >= self._IN_MEMORY:
            if self._spool is None:
                self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the log
            data = self._encode(self._memory)
            self._spool.write(len(data).to_bytes(8, "little") + data)
            self._memory = []
            self._file = 0

    def end_file(self) -> None:
        """Put the problems of the file that has just been read in the order of its lines.

        A file with so many that some wait on disk already keeps the order they were found in.
        """
        new = self._memory[self._file :]
        # what a file says of its companion (a broken class list) stays where it was said
        files = {name: at for at, name in enumerate(dict.fromkeys(p.file for p in new))}
        new.sort(key=lambda p: (files[p.file], p.location.line or 0))
        self._memory[self._file :] = new
        for each in self._more.values():
            self._keep(each)
        self._more.clear()
        self._kept.clear()
        self._file = len(self._memory)

    def __iter__(self) -> Iterator[Problem]:
        if self._spool is not None:
            self._spool.seek(0)
            decode = msgspec.msgpack.Decoder(list[Problem]).decode
            while head := self._spool.read(8):
                yield from decode(self._spool.read(int.from_bytes(head, "little")))
        yield from self._memory
        yield from self._more.values()

    def close(self) -> None:
        """Let go of what is on disk."""
        if self._spool is not None:
            self._spool.close()
