"""Exactly one format claims every file: what writers write, fixtures, and real data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.model import ExportOptions
from annotary.problems import RULES
from annotary.reading.recognise import Recognised, recognise
from annotary.syntax.source import FileSet, SourceError, SourceFile
from tests.formats.harness import sources
from tests.laws.law import two_dimensional, units, write
from tests.laws.projects import projects

FORMATS = Path(__file__).parent.parent / "formats"
DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = sorted(p for p in FORMATS.glob("*/*") if p.name in {"sample"} and p.is_dir())
IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}


def claims(files: Sequence[SourceFile]) -> list[tuple[Recognised, list[str]]]:
    """What each file was taken for, and all formats that claim it."""
    session = FileSet()
    found = []
    for each in recognise(files, session):
        claiming = []
        if not each.companion and each.error is None:
            claiming = [f.name for f in formats.readers() if f.sniff(each.source, session)]
        found.append((each, claiming))
        each.source.close()
    return found


@pytest.mark.parametrize("name", two_dimensional())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_writers_write_has_one_claim(name: str, data: st.DataObject) -> None:
    format_ = formats.get(name)
    project = data.draw(projects(format_.family))
    options = ExportOptions(normalized=data.draw(st.sampled_from(units(format_))))
    for each, claiming in claims(write(project, format_, options).out.sources()):
        assert each.error is None, (each.source.name, each.error and each.error.values)
        assert each.companion or len(claiming) == 1, (each.source.name, claiming)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.parent.name)
def test_samples_have_one_claim(folder: Path) -> None:
    for each, claiming in claims(sources(folder)):
        assert each.error is None, (each.source.name, each.error and each.error.values)
        if each.companion:
            assert claiming == []
        else:
            assert claiming == [folder.parent.name]


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_real_files_have_one_claim_or_an_explanation() -> None:
    files = [
        SourceFile(path.relative_to(DATA).as_posix(), path=path)
        for path in sorted(DATA.rglob("*"))
        if path.is_file() and path.suffix.lower() not in IMAGES
    ]
    counts = {"claimed": 0, "companion": 0, "explained": 0}
    for each, claiming in claims(files):
        if each.companion:
            counts["companion"] += 1
        elif each.error is None:
            assert len(claiming) == 1, (each.source.name, claiming)
            counts["claimed"] += 1
        else:
            assert isinstance(each.error, SourceError)
            assert each.error.code in RULES
            assert each.error.code != "ambiguous-format", each.source.name
            counts["explained"] += 1
    assert sum(counts.values()) == len(files)
    assert counts["claimed"] > 1000
