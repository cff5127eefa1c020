"""What tags can be called."""

from __future__ import annotations

import pytest

from annotary import ValidationError


@pytest.mark.parametrize("name", ["a\0b", "a\r\nb", "a\nb", "\t", "x" * 1025, "del\x7f"])
def test_names_that_no_class_list_can_hold_are_refused(project, name):
    project.tags.create("good")
    before = [tag.name for tag in project.tags.list()]
    with pytest.raises(ValidationError, match="not a name"):
        project.tags.create(name)
    with pytest.raises(ValidationError):
        project.tags.update("good", name=name)
    assert [tag.name for tag in project.tags.list()] == before


@pytest.mark.parametrize("name", ["x" * 1024, "a b", "Hund/Katze", "\u732b", 'it\'s "it"'])
def test_other_names_are_taken(project, name):
    project.tags.create(name)
    assert name in [tag.name for tag in project.tags.list()]
