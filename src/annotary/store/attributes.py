"""Attribute values of annotations against the ontology of their tag."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from annotary.errors import ValidationError
from annotary.model import (
    AttributeInput,
    AttributeOptions,
    NewOntologyAttribute,
    OntologyAttribute,
    OntologyAttributeValue,
)
from annotary.store.tags import TagRow


def check_value(type_: str, categories: Sequence[str], value: Any) -> str:
    """What is wrong with a value for an attribute of a type, ``""`` for nothing."""
    if type_ == "Numeric":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r} is not a number"
        return ""
    if type_ == "String":
        return "" if isinstance(value, str) else f"{value!r} is not text"
    values = value if isinstance(value, list) else [value]
    for each in values:
        if each not in categories:
            return f"{each!r} is none of {', '.join(map(repr, categories))}"
    return ""


def values_by_name(tag: TagRow, given: Sequence[AttributeInput] | None) -> dict[str, Any] | None:
    """The given values by attribute name, checked, with defaults for those not given.

    Raises :class:`ValidationError` for unknown attributes, wrong values, and required ones that
    are missing.
    """
    by_id = {attribute.id: attribute for attribute in tag.attributes}
    by_name = {attribute.name: attribute for attribute in tag.attributes}
    values: dict[str, Any] = {}
    for item in given or ():
        attribute = by_id.get(item.id or "") or by_name.get(item.name or "")
        if attribute is None:
            raise ValidationError(
                f"The tag {tag.name!r} has no attribute {item.name or item.id!r}.",
                hint=f"It has: {', '.join(by_name) or 'none'}. Define attributes with "
                "project.ontologies.set(...).",
            )
        if item.value is None:
            continue
        fault = check_value(attribute.type, _categories(attribute), item.value)
        if fault:
            raise ValidationError(f"The attribute {attribute.name!r} of {tag.name!r}: {fault}.")
        values[attribute.name] = item.value
    for attribute in tag.attributes:
        if attribute.name in values:
            continue
        if attribute.default is not None:
            values[attribute.name] = attribute.default
        elif attribute.required:
            raise ValidationError(
                f"The attribute {attribute.name!r} of {tag.name!r} is required.",
                hint=f"It is {attribute.type}.",
            )
    return values or None


def public_values(tag: TagRow, values: dict[str, Any] | None) -> list[OntologyAttributeValue]:
    """Stored values as callers see them; a value whose attribute is gone is shown without id."""
    ids = {attribute.name: attribute.id for attribute in tag.attributes}
    return [
        OntologyAttributeValue(id=ids.get(name, ""), name=name, value=value)
        for name, value in (values or {}).items()
    ]


def _categories(attribute: OntologyAttribute) -> list[str]:
    return attribute.options.categories if attribute.options else []


class AttributeBook:
    """Attributes that an import meets: checked where they are defined, learnt where not.

    What a file says of an object is kept: an attribute that the tag's ontology does not know is
    added to it, Numeric where all values were numbers, Categorical for lists, else String.
    """

    def __init__(self, tags: Sequence[TagRow]) -> None:
        self._known = {tag.name: {a.name: a for a in tag.attributes} for tag in tags}
        self._seen: dict[str, dict[str, str]] = {}
        self._categories: dict[tuple[str, str], dict[str, None]] = {}

    def check(self, tag: str, values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The problems of one object's values, as (rule code, values for its texts)."""
        problems = []
        known = self._known.get(tag, {})
        for name, value in values.items():
            attribute = known.get(name)
            if attribute is None:
                self._learn(tag, name, value)
                continue
            fault = check_value(attribute.type, _categories(attribute), value)
            if fault:
                advice = f"{name} is {attribute.type} in the project's ontology."
                problems.append(
                    ("attribute", {"name": name, "tag": tag, "detail": fault, "advice": advice})
                )
        return problems

    def _learn(self, tag: str, name: str, value: Any) -> None:
        seen = self._seen.setdefault(tag, {})
        if isinstance(value, list):
            kind = "Categorical"
            self._categories.setdefault((tag, name), {}).update(dict.fromkeys(map(str, value)))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            kind = "Numeric"
        else:
            kind = "String"
        before = seen.setdefault(name, kind)
        if before != kind:
            seen[name] = "String"

    def state(self) -> tuple[Any, Any]:
        """What :meth:`restore` needs to forget what is learnt from now on."""
        return copy.deepcopy((self._seen, self._categories))

    def restore(self, state: tuple[Any, Any]) -> None:
        """Forget what was learnt since :meth:`state`: its file was rejected."""
        self._seen, self._categories = copy.deepcopy(state)

    def learnt(self, tag: TagRow) -> list[NewOntologyAttribute] | None:
        """The tag's attributes with those that were learnt, or None when there are none."""
        new = self._seen.get(tag.name)
        if not new:
            return None
        kept = [
            NewOntologyAttribute(
                name=a.name,
                type=a.type,  # type: ignore[arg-type]
                required=a.required,
                description=a.description,
                options=a.options,
                default=a.default,
            )
            for a in tag.attributes
        ]
        there = {a.name for a in tag.attributes}
        for name, kind in new.items():
            if name in there:  # somebody has defined it meanwhile
                continue
            options = None
            if kind == "Categorical":
                options = AttributeOptions(categories=list(self._categories[tag.name, name]))
            kept.append(NewOntologyAttribute(name=name, type=kind, options=options))  # type: ignore[arg-type]
        return kept
