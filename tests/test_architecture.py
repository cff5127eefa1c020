"""The shape of the house: who may import whom, how long a file may be, and what loads what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import annotary
from annotary import formats

ROOT = Path(annotary.__file__).parent
MODULES = {
    ".".join(("annotary", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(ROOT.rglob("*.py"))
}

LAYERS = [
    # words: need msgspec only
    {"problems", "errors", "ids", "model", "routes", "checksum", "matching"},
    # numbers; other processes: know nothing of annotations
    {"geometry", "processes"},
    # rows in bulk; files whose every fault has a place
    {"batch", "syntax"},
    # what people see
    {"pictures"},
    {"drawing"},
    # what the author of a format reads
    {"contract", "query"},
    # neighbours that never import each other
    {"formats", "store"},
    # the way in, the way out
    {"reading", "writing", "difference"},
    # what the system does
    {"conversion", "jobs"},
    {"service"},
    # doors
    {"client", "server"},
    {"viewer"},
    {"cli", "__main__"},
]
LONG = {
    "formats/pascal_voc.py": "what five tools made of it, read and written",
    "problems.py": "the table of all rules",
    "model.py": "every struct of the wire, side by side",
    "routes.py": "the whole API as one table",
    "formats/label_studio/tasks.py": "eleven kinds of results, each with its own value",
    "formats/polygon_single.py": "nine kinds of shapes, read and written",
    "formats/keypoints_datature_raw.py": "a format that holds everything a project has",
}
"""Files of more than 450 lines, and why."""
LONGEST = 450


class Import(NamedTuple):
    """One import: who, whom, in which line, and whether it runs when the module is loaded."""

    module: str
    imported: str
    line: int
    at_load: bool


def imports(module: str) -> Iterator[Import]:
    """All imports of a module but those for type checkers alone."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in types_only:
            continue
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.append(inner if inner in MODULES else base)
        for name in found:
            yield Import(module, name, node.lineno, id(node) not in later)


EVERY = [each for module in MODULES for each in imports(module)]
OWN = [each for each in EVERY if each.imported.split(".")[0] == "annotary"]


def part(module: str) -> str:
    """The piece of the house that a module belongs to: a file's or a folder's name."""
    return [*module.split("."), ""][1]


def layer(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if part(module) in names:
            return number
    return -1


def told(found: list[Import]) -> list[str]:
    return [f"{each.module}:{each.line} imports {each.imported}" for each in found]


def test_every_module_has_its_layer() -> None:
    assert [m for m in MODULES if m != "annotary" and layer(m) < 0] == []


def test_nothing_imports_upwards() -> None:
    wrong = [
        each
        for each in OWN
        if each.module != "annotary" and layer(each.imported) > layer(each.module)
    ]
    assert told(wrong) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("formats", "store"), ("reading", "store"), ("reading", "writing"), ("difference", "writing")],
)
def test_neighbours_never_see_each_other(one: str, other: str) -> None:
    wrong = [each for each in OWN if {part(each.module), part(each.imported)} == {one, other}]
    assert told(wrong) == []


def test_formats_read_the_contract_and_what_it_stands_on() -> None:
    allowed = {
        "batch", "contract", "geometry", "syntax", "formats",
        "problems", "errors", "model", "ids", "checksum",
        "processes",  # large files are read by two
    }  # fmt: skip
    wrong = [
        each
        for each in OWN
        if part(each.module) == "formats" and part(each.imported) not in allowed
    ]
    assert told(wrong) == []


def test_syntax_knows_no_rows() -> None:
    wrong = [
        each
        for each in OWN
        if part(each.module) == "syntax" and part(each.imported) in {"batch", "contract"}
    ]
    assert told(wrong) == []


def test_clients_reach_the_engine_only_through_the_transport() -> None:
    doors = {
        "annotary.client.local",  # opens and calls it
    }
    engine = {"service", "store", "jobs", "formats", "reading", "writing", "conversion"}
    wrong = [
        each
        for each in OWN
        if part(each.module) == "client"
        and each.module not in doors
        and part(each.imported) in engine
        # which files of a folder are meant
        and each.imported not in {"annotary.formats", "annotary.reading.inputs"}
    ]
    assert told(wrong) == []


def test_servers_and_clients_do_not_know_each_other() -> None:
    wrong = [
        each for each in OWN if {part(each.module), part(each.imported)} == {"server", "client"}
    ]
    assert told(wrong) == []


