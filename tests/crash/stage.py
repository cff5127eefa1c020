"""A process that does one thing to a store in a child that may be killed at any moment.

Reads lines ``job home project`` from standard input; for each, forks a child that does the job,
prints the child's pid, and after another line, when it has ended, its status.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from annotary import Client, formats
from annotary.client.project import Project


def import_(project: Project, home: Path) -> None:
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_bytes((home / "new.json").read_bytes(), "new.json")


def export(project: Project, home: Path) -> None:
    options = {"split_ratio": 0.3}
    project.annotations.create_export({"format": "pascal_voc", "options": options})


def delete(project: Project, home: Path) -> None:
    project.annotations.delete_many((home / "ids.txt").read_text().split())


def undo(project: Project, home: Path) -> None:
    project.changes.undo(1 + project.changes.list(kind="add_assets")[0].number)


def restore(project: Project, home: Path) -> None:
    project.snapshots.restore("v1")


def erase(project: Project, home: Path) -> None:
    project.erase(annotations=(home / "ids.txt").read_text().split())


def purge(project: Project, home: Path) -> None:
    project.update(keep="0d")
    project.annotations.delete_many((home / "ids.txt").read_text().split())


JOBS = {
    "import": import_,
    "export": export,
    "delete": delete,
    "undo": undo,
    "restore": restore,
    "erase": erase,
    "purge": purge,
}


def child(job: str, home: Path, project: str) -> None:
    try:
        JOBS[job](Client(home=home).get_project(project), home)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # as if killed in the last moment: nothing is closed
    os._exit(0)


if __name__ == "__main__":
    formats.readers()
    while line := sys.stdin.readline():
        what, place, name = line.split()
        pid = os.fork()
        if pid == 0:
            child(what, Path(place), name)
        print(pid, flush=True)
        # until it is waited for, a child that has ended keeps its pid: it may be killed safely
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
