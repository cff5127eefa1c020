"""Hugging Face: Parquet tables that ``load_dataset("folder", "annotations")`` reads.

Source: https://huggingface.co/docs/datasets/repository_structure. The two tables of the format
have other columns, so each is a configuration of its own, which ``README.md`` declares:
``annotations`` (the usual one) and ``images``.
"""

from __future__ import annotations

from typing import ClassVar

from annotary.contract.dataset import Dataset
from annotary.contract.output import Output
from annotary.writing.layouts.layout import TEST, TRAIN, VAL, Layout, role

_SPLITS = {TRAIN: "train", VAL: "validation", TEST: "test"}


class HuggingFace(Layout):
    """See the module."""

    name = "huggingface"
    title = "Hugging Face datasets: README.md, data/<table>/<split>.parquet"
    formats: ClassVar[tuple[str, ...]] = ("parquet",)

    def part(self, name: str) -> str:
        """``train``, ``validation`` or ``test``, as datasets call their splits."""
        return _SPLITS.get(role(name), name)

    def member(self, path: str) -> str:
        """A folder for each of the two tables."""
        part, images, _ = path.partition(".images.parquet")
        return f"data/images/{part}.parquet" if images else f"data/annotations/{path}"

    def finish(self, data: Dataset, out: Output) -> None:
        """``README.md`` with the configurations."""
        lines = ["---", "configs:"]
        for table in ("annotations", "images"):
            lines.append(f"- config_name: {table}")
            if table == "annotations":
                lines.append("  default: true")
            lines.append("  data_files:")
            for part in data.parts:
                lines.append(f"  - split: {part.name}")
                lines.append(f"    path: data/{table}/{part.name}.parquet")
        with out.file("README.md") as file:
            file.write(("\n".join([*lines, "---"]) + "\n").encode())


LAYOUT = HuggingFace()
