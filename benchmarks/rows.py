"""What is measured: each row is one piece of work and everyone who does it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from environments import BENCHMARKS, ROOT, WORK, python_of
from labelstudio import Server
from measure import Measurement, RunFailedError, run
from race import Check, Contestant

PEERS = BENCHMARKS / "peers"
DATA = WORK / "data"
PROJECT = "bench"
# The floor's environment also runs what belongs to no contestant.
TOOLS = [str(python_of("floor"))]

OUR_FORMATS = {
    "yolo": "yolo_darknet",
    "voc": "pascal_voc",
    "coco": "coco",
    "polygons": "polygon_coco",
    "csv": "csv_fourcorner",
}
CONVERTERS = {
    "yolo": ["labelformat", "globox", "datumaro", "supervision"],
    "voc": ["labelformat", "globox", "datumaro", "supervision"],
    "coco": ["labelformat", "globox", "datumaro", "supervision"],
    "polygons": ["labelformat", "datumaro"],
    "csv": ["globox"],
}
# These two turn every ring into a box of its own, or into a mask; without rings all is equal.
READS_BOXES_ONLY = {"datumaro", "supervision"}


def data(size: str, *, boxes: bool = False) -> Path:
    """The generated file, made when missing or older than the generator."""
    path = DATA / f"{size}{'_boxes' if boxes else ''}.json"
    generator = BENCHMARKS / "generate.py"
    if not path.exists() or path.stat().st_mtime < generator.stat().st_mtime:
        DATA.mkdir(parents=True, exist_ok=True)
        print(f"  making {path.name}", flush=True)
        command = [*TOOLS, str(generator), size, str(path)]
        run([*command, *(["--boxes"] if boxes else [])])
    return path


def pictures(coco: Path) -> Path:
    folder = DATA / f"{coco.stem}_images"
    run([*TOOLS, str(BENCHMARKS / "images.py"), str(coco), str(folder)])
    return folder


def annotary() -> str:
    return str(python_of("annotary").with_name("annotary"))


def script(peer: str, *arguments: object) -> list[str]:
    path = PEERS / ("floor.py" if peer == "floor" else f"peer_{peer}.py")
    # -P: the folder of the script stays off the path, so that no name in it hides a package.
    return [str(python_of(peer)), "-P", str(path), *map(str, arguments)]


def same_boxes(source: Path, kind: str) -> Callable[[Path, Measurement], Check]:
    """The check of a conversion: see ``outputs.py``."""

    def check(out: Path, _: Measurement) -> Check:
        command = [*TOOLS, str(BENCHMARKS / "outputs.py")]
        found: Check = json.loads(run([*command, str(source), kind, str(out)]).output)
        return found

    return check


def convert(source: Path, to: str, out: Path) -> list[str]:
    return [annotary(), "convert", str(source), "--to", to, "--out", str(out / "converted")]


# --- conversions --------------------------------------------------------------------------------


def conversion(size: str, kind: str, peers: list[str] | None = None) -> list[Contestant]:
    """COCO to ``kind`` by us and by ``peers`` (default: all that can)."""
    source = data(size)
    contestants = [
        Contestant(
            "annotary",
            lambda out: convert(source, OUR_FORMATS[kind], out),
            environment=lambda out: {"ANNOTARY_HOME": str(out / "home")},
            check=same_boxes(source, kind),
        )
    ]
    for peer in CONVERTERS[kind] if peers is None else peers:
        reduced = peer in READS_BOXES_ONLY and kind != "polygons"
        given = data(size, boxes=True) if reduced else source
        images = [pictures(source)] if peer == "supervision" else []

        def command(
            out: Path, peer: str = peer, given: Path = given, images: list[Path] = images
        ) -> list[str]:
            return script(peer, kind, given, out, *images)

        note = "is given a file without polygons" if reduced else ""
        contestants.append(Contestant(peer, command, check=same_boxes(source, kind), note=note))
    return contestants


# --- the store ----------------------------------------------------------------------------------


def home(out: Path) -> dict[str, str]:
    return {"ANNOTARY_HOME": str(out / "home")}


def empty_project(out: Path) -> None:
    run([annotary(), "project", "create", PROJECT], environment=home(out))


def importing(source: Path) -> Contestant:
    """An import into an empty store, every image registered from the file."""

    def check(out: Path, _: Measurement) -> Check:
        command = [annotary(), "stats", PROJECT, "--json"]
        found = json.loads(run(command, environment=home(out)).output)["statistic"]
        return {"rows": found["totalAnnotations"], "images": found["totalAssets"]}

    return Contestant(
        "annotary",
        lambda _: [annotary(), "import", PROJECT, str(source), "--create-assets"],
        prepare=empty_project,
        environment=home,
        check=check,
    )


def floor(source: Path) -> Contestant:
    schema = ROOT / "src" / "annotary" / "store" / "migrations"
    return Contestant(
        "floor",
        lambda out: script("floor", source, schema, out / "floor.db"),
        check=lambda _, done: {"rows": int(done.output.split()[0])},
        note="bare decode and insert, nothing checked",
    )


def parse_reference(source: Path) -> Contestant:
    return Contestant(
        "pycocotools",
        lambda _: script("pycocotools", source),
        note="parses only; not a store",
    )


def label_studio_import(server: Server, source: Path) -> Contestant:
    tasks = WORK / "tasks.json"
    run(script("labelstudio", "prepare", source, tasks))

    def check(_: Path, done: Measurement) -> Check:
        found = re.search(r'"annotation_count": (\d+)', done.output)
        if found is None:
            raise RunFailedError(f"no count in the answer: {done.output[-200:]}")
        return {"images": int(found[1])}

    return Contestant(
        "labelstudio",
        lambda _: script("labelstudio", "import", server.url, tasks),
        server=server.pid,
        check=check,
        label="Label Studio",
        note="converted and server started beforehand, not timed",
    )


def exporting(source: Path) -> Contestant:
    """A store with ``source`` in it, filled before the first run, as COCO."""
    filled: list[Path] = []

    def fill(_: Path) -> None:
        if not filled:
            filled.append(filled_store(source))

    return Contestant(
        "annotary",
        lambda out: [
            *[annotary(), "export", PROJECT, "--format", "coco", "--pixels"],
            *["--out", str(out / "exported")],
        ],
        prepare=fill,
        environment=lambda _: {"ANNOTARY_HOME": str(filled[0])},
        check=same_boxes(source, "coco"),
    )


def label_studio_export(server: Server, source: Path) -> Contestant:
    """The tasks that `label_studio_import` made, imported before the first run, as COCO."""
    projects: list[str] = []

    def fill(_: Path) -> None:
        if not projects:
            done = run(script("labelstudio", "import", server.url, WORK / "tasks.json"))
            projects.append(done.output.strip().splitlines()[-1])

    return Contestant(
        "labelstudio",
        lambda out: script("labelstudio", "export", server.url, projects[0], out / "export.zip"),
        prepare=fill,
        server=server.pid,
        check=same_boxes(source, "coco"),
        label="Label Studio",
        note="server started beforehand, not timed",
    )


def filled_store(source: Path) -> Path:
    """A new store with ``source`` in it; answers its folder."""
    folder = WORK / "stores" / source.stem
    shutil.rmtree(folder, ignore_errors=True)
    environment = {"ANNOTARY_HOME": str(folder)}
    run([annotary(), "project", "create", PROJECT], environment=environment)
    command = [annotary(), "import", PROJECT, str(source), "--create-assets"]
    run(command, environment=environment)
    return folder


# --- starting -----------------------------------------------------------------------------------


def starting() -> list[Contestant]:
    python = str(python_of("annotary"))
    tiny = data("tiny")
    return [
        Contestant("annotary", lambda _: [annotary(), "--help"], label="annotary --help"),
        Contestant(
            "annotary",
            lambda out: convert(tiny, "yolo_darknet", out),
            environment=home,
            check=same_boxes(tiny, "yolo"),
            label="convert of a small file",
        ),
        Contestant(
            "annotary",
            lambda _: [python, str(BENCHMARKS / "probe_import.py")],
            check=lambda _, done: json.loads(done.output),
            label="import annotary",
            note="the whole process; the import alone is under 'check'",
        ),
        Contestant("annotary", lambda _: [python, "-c", "pass"], label="python -c pass"),
    ]


def paging(size: str) -> Check:
    """Time every page of 500 of a store, from the first to the last."""
    folder = filled_store(data(size, boxes=True))
    command = [str(python_of("annotary")), str(BENCHMARKS / "probe_pages.py"), PROJECT]
    found: Check = json.loads(run(command, environment={"ANNOTARY_HOME": str(folder)}).output)
    return found
