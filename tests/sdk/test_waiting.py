"""Waits that could never end are errors."""

from __future__ import annotations

import pytest

from annotary import BadRequestError
from annotary.client.project import Project
from tests.samples import coco


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("with_file", [True, False])
def test_an_import_that_was_never_started_is_not_waited_for(
    project: Project, background: bool, with_file: bool
) -> None:
    session = project.annotations.create_import_session(background=background)
    if with_file:
        session.add_bytes(coco(), "labels.json")
    with pytest.raises(BadRequestError, match="with block"):
        session.wait_until_done()
    with pytest.raises(BadRequestError, match="with block"):
        _ = session.report


def test_nor_inside_its_own_block(project: Project) -> None:
    with (
        pytest.raises(BadRequestError, match="with block"),
        project.annotations.create_import_session() as session,
    ):
        session.add_bytes(coco(), "labels.json")
        session.wait_until_done()
    assert session.refresh().status.overview == "Cancelled"


def test_images_that_were_never_sent_are_not_waited_for(project: Project) -> None:
    upload = project.assets.create_upload_session()
    upload.add_bytes(b"never sent", "image.png")
    with pytest.raises(BadRequestError, match="with block"):
        upload.wait_until_done()


def test_cancelling_answers_how_the_import_ended(project: Project) -> None:
    session = project.annotations.create_import_session(create_assets=True)
    assert session.cancel().status.overview == "Cancelled"
    with project.annotations.create_import_session(create_assets=True) as done:
        done.add_bytes(coco(), "labels.json")
    assert done.cancel().status.overview == "Finished"
