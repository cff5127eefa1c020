"""The mutants still apply to the code: none is skipped because its text is gone."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import ROOT, broken
from tests.mutants.listing import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_applies(mutant: Mutant) -> None:
    source = (ROOT / "src" / "annotary" / mutant.file).read_text("utf-8")
    assert ast.dump(ast.parse(broken(mutant, source))) != ast.dump(ast.parse(source))
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
