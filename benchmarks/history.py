"""What history costs: waits of others during an import, deletes, undos, snapshots.

    python benchmarks/history.py FILE.json      # a COCO file of generate.py

Prints seconds, and ratios to the import and to the delete of the same run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotary import Client
from annotary.client.project import Project

BOX = [[0.1, 0.1], [0.1, 0.5], [0.5, 0.5], [0.5, 0.1]]


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """How long something takes, and its answer."""
    begin = time.perf_counter()
    answer = what()
    return time.perf_counter() - begin, answer


def create(project: Project) -> float:
    """The time of one create."""
    new = {"asset_id": "quiet.png", "tag": "cat", "bound_type": "Rectangle", "bound": BOX}
    return timed(lambda: project.annotations.create(new))[0]


def load(project: Project, path: Path) -> None:
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    with tempfile.TemporaryDirectory() as folder, Client(home=folder) as client:
        other = client.create_project("other")
        other.assets.register([{"filename": "quiet.png", "width": 9, "height": 9}])
        quiet = [create(other) for _ in range(200)]
        project = client.create_project("pets")
        waits: list[float] = []
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                waits.append(create(other))
                time.sleep(0.01)

        writer = threading.Thread(target=write)
        writer.start()
        imported, _ = timed(lambda: load(project, path))
        ended.set()
        writer.join()
        made = project.changes.list()[0]
        rows = made.counts["annotations"]["added"]
        print(f"import of {rows:,}            {imported:8.2f} s")
        print(
            f"creates, quiet / meanwhile    {1000 * statistics.median(quiet):.1f} /"
            f" {1000 * statistics.median(waits):.1f} ms at the median,"
            f" {1000 * max(waits):.0f} ms at most, of {len(waits)}"
        )
        page, _ = timed(lambda: project.annotations.list(pagination={"limit": 500}))
        print(f"page of 500                   {1000 * page:8.1f} ms")
        before = sum(p.stat().st_size for p in Path(folder).iterdir() if p.is_file())
        snapshot, _ = timed(lambda: project.snapshots.create("v1"))
        after = sum(p.stat().st_size for p in Path(folder).iterdir() if p.is_file())
        print(f"snapshot                      {1000 * snapshot:8.1f} ms, {after - before:,} bytes")
        undo, undone = timed(lambda: project.changes.undo(made.number))
        print(f"undo of the import            {undo:8.2f} s = {undo / imported:.3f} of it")
        redo, _ = timed(lambda: project.changes.undo(undone.change.number))
        print(f"redo                          {redo:8.2f} s")
        ids = [each.id for each in project.annotations.list(pagination={"limit": 1000})]
        delete, _ = timed(lambda: project.annotations.delete_many(ids))
        deleted = project.changes.list()[0].number
        print(f"delete of all, by ids         {delete:8.2f} s")
        back, _ = timed(lambda: project.changes.undo(deleted))
        print(f"undo of that                  {back:8.2f} s = {back / delete:.3f} of it")
        restore, _ = timed(lambda: project.snapshots.restore("v1"))
        print(f"restore of the snapshot       {restore:8.2f} s")


if __name__ == "__main__":
    main()
