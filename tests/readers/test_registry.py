"""Every export has a reader that is not ours, and the table of them is true."""

from __future__ import annotations

from pathlib import Path

from annotary import formats
from tests.readers.registry import PAGE, READERS, page

HERE = Path(__file__).parent


def test_every_export_has_a_reader() -> None:
    assert sorted(READERS) == [f.name for f in formats.writers()]


def test_every_test_exists() -> None:
    for name, reader in READERS.items():
        for each in reader.tests:
            file, _, test = each.partition("::")
            text = (HERE / file).read_text("utf-8")
            assert f"def {test}(" in text, name


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python tests/readers/registry.py"
