"""The report: one file that opens anywhere, with the counts of its data."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from annotary.cli import main
from annotary.drawing.colours import PALETTE


def test_a_report_is_one_file_without_script_and_with_true_counts(
    tmp_path: Path,
) -> None:
    hostile = "<script>alert(1)</script>"
    labels = {
        "images": [
            {"id": n, "file_name": name, "width": 200, "height": 100}
            for n, name in enumerate(["a.png", "<b onerror=x>.png"])
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": hostile}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "bbox": [20, 20, 100, 60]},
            {"id": 2, "image_id": 0, "category_id": 2, "bbox": [20, 20, 100, 60]},
            {"id": 3, "image_id": 0, "category_id": 1, "bbox": [5, 5, 2, 9]},
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "images" / "a.png")
    out = tmp_path / "report.html"
    said = CliRunner().invoke(
        main,
        [
            "report",
            str(tmp_path / "labels.json"),
            "--images",
            str(tmp_path / "images"),
            "--out",
            str(out),
        ],
    )
    assert said.exit_code == 0, said.output
    text = out.read_text("utf-8")
    assert "<script" not in text
    assert "http" not in text
    assert "onerror=x>" not in text
    assert PALETTE[0] in text
    rows = dict(re.findall(r"<tr><td>(.*?)</td><td>([\d,]+)</td></tr>", text))
    assert rows["Images"] == "2"
    assert rows["without annotations"] == "1"
    assert rows["Annotations"] == "3"
    assert rows["Smaller than 4 px"] == "1"
    assert rows["Same box, other tag"] == "2"
    assert text.count("<figure>") == 2
    assert "3 records: 3 shown, 0 skipped" in text
