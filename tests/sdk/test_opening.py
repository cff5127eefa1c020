"""Which store a client opens, and projects by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotary import BadRequestError, Client, ConflictError, NotFoundError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that names no store."""
    for name in ("ANNOTARY_HOME", "ANNOTARY_ENDPOINT", "DATATURE_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return monkeypatch


def test_a_key_without_a_server_is_an_error(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in ("secret", ""):
        with pytest.raises(BadRequestError, match="no server that it is for"):
            Client(key)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["ANNOTARY_ENDPOINT", "DATATURE_API_BASE_URL"])
def test_a_key_finds_its_server_in_the_environment(bare: pytest.MonkeyPatch, name: str) -> None:
    bare.setenv(name, "http://127.0.0.1:9")
    assert not Client("secret").transport.local


def test_a_home_that_was_chosen_needs_no_server(bare: pytest.MonkeyPatch, home: Path) -> None:
    bare.setenv("ANNOTARY_HOME", str(home))
    assert Client("secret").transport.local
    assert Client(home=home).transport.local


def test_a_second_project_of_one_name_is_a_conflict(client: Client) -> None:
    first, other = client.create_project("pets"), client.create_project("cars")
    with pytest.raises(ConflictError, match="'pets' already"):
        client.create_project(" pets ")
    with pytest.raises(ConflictError, match="'pets' already"):
        other.update("pets")
    assert first.update("pets").name == "pets"
    assert [each.name for each in client.list_projects()] == ["pets", "cars"]
    client.create_project("pets", on_existing="add")
    with pytest.raises(ConflictError, match="2 projects"):
        client.get_project(name="pets")


def test_project_answers_the_one_that_is_there_and_makes_what_is_not(client: Client) -> None:
    made = client.project("pets")
    assert client.project("pets").id == made.id == client.get_project(name="pets").id
    with pytest.raises(NotFoundError, match="no project called 'cars'"):
        client.get_project(name="cars")
    with pytest.raises(BadRequestError, match="not both"):
        client.get_project()
