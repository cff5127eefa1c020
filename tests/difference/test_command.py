"""``annotary diff`` as people use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from annotary.cli import main


def document(annotations: list[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": n, "image_id": 1, "iscrowd": 0, **each}
                for n, each in enumerate(annotations, 1)
            ],
        }
    )


OLD = [
    {"category_id": 1, "bbox": [10, 10, 20, 20]},
    {"category_id": 1, "bbox": [50, 10, 20, 20]},
    {"category_id": 2, "bbox": [10, 50, 20, 20]},
    {"category_id": 2, "bbox": [70, 50, 20, 20]},
]
NEW = [
    {"category_id": 1, "bbox": [10, 10, 20, 20]},
    {"category_id": 1, "bbox": [52, 10, 20, 20]},
    {"category_id": 1, "bbox": [10, 50, 20, 20]},
    {"category_id": 2, "bbox": [30, 30, 5, 5]},
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(document(OLD))
    new.write_text(document(NEW))
    return old, new


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def test_what_differs_is_listed_image_by_image(files: tuple[Path, Path]) -> None:
    found = run(*files)
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == [
        "a.jpg  +1 -1 ~2",
        "  ~ cat  moved  IoU 0.818  50,10 70,30",
        "  ~ dog -> cat  retagged  10,50 30,70",
        "  - dog  Rectangle  70,50 90,70",
        "  + dog  Rectangle  30,30 35,35",
        "1 of 1 images differ: 1 added, 1 removed, 1 moved, 1 retagged; 1 unchanged.",
    ]


def test_equal_files_of_other_formats_do_not_differ(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "voc"
    converted = CliRunner().invoke(
        main, ["convert", str(files[0]), "--to", "pascal_voc", "--out", str(out)]
    )
    assert converted.exit_code == 0, converted.output
    found = run(files[0], out, "--exit-code")
    assert found.exit_code == 0, found.output
    assert found.stdout == "No difference: 4 objects are equal.\n"


def test_a_difference_is_data_and_an_exit_code(files: tuple[Path, Path]) -> None:
    found = run(*files, "--json", "--show", "1", "--exit-code")
    assert found.exit_code == 1
    data = json.loads(found.stdout)
    assert data["summary"]["counts"]["moved"] == 1
    assert data["summary"]["tags"] == {
        "cat": {"moved": 1},
        "dog": {"removed": 1, "retagged": 1, "added": 1},
    }
    assert len(data["differences"]) == 1
    assert data["more"] == 3


def test_a_faulty_side_is_not_compared_unless_asked(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    faulty = tmp_path / "faulty.json"
    faulty.write_text(document([*OLD, {"category_id": 7, "bbox": [1, 1, 2, 2]}]))
    found = run(files[0], faulty)
    assert found.exit_code == 1
    assert "1 faults" in found.output
    assert run(files[0], faulty, "--on-error", "skip").stdout.startswith("No difference")


def test_pictures_escape_what_they_are_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    text = files[1].read_text().replace("a.jpg", "<img onerror=x>.jpg").replace("dog", "<b>&dog")
    files[1].write_text(text)
    out = tmp_path / "drawn"
    assert run(*files, "--draw", out).exit_code == 0
    page = (out / "index.html").read_text()
    assert "2 images differ" in page
    assert "<img onerror" not in page
    drawn = "".join(path.read_text() for path in sorted(out.glob("*.svg")))
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp;dog" in drawn
