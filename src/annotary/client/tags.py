"""Tags and their ontologies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotary import model, routes
from annotary.client.dictionaries import convert
from annotary.client.transport import Transport
from annotary.errors import BadRequestError, NotFoundError


class Tags:
    """``project.tags``; every change answers the full list."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def list(self) -> list[model.Tag]:
        """The project's tags in their order."""
        request = routes.ListTags(project_id=self._project_id)
        found: list[model.Tag] = self._transport.call("tags.list", request)
        return found

    def create(
        self,
        name: str | Mapping[str, Any],
        color: str | None = None,
        description: str | None = None,
    ) -> Sequence[model.Tag]:
        """Add a tag at the end; ``color`` like ``#ff8800``. ``{"name": ...}`` does as well."""
        given = name if isinstance(name, Mapping) else {"name": name}
        more = {"color": color, "description": description}
        body = convert(
            {**{k: v for k, v in more.items() if v is not None}, **given}, routes.NewTag, "tag"
        )
        request = routes.CreateTag(project_id=self._project_id, body=body)
        found: Sequence[model.Tag] = self._transport.call("tags.create", request)
        return found

    def update(
        self, index: int | str, metadata: Mapping[str, Any] | None = None, **changes: str | None
    ) -> Sequence[model.Tag]:
        """Change ``name``, ``color`` or ``description`` of a tag, given by index or name."""
        body = convert({**(metadata or {}), **changes}, routes.TagChanges, "tag")
        request = routes.UpdateTag(project_id=self._project_id, index=self._index(index), body=body)
        found: Sequence[model.Tag] = self._transport.call("tags.update", request)
        return found

    def delete(self, index: int | str) -> model.DeleteResponse:
        """Remove a tag that no annotation has; other tags keep their index."""
        request = routes.TagRef(project_id=self._project_id, index=self._index(index))
        found: model.DeleteResponse = self._transport.call("tags.delete", request)
        return found

    def merge(
        self,
        index: int | str,
        into: int | str | None = None,
        *,
        target_index: int | str | None = None,
    ) -> Sequence[model.Tag]:
        """Give the annotations of one tag to another (``into``) and remove the first."""
        into = target_index if into is None else into
        if into is None:
            raise BadRequestError("Say which tag the annotations go to: merge(index, into).")
        request = routes.MergeTags(
            project_id=self._project_id, index=self._index(index), into=self._index(into)
        )
        found: Sequence[model.Tag] = self._transport.call("tags.merge", request)
        return found

    def _index(self, tag: int | str) -> int:
        return index_of(self.list(), tag)


class Ontologies:
    """``project.ontologies``."""

    def __init__(self, transport: Transport, project_id: str) -> None:
        self._transport = transport
        self._project_id = project_id

    def list(self) -> list[model.Ontology]:
        """The ontologies of all tags that have one."""
        request = routes.InProject(project_id=self._project_id)
        found: list[model.Ontology] = self._transport.call("ontologies.list", request)
        return found

    def list_schemas(self) -> Sequence[model.Ontology]:
        """The same as :meth:`list`, as the public client calls it."""
        return self.list()

    def create_schema(
        self, tag: int | str, attributes: Sequence[model.NewOntologyAttribute | Mapping[str, Any]]
    ) -> model.Ontology:
        """The same as :meth:`set`, as the public client calls it."""
        return self.set(tag, attributes)

    def set(
        self,
        tag: int | str,
        attributes: Sequence[model.NewOntologyAttribute | Mapping[str, Any]],
    ) -> model.Ontology:
        """Define or replace the attributes of a tag, given by index or name.

        Each attribute: ``name``, ``type`` (Categorical, Numeric, String), and optionally
        ``required``, ``description``, ``options`` ({"categories": [...]}) and ``default``.
        """
        tags: list[model.Tag] = self._transport.call(
            "tags.list", routes.ListTags(project_id=self._project_id)
        )
        body = routes.NewOntology(
            attributes=[convert(a, model.NewOntologyAttribute, "attribute") for a in attributes]
        )
        request = routes.SetOntology(
            project_id=self._project_id, index=index_of(tags, tag), body=body
        )
        found: model.Ontology = self._transport.call("ontologies.set", request)
        return found


def index_of(tags: Sequence[model.Tag], tag: int | str) -> int:
    """The index of a tag given by index or by name. Raises :class:`NotFoundError`."""
    if isinstance(tag, int):
        return tag
    for each in tags:
        if each.name == tag:
            return each.index
    raise NotFoundError(
        f"There is no tag {tag!r}.", hint=f"There are: {', '.join(t.name for t in tags) or 'none'}."
    )
