"""The pages are what the code says, and what they tell the reader to type works."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import click
import pytest
from PIL import Image

from annotary.cli import main as cli
from tests.samples import coco

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TEXTS = [ROOT / "README.md", *sorted(p for p in DOCS.glob("*.md") if p.name != "real-data.md")]


def maker() -> ModuleType:
    """``docs/make.py``."""
    spec = importlib.util.spec_from_file_location("make_docs", DOCS / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_made_pages_are_current() -> None:
    stale = [
        name
        for name, text in maker().pages().items()
        if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != text
    ]
    assert stale == [], "run make docs"


def test_no_page_of_a_format_that_is_gone() -> None:
    made = {f"formats/{path.name}" for path in (DOCS / "formats").glob("*.md")}
    assert made <= set(maker().pages())


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), link


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNOTARY_HOME", str(tmp_path / "home"))
    (tmp_path / "images").mkdir()
    for name in ("image.png", "other.png"):
        Image.new("RGB", (400, 200)).save(tmp_path / "images" / name)
    (tmp_path / "labels.json").write_bytes(coco())
    (code,) = blocks(ROOT / "README.md", "python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    session = names["session"]
    assert session.report.committed == session.report.records == 1  # type: ignore[attr-defined]
    assert list((tmp_path / "export").rglob("train.json"))


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_code_of_the_pages_is_python(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, page.name, "exec")


def commands() -> list[str]:
    """Every ``annotary ...`` line of the pages."""
    found = []
    for page in TEXTS:
        for block in blocks(page, "sh"):
            found += [line for line in block.splitlines() if line.startswith("annotary ")]
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_commands_exist_with_their_options(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        context = click.Context(command)
        if words[0].startswith("-"):
            break
        inner = command.get_command(context, words.pop(0))
        assert inner is not None, line
        command = inner
    known = {
        name
        for each in (*command.params, *cli.params)
        for name in (*each.opts, *each.secondary_opts)
    }
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, line
