"""Operations that another process works on can be stopped."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from annotary import Client
from tests.recount import contradictions
from tests.samples import coco, rectangle, register

WORKER = """
    import sys, time
    from annotary import Client
    from annotary.jobs.run import Job

    advance = Job.advance

    def slowly(job, records):
        print("working", flush=True)
        for _ in range(2000):
            advance(job, 0)
            time.sleep(0.05)

    Job.advance = slowly
    home, project, work = sys.argv[1:]
    project = Client(home=home).get_project(project)
    if work == "import":
        session = project.annotations.create_import_session()
        try:
            with session:
                session.add_path(home + "/new.json")
        except Exception as error:
            print(error, flush=True)
    else:
        print(project.annotations.create_export({"format": "coco"}).status.message, flush=True)
"""


@pytest.mark.parametrize("work", ["import", "export"])
def test_work_of_another_process_is_cancelled(work: str, home: Path) -> None:
    project = Client(home=home).create_project("pets")
    register(project, "image.png")
    project.annotations.create(rectangle("image.png"))
    (home / "new.json").write_bytes(coco())
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), str(home), project.id, work],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "working\n"
    (operation,) = project.operations.list()
    assert operation.status.overview == "Running"
    project.operations.cancel(operation.id)
    said, _ = other.communicate(timeout=90)
    assert said.startswith("Cancelled")
    done = project.operations.wait_until_done(operation.id)
    assert done.status.overview == "Cancelled"
    assert len(project.annotations.list()) == 1
    assert list((home / "blobs").glob("exports/*")) == []
    assert contradictions(home) == []
    # whoever opens the store next clears the request away
    project.annotations._transport.service.recover()  # type: ignore[attr-defined]
    assert list((home / "running").glob("*.stop")) == []
