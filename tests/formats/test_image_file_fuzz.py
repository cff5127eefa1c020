"""Damaged XML and JSON: whatever is done to a file, reading it ends in an account of its records.

The harness asserts that account for every file: read = good + skipped + rejected.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotary.syntax.source import SourceFile
from tests.formats import harness

HERE = Path(__file__).parent
FORMATS = (
    "createml",
    "cvat",
    "edge_impulse",
    "ibm",
    "labelme_xml",
    "pascal_voc",
    "polygon_single",
    "voc_masks",
    "vott",
)
FILES = [
    path
    for name in FORMATS
    for path in sorted((HERE / name / "sample").rglob("*"))
    if path.is_file()
]
PIECES = st.sampled_from([
    b"", b"<", b">", b'"', b"{", b"}", b"[", b"]", b",", b"0", b"-1", b"1e999", b"null", b"true",
    b'"x"', b"NaN", b"&amp;", b"&x;", b"</object>", b"<a/>", b"\xff", b"\x00", b"[[]]", b"{}",
])  # fmt: skip


@st.composite
def damages(draw: st.DrawFn, size: int) -> list[tuple[int, int, bytes]]:
    """Up to three cuts: where, how many bytes go, and what comes in their place."""
    return [
        (draw(st.integers(0, size)), draw(st.integers(0, 12)), draw(PIECES))
        for _ in range(draw(st.integers(1, 3)))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(HERE).as_posix())
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    for at, gone, put in data.draw(damages(len(content))):
        content = content[:at] + put + content[at + gone :]
    root = next(parent for parent in path.parents if parent.name == "sample")
    sources = []
    for other in sorted(root.rglob("*")):
        if other.is_file():
            name = other.relative_to(root).as_posix()
            if other == path:
                sources.append(SourceFile(name, data=content))
            else:
                sources.append(SourceFile(name, path=other))
    found = harness.read(sources, None)
    assert len(found.reading.reports) == len(sources)
    assert all(entry.startswith("At ") for entry in found.log)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_format_is_refused_not_taken_for_empty(name: str) -> None:
    same_root = {"pascal_voc", "labelme_xml"}
    for path in FILES:
        other = path.relative_to(HERE).parts[0]
        if other == name or {other, name} == same_root:
            continue
        found = harness.read([SourceFile(path.name, path=path)], None, format=name)
        if found.reading.reports[0].role != "companion":
            assert found.objects == []
            assert found.reading.log.errors > 0, path
