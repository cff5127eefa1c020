"""Readers of label files survive any text: every record is counted, only known errors raised."""

from __future__ import annotations

import contextlib
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.batch import AnnotationBatch
from annotary.contract.rows import RowSink
from annotary.formats.yolo_darknet.classes import DATA, NAMES
from annotary.problems import RULES
from annotary.syntax.source import FileSet, SourceError, SourceFile

TOKEN = st.one_of(
    st.sampled_from(
        ["0", "1", "1.0", "7", "-1", "0.5", "0.25", "1e-3", "nan", "inf", "x", "0,5", "image.png",
         "1,2,3,4,0", "1,2,3,4", "1,2,x,4,0", "0.1,0.2,0.3,0.4,1", "dog", "-1000", "-10"]
    ),
    st.floats().map(repr),
    st.text(max_size=5),
)  # fmt: skip
LINE = st.lists(TOKEN, max_size=18).map(" ".join)
TEXT = st.lists(LINE, max_size=8).map("\n".join)
BYTES = st.one_of(TEXT.map(lambda text: text.encode("utf-8", "ignore")), st.binary(max_size=60))
YAML = st.one_of(
    st.sampled_from(
        [b"names: [a, b]\nkpt_shape: [2, 3]\n", b"names: {0: a, x: b}", b"names: [", b""]
    ),
    st.binary(max_size=40),
)


@pytest.mark.parametrize("name", ["yolo_darknet", "yolo_keras_pytorch", "kitti"])
@settings(max_examples=150, deadline=None)
@given(data=BYTES, yaml=YAML)
def test_any_text_is_read_or_refused(name: str, data: bytes, yaml: bytes) -> None:
    source = SourceFile("labels/a.txt", data=data)
    files = FileSet()
    files.add(DATA, SourceFile("data.yaml", data=yaml))
    files.add(NAMES, SourceFile("classes.txt", data=b"boat\ndog\n"))
    batches: list[AnnotationBatch] = []
    rows = RowSink("labels/a.txt", lambda _, batch: batches.append(batch))
    reader = formats.get(name)
    with contextlib.suppress(SourceError):
        reader.companion(source)
        reader.sniff(source, files)
        reader.read(source, rows, files)
    rows.flush()
    objects = sum(len(batch.objects()) - 1 for batch in batches)
    assert objects + rows.rejected + rows.skipped == rows.records
    for problem in rows.problems:
        rule = RULES[problem.code]
        fields = {field for _, field, _, _ in Formatter().parse(rule.message + rule.hint) if field}
        assert {field.partition("!")[0] for field in fields} <= set(problem.values)
