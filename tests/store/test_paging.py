"""Cursors under writes: all pages of a walk show the state that the first one has shown."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
)

from annotary import BadRequestError, Client
from annotary.client.project import Project
from annotary.model import Annotation, PaginationResponse
from tests.samples import rectangle, register

LIMITS = st.integers(1, 7)
ASSETS = ("a.png", "b.png", "c.png")


class Reader:
    """Somebody who turns pages, and what was there when they turned the first one."""

    def __init__(self, limit: int, assets: list[str], backward: bool) -> None:
        self.limit = limit
        self.assets = assets
        self.backward = backward
        self.expected: set[str] = set()
        self.seen: list[str] = []
        self.page: str | None = None
        self.ended = False


class Paging(RuleBasedStateMachine):
    """Writers and readers that take turns in any order."""

    readers = Bundle("readers")

    @initialize(count=st.integers(0, 15))
    def begin(self, count: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.client = Client(home=Path(self.folder.name))
        self.project = self.client.create_project("pages")
        self.assets = {a.filename: a.id for a in register(self.project, *ASSETS)}
        self.alive: dict[str, str] = {}
        if count:
            self.insert(count, ASSETS[0])

    @rule(count=st.integers(1, 9), asset=st.sampled_from(ASSETS))
    def insert(self, count: int, asset: str) -> None:
        new = [rectangle(self.assets[asset]) for _ in range(count)]
        for each in self.project.annotations.create(new):
            assert all(each.id > before for before in self.alive)
            self.alive[each.id] = asset

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.alive:
            ids = data.draw(st.lists(st.sampled_from(sorted(self.alive)), min_size=1, unique=True))
            assert self.project.annotations.delete_many(ids).deleted == len(ids)
            for each in ids:
                del self.alive[each]

    @rule(
        target=readers,
        limit=LIMITS,
        assets=st.lists(st.sampled_from(ASSETS), unique=True),
        backward=st.booleans(),
    )
    def open(self, limit: int, assets: list[str], backward: bool) -> Reader:
        reader = Reader(limit, assets, backward)
        if backward:
            # the last page, and from there to the front
            page = self.turn(reader)
            while page.next_page:
                reader.page = page.next_page
                page = self.turn(reader)
            reader.seen = [each.id for each in reversed(page.data)]
            reader.page = page.prev_page
            reader.ended = not page.prev_page
        return reader

    @rule(reader=readers)
    def read(self, reader: Reader) -> None:
        if not reader.ended:
            page = self.turn(reader)
            found = [each.id for each in page.data]
            assert found == sorted(found)
            reader.seen += reversed(found) if reader.backward else found
            reader.page = page.prev_page if reader.backward else page.next_page
            reader.ended = not reader.page

    @rule(reader=consumes(readers))
    def finish(self, reader: Reader) -> None:
        while not reader.ended:
            self.read(reader)
        assert reader.seen == sorted(set(reader.seen), reverse=reader.backward)
        assert set(reader.seen) == reader.expected

    def turn(self, reader: Reader) -> PaginationResponse[Annotation]:
        if reader.page is None:
            reader.expected = {
                i for i, asset in self.alive.items() if not reader.assets or asset in reader.assets
            }
        pagination = {"limit": reader.limit, "page": reader.page}
        filters = {"asset_ids": [self.assets[name] for name in reader.assets]}
        page = self.project.annotations.list(pagination=pagination, filters=filters)
        assert len(page) <= reader.limit
        return page

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.client.close()
            self.folder.cleanup()


Paging.TestCase.settings = settings(max_examples=30, stateful_step_count=25)
TestPaging = Paging.TestCase


@pytest.fixture
def pages(project: Project) -> tuple[Project, list[str]]:
    (asset,) = register(project, "a.png")
    new = [rectangle(asset.id, f"tag {i}") for i in range(10)]
    return project, [each.id for each in project.annotations.create(new)]


def test_pages_there_and_back(pages: tuple[Project, list[str]]) -> None:
    project, ids = pages
    page = project.annotations.list(pagination={"limit": 4})
    found: list[Any] = [page]
    while page.next_page:
        page = project.annotations.list(pagination={"limit": 4, "page": page.next_page})
        found.append(page)
    assert [[each.id for each in p.data] for p in found] == [ids[:4], ids[4:8], ids[8:]]
    assert found[0].prev_page is None
    for before, after in itertools.pairwise(found):
        back = project.annotations.list(pagination={"limit": 4, "page": after.prev_page})
        assert back.data == before.data
    assert (
        project.annotations.list(pagination={"limit": 4, "page": found[1].prev_page}).prev_page
        is None
    )


def test_a_page_iterates_over_all_later_ones(pages: tuple[Project, list[str]]) -> None:
    project, ids = pages
    page = project.annotations.list(pagination={"limit": 3})
    assert len(page) == 3
    assert [each.id for each in page] == ids
    assert [page[0].id, page[-1].id, len(page[1:])] == [ids[0], ids[2], 2]
    second = project.annotations.list(pagination={"limit": 3, "page": page.next_page})
    assert [each.id for each in second] == ids[3:]


def test_a_page_that_ends_with_the_list_is_the_last(pages: tuple[Project, list[str]]) -> None:
    project, _ = pages
    assert project.annotations.list(pagination={"limit": 10}).next_page is None
    page = project.annotations.list(pagination={"limit": 5})
    assert (
        project.annotations.list(pagination={"limit": 5, "page": page.next_page}).next_page is None
    )


def test_a_cursor_survives_the_annotation_it_points_at(pages: tuple[Project, list[str]]) -> None:
    project, ids = pages
    page = project.annotations.list(pagination={"limit": 4})
    project.annotations.delete_many(ids[2:6])
    rest = project.annotations.list(pagination={"limit": 9, "page": page.next_page})
    assert [each.id for each in rest.data] == ids[4:]
    assert [each.id for each in project.annotations.list()] == ids[:2] + ids[6:]


@pytest.mark.parametrize("cursor", ["x", "bm8", "!!!", "é", "n" * 500, "eA"])
def test_a_cursor_that_is_none_is_refused(project: Project, cursor: str) -> None:
    with pytest.raises(BadRequestError, match="not a page cursor"):
        project.annotations.list(pagination={"page": cursor})


def test_limits_are_kept_between_one_and_a_thousand(project: Project) -> None:
    (asset,) = register(project, "a.png")
    project.annotations.create([rectangle(asset.id) for _ in range(1100)])
    assert len(project.annotations.list()) == 100
    assert len(project.annotations.list(pagination={"limit": 5000})) == 1000
    assert len(project.annotations.list(pagination={"limit": -3})) == 1
    assert sum(1 for _ in project.annotations.list()) == 1100


def test_assets_page_in_the_same_way(project: Project) -> None:
    names = [f"{i:02}.png" for i in range(10)]
    register(project, *names)
    page = project.assets.list(pagination={"limit": 4})
    assert [each.filename for each in page] == names
    project.assets.delete("03.png")
    project.assets.delete("04.png")
    rest = project.assets.list(pagination={"limit": 4, "page": page.next_page})
    assert [each.filename for each in rest] == names[4:]
    assert [each.filename for each in project.assets.list()] == names[:3] + names[5:]
    assert [e.filename for e in project.assets.list(filters={"filename": "7.P"})] == ["07.png"]


def test_many_assets_in_one_filter(project: Project) -> None:
    names = [f"{i}.png" for i in range(1500)]
    assets = register(project, *names)
    project.annotations.create([rectangle(asset.id) for asset in assets])
    wanted = [asset.id for asset in assets[:1400]]
    found = project.annotations.list(filters={"asset_ids": wanted}, pagination={"limit": 1000})
    assert sum(1 for _ in found) == 1400
