"""Read every file of a folder of real data and write what became of each into docs/real-data.md.

    python tests/realdata/table.py ../shared/data

One import per folder of annotation files, with the images of its data set: their sizes come from
the image files where there are any, else from what other files of the data set state. The page
has names and counts only.
"""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from annotary.batch import AnnotationBatch
from annotary.matching import Candidate, Match
from annotary.model import FileReport
from annotary.reading.file import FileReading
from annotary.reading.session import Reading
from annotary.syntax.image import read_header
from annotary.syntax.source import SourceFile

PAGE = Path(__file__).parents[2] / "docs" / "real-data.md"
IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
TEXTS = {"", ".md"}
# each of these folders, or the files in it, are one import
BESIDE = {"labels", "Annotations", "Masks", "train", "test", "annotations", "obj_train_data"}

Size = tuple[int, int]


class Line(NamedTuple):
    """One file: records = committed + skipped + rejected."""

    file: str
    report: FileReport
    problems: Counter[str]


class Book:
    """Images of one data set: every name is known, at the best size that anything states."""

    def __init__(self, sizes: dict[str, Size]) -> None:
        self.sizes = sizes
        # images of the same name in one folder of examples need not be the same image
        self.known: dict[tuple[str, Size], Candidate] = {}

    def resolve(self, names: Sequence[str], sizes: Sequence[Size]) -> list[Match]:
        """Match every name; sizes of images that are there win over what files state."""
        found = []
        for name, stated in zip(names, sizes, strict=True):
            one = self.known.get((name, stated))
            if one is None:
                size = stated if 0 not in stated else self.sizes.get(_stem(name), (0, 0))
                one = self.known[name, stated] = Candidate(len(self.known), name, *size)
            found.append(Match(one, "exact"))
        return found

    def suggest(self, name: str) -> str:
        """No advice: every name is known."""
        return ""


class _Count:
    """Counts good records per file."""

    def __init__(self) -> None:
        self.good = 0
        self.learned: dict[str, Size] = {}

    def begin_file(self, file: FileReading) -> None:
        self.good = 0

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        self.good += len(batch.objects()) - 1
        file.report.annotations += len(batch)

    def end_file(self, file: FileReading) -> None:
        report = file.report
        report.committed = self.good
        report.skipped = file.rows.skipped
        report.rejected = file.faulty + file.rows.rejected + sum(file.refused.values())
        assert report.records == report.committed + report.skipped + report.rejected, file.source
        for name, size in zip(file.rows.image_names, file.rows.image_sizes, strict=True):
            if 0 not in size:
                self.learned.setdefault(_stem(name), size)


def _stem(name: str) -> str:
    return PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))).stem.casefold()


def sessions(data: Path) -> dict[str, list[Path]]:
    """The files of each import, by the folder they share."""
    found: dict[str, list[Path]] = {}
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.suffix.lower() in TEXTS or path.parent == data:
            continue
        if path.suffix.lower() in IMAGES and not _is_mask(path):
            continue
        folder = path.parent
        while folder.name in BESIDE and folder.parent != data and folder.parent.parent != data:
            folder = folder.parent
        found.setdefault(folder.relative_to(data).as_posix(), []).append(path)
    return found


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() == ".png" and any(
        part.lower() in {"masks", "segmentationclass", "segmentationobject"} for part in path.parts
    )


def read(data: Path) -> list[Line]:
    """Every file of the data, in order."""
    lines: list[Line] = []
    every = sessions(data)
    for top in sorted({name.split("/")[0] for name in every}):
        sizes: dict[str, Size] = {}
        for path in sorted((data / top).rglob("*")):
            if path.suffix.lower() in IMAGES and not _is_mask(path):
                header = read_header(path, path.name)
                if header.width:
                    sizes[_stem(path.name)] = (header.width, header.height)
        mine = [folder for folder in every if folder.split("/")[0] == top]
        for _ in range(2):  # the first time only to learn the sizes of images
            made: list[Line] = []
            for folder in mine:
                made += _session(data, every[folder], sizes)
        lines += made
    return lines


def _session(data: Path, paths: Sequence[Path], sizes: dict[str, Size]) -> list[Line]:
    count = _Count()
    reading = Reading(Book(sizes), count)
    reading.read([SourceFile(path.relative_to(data).as_posix(), path=path) for path in paths])
    for name, size in count.learned.items():
        sizes.setdefault(name, size)
    problems: dict[str, Counter[str]] = {}
    for problem in reading.log:
        problems.setdefault(problem.file, Counter())[problem.code] += problem.count
    assert len(reading.reports) == len(paths)
    return [Line(r.file, r, problems.get(r.file, Counter())) for r in reading.reports]


class Group(NamedTuple):
    """Files of one folder that were taken for the same."""

    name: str
    format: str
    files: int
    records: int
    committed: int
    skipped: int
    rejected: int
    annotations: int
    problems: Counter[str]


def groups(lines: Sequence[Line]) -> list[Group]:
    """Files of one folder, format and outcome together: there are folders of hundreds."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        folder, _, name = line.file.rpartition("/")
        ending = PurePosixPath(name).suffix
        role = line.report.role
        kind = line.report.format or "–"
        if role in {"companion", "ignored"}:
            kind = f"{role}: {kind}" if line.report.format else role
        elif role == "failed":
            kind = f"refused {line.report.format}".strip()
        found.setdefault((f"{folder}/*{ending}", kind), []).append(line)
    made = []
    for (name, kind), members in found.items():
        total: Counter[str] = Counter()
        for member in members:
            total += member.problems
        reports = [member.report for member in members]
        made.append(
            Group(
                members[0].file if len(members) == 1 else name,
                kind,
                len(members),
                sum(r.records for r in reports),
                sum(r.committed for r in reports),
                sum(r.skipped for r in reports),
                sum(r.rejected for r in reports),
                sum(r.annotations for r in reports),
                total,
            )
        )
    return made


def page(lines: Sequence[Line]) -> str:
    """The page."""
    made = groups(lines)
    text = [
        "# Real data",
        "",
        "What becomes of every file of a collection of public annotation files from many tools:",
        "`python tests/realdata/table.py ../shared/data` reads them all and writes this page.",
        "Records of a file = committed + skipped + rejected; *annotations* counts the rings and",
        "other parts of what was committed. Problems are told by their codes, see",
        "[rules.md](rules.md).",
        "",
        "| file | files | format | records | committed | skipped | rejected | annotations"
        " | problems |",
        "|---|---:|---|---:|---:|---:|---:|---:|---|",
    ]
    for each in made:
        problems = ", ".join(f"{code} {count:,}" for code, count in sorted(each.problems.items()))
        name = each.name.replace("|", "\\|")
        text.append(
            f"| {name} | {each.files} | {each.format} | {each.records:,} | {each.committed:,} "
            f"| {each.skipped:,} | {each.rejected:,} | {each.annotations:,} | {problems} |"
        )
    sums = [sum(getattr(g, key) for g in made) for key in Group._fields[2:8]]
    assert sums[1] == sum(sums[2:5])
    text.append(
        f"| **all** | {sums[0]} | | {sums[1]:,} | {sums[2]:,} | {sums[3]:,} | {sums[4]:,} "
        f"| {sums[5]:,} | |"
    )
    return "\n".join([*text, ""])


def main() -> None:
    """Write the page."""
    lines = read(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
    PAGE.write_text(page(lines), encoding="utf-8")
    print(f"{len(lines)} files; see docs/{PAGE.name}")


if __name__ == "__main__":
    main()
