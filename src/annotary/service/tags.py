"""Tags and their ontologies."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from annotary import routes
from annotary.errors import BadRequestError, ConflictError, ValidationError
from annotary.model import DeleteResponse, NewOntologyAttribute, Ontology, Tag
from annotary.service.noun import ServicePart
from annotary.store import edits, tags
from annotary.store.attributes import check_value
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_LONGEST_NAME = 1024


def _check_name(name: str) -> None:
    """Refuse names that no file of one line for each class could hold."""
    if len(name) > _LONGEST_NAME or any(ord(c) < 32 or ord(c) == 127 for c in name):
        shown = name if len(name) <= 40 else f"{name[:40]}..."
        raise ValidationError(
            f"{shown!r} is not a name for a tag.",
            hint=f"Use up to {_LONGEST_NAME:,} characters, without line ends or control ones.",
        )


class TagService(ServicePart):
    """Tags; every change answers the full list."""

    def list(self, request: routes.ListTags) -> Sequence[Tag]:
        """The project's tags in their order."""
        with self.store.read() as db:
            return _public(db, self.project_at(db, request.project_id, request.at))

    def create(self, request: routes.CreateTag) -> Sequence[Tag]:
        """Add a tag at the end of the list."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            body = request.body
            _check_name(body.name)
            with self.change(db, project, "create_tag") as change:
                change.add_tag(body.name, body.color, body.description)
            return _public(db, project)

    def update(self, request: routes.UpdateTag) -> Sequence[Tag]:
        """Change a tag's name, color or description."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            tag = tags.by_index(db, project, request.index)
            changes = msgspec.structs.asdict(request.body)
            given = {name: v for name, v in changes.items() if v is not msgspec.UNSET}
            if given.get("name", "x").strip() == "":
                raise ValidationError("A tag needs a name.")
            _check_name(given.get("name", "x"))
            with self.change(db, project, "update_tag") as change:
                change.edit("tag", tag.no)
                tags.update(db, project, tag, given)
            return _public(db, project)

    def delete(self, request: routes.TagRef) -> DeleteResponse:
        """Remove a tag that no annotation has; other tags keep their index."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            tag = tags.by_index(db, project, request.index)
            tags.refuse_used(tag)
            with self.change(db, project, "delete_tag") as change:
                change.end("tag", tag.no)
        return DeleteResponse(deleted=True, id=str(request.index))

    def merge(self, request: routes.MergeTags) -> Sequence[Tag]:
        """Give the annotations of the tag ``index`` to the tag ``into`` and remove the first."""
        if request.index == request.into:
            raise BadRequestError("A tag cannot be merged into itself.")
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            source = tags.by_index(db, project, request.index)
            target = tags.by_index(db, project, request.into)
            with self.change(db, project, "merge_tags") as change:
                edits.retag(change, source.no, target.no)
                change.settle()
                change.end("tag", source.no)
            return _public(db, project)


class OntologyService(ServicePart):
    """Typed attributes of tags."""

    def list(self, request: routes.InProject) -> list[Ontology]:
        """The ontologies of all tags that have one."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            found = tags.all_of(db, project)
        return [tags.ontology(project, tag) for tag in found if tag.ontology_id is not None]

    def set(self, request: routes.SetOntology) -> Ontology:
        """Define or replace the attributes of a tag.

        Attributes that keep their name keep their id, and annotations keep their values.
        """
        new = request.body.attributes
        seen: set[str] = set()
        for attribute in new:
            _check_attribute(attribute, seen)
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            tag = tags.by_index(db, project, request.index)
            with self.change(db, project, "set_ontology") as change:
                change.edit("tag", tag.no)
                return tags.ontology(project, tags.set_ontology(db, tag, new))


def _check_attribute(attribute: NewOntologyAttribute, seen: set[str]) -> None:
    name = attribute.name
    if not name or name != name.strip() or "." in name or "$" in name:
        raise ValidationError(
            f"The attribute name {name!r} is not allowed.",
            hint="Names may not be empty, begin or end with a space, or hold '.' or '$'.",
        )
    if name in seen:
        raise ConflictError(f"The attribute {name!r} is defined twice.")
    seen.add(name)
    categories = attribute.options.categories if attribute.options else []
    if attribute.type == "Categorical" and not categories:
        raise ValidationError(
            f"The attribute {name!r} is Categorical and has no categories.",
            hint='Give them: {"options": {"categories": ["a", "b"]}}.',
        )
    if attribute.default is not None:
        fault = check_value(attribute.type, categories, attribute.default)
        if fault:
            raise ValidationError(f"The default of the attribute {name!r} is wrong: {fault}.")


def _public(db: Database, project: ProjectKey) -> Sequence[Tag]:
    return [tag.public for tag in tags.all_of(db, project)]
