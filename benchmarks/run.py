"""Run the benchmarks and write ``docs/benchmarks.md``.

    python benchmarks/run.py small|full [--rows NAME,NAME] [--rounds N] [--annotary SOURCE]

``small`` is COCO val and a store of a million; ``full`` adds COCO train, ten times train and a
store of ten million. Results stay in ``benchmarks/work/results.json``, so that the page always
shows the latest of every row; the figures of one row come from one run. Standard library only:
everything that needs more runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import environments
import machine
import report
import rows
from environments import ROOT, WORK, EnvironmentFailedError
from labelstudio import Server
from measure import RunFailedError
from race import OUT, Check, Contestant, Outcome, race

RESULTS = WORK / "results.json"
ROUNDS = 5

VAL_CONVERSIONS = {
    "convert-yolo": "yolo",
    "convert-voc": "voc",
    "convert-coco": "coco",
    "convert-polygons": "polygons",
    "convert-csv": "csv",
}
SMALL = [*VAL_CONVERSIONS, "store", "startup", "pages"]
FULL = [*SMALL, "train-yolo", "train-import", "train10-import", "pages10"]


class Bench:
    """One run: what could be installed, and the results so far."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.missing: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.results: dict[str, Any] = {}
        if RESULTS.exists():
            self.results = json.loads(RESULTS.read_text())

    def install(self) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        for peer in environments.REQUIREMENTS:
            started = time.perf_counter()
            try:
                self.versions[peer] = environments.ensure(peer)
            except EnvironmentFailedError as error:
                self.missing[peer] = f"could not be installed: {error}"
            state = self.versions.get(peer, "not installed")
            print(f"  {peer:<14} {state:<14} {time.perf_counter() - started:6.1f} s", flush=True)

    def measure(self, key: str, contestants: list[Contestant], rounds: int | None = None) -> None:
        """Race those that are installed; the others are told with the reason."""
        present = [each for each in contestants if each.peer not in self.missing]
        outcomes = race(key, present, rounds or self.rounds)
        for each in contestants:
            if each.peer in self.missing:
                failure = self.missing[each.peer]
                outcomes.append(Outcome(each.name, each.peer, failure=failure))
        self.keep(key, outcomes=[each.plain() for each in outcomes])

    def keep(self, key: str, **found: Any) -> None:
        self.results[key] = {
            **found,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "versions": self.versions,
        }
        self.results["machine"] = machine.describe()
        RESULTS.write_text(json.dumps(self.results, indent=1))

    # --- rows -------------------------------------------------------------------------------

    def store(self) -> None:
        """Import and export of val: the server of Label Studio lives this long only."""
        source = rows.data("val", boxes=True)
        ours, bare = rows.importing(source), rows.floor(source)
        exported = rows.exporting(source)
        try:
            if "labelstudio" in self.missing:
                raise RuntimeError(self.missing["labelstudio"])
            with Server() as server:
                peer = rows.label_studio_import(server, source)
                self.measure("import-val", [ours, peer, bare, rows.parse_reference(source)])
                self.measure("export-val", [exported, rows.label_studio_export(server, source)])
        except RuntimeError as error:
            absent = Contestant("labelstudio", lambda _: [], label="Label Studio")
            self.missing["labelstudio"] = str(error)
            self.measure("import-val", [ours, absent, bare, rows.parse_reference(source)])
            self.measure("export-val", [exported, absent])

    def pages(self, key: str, size: str) -> None:
        found: Check = rows.paging(size)
        print(f"  {key}: {found}", flush=True)
        self.keep(key, pages=found)

    def row(self, name: str) -> None:
        if name in VAL_CONVERSIONS:
            self.measure(name, rows.conversion("val", VAL_CONVERSIONS[name]))
            return
        train, few = rows.data, min(self.rounds, 3)
        work: dict[str, Callable[[], None]] = {
            "store": self.store,
            "startup": lambda: self.measure(name, rows.starting(), 2 * self.rounds),
            "pages": lambda: self.pages(name, "million"),
            "train-yolo": lambda: self.measure(
                name, rows.conversion("train", "yolo", ["labelformat", "globox"]), few
            ),
            "train-import": lambda: self.measure(
                name,
                [
                    rows.importing(train("train")),
                    rows.floor(train("train")),
                    rows.parse_reference(train("train")),
                ],
                few,
            ),
            "train10-import": lambda: self.measure(name, [rows.importing(train("train10"))], 1),
            "pages10": lambda: self.pages(name, "million10"),
        }
        work[name]()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("size", choices=["small", "full"])
    parser.add_argument("--rows", help=f"only these, of {', '.join(FULL)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--annotary", metavar="SOURCE", help="another folder, wheel or version")
    given = parser.parse_args(arguments)
    names = given.rows.split(",") if given.rows else {"small": SMALL, "full": FULL}[given.size]
    if unknown := sorted(set(names) - set(FULL)):
        parser.error(f"no such row: {', '.join(unknown)}")

    if given.annotary:
        environments.REQUIREMENTS["annotary"] = [given.annotary]

    started = time.perf_counter()
    bench = Bench(given.rounds)
    print("environments", flush=True)
    bench.install()
    failed = 0
    for name in names:
        print(name, flush=True)
        try:
            bench.row(name)
        except RunFailedError as error:
            failed += 1
            print(f"  could not be measured: {error}", flush=True)
            bench.keep(name, failure=str(error))
    shutil.rmtree(OUT, ignore_errors=True)
    page = ROOT / "docs" / "benchmarks.md"
    page.write_text(report.page(bench.results), encoding="utf-8")
    print(report.target_table(bench.results))
    print(f"{time.perf_counter() - started:.0f} s; written: {page.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
