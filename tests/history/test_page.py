"""What the page about history tells the reader to type does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recount import contradictions
from tests.test_docs import DOCS, blocks


def test_the_page_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTARY_HOME", str(home))
    names: dict[str, object] = {}
    for code in blocks(DOCS / "history.md", "python"):
        exec(compile(code, "history.md", "exec"), names)
    assert contradictions(home) == []
    names["client"].close()  # type: ignore[attr-defined]
