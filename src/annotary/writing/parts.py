"""The parts of an export: what is asked for, and which image goes where.

Nothing is lost on the way: every image is in exactly one part, and what a new division does to
the parts that the source had is told.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from annotary.batch import AnnotationBatch
from annotary.errors import BadRequestError
from annotary.model import ExportOptions, SplitOptions
from annotary.writing import splitting
from annotary.writing.layouts.layout import ROLES, TEST, TRAIN, role
from annotary.writing.splitting import TagCounts

UNASSIGNED = "unassigned"
"""The part of images that the source has given none, where others have one."""
_LEAST = 1_000_000
_FRAMES = re.compile(r"^(.*?)(?:#frame=\d+|[-_. ]?(?:frame|img|image)?[-_. ]?\d+)$", re.I)


class Images(Protocol):
    """What a division is made of."""

    names: list[str]
    tags: list[Any]
    groups: Sequence[Sequence[str]]

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        """Annotations of images; see ``annotary.writing.exporting.Origin``."""

    def metadata(self, key: str) -> Sequence[str]:
        """A value of every image's own metadata, as text; empty where there is none."""


Parts = list[tuple[str, list[int]]]
"""Names of parts, and the places of their images in ``names``."""


def check(options: ExportOptions) -> None:
    """Raise :class:`BadRequestError` for a division that makes no sense."""
    _ratio(options)
    spec = wanted(options)
    if spec is not None:
        _weights(spec)
        _group_rule(spec)


def wanted(options: ExportOptions) -> SplitOptions | None:
    """The division that is asked for, None when it is not by ``split``."""
    given = options.split
    if not given:
        return None
    if isinstance(given, str):
        given = _of_text(given)
    elif not set(given) <= set(SplitOptions.__struct_fields__):
        given = {"parts": given}
    try:
        return msgspec.convert(given, SplitOptions)
    except msgspec.ValidationError as error:
        raise BadRequestError(
            f"The split is not valid: {error}.",
            hint='Write {"train": 0.7, "val": 0.2, "test": 0.1}, or a dictionary with '
            f"{', '.join(SplitOptions.__struct_fields__)}.",
        ) from None


def divide(origin: Images, options: ExportOptions) -> tuple[Parts, list[str]]:
    """The parts of an export, and what is to be said of them."""
    spec = wanted(options)
    if spec is None:
        parts = split(origin.names, options)
    elif spec.by == "group":
        return _by_source(origin)
    else:
        parts = _by_weights(origin, spec, options.seed)
    return parts, list(_notes(origin, parts))


