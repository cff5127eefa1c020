"""The figures to reach, and where each stands in the results."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One figure: what is done, what is to be reached, what was measured, or why it was not."""

    work: str
    goal: str
    measured: str
    reached: bool | None


class Missing(Exception):
    """The results lack what a target needs; the message is what to show instead."""


def outcome(results: Results, row: str, name: str) -> dict[str, Any]:
    for found in results.get(row, {}).get("outcomes", []):
        if found["name"] == name:
            if found["failure"]:
                raise Missing("failed")
            return dict(found)
    raise Missing("failed" if "failure" in results.get(row, {}) else "not measured")


def median(results: Results, row: str, name: str, figure: str = "wall") -> float:
    return float(statistics.median(outcome(results, row, name)[figure]))


def right(results: Results, row: str, found: dict[str, Any], pixels: float = 0.001) -> bool:
    """Whether what was written was checked and is whole and in its place.

    A conversion or an export is compared with the source, an import with the floor's rows.
    """
    check = found["check"]
    if "rows" in check:
        return bool(check["rows"] == outcome(results, row, "floor")["check"]["rows"])
    whole = all(check.get(each) == check.get(f"expected_{each}") for each in ("boxes", "images"))
    return bool(whole and check.get("pixels", math.inf) <= pixels)


def faster(results: Results, row: str, times: float, limit_mb: float | None = None) -> Target:
    """``times`` faster than the fastest peer that did the same work."""
    work, goal = row, f"{times:g}x faster than the best peer"
    if limit_mb is not None:
        goal += f", under {limit_mb / 1000:g} GB"
    try:
        ours = outcome(results, row, "annotary")
        peers = [
            (statistics.median(each["wall"]), each["name"])
            for each in results[row]["outcomes"]
            if each["peer"] not in {"annotary", "floor", "pycocotools"} and not each["failure"]
        ]
        if not peers:
            raise Missing("no peer ran")
        best, name = min(peers)
        own = statistics.median(ours["wall"])
        measured = f"{best / own:.1f}x ({own:.2f} s; {name} {best:.2f} s)"
        reached = best / own >= times
        if limit_mb is not None:
            peak = statistics.median(ours["anonymous"])
            measured += f", {peak:.0f} MB"
            reached = reached and peak <= limit_mb
        if not right(results, row, ours):
            measured, reached = measured + ", output differs", False
    except Missing as reason:
        return Target(work, goal, str(reason), reached=None)
    return Target(work, goal, measured, reached=reached)


def all_targets(results: Results) -> list[Target]:
    """Every figure to reach, in the order of the page."""
    return [
        _named("convert val COCO to YOLO", faster(results, "convert-yolo", 3)),
        _named("convert val COCO to VOC", faster(results, "convert-voc", 3)),
        _named("convert train COCO to YOLO", faster(results, "train-yolo", 4, 600)),
        _named("import val boxes into a durable store", faster(results, "import-val", 10)),
        _named("export val as COCO from the store", faster(results, "export-val", 15)),
        _train(results),
        _growth(results),
        _pages(results, "pages", "1 million"),
        _pages(results, "pages10", "10 million"),
        _start(results, "annotary --help", 0.25),
        _start(results, "convert of a small file", 0.4),
        _import(results),
    ]


def _named(work: str, target: Target) -> Target:
    return Target(work, target.goal, target.measured, target.reached)


def _train(results: Results) -> Target:
    work, goal = "import train polygons, durable", "within 1.5x of the floor, under 0.6 GB"
    try:
        ours = median(results, "train-import", "annotary")
        floor = median(results, "train-import", "floor")
        peak = median(results, "train-import", "annotary", "anonymous")
    except Missing as reason:
        return Target(work, goal, str(reason), reached=None)
    measured = f"{ours / floor:.2f}x ({ours:.1f} s; floor {floor:.1f} s), {peak:.0f} MB"
    same = right(results, "train-import", outcome(results, "train-import", "annotary"))
    measured += "" if same else ", rows differ"
    return Target(work, goal, measured, reached=same and ours / floor <= 1.5 and peak <= 600)


def _growth(results: Results) -> Target:
    work, goal = "import ten times train", "within 11x of train, under 0.8 GB"
    try:
        one = median(results, "train-import", "annotary")
        ten = median(results, "train10-import", "annotary")
        peak = median(results, "train10-import", "annotary", "anonymous")
    except Missing as reason:
        return Target(work, goal, str(reason), reached=None)
    measured = f"{ten / one:.1f}x ({ten:.0f} s), {peak:.0f} MB"
    return Target(work, goal, measured, reached=ten / one <= 11 and peak <= 800)


def _pages(results: Results, row: str, many: str) -> Target:
    work = f"page of 500 at any depth of {many}"
    goal = "p50 within 3 ms, last within 1.3x of first"
    found = results.get(row, {}).get("pages")
    if found is None:
        state = "failed" if "failure" in results.get(row, {}) else "not measured"
        return Target(work, goal, state, reached=None)
    ratio = found["last"] / found["first"]
    measured = f"p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms, last/first {ratio:.2f}"
    return Target(work, goal, measured, reached=found["p50"] <= 3 and ratio <= 1.3)


def _start(results: Results, name: str, seconds: float) -> Target:
    goal = f"within {seconds:g} s"
    try:
        own = median(results, "startup", name)
    except Missing as reason:
        return Target(name, goal, str(reason), reached=None)
    return Target(name, goal, f"{own:.3f} s", reached=own <= seconds)


def _import(results: Results) -> Target:
    work, goal = "import annotary", "within 120 ms, no heavy module"
    try:
        check = outcome(results, "startup", "import annotary")["check"]
    except Missing as reason:
        return Target(work, goal, str(reason), reached=None)
    heavy = ", ".join(check["heavy"]) or "none"
    measured = f"{check['milliseconds']:.0f} ms, {check['modules']} modules, heavy: {heavy}"
    return Target(work, goal, measured, reached=check["milliseconds"] <= 120 and not check["heavy"])
