"""The options that ``export`` and ``convert`` share: how labels and images are written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from annotary.model import ExportOptions

F = TypeVar("F", bound=Callable[..., Any])

MODES = ("copy", "link", "none")
ON_LOSS = click.Choice(["warn", "refuse", "allow"])
_OPTIONS = [
    click.option(
        "--layout",
        default="",
        metavar="LAYOUT",
        help="Where files lie: ultralytics, darknet, voc, coco, imagefolder, huggingface.",
    ),
    click.option(
        "--split",
        metavar="PARTS",
        help="train=0.7,val=0.2,test=0.1, or folds=5, or source: the parts that came in.",
    ),
    click.option(
        "--split-by",
        type=click.Choice(["tag", "none", "group"]),
        help="Keep every tag's share; or by name alone; or each group as a part.",
    ),
    click.option(
        "--split-group",
        metavar="RULE",
        help="What stays together: folder, asset_group, metadata:KEY, regex:PATTERN, frames.",
    ),
    click.option(
        "--split-keep", is_flag=True, help="Images stay in the part that their source gave them."
    ),
    click.option(
        "--shards", type=click.IntRange(0), default=0, help="So many files for every part."
    ),
    click.option("--tags", multiple=True, metavar="TAG,...", help="Only these tags."),
    click.option("--drop", multiple=True, metavar="TAG,...", help="Leave these tags out."),
    click.option(
        "--map", "renames", multiple=True, metavar="OLD=NEW", help="Rename or merge tags."
    ),
    click.option("--limit", type=click.IntRange(0), default=0, help="So many images; 0: all."),
    click.option(
        "--sample", type=click.IntRange(0), default=0, help="So many images, chosen by --seed."
    ),
    click.option("--split-ratio", type=click.FloatRange(0, 1), default=0.0, help="For validation."),
    click.option(
        "--seed", type=int, default=1337, show_default=True, help="Decides what chance decides."
    ),
    click.option("--normalized/--pixels", default=None, help="Fractions, or pixels."),
    click.option(
        "--on-loss",
        type=ON_LOSS,
        default="warn",
        show_default=True,
        help="If not all can be carried.",
    ),
    click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the format."),
    click.option(
        "--where",
        metavar="QUERY",
        help='Only what a query means: "tag = cat and width >= 10px"; see docs/queries.md.',
    ),
]
_NAMES = (
    "layout",
    "split",
    "split_by",
    "split_group",
    "split_keep",
    "split_ratio",
    "tags",
    "drop",
    "renames",
    "limit",
    "sample",
    "shards",
    "seed",
    "normalized",
    "on_loss",
    "options",
    "where",
)


def export_options(function: F) -> F:
    """Add the options to a command, which gets them as one dictionary ``given``."""

    @functools.wraps(function)
    def run(*arguments: Any, **rest: Any) -> Any:
        given = {name: rest.pop(name) for name in _NAMES}
        return function(*arguments, given=given, **rest)

    command: Any = run
    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[no-any-return]


def options_of(given: dict[str, Any], images: str) -> ExportOptions:
    """What the engine is asked for."""
    from annotary.model import ExportOptions

    return ExportOptions(
        split_ratio=given["split_ratio"],
        seed=given["seed"],
        normalized=given["normalized"],
        on_loss=given["on_loss"],
        extra=_format_options(given["options"]),
        images=images,  # type: ignore[arg-type]
        layout=given["layout"],
        where=given["where"],
        split=_split(given),
        tags=_listed(given["tags"]),
        drop=_listed(given["drop"]),
        map=_renames(given["renames"]),
        limit=given["limit"],
        sample=given["sample"],
        shards=given["shards"],
    )


def _format_options(given: tuple[str, ...]) -> dict[str, Any]:
    """The options of the format itself: ``NAME=VALUE``, the value as JSON or as text."""
    import msgspec

    options: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"--option {each!r}: write NAME=VALUE.")
        try:
            options[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            options[name] = value
    return options


def _split(given: dict[str, Any]) -> dict[str, Any] | str | None:
    """The division that the options ask for together."""
    from annotary.model import ExportOptions
    from annotary.writing.parts import wanted

    by, group, keep = given["split_by"], given["split_group"], given["split_keep"]
    if by == "group":
        if given["split"] and given["split"] not in {"source", "group"}:
            raise click.UsageError("--split-by group keeps the groups as parts: leave out --split.")
        return {"by": "group"}
    if not (by or group or keep):
        return given["split"]  # type: ignore[no-any-return]
    if not given["split"]:
        raise click.UsageError("Missing option '--split': which parts are there to be?")
    spec = wanted(ExportOptions(split=given["split"]))
    assert spec is not None
    found: dict[str, Any] = {"parts": spec.parts, "folds": spec.folds, "by": by or spec.by}
    return {**found, "group": group or "", "keep": keep}


def _listed(given: tuple[str, ...]) -> list[str]:
    """Names from options that may be repeated, and may hold several between commas."""
    return [name.strip() for each in given for name in each.split(",") if name.strip()]


def _renames(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        old, equals, new = each.partition("=")
        if not equals or not old or not new.strip():
            raise click.UsageError(f"--map {each!r}: write OLD=NEW.")
        if found.setdefault(old, new) != new:
            raise click.UsageError(f"--map {each!r}: {old!r} is to be {found[old]!r} already.")
    return found
