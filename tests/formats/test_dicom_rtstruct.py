"""Contours of a structure set as voxels, counted by hand."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary.formats.dicom_rtstruct.series import contour_mask
from annotary.formats.kit.voxels import Mask, chunk_of, volume_shape
from tests.formats.harness import Collected, read_folder

SAMPLE = Path(__file__).parent / "dicom_rtstruct" / "sample"


def masks(found: Collected) -> dict[str, Any]:
    """Voxels [z, y, x] of every ROI."""
    made: dict[str, Any] = {}
    names = list(found.classes)
    for batch in found.batches:
        for row in range(len(batch)):
            extra = batch.extras[row]
            shape, chunk = volume_shape(extra), chunk_of(extra)
            assert shape is not None
            assert chunk is not None
            into = made.setdefault(names[batch.tag[row]], np.zeros(shape, bool))
            for index in Mask([chunk], shape).voxels(0, shape[0]):
                into.reshape(-1)[index] = True
    return made


def test_sample_voxel_by_voxel() -> None:
    pytest.importorskip("pydicom")
    found = read_folder(SAMPLE)
    assert list(found.classes) == ["liver", "ring", "marks", "empty"]
    got = masks(found)
    assert set(got) == {"liver", "ring", "marks"}
    liver = np.zeros((3, 10, 20), bool)
    liver[0:2, 1:4, 2:6] = True  # by the slice's uid, and by the nearest slice
    ring = np.zeros((3, 10, 20), bool)
    ring[2, 0:6, 0:6] = True
    ring[2, 2:4, 2:4] = False
    marks = np.zeros((3, 10, 20), bool)
    marks[0, 0, 0] = True
    marks[1, 5, 0:4] = True
    for name, expected in (("liver", liver), ("ring", ring), ("marks", marks)):
        assert (got[name] == expected).all(), name


def test_a_voxel_is_inside_when_its_centre_is() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        ring = rng.uniform(-2, 12, (rng.integers(3, 9), 2))
        got = contour_mask(ring, "CLOSED_PLANAR", 9, 11)
        for y in range(9):
            for x in range(11):
                # the even-odd rule, one ray to the left from the centre
                inside = False
                for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                    if (y0 <= y + 0.5) != (y1 <= y + 0.5):
                        at = x0 + (x1 - x0) * (y + 0.5 - y0) / (y1 - y0)
                        inside ^= bool(at <= x + 0.5)
                assert got[y, x] == inside


def test_without_pydicom_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "pydicom":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = read_folder(SAMPLE)
    assert found.log == [
        "At case.dcm: DICOM needs the package pydicom, which is not installed.\n\n"
        "Hint: Run `pip install annotary[medical]` where Annotary is installed, then try again."
    ]