def sharded(parts: Parts, shards: int) -> Parts:
    """Every part in so many pieces of nearly one size, as TensorFlow names them; none is empty."""
    if shards < 2:
        return parts
    found: Parts = []
    for name, images in parts:
        count = max(min(shards, len(images)), 1)
        bounds = [len(images) * each // count for each in range(count + 1)]
        found += [
            (f"{name}-{each:05}-of-{count:05}", images[bounds[each] : bounds[each + 1]])
            for each in range(count)
        ]
    return found


def source_parts(groups: Sequence[Sequence[str]]) -> list[str]:
    """The part that the source has given every image, ``""`` where it has given none."""
    return [next((g for g in each if g.lower() in ROLES and g != "dump"), "") for each in groups]


def split(names: Sequence[str], options: ExportOptions) -> Parts:
    """Two parts, as (name of the part, places in ``names``).

    Images are ordered by the SHA-256 of ``seed:name``; the first ``ratio`` of them are for
    validation. The same names and seed split the same way on any machine, and a new image moves
    few others. At least one image stays in train, and at least one goes to validate.
    """
    ratio = _ratio(options)
    if ratio == 0 or len(names) < 2:
        return [("dump", list(range(len(names))))]
    digests = [hashlib.sha256(f"{options.seed}:{name}".encode()).digest() for name in names]
    order = sorted(range(len(names)), key=digests.__getitem__)
    count = min(max(math.floor(len(names) * ratio + 0.5), 1), len(names) - 1)
    return [("train", sorted(order[count:])), ("validate", sorted(order[:count]))]


# --- what is asked for --------------------------------------------------------------------------


def _ratio(options: ExportOptions) -> float:
    ratio = options.split_ratio
    if not 0 <= ratio <= 1:
        raise BadRequestError(
            f"split_ratio is {ratio}; it must be from 0 to 1.",
            hint="0.2 puts a fifth of the images into validate.",
        )
    if ratio and options.split:
        raise BadRequestError(
            "There are two splits, split_ratio and split.", hint="Give one of them."
        )
    return ratio


def _of_text(text: str) -> dict[str, Any]:
    if text.strip().lower() in {"source", "group"}:
        return {"by": "group"}
    parts: dict[str, float] = {}
    for each in text.split(","):
        name, equals, value = each.partition("=")
        try:
            weight = float(value.removesuffix("%"))
        except ValueError:
            equals = ""
            weight = 0
        if not equals or name.strip() in parts:
            raise BadRequestError(
                f"The split {text!r} cannot be read at {each.strip()!r}.",
                hint="Write train=0.7,val=0.2,test=0.1, or folds=5, or source.",
            )
        parts[name.strip()] = weight
    if list(parts) == ["folds"]:
        folds = parts["folds"]
        return {"folds": int(folds) if folds == int(folds) else -1}
    return {"parts": parts}


def _weights(spec: SplitOptions) -> dict[str, int]:
    """Names and whole weights of the parts."""
    if spec.by == "group":
        return {}
    if spec.folds:
        if spec.parts or not 2 <= spec.folds <= 1000:
            raise BadRequestError(
                f"There cannot be {spec.folds} folds"
                + (" beside other parts." if spec.parts else "."),
                hint="folds=5 makes five parts of one size; at least 2.",
            )
        return {f"fold{number + 1}": 1 for number in range(spec.folds)}
    if not spec.parts:
        raise BadRequestError(
            "The split names no parts.", hint="Write train=0.7,val=0.2,test=0.1, or folds=5."
        )
    seen: set[str] = set()
    for name, weight in spec.parts.items():
        if not re.fullmatch(r"[\w][\w .-]*", name) or name.lower() in seen:
            raise BadRequestError(
                f"{name!r} cannot be the name of a part.",
                hint="Names differ, and are of letters, digits, '-', '_' and '.'.",
            )
        seen.add(name.lower())
        if not 0 < weight < math.inf or round(weight * _LEAST) < 1:
            raise BadRequestError(
                f"The part {name!r} has the weight {weight}.",
                hint="Weights are above 0: shares (0.7), percent (70) or any numbers.",
            )
    whole = {name: round(weight * _LEAST) for name, weight in spec.parts.items()}
    common = math.gcd(*whole.values())
    return {name: weight // common for name, weight in whole.items()}


def _group_rule(spec: SplitOptions) -> tuple[str, str]:
    rule, _, value = spec.group.partition(":")
    known = {"": False, "folder": False, "asset_group": False, "frames": False}
    if known.get(rule, True) and not (rule in {"metadata", "regex"} and value):
        raise BadRequestError(
            f"Images cannot be grouped by {spec.group!r}.",
            hint="Write folder, asset_group, metadata:KEY, regex:PATTERN or frames.",
        )
    if rule == "regex":
        try:
            re.compile(value)
        except re.error as error:
            raise BadRequestError(
                f"The regular expression {value!r} is not one: {error}."
            ) from None
    return rule, value


# --- which image goes where ---------------------------------------------------------------------


def _by_weights(origin: Images, spec: SplitOptions, seed: int) -> Parts:
    weights = _weights(spec)
    units = _units(origin, spec)
    names = list(weights)
    kept: dict[int, int] = {}
    if spec.keep:
        places = {role(name): place for place, name in reversed(list(enumerate(names)))}
        for image, part in enumerate(source_parts(origin.groups)):
            if part:
                if role(part) not in places:
                    raise BadRequestError(
                        f"The source has images in {part!r}, and the split has no such part.",
                        hint=f"Add it: {','.join(names)},{part}; or leave out keep.",
                    )
                kept[image] = places[role(part)]
    if spec.by == "none":
        found = splitting.by_name(units, list(weights.values()), seed)
        for image, place in kept.items():
            found[image] = place
    else:
        counts = tag_counts(origin)
        found = splitting.stratified(
            origin.names, units, counts, list(weights.values()), seed, kept
        )
    places_of: list[list[int]] = [[] for _ in names]
    for image, place in enumerate(found):
        places_of[place].append(image)
    return list(zip(names, places_of, strict=True))


def tag_counts(origin: Images) -> TagCounts:
    """How many annotations of each tag every image has, by one look at all of them."""
    width = max(len(origin.tags), 1)
    keys, counts = [], []
    for batch in origin.scan(range(len(origin.names))):
        found, number = np.unique(
            batch.image.astype(np.int64) * width + batch.tag, return_counts=True
        )
        keys.append(found)
        counts.append(number)
    if not keys:
        none = np.zeros(0, np.int64)
        return TagCounts(none, none, none)
    key = np.concatenate(keys)
    return TagCounts(key // width, key % width, np.concatenate(counts).astype(np.int64))


def _units(origin: Images, spec: SplitOptions) -> list[str]:
    """What every image belongs to: itself, or what the rule says."""
    rule, value = _group_rule(spec)
    names = origin.names
    if not rule:
        return list(names)
    # what belongs to nothing stands for itself; the mark keeps it apart from groups
    if rule == "folder":
        found = [name.rpartition("/")[0] for name in names]
    elif rule == "asset_group":
        groups = origin.groups or [()] * len(names)
        found = [next((g for g in sorted(each) if g != "main"), "") for each in groups]
    elif rule == "metadata":
        found = list(origin.metadata(value))
    else:
        pattern = re.compile(value) if rule == "regex" else _FRAMES
        found = []
        for name in names:
            folder, slash, base = name.rpartition("/")
            stem = base.rpartition(".")[0] or base
            match = pattern.search(name if rule == "regex" else stem)
            text = (match[1] if pattern.groups else match[0]) if match else ""
            found.append(text or "" if rule == "regex" or not text else folder + slash + text)
    return [
        f"group {group}" if group else f"image {name}"
        for group, name in zip(found, names, strict=True)
    ]


def _by_source(origin: Images) -> tuple[Parts, list[str]]:
    groups = origin.groups or [()] * len(origin.names)
    given = source_parts(groups)
    if not any(given):
        given = [next((g for g in sorted(each) if g != "main"), "") for each in groups]
    if not any(given):
        raise BadRequestError(
            "The images have no parts to keep: none is in a group called train, valid or test,"
            " or in any but 'main'.",
            hint="Make parts: train=0.8,val=0.2.",
        )
    ranks = list(dict.fromkeys(ROLES.values()))
    order = sorted(
        set(given) - {""},
        key=lambda part: (ranks.index(role(part)) if role(part) in ranks else len(ranks), part),
    )
    parts = [(part, [i for i, each in enumerate(given) if each == part]) for part in order]
    notes = []
    left = [i for i, each in enumerate(given) if not each]
    if left:
        parts.append((UNASSIGNED, left))
        notes.append(f"{len(left)} images have no part in the source; they are in {UNASSIGNED!r}.")
    return parts, notes


def _notes(origin: Images, parts: Parts) -> Iterator[str]:
    """What a division does to the parts that the source had, and what it could not do."""
    for name, images in parts:
        if not images and any(images for _, images in parts):
            yield f"The part {name!r} has no images."
    given = source_parts(origin.groups) if origin.groups else []
    if not any(given):
        return
    had = Counter(role(part) for part in given if part)
    for name, images in parts:
        tests = sum(1 for image in images if given[image] and role(given[image]) == TEST)
        if tests and role(name) != TEST:
            where = "train" if role(name) == TRAIN else f"the part {name!r}"
            yield (
                f"{tests} images that the source keeps for tests are in {where}:"
                " by='group' (--split source) keeps its parts."
            )
    if len(parts) == 1 and len(had) > 1:
        told = ", ".join(f"{count} in {part}" for part, count in had.items())
        yield f"The parts of the source were given up ({told}): --split source keeps them."
