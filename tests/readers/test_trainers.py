"""Trainers read our exports as they are. They are large, so they live in an environment apart:

``ANNOTARY_TRAINERS=/path/to/python`` names one that has torchvision, datasets and ultralytics.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from annotary.cli import main
from tests.samples import coco

PYTHON = os.environ.get("ANNOTARY_TRAINERS", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="ANNOTARY_TRAINERS names no Python that has the trainers"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Eight images with a box each, some in a folder ``images``."""
    names = [f"{'images/' if i % 2 else ''}{i}.{'png' if i % 3 else 'jpg'}" for i in range(8)]
    for name in names:
        (tmp_path / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 48), 60).convert("RGB").save(tmp_path / "pics" / name)
    boxes = [(i, "cat" if i % 2 else "dog", (4.0, 4.0, 30.0, 30.0)) for i in range(8)]
    (tmp_path / "in.json").write_bytes(coco([(n, 64, 48) for n in names], boxes))
    return tmp_path


def convert(source: Path, *options: str) -> Path:
    out = source / "out"
    found = CliRunner().invoke(
        main,
        [
            "convert", str(source / "in.json"), "--images", str(source / "pics"), "--with-images",
            "copy", "--split", "train=3,val=1", "--out", str(out), *options,
        ],
    )  # fmt: skip
    assert found.exit_code == 0, found.output + found.stderr
    return out


def trained(script: str, folder: Path) -> str:
    """What the script prints in the trainers' environment; ``folder`` is its first argument."""
    done = subprocess.run(
        [PYTHON, "-c", script, str(folder)], capture_output=True, text=True, timeout=300, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_torchvision_reads_the_devkit(source: Path) -> None:
    out = convert(source, "--to", "pascal_voc", "--layout", "voc")
    script = """
import sys
from torchvision.datasets import VOCDetection
sets = [VOCDetection(sys.argv[1], "2012", each) for each in ("train", "val", "trainval")]
print([len(each) for each in sets])
for image, target in sets[2]:
    assert image.size == (64, 48) and len(target["annotation"]["object"]) == 1
"""
    assert "[6, 2, 8]" in trained(script, out)


def test_torchvision_reads_coco(source: Path) -> None:
    out = convert(source, "--to", "coco", "--layout", "coco")
    if importlib.util.find_spec("pycocotools") is None and not PYTHON:
        pytest.skip("pycocotools is not installed")
    script = """
import json, sys
from pathlib import Path
from PIL import Image
root = Path(sys.argv[1])
for part in ("train2017", "val2017"):
    data = json.loads((root / "annotations" / f"instances_{part}.json").read_text())
    for image in data["images"]:
        assert Image.open(root / part / image["file_name"]).size == (64, 48)
    print(len(data["images"]))
"""
    assert trained(script, out).split()[:2] == ["6", "2"]


@pytest.mark.parametrize("format", ["yolo_ultralytics", "yolo_obb"])
def test_ultralytics_finds_every_label(source: Path, format: str) -> None:
    out = convert(source, "--to", format)
    script = f"""
import sys
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.cfg import get_cfg
data = check_det_dataset(sys.argv[1] + "/data.yaml")
task = {"'obb'" if format == "yolo_obb" else "'detect'"}
found = []
for part in ("train", "val"):
    dataset = YOLODataset(img_path=data[part], data=data, task=task, augment=False, imgsz=64)
    found += [len(each["cls"]) for each in dataset.labels]
print("labels", found)
"""
    assert "labels [1, 1, 1, 1, 1, 1, 1, 1]" in trained(script, out)


def test_load_dataset_reads_the_tables(source: Path) -> None:
    pytest.importorskip("pyarrow")
    out = convert(source, "--to", "parquet", "--layout", "huggingface")
    script = """
import sys
from datasets import load_dataset
for name in ("annotations", "images"):
    found = load_dataset(sys.argv[1], name)
    print(name, {split: rows.num_rows for split, rows in found.items()})
"""
    told = trained(script, out)
    assert "annotations {'train': 6, 'validation': 2}" in told
    assert "images {'train': 6, 'validation': 2}" in told
