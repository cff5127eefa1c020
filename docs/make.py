"""Write the pages that are made from the code: formats.md, formats/<name>.md and rules.md.

A test fails when they are not what this writes.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from annotary import formats
from annotary.contract.format import Carries, Format
from annotary.problems import RULES

HERE = Path(__file__).parent
KINDS = ("rectangle", "polygon", "keypoints", "classification", "bitmask", "bitmask3d")
HEADS = ("Rectangle", "Polygon", "Keypoints", "Classification", "Bitmask", "Bitmask3d")


def pages() -> dict[str, str]:
    """Every generated page by its path below ``docs/``."""
    everything = [formats.get(name) for name in formats.names()]
    made = {"formats.md": _formats(everything), "rules.md": _rules()}
    for each in everything:
        made[f"formats/{each.name}.md"] = _page(each)
    return made


def _formats(everything: list[Format]) -> str:
    written = [f for f in everything if f.writes]
    lines = [
        "# Formats",
        "",
        "Made from the code by `make docs`. Each name leads to the format's page.",
        "",
        "| format | read | write | what it is |",
        "|---|---|---|---|",
    ]
    for each in everything:
        reads = "yes" if each.reads else (f"as {each.read_by}" if each.read_by else "")
        writes = "yes" if each.writes else ""
        lines.append(
            f"| [{each.name}](formats/{each.name}.md) | {reads} | {writes} | {each.title} |"
        )
    lines += [
        "",
        "## What each format carries",
        "",
        "A bound type is written as itself (●), as another one (its name), or left out (–). What",
        "is not carried is counted, and said in the operation's message and the manifest.",
        "",
        "| format | "
        + " | ".join(HEADS)
        + " | parts | holes | with keypoints | attributes | properties |"
        " empty images | frames | edges | class names | class numbers | unit |",
        "|---" * (len(HEADS) + 12) + "|",
    ]
    lines += [_row(each) for each in written]
    lines += [
        "",
        "*parts*: several rings stay one object. *with keypoints*: what stays one object with",
        "keypoints (`any`: rows of any bound types stay one object). *empty images*: images",
        "without annotations are listed. *edges*: of skeletons. *class numbers*: `source` keeps",
        "those of the files that the tags came from, gaps and all; `dense` counts from the number",
        "given. *unit*: `follows` the caller's choice.",
        "",
    ]
    return "\n".join(lines)


def _row(each: Format) -> str:
    carries = each.carries
    cells = []
    for kind, head in zip(KINDS, HEADS, strict=True):
        target = getattr(carries, kind)
        cells.append("●" if target == head else (target or "–"))
    cells += [_yes(carries.parts), _yes(carries.holes), _together(carries)]
    cells.append(_yes(carries.attributes))
    cells.append(_properties(carries))
    cells += [_yes(carries.empty_images), _yes(carries.frames), _yes(carries.edges)]
    cells.append(_yes(carries.tags == "any"))
    numbers = carries.class_numbers
    if numbers == "dense":
        numbers = f"dense from {carries.class_base}"  # type: ignore[assignment]
    unit = carries.unit if carries.unit != "follows" else f"follows ({carries.natural})"
    unit += "; fractions are unusual" if carries.fractions == "unusual" else ""
    cells += [numbers, unit]
    return f"| [{each.name}](formats/{each.name}.md) | " + " | ".join(cells) + " |"


def _yes(value: bool) -> str:
    return "●" if value else "–"


def _together(carries: Carries) -> str:
    if carries.objects:
        return "any"
    return ", ".join(sorted(carries.with_keypoints)) or "–"


def _properties(carries: Carries) -> str:
    if isinstance(carries.properties, bool):
        return _yes(carries.properties)
    return ", ".join(sorted(carries.properties))


def _page(each: Format) -> str:
    module = inspect.getmodule(type(each))
    text = inspect.getdoc(module) or each.title
    return f"# {each.name}\n\n*Made from the format's docstring by `make docs`.*\n\n{text}\n"


def _rules() -> str:
    lines = [
        "# Rules",
        "",
        "Every problem that an import, a check or a conversion can report. Made from",
        "`annotary.problems` by `make docs`. Words in braces are filled in.",
        "",
        "| code | level | message | hint |",
        "|---|---|---|---|",
    ]
    for rule in RULES.values():
        message, hint = rule.message.replace("|", "\\|"), rule.hint.replace("|", "\\|")
        lines.append(f"| `{rule.code}` | {rule.level} | {message} | {hint} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write all pages; with ``--all`` those that are measured, too, which takes a minute."""
    (HERE / "formats").mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{len(pages())} pages written below {HERE.name}/")
    if "--all" in sys.argv[1:]:
        sys.path.insert(0, str(HERE.parent))
        from tests.laws import error_table

        error_table.main()


if __name__ == "__main__":
    main()
