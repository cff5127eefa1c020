"""Read mutated files as a session does, and say what breaks the law."""

from __future__ import annotations

import json
import random
import re
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from annotary.problems import RULES, Problem
from annotary.syntax.source import SourceFile
from tests.formats.harness import SIDE_FILES, read
from tests.fuzz.mutation import mutated

FORMATS = Path(__file__).parent.parent / "formats"
DATA = Path(__file__).parents[3] / "shared" / "data"
SECONDS = 20
"""How long a session of a few small files may take."""
LARGEST = 100_000
WHOLE_FILE = {
    "fields-not-kept",
    "empty-file", "lfs-pointer", "appledouble", "unknown-format", "ambiguous-format",
    "wrong-format", "export-only", "results-file", "duplicate-file", "unreadable-file", "too-large",
    "no-class-list",
    "broken-companion", "missing-package", "unknown-image", "ambiguous-image", "size-mismatch",
    "unknown-size", "not-an-annotation-file", "several-annotations", "class-order", "other-reading",
    "ignored", "skipped-record", "missing-column", "mixed-units", "moved", "clipped", "unfinished",
    "class-list", "foreign-class-list", "same-name", "dialect",
}  # fmt: skip
"""Problems of a file as a whole, or of an image: they need no line."""


class Sample(NamedTuple):
    """The files of one import and the images they belong to."""

    name: str
    files: dict[str, bytes]
    sizes: dict[str, tuple[int, int]] | None


class Found(NamedTuple):
    """A mutated session that breaks the law: what is wrong, and the file to see it again."""

    sample: str
    file: str
    data: bytes
    what: str


class SlowError(Exception):
    """Reading took longer than it may."""


def samples(*, real: bool = True) -> list[Sample]:
    """Every fixture, and small real files where there are any."""
    found = []
    for folder in sorted(FORMATS.glob("*/sample")):
        images = folder.parent / "images.json"
        sizes = json.loads(images.read_text("utf-8")) if images.exists() else None
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in SIDE_FILES
        }
        whole = {name: (int(w), int(h)) for name, (w, h) in sizes.items()} if sizes else None
        found.append(Sample(folder.parent.name, files, whole))
    if real and DATA.is_dir():
        folders: dict[Path, list[Path]] = {}
        for path in sorted(DATA.rglob("*")):
            if path.is_file() and path.suffix.lower() not in {
                ".jpg",
                ".jpeg",
                ".bmp",
                ".png",
                ".md",
                "",
            }:
                folders.setdefault(path.parent, []).append(path)
        for folder, paths in folders.items():
            files = {p.name: p.read_bytes() for p in paths if p.stat().st_size <= LARGEST}
            few = dict(list(files.items())[:6])
            if few:
                found.append(Sample(folder.relative_to(DATA).as_posix(), few, None))
    return found


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`SlowError` in what takes longer, where the system has such alarms."""

    def stop(*_: object) -> None:
        raise SlowError(f"more than {seconds} seconds")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def verdict(files: Sequence[SourceFile], sizes: dict[str, tuple[int, int]] | None) -> str:
    """What is wrong with the way the files are read, or nothing."""
    try:
        with limited(SECONDS):
            found = read(files, sizes)
    except SlowError as error:
        return f"hang: {error}"
    except AssertionError as error:
        if "accounted" in str(error):
            return f"lost: {error}"
        return "crash: " + "".join(traceback.format_exc(limit=-3))
    except Exception:
        return "crash: " + "".join(traceback.format_exc(limit=-3))
    lined = {each.name for each in files if not _has_no_lines(each)}
    for problem in found.reading.log:
        wrong = _unclear(problem, problem.file in lined)
        if wrong:
            return wrong
    return ""


def _has_no_lines(source: SourceFile) -> bool:
    """Whether the file is binary, or in an encoding that makes it look so."""
    data = source._data or b""
    return b"\0" in data or data.startswith(
        (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff", b"\x89PNG", b"PAR1")
    )


def _unclear(problem: Problem, lined: bool) -> str:
    if problem.code not in RULES:
        return f"unknown code {problem.code}"
    rule = RULES[problem.code]
    filled: dict[str, Any] = dict.fromkeys(problem.values, "")
    for template in (rule.message, rule.hint):
        for name in re.findall(r"{(\w+)", template):
            if name not in filled:
                return f"{problem.code} does not say {name}: {problem.text}"
    place = problem.location
    if lined and problem.code not in WHOLE_FILE and place.line is None and not place.pointer:
        return f"not located: {problem.text}"
    return ""


def attempt(sample: Sample, rng: random.Random) -> Found | None:
    """Read the sample with one of its files mutated."""
    name = rng.choice(list(sample.files))
    data = mutated(rng, sample.files[name])
    files = [
        SourceFile(each, data=data if each == name else content)
        for each, content in sample.files.items()
    ]
    what = verdict(files, sample.sizes)
    return Found(sample.name, name, data, what) if what else None
