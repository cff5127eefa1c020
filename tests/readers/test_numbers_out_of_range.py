"""Numbers that no pixel has, anywhere in a JSON file: read or told, and every record counted."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotary import formats
from annotary.client.project import Project
from annotary.conversion.conversion import Conversion
from annotary.model import ExportOptions
from annotary.syntax.source import SourceFile
from annotary.writing.output import FolderOutput
from tests.formats.harness import read

FORMATS = Path(__file__).parents[1] / "formats"
ENDINGS = {".json", ".jsonl", ".ndjson", ".manifest"}
SAMPLES = sorted(
    path
    for reader in formats.readers()
    for path in (FORMATS / reader.name / "sample").rglob("*")
    if path.suffix in ENDINGS
)
MARK = "annotary-out-of-range"
ODD = ("1e400", "-1e400", str(10**400), "-1", "-7.5", str(2**63), str(2**31), "1e300", "0.5")
PLACES = 40
"""In each sample, of so many kinds of places (the same keys, any index)."""


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all numbers inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in inner:
        if isinstance(held, dict | list):
            yield from numbers(held, (*path, key))
        elif isinstance(held, int | float) and not isinstance(held, bool):
            yield (*path, key)


def variants(text: str) -> Iterator[str]:
    """The text with one number replaced, for every kind of place and every odd number."""
    document = json.loads(text)
    kinds: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for path in numbers(document):
        index = path[-1] if isinstance(path[-1], int) and path[-1] < 4 else None
        kind = (*("*" if isinstance(step, int) else step for step in path), index)
        kinds.setdefault(kind, path)
    for path in list(kinds.values())[:PLACES]:
        changed = copy.deepcopy(document)
        home = changed
        for step in path[:-1]:
            home = home[step]
        home[path[-1]] = MARK
        marked = json.dumps(changed, ensure_ascii=False)
        for odd in ODD:
            yield marked.replace(f'"{MARK}"', odd)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.relative_to(FORMATS).as_posix())
def test_numbers_beyond_any_image_are_read_or_told(path: Path) -> None:
    name = path.relative_to(FORMATS).parts[0]
    text = path.read_text("utf-8")
    lines = path.suffix != ".json"
    for changed in variants(text.splitlines()[0] if lines else text):
        # reading accounts for every record, or the harness fails
        read([SourceFile(path.name, data=changed.encode())], None, format=name)


def test_what_no_format_bounds_is_kept_as_text(project: Project, tmp_path: Path) -> None:
    """Whole numbers beyond 64 bits, in an unknown field, an attribute and an id."""
    huge = "1" + 30 * "0"
    text = (
        '{"images": [{"id": HUGE, "file_name": "a.jpg", "width": 100, "height": 100}],'
        ' "categories": [{"id": HUGE, "name": "cat"}],'
        ' "annotations": [{"id": HUGE, "image_id": HUGE, "category_id": HUGE, "bbox": [1, 2, 3, 4],'
        ' "area": HUGE, "note": [HUGE, {"deep": HUGE}], "attributes": {"age": HUGE}}]}'
    ).replace("HUGE", huge)
    with project.annotations.create_import_session(create_assets=True) as session:
        session.add_bytes(text.encode(), "a.json")
    assert session.report.committed == 1
    source = SourceFile("a.json", data=text.encode())
    with Conversion([source]) as conversion, FolderOutput(tmp_path / "out") as out:
        conversion.write(formats.get("coco"), ExportOptions(), out)
    (record,) = json.loads((tmp_path / "out" / "dump.json").read_text())["annotations"]
    assert record["note"] == [huge, {"deep": huge}]
    assert record["attributes"] == {"age": huge}
