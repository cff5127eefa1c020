"""The page ``docs/benchmarks.md``, from the results."""

from __future__ import annotations

import math
import statistics
from typing import Any

from targets import Results, all_targets

TITLES = {
    "convert-yolo": "Convert val: COCO to YOLO",
    "convert-voc": "Convert val: COCO to Pascal VOC",
    "convert-coco": "Convert val: COCO to COCO, boxes",
    "convert-polygons": "Convert val: COCO to COCO, polygons",
    "convert-csv": "Convert val: COCO to CSV",
    "import-val": "Import val boxes into a durable store",
    "export-val": "Export val as COCO from the store",
    "startup": "Starting",
    "train-yolo": "Convert train: COCO to YOLO",
    "train-import": "Import train polygons into a durable store",
    "train10-import": "Import ten times train",
}

INTRODUCTION = """# Benchmarks

Written by `make bench SIZE=small` and `make bench SIZE=full`; see
[benchmarks/README.md](../benchmarks/README.md) for how it is measured and what makes it fair.
Every run is a whole process, from start to exit, contestants in turn. Memory is the peak of
anonymous memory of the process and its children; `RSS` beside it counts mapped files too.
"""


def page(results: Results) -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION, _machine(results), "## Targets\n", target_table(results)]
    parts += [_row(key, title, results[key]) for key, title in TITLES.items() if key in results]
    parts += [_pages(results)]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def target_table(results: Results) -> str:
    lines = ["| work | to reach | measured | reached |", "|---|---|---|---|"]
    for each in all_targets(results):
        state = {True: "yes", False: "no", None: ""}[each.reached]
        lines.append(f"| {each.work} | {each.goal} | {each.measured} | {state} |")
    return "\n".join(lines) + "\n"


def _machine(results: Results) -> str:
    about = results.get("machine", {})
    versions: dict[str, str] = {}
    for found in results.values():
        versions.update(found.get("versions", {}) if isinstance(found, dict) else {})
    lines = [f"- {name}: {text}" for name, text in about.items()]
    named = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "floor")
    return "\n".join([*lines, f"- versions: {named}", ""])


def _row(key: str, title: str, found: dict[str, Any]) -> str:
    lines = [f"\n## {title}\n", f"Measured on {found['date']}.\n"]
    if "failure" in found:
        return "\n".join([*lines, f"Could not be measured: {_cell(found['failure'])}\n"])
    ours = next((each for each in found["outcomes"] if each["name"] == "annotary"), None)
    unit = statistics.median(ours["wall"]) if ours and ours["wall"] else None
    lines += [
        "| | runs | median s | spread s | processor s | ratio | memory MB | RSS MB | output |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found["outcomes"]:
        name = f"{each['name']} ({each['note']})" if each["note"] else each["name"]
        if each["failure"] or not each["wall"]:
            lines.append(f"| {name} | failed: {_cell(each['failure'])} |" + " |" * 7)
            continue
        wall = statistics.median(each["wall"])
        ratio = f"{wall / unit:.1f}" if unit and key != "startup" else ""
        resident = statistics.median(each["resident"])
        digits = 3 if key == "startup" else 2
        lines.append(
            f"| {name} | {len(each['wall'])} | {wall:.{digits}f} |"
            f" {min(each['wall']):.{digits}f} to {max(each['wall']):.{digits}f} |"
            f" {statistics.median(each['cpu']):.2f} | {ratio} |"
            f" {statistics.median(each['anonymous']):.0f} |"
            f" {f'{resident:.0f}' if resident else ''} | {_output(each['check'])} |"
        )
    return "\n".join(lines) + "\n"


def _output(check: dict[str, Any]) -> str:
    if "boxes" in check:
        text = f"{check['boxes']} of {check['expected_boxes']} boxes, "
        text += f"{check['images']} of {check['expected_images']} images"
        if math.isinf(check["pixels"]):
            return f"{text}, **not the same**"
        return f"{text}, off by {check['pixels']:.2g} px at most"
    plain = {key: value for key, value in check.items() if not isinstance(value, dict)}
    return ", ".join(f"{key} {_short(value)}" for key, value in plain.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list):
        return " ".join(value) or "none"
    return str(value)


def _pages(results: Results) -> str:
    lines = ["\n## Pages of 500\n"]
    lines += ["| annotations | pages | p50 ms | p99 ms | first 200, p50 | last 200, p50 |"]
    lines += ["|---|---|---|---|---|---|"]
    for key in ("pages", "pages10"):
        found = results.get(key, {}).get("pages")
        if found:
            cells = [f"{found[name]:.2f}" for name in ("p50", "p99", "first", "last")]
            lines.append(f"| {found['annotations']} | {found['pages']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if len(lines) > 3 else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:300]
