"""A project goes to another process."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import pytest

from annotary.client.project import Project
from tests.samples import rectangle, register
from tests.serving import serving


def count(project: Project) -> int:
    """What a worker does."""
    return sum(1 for _ in project.annotations.list())


def test_a_project_works_in_a_process_that_was_spawned(project: Project) -> None:
    register(project, "image.png")
    project.annotations.create(rectangle("image.png"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(count, (project,)) == 1


@pytest.mark.parametrize("used", [False, True])
def test_a_project_of_a_server_can_be_pickled(tmp_path: Path, used: bool) -> None:
    from annotary import Client

    with (
        serving(tmp_path / "home") as server,
        Client(server.key, endpoint=server.address) as client,
    ):
        project = client.project("pets")
        if used:
            assert count(project) == 0
        again = pickle.loads(pickle.dumps(project))
        assert (again.id, again.name, count(again)) == (project.id, "pets", 0)
        again._transport.close()
