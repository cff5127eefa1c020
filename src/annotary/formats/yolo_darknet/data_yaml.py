"""``data.yaml`` of an Ultralytics dataset: class names and the shape of its keypoints.

Read as YAML 1.1 with every plain scalar kept as the word that was written, for a class may be
called ``no``, ``1e3`` or ``null``. What is read: ``names`` (a list, or a mapping from class number
to name), ``kpt_shape`` ([keypoints, 2 or 3]) and ``kpt_names`` (a mapping from class
number to a list of names); paths and download scripts are not.

Source: https://docs.ultralytics.com/datasets/detect/ and /pose/.
"""

from __future__ import annotations

from typing import Any

from annotary.formats.yolo_darknet.classes import ClassList
from annotary.problems import Location
from annotary.syntax.source import SourceError, SourceFile

LIMIT = 4 * 1024 * 1024


def read_data_yaml(source: SourceFile) -> ClassList:
    """The classes that the file names. Raises :class:`SourceError` with line and column."""
    root = _load(source)
    try:
        return _class_list(root, source)
    except SourceError as error:
        error.location = _place(source, str(error.values.get("key", "")))
        raise


def _class_list(root: Any, source: SourceFile) -> ClassList:
    if not isinstance(root, dict):
        raise SourceError(
            "wrong-type",
            key="The document",
            detail=f"it is {_kind(root)}",
            expected="a mapping with the key names",
        )
    names = _names(root.get("names"))
    shape = root.get("kpt_shape")
    return ClassList(
        names,
        source.name,
        None if shape is None else _shape(shape),
        _keypoint_names(root.get("kpt_names"), names),
        parts=_parts(root),
    )


def _parts(root: dict[Any, Any]) -> list[str]:
    """The folders of images that the file names; lists of images (``train.txt``) say nothing."""
    at = root.get("path")
    front = f"{at}/" if isinstance(at, str) and at not in ("", ".") else ""
    found = []
    for key in ("train", "val", "test"):
        given = root.get(key)
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str) and each.strip():
                if each.lower().endswith(".txt"):
                    return []
                place = each if each.startswith("/") else front + each
                # a path names the dataset's folder, which may be the one of the file
                found.append(f"/{place}" if front else place)
    return found


def _place(source: SourceFile, key: str) -> Location:
    """The line of a key of the root, or the first."""
    key = key.partition("[")[0]
    for number, line in source.lines():
        if line.startswith(key) and line[len(key) :].lstrip().startswith(":"):
            return Location(number, 1)
    return Location(1)


def _load(source: SourceFile) -> Any:
    # YAML costs 20 ms to import, and most imports have none
    import yaml

    if len(source.buffer) > LIMIT:
        raise SourceError(
            "too-large",
            what="A data.yaml",
            value=f"{len(source.buffer)} bytes",
            limit=f"{LIMIT} bytes",
            advice="Leave out of it what is not about the classes.",
        )
    source.check_utf8()
    text = bytes(source.buffer).decode()

    class Words(yaml.SafeLoader):
        """The safe loader without its guesses at what a word means."""

        yaml_implicit_resolvers = {}

    try:
        loader = Words(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(str(error.problem or error.context or "it cannot be read").split())
        raise SourceError(
            "syntax",
            Location(mark.line + 1, mark.column + 1) if mark else None,
            kind="YAML",
            detail=detail + (f" (column {mark.column + 1})" if mark else ""),
            advice=_advice(text, mark.line if mark else 0),
        ) from None
    except yaml.reader.ReaderError as error:
        before, character = text[: error.position], text[error.position : error.position + 1]
        raise SourceError(
            "syntax",
            Location(before.count("\n") + 1, error.position - before.rfind("\n")),
            kind="YAML",
            detail=f"the character {character!r} is not allowed",
            advice="Remove the character.",
        ) from None
    except (RecursionError, ValueError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SourceError(
            "syntax", kind="YAML", detail=detail, advice="Write it anew: names is enough."
        ) from None


def _advice(text: str, line: int) -> str:
    lines = text.split("\n")
    if any("\t" in near[: len(near) - len(near.lstrip())] for near in lines[line : line + 1]):
        return "Indent with spaces: YAML allows no tabs."
    return "Check the indentation, and put names with special characters in quotes."


def _names(names: Any) -> dict[int, str]:
    if names is None or names == "":
        return {}
    if isinstance(names, list):
        return {i: _name(name, f"names[{i}]") for i, name in enumerate(names)}
    if not isinstance(names, dict):
        raise _wrong("names", names, "a list of class names, or a mapping from number to name")
    found: dict[int, str] = {}
    for key, name in names.items():
        number = _whole(key)
        if number is None:
            raise SourceError(
                "wrong-type",
                key="names",
                detail=f"the key {key!r} is no class number",
                expected="a list of class names, or a mapping from class number (from 0) to name",
            )
        found[number] = _name(name, f"names[{key}]")
    return dict(sorted(found.items()))


def _name(name: Any, key: str) -> str:
    if not isinstance(name, str):
        raise _wrong(key, name, "a name")
    return name.strip()


def _shape(shape: Any) -> tuple[int, int]:
    values = [_whole(value) for value in shape] if isinstance(shape, list) else []
    if len(values) == 2 and values[0] and values[1] in (2, 3):
        return values[0], values[1]
    raise _wrong("kpt_shape", shape, "[number of keypoints, 2 or 3]")


def _keypoint_names(given: Any, names: dict[int, str]) -> dict[int, list[str]]:
    """Names per class number; a single list is every class's."""
    if isinstance(given, list):
        return {number: [str(name) for name in given] for number in names}
    if not isinstance(given, dict):
        return {}
    lists = {_whole(key): value for key, value in given.items() if isinstance(value, list)}
    return {
        number: [str(name) for name in value]
        for number, value in lists.items()
        if number is not None
    }


def _whole(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if number >= 0 else None


def _wrong(key: str, value: Any, expected: str) -> SourceError:
    return SourceError("wrong-type", key=key, detail=f"it is {_kind(value)}", expected=expected)


def _kind(value: Any) -> str:
    words = {dict: "a mapping", list: "a list", type(None): "empty"}
    return words.get(type(value), f"the text {str(value)[:40]!r}")
