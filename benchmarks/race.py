"""Contestants in turn, each as a whole process, and what came of it."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from environments import WORK
from measure import Measurement, RunFailedError, run

OUT = WORK / "out"
SECONDS_EACH = 30
"""After so long, and `FEWEST` runs, a slow contestant is let off the remaining rounds."""
FEWEST = 3
FEW_FILES = 1000

Check = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """Who does the work and how.

    ``command`` and ``prepare`` get an empty folder for this run; ``prepare`` is not timed.
    ``check`` gets that folder and the run, and tells what is in the output. ``server`` is a
    process that works on the contestant's behalf.
    """

    peer: str
    command: Callable[[Path], list[str]]
    prepare: Callable[[Path], None] | None = None
    check: Callable[[Path, Measurement], Check] | None = None
    environment: Callable[[Path], dict[str, str]] | None = None
    server: int | None = None
    label: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return self.label or self.peer


@dataclass
class Outcome:
    """A contestant's runs, or why there are none."""

    name: str
    peer: str
    note: str = ""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    anonymous: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    check: Check = field(default_factory=dict)
    failure: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def race(title: str, contestants: list[Contestant], rounds: int) -> list[Outcome]:
    """Run A B C A B C ...; the output of each contestant's first run is checked."""
    outcomes = [Outcome(each.name, each.peer, each.note) for each in contestants]
    for number in range(rounds):
        for contestant, outcome in zip(contestants, outcomes, strict=True):
            enough = len(outcome.wall) >= FEWEST and sum(outcome.wall) > SECONDS_EACH
            if outcome.failure or enough:
                continue
            try:
                _once(contestant, outcome, number, OUT / title.replace(" ", "-"))
            except RunFailedError as error:
                outcome.failure = str(error)
            state = outcome.failure or f"{outcome.wall[-1]:8.2f} s {outcome.anonymous[-1]:7.0f} MB"
            print(f"  {title:<28} {number + 1}/{rounds} {outcome.name:<16} {state}", flush=True)
    return outcomes


def _once(contestant: Contestant, outcome: Outcome, number: int, folder: Path) -> None:
    out = folder / f"{contestant.name.replace(' ', '-')}-{number}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if contestant.prepare:
        contestant.prepare(out)
    # What an earlier contestant left to be written is not this one's burden.
    os.sync()
    time.sleep(0.1)
    environment = contestant.environment(out) if contestant.environment else None
    done = run(contestant.command(out), environment=environment, server=contestant.server)
    outcome.wall.append(done.wall)
    outcome.cpu.append(done.cpu)
    outcome.anonymous.append(done.anonymous)
    outcome.resident.append(done.resident)
    if number == 0 and contestant.check:
        outcome.check = contestant.check(out, done)
    # A file system may be slow to make files where it has just removed many (ext4 looks past the
    # places of the last half minute one by one): those wait until all rows are done.
    if sum(1 for _ in out.rglob("*")) < FEW_FILES:
        shutil.rmtree(out, ignore_errors=True)
