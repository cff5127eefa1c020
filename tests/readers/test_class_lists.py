"""Which class list a label file belongs to: its own folder's, one above, one that names it."""

from __future__ import annotations

import pytest

from annotary.conversion.conversion import Conversion
from annotary.syntax.source import SourceFile

LINE = b"0 .5 .5 .2 .2\n"
TRAIN = b"train: images/train\nnames: [cat]"
ONE = b"train: ../one/images\nnames: [cat]"
TWO = b"train: ../two/images\nnames: [dog]"
BAT = b"train: ball/images\nnames: [bat, ball]\n"


def read(files: dict[str, bytes]) -> tuple[list[str], list[str], list[str]]:
    """The tags that were given, the codes of errors, and those of warnings."""
    sources = [SourceFile(name, data=data, found=True) for name, data in files.items()]
    with Conversion(sources, on_error="skip") as found:
        problems = list(found.problems)
        tags = sorted({found._receiver.spool and name for name in found._receiver.tags})
        committed = sum(report.committed for report in found.reports)
        errors = sorted({p.code for p in problems if p.level == "Error"})
        warnings = sorted({p.code for p in problems if p.level == "Warning"})
        return (tags if committed else []), errors, warnings


@pytest.mark.parametrize(
    ("files", "first"),
    [
        ({"a/1.txt": LINE, "a/classes.txt": b"cat\n", "classes.txt": b"dog\n"}, "cat"),
        ({"a/b/1.txt": LINE, "a/obj.names": b"cat\n", "c/obj.names": b"dog\n"}, "cat"),
        ({"train/labels/1.txt": LINE, "data.yaml": b"train: ../train/images\nnames: [cat]"}, "cat"),
        ({"labels/test/1.txt": LINE, "data.yaml": b"train: images/train\nnames: [cat]"}, "cat"),
        ({"labels/train/1.txt": LINE, "data.yaml": b"path: ../x\n" + TRAIN}, "cat"),
        ({"one/labels/1.txt": LINE, "cfg/a.yaml": ONE, "cfg/b.yaml": TWO}, "cat"),
        ({"train/1.txt": LINE, "data.yaml": b"train: train\nnames: [cat]"}, "cat"),
    ],
)  # fmt: skip
def test_a_list_that_belongs_is_taken_without_a_word(files: dict[str, bytes], first: str) -> None:
    tags, errors, warnings = read(files)
    assert first in tags
    assert (errors, warnings) == ([], [])


@pytest.mark.parametrize(
    "files",
    [
        {"data.yaml": BAT, "data/coco.yaml": b"names: [person]\n", "labels/val/1.txt": LINE},
        {"a/labels.txt": b"alice\nbob\n", "c/classes.txt": b"cat\ndog\n", "b/1.txt": LINE},
        {"a/x.names": b"alice\n", "c/d/data.yaml": b"names: [cat]\n", "1.txt": LINE},
    ],
)
def test_of_several_strangers_none_is_taken(files: dict[str, bytes]) -> None:
    tags, errors, _ = read(files)
    assert tags == []
    assert errors == ["foreign-class-list"]


def test_the_only_stranger_is_taken_with_a_warning() -> None:
    tags, errors, warnings = read({"a/classes.txt": b"cat\n", "b/1.txt": LINE})
    assert (tags, errors, warnings) == (["cat"], [], ["class-list"])
