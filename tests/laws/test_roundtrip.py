"""``read(write(x)) = x`` for every format, up to what its capability row says it loses."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotary import formats
from annotary.model import ExportOptions
from tests.laws.law import (
    check_accounts,
    check_read_back,
    is_ambiguous,
    two_dimensional,
    units,
    write,
)
from tests.laws.projects import projects

EXAMPLES = int(os.environ.get("ANNOTARY_EXAMPLES", "15"))
NAMES = two_dimensional()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_read_back(name: str, data: st.DataObject) -> None:
    format_ = formats.get(name)
    project = data.draw(projects(format_.family, grouped=data.draw(st.booleans())))
    options = ExportOptions(
        normalized=data.draw(st.sampled_from(units(format_))),
        split_ratio=data.draw(st.sampled_from([0.0, 0.0, 0.3])),
    )
    written = write(project, format_, options)
    check_accounts(written)
    if (format_.reads or format_.read_by) and not is_ambiguous(written):
        check_read_back(written)
