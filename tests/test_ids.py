"""Ids as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotary import ids

RAW = st.binary(min_size=16, max_size=16)


@given(st.lists(RAW, max_size=4), st.sampled_from(["annot", "asset"]))
def test_many_ids_are_shown_as_each_is(raw: list[bytes], prefix: str) -> None:
    texts = ids.show_many(prefix, raw)
    assert texts == [ids.show(prefix, each) for each in raw]
    assert [ids.parse(prefix, text) for text in texts] == raw