STATEMENTS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ")
CONTROL = ("SAVEPOINT", "ROLLBACK", "BEGIN", "RELEASE", "COMMIT", "PRAGMA")
"""Words that control transactions and connections."""
DRIVER = {"annotary.store.sqlite", "annotary.store.migrating"}
"""What may know which database stands below."""


def texts(module: str) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def test_sql_lives_in_the_store() -> None:
    wrong = [
        f"{module}:{node.lineno}: {node.value}"
        for module in MODULES
        if part(module) != "store"
        for node in texts(module)
        if str(node.value).startswith((*STATEMENTS, *CONTROL))
    ]
    assert wrong == []


def test_transactions_are_controlled_in_one_place() -> None:
    wrong = [
        f"{module}:{node.lineno}: {node.value}"
        for module in MODULES
        if module not in {*DRIVER, "annotary.store.database"}
        for node in texts(module)
        if str(node.value).startswith(CONTROL)
    ]
    assert wrong == []


def test_only_the_driver_knows_sqlite() -> None:
    assert told([e for e in EVERY if e.imported == "sqlite3" and e.module not in DRIVER]) == []


def test_only_the_store_knows_where_blobs_are() -> None:
    wrong = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        if part(module) != "store"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"path", "root", "_path", "_root"}
        and ast.unparse(node.value).endswith("blobs")
    ]
    assert wrong == []


def test_no_circle_of_imports() -> None:
    needs: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in OWN:
        if each.at_load and each.imported in MODULES:
            needs[each.module].add(each.imported)
    done: set[str] = set()
    open_: list[str] = []

    def visit(module: str) -> None:
        assert module not in open_, " -> ".join([*open_[open_.index(module) :], module])
        if module not in done:
            open_.append(module)
            for other in sorted(needs[module]):
                visit(other)
            open_.pop()
            done.add(module)

    for module in MODULES:
        visit(module)


def test_commands_load_only_click() -> None:
    allowed = {"click", *sys.stdlib_module_names}
    wrong = [
        each
        for each in EVERY
        if part(each.module) == "cli"
        and each.at_load
        and each.imported.split(".")[0] not in allowed
        and each.imported != "annotary"
        and part(each.imported) != "cli"
    ]
    assert told(wrong) == []


def entry(module: str) -> str:
    """The format (or ``kit``) that a module of ``formats`` belongs to; empty elsewhere."""
    names = module.split(".")
    return names[2] if names[1:2] == ["formats"] and len(names) > 2 else ""


def test_every_entry_of_formats_is_a_format() -> None:
    entries = {entry(m) for m in MODULES} - {"", "kit"}
    assert entries == set(formats.names())


def test_the_kit_knows_no_format() -> None:
    wrong = [
        each
        for each in OWN
        if entry(each.module) == "kit" and entry(each.imported) not in {"", "kit"}
    ]
    assert told(wrong) == []


def test_a_format_knows_only_its_family() -> None:
    """A format may build on the one that it is a flavour of; no two build on each other."""
    needs: dict[str, set[str]] = {}
    for each in OWN:
        mine, other = entry(each.module), entry(each.imported)
        if mine and other and other not in {mine, "kit"} and mine != "kit":
            needs.setdefault(mine, set()).add(other)
    both = [(a, b) for a, others in needs.items() for b in others if a in needs.get(b, ())]
    assert both == []


def test_files_are_short() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in MODULES.values()
    }
    assert {n: lines for n, lines in lengths.items() if lines > LONGEST and n not in LONG} == {}


def test_names_say_what_is_inside() -> None:
    empty = {"utils", "util", "helpers", "helper", "base", "manager", "common", "misc"}
    assert [m for m in MODULES if m.split(".")[-1].strip("_") in empty] == []


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import annotary",
            "numpy PIL yaml click sqlite3 filelock annotary.client annotary.service",
        ),
        (
            "import annotary.model, annotary.routes, annotary.errors, annotary.ids",
            "numpy PIL yaml click sqlite3 annotary.batch annotary.syntax annotary.geometry",
        ),
        ("import annotary.cli.main", "numpy PIL yaml sqlite3 annotary.client annotary.formats"),
        ("from annotary import Client", "PIL yaml pyarrow httpx starlette annotary.server"),
        (
            "from annotary import Client; Client('key', endpoint='http://127.0.0.1:9')",
            "numpy PIL yaml sqlite3 filelock annotary.service annotary.store annotary.batch",
        ),
    ],
)
def test_what_is_not_needed_is_not_loaded(code: str, absent: str) -> None:
    script = f"{code}; import sys; print([m for m in {absent.split()} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
