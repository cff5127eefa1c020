"""Files damaged at random: an import ends in a report, or in a refusal that says where."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import Client, ImportFailedError
from tests.recount import contradictions
from tests.samples import coco, fourcorner, labelme, register, voc

IMAGES = [("a.png", 400, 200), ("b.png", 400, 200)]
BOX = (10.0, 20.0, 30.0, 60.0)
RING = [[1, 1], [50, 1], [50, 60]]
WHOLE = {
    "a.json": coco(IMAGES, [(0, "cat", BOX), (1, "dog", BOX), (1, "cat", BOX)]),
    "b.csv": fourcorner([("a.png", BOX, "cat"), ("b.png", BOX, "dog"), ("b.png", BOX, "x")]),
    "c.xml": voc("a.png", 400, 200, [("cat", BOX), ("dog", BOX)]),
    "d.json": labelme("b.png", 400, 200, [("cat", RING), ("dog", RING)]),
    "e.txt": b"0 0.5 0.5 0.25 0.5\n1 0.5 0.5 0.25 0.5\n",
}
NASTY = st.sampled_from(
    [b"", b"\x00", b"\xff\xfe", b'"', b"{", b"]", b",", b"<", b"-", b"e999", b"NaN", b"\n", b"\xc3"]
) | st.binary(max_size=4)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file with pieces cut out, doubled, or replaced by something nasty."""
    name = draw(st.sampled_from(sorted(WHOLE)))
    data = WHOLE[name]
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(begin + draw(st.integers(0, 30)), len(data))
        middle = draw(st.one_of(NASTY, st.just(data[begin:end] * 2)))
        data = data[:begin] + middle + data[end:]
    return name, data


@settings(max_examples=60)
@given(
    files=st.lists(damaged(), min_size=1, max_size=4, unique_by=lambda file: file[0]),
    policy=st.sampled_from(["reject_session", "reject_file", "skip"]),
    create=st.booleans(),
)
def test_damaged_files_are_accounted_for(
    files: list[tuple[str, bytes]], policy: str, create: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Client(home=Path(folder)).create_project("damage")
        register(project, "a.png", "b.png", "e.png")
        project.tags.create("cat")
        project.tags.create("dog")
        session = project.annotations.create_import_session(
            on_error=policy,  # type: ignore[arg-type]
            create_assets=create,
        )
        try:
            with session:
                for name, data in files:
                    session.add_bytes(data, name)
        except ImportFailedError as error:
            unread = any(file.role == "failed" for file in session.report.files)
            assert policy == "reject_session" or (unread and not session.report.committed)
            assert error.total > 0
        report = session.report
        assert len(report.files) == len(files)
        assert report.records == report.committed + report.skipped + report.rejected
        stored = list(project.annotations.list(pagination={"limit": 1000}))
        assert len(stored) == report.annotations
        assert len({each.group or each.id for each in stored}) == report.committed
        names = {name for name, _ in files}
        for item in session.get_logs().logs:
            assert item.file in names
            assert item.message.startswith(f"At {item.file}")
            assert "<" not in item.message.partition(": ")[0]
        assert contradictions(Path(folder)) == []
