"""Large COCO files are read by two processes: nothing but the time may show it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotary.formats.coco.records import BODY_PARTS
from annotary.processes import available

CHUNK = 10_000
COUNT = 4 * CHUNK + 17
IMAGES = 300

SCRIPT = """
import os, signal, sys
from annotary.cli import main
from annotary.formats.coco import ahead
from annotary.processes.reader import SecondReader

how, processors, *arguments = sys.argv[1:]
os.sched_setaffinity(0, [*os.sched_getaffinity(0)][:int(processors)])
here = there = 0
take = SecondReader.take

def counting(reader):
    global here, there
    if how == "killed" and here + there == 1:
        os.kill(reader._child, signal.SIGKILL)
    found = take(reader)
    here, there = here + (found is None), there + (found is not None)
    return found

SecondReader.take = counting
sys.argv = ["annotary", *arguments]
try:
    main()
finally:
    print(here, there, file=sys.stderr)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not available.spare(), reason="no second process is used here"
)


def document() -> dict[str, Any]:
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(IMAGES)
    ]
    names = ["umbrella", "cat", "dog"]
    categories = [{"id": i, "name": n, "supercategory": names[0]} for i, n in enumerate(names)]
    records = []
    for i in range(COUNT):
        x, y = float(i % 500), float(i % 400) + 0.25
        ring = [x, y, x + 50.5, y, x + 50.5, y + 60, x, y + 60]
        record = {"id": i, "image_id": i % IMAGES, "category_id": 1 + i % 2}
        if i % 3:
            record["segmentation"] = [ring] if i % 5 else [ring, ring[::-1]]
        record |= {"bbox": [x, y, 50.5, 60], "area": 7.0 if i % 11 == 0 else 3030.0}
        if i % 13 == 0:
            record |= {"iscrowd": 1, "note": f"n{i}"}
        records.append(record)
    records[CHUNK + 5]["segmentation"] = {
        "size": [480, 640],
        "counts": [1000, 20, 480 * 640 - 1020],
    }
    return {"images": images, "categories": categories, "annotations": records}


def run(folder: Path, how: str, processors: int) -> tuple[Any, dict[str, bytes], str]:
    """What the command says, the files it writes, and the chunks read (here, there)."""
    out = folder / f"{how}-{processors}"
    command = ["convert", str(folder / "in.json"), "--to", "keypoints_datature_raw"]
    command += ["--out", str(out), "--on-error", "skip", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how, str(processors), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    written = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.*")}
    return json.loads(done.stdout), written, done.stderr.split("\n")[-2]


def nothing(records: list[dict[str, Any]]) -> None:
    """All is well."""


def unknown_image(records: list[dict[str, Any]]) -> None:
    records[CHUNK + 7]["image_id"] = 99_999


def wrong_type(records: list[dict[str, Any]]) -> None:
    records[CHUNK + 7]["bbox"] = "wide"
    records[3 * CHUNK + 7]["segmentation"] = [[1.0, 2.0, 3.0]]


def repeated(records: list[dict[str, Any]]) -> None:
    records[CHUNK + 7]["id"] = 3
    records[2 * CHUNK + 7]["id"] = CHUNK + 8
    records[3 * CHUNK + 7]["id"] = 3 * CHUNK + 6


def text_ids(records: list[dict[str, Any]]) -> None:
    for record in records[CHUNK : CHUNK + 20]:
        record["id"] = f"a{record['id'] // 2}"


def category_zero(records: list[dict[str, Any]]) -> None:
    records[3 * CHUNK + 1]["category_id"] = 0


def body_parts(records: list[dict[str, Any]]) -> None:
    """Feet, face and hands in the first chunk alone: later bodies are filled up."""
    for i in (3, CHUNK + 3, 3 * CHUNK + 3):
        records[i]["keypoints"] = [100.0, 100.0, 2] * 17
    for name, count in BODY_PARTS.items():
        records[3][name] = [100.0, 100.0, 2] * count


def beyond_the_image(records: list[dict[str, Any]]) -> None:
    records[CHUNK + 7] |= {"bbox": [600, 1, 400, 2], "segmentation": []}


@pytest.mark.parametrize(
    ("change", "chunks"),
    [
        (nothing, "0 3"),
        (unknown_image, "0 3"),
        (wrong_type, "2 1"),
        (repeated, "0 3"),
        (text_ids, "1 2"),
        (category_zero, "2 1"),
        (body_parts, "0 3"),
        (beyond_the_image, "0 3"),
    ],
)
def test_two_processes_read_what_one_reads(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], chunks: str
) -> None:
    file = document()
    change(file["annotations"])
    (tmp_path / "in.json").write_text(json.dumps(file))
    told, written, alone = run(tmp_path, "as it is", 1)
    assert alone == "0 0"
    assert run(tmp_path, "as it is", 2) == (told, written, chunks)
    assert sum(each["records"] for each in told["reading"]["files"]) == COUNT


def test_a_second_process_that_is_killed_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(json.dumps(document()))
    told, written, _ = run(tmp_path, "as it is", 1)
    found = run(tmp_path, "killed", 2)
    assert found[:2] == (told, written)
    assert found[2] in {"2 1", "1 2", "0 3"}  # what it had sent before is taken
