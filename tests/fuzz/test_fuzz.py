"""A bounded run over mutated fixtures and real files; ``python -m tests.fuzz`` runs longer."""

from __future__ import annotations

import os
import random

import pytest

from tests.fuzz.run import Sample, attempt, samples

ROUNDS = int(os.environ.get("ANNOTARY_FUZZ_ROUNDS", "25"))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_mutated_files_are_read_or_told(sample: Sample) -> None:
    for seed in range(ROUNDS):
        found = attempt(sample, random.Random(f"{seed} {sample.name}"))
        assert found is None, f"seed {seed}, {found.file}: {found.what}"
