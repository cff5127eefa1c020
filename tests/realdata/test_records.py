"""Real TFRecord and NIfTI files, and what becomes of them in a round trip."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotary import formats
from annotary.conversion.conversion import Conversion
from annotary.syntax.source import SourceFile
from annotary.writing.exporting import ExportOptions
from annotary.writing.output import FolderOutput
from tests.formats.harness import read, sources

DATA = Path(__file__).parents[2].parent / "shared" / "data"
RECORDS = DATA / "same100" / "gts" / "tfrecord_format"
BRAIN = DATA / "nifti" / "data" / "fernando" / "t1_seg_gif.nii.gz"


@pytest.mark.skipif(not RECORDS.exists(), reason="../shared/data/same100 is not here")
def test_same100() -> None:
    found = read(sources(RECORDS))
    assert found.log == []
    assert len(found.objects) == 273
    assert len(found.images.names) == 100
    assert len(found.classes) == 20
    assert {part["kind"] for each in found.objects for part in each["parts"]} == {"Rectangle"}
    bottle = found.objects[0]
    assert (bottle["image"], bottle["tag"]) == ("2007_001585.jpg", "bottle")
    assert bottle["parts"][0]["points"][0] == [0.116, 0.3640553]


def _volume(path: Path) -> tuple[Any, bytes]:
    data = gzip.decompress(path.read_bytes())
    return np.frombuffer(data[352:], np.uint8), data[:352]


@pytest.mark.skipif(not BRAIN.exists(), reason="../shared/data/nifti is not here")
def test_brain_comes_back_voxel_for_voxel(tmp_path: Path) -> None:
    conversion = Conversion([SourceFile(BRAIN.name, path=BRAIN)])
    assert list(conversion.problems) == []
    (report,) = conversion.reports
    voxels, head = _volume(BRAIN)
    labels = sorted(set(np.unique(voxels).tolist()) - {0})
    assert len(labels) == 158  # and the background
    assert report.records == report.committed == 158
    name = "nifti_class_index_segmentation"
    manifest = conversion.write(formats.get(name), ExportOptions(), FolderOutput(tmp_path))
    assert manifest.losses == []
    assert manifest.classes == {str(label): label for label in labels}
    again, written = _volume(tmp_path / "dump" / BRAIN.name)
    assert (again == voxels).all()
    assert written[40:68] == head[40:68]  # dimensions
    assert written[252:328] == head[252:328]  # qform and sform
    conversion.close()
