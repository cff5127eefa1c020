"""What an export says it has lost is what it has lost, counted from what is read back."""

from __future__ import annotations

from collections import Counter

import pytest

from annotary import formats
from annotary.batch import KEYPOINTS, KIND_NAMES, POLYGON, RECTANGLE, Extra
from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import Shape as Row
from annotary.model import ExportManifest, ExportOptions
from annotary.syntax.source import SourceFile
from annotary.writing.exporting import ExportTag, plan
from tests.laws import counted
from tests.laws.counted import Back
from tests.laws.law import ReadBack, two_dimensional, units, write
from tests.laws.projects import Project, Thing

NAMES = [n for n in two_dimensional() if formats.get(n).reads or formats.get(n).read_by]


def told(manifest: ExportManifest) -> Counter[str]:
    """The manifest's losses by code, those that both sides show."""
    found: Counter[str] = Counter()
    for loss in manifest.losses:
        assert str(loss.count) in loss.text
        if loss.code in counted.COUNTED:
            found[loss.code] += loss.count
    return found


def back(files: list[SourceFile], sizes: dict[str, tuple[int, int]]) -> Back:
    """What a project's files hold."""
    read = ReadBack(files, sizes)
    assert not read.reading.log.errors, read.log
    edges = sum(len(edges) for _, edges in read.skeletons.values())
    return Back(read.objects, read.images, edges)


def agree(said: Counter[str], seen: Counter[str]) -> None:
    """Both are the same; of types it is only said that they may be lost."""
    assert said.pop("attribute-types", 0) >= seen.pop("attribute-types", 0)
    assert said == seen


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_losses_are_told_as_they_are(name: str, seed: int) -> None:
    format_ = formats.get(name)
    project = counted.project(seed)
    for normalized in units(format_):
        written = write(project, format_, ExportOptions(normalized=normalized))
        found = back(written.out.sources(), project.sizes)
        agree(told(written.manifest), counted.losses(project, found, format_.carries))


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not isinstance(formats.get(n).carries.properties, bool)]
)
def test_a_property_that_is_carried_is_not_lost(name: str) -> None:
    format_ = formats.get(name)
    kept = format_.carries.properties
    assert not isinstance(kept, bool)
    box = Row(RECTANGLE, [0.1, 0.1, 0.5, 0.5], Extra(properties=dict.fromkeys(kept, 1)))
    project = Project({"a.png": (400, 200)}, [ExportTag("dog")], [Thing("object", 0, 0, [[box]])])
    assert "properties" not in told(write(project, format_, ExportOptions()).manifest)


@pytest.mark.parametrize("name", [n for n in NAMES if formats.get(n).carries.with_keypoints])
def test_what_stays_with_keypoints_is_not_lost(name: str) -> None:
    format_ = formats.get(name)
    for kind in (RECTANGLE, POLYGON):
        if KIND_NAMES[kind] not in format_.carries.with_keypoints:
            continue
        values = [0.1, 0.1, 0.5, 0.5] + [0.1, 0.4] * (kind == POLYGON)
        rows = [Row(KEYPOINTS, [0.3, 0.3, 2, 0.4, 0.4, 1]), Row(kind, values)]
        tags = [ExportTag("dog", {}, counted.SKELETON)]
        project = Project({"a.png": (400, 200)}, tags, [Thing("object", 0, 0, [rows])])
        assert "members" not in told(write(project, format_, ExportOptions()).manifest)


class Nameless(Format):
    """A format like many lists of boxes: a line for a box, and nothing says what it is."""

    name = "nameless"
    title = "boxes alone"
    writes = True
    carries = Carries(rectangle="Rectangle", tags="none", classes=False, unit="pixels")

    def write(self, data: Dataset, out: Output) -> None:
        for part in data.parts:
            list(part.batches())
            out.put(f"{part.name}.txt", b"")


def test_class_names_that_are_not_written_are_said() -> None:
    project = counted.project(1)
    losses = plan(project, Nameless(), ExportOptions())  # type: ignore[arg-type]
    (found,) = [loss for loss in losses if loss.code == "class-names"]
    assert found.count == len(counted.TAGS)
    written = write(project, Nameless(), ExportOptions())
    assert written.manifest.losses == losses
    others = write(project, formats.get("coco"), ExportOptions()).manifest.losses
    assert "class-names" not in {loss.code for loss in others}
