"""Tags, their class numbers in the files they came from, skeletons and ontologies."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from annotary import ids
from annotary.errors import ConflictError, NotFoundError, ValidationError
from annotary.model import (
    NewOntologyAttribute,
    Ontology,
    OntologyAttribute,
    Skeleton,
    Tag,
)
from annotary.store import versions
from annotary.store.database import Database
from annotary.store.projects import ProjectKey

_COLUMNS = (
    "no, idx, name, color, description, numbers, skeleton, annotations, "
    "ontology_id, ontology_version, attributes"
)


class TagRow(msgspec.Struct):
    """A tag with all that the store knows of it."""

    no: int
    index: int
    name: str
    color: str | None
    description: str | None
    numbers: dict[str, int]
    skeleton: Skeleton | None
    annotations: int
    ontology_id: bytes | None
    ontology_version: int
    attributes: list[OntologyAttribute]

    @property
    def public(self) -> Tag:
        """The tag as callers see it."""
        return Tag(index=self.index, name=self.name, color=self.color, description=self.description)


_numbers = msgspec.json.Decoder(dict[str, int])
_skeleton = msgspec.json.Decoder(Skeleton)
_attributes = msgspec.json.Decoder(list[OntologyAttribute])


def all_of(db: Database, project: ProjectKey) -> list[TagRow]:
    """The project's tags in their order."""
    found = db.rows(
        f"SELECT {_COLUMNS} FROM tags WHERE project = ? AND {project.state.has('born')}"
        " ORDER BY idx",
        (project.no,),
    )
    former = versions.former(db, "tag", project.no, project.state)
    if former:
        found += [tuple(row[name] for name in _COLUMNS.split(", ")) for row in former]
        found.sort(key=lambda each: each[1])
    return [_tag(each) for each in found]


def _tag(found: tuple[object, ...]) -> TagRow:
    no, index, name, color, description, numbers, skeleton, count, oid, version, attributes = found
    return TagRow(
        no,  # type: ignore[arg-type]
        index,  # type: ignore[arg-type]
        name,  # type: ignore[arg-type]
        color,  # type: ignore[arg-type]
        description,  # type: ignore[arg-type]
        _numbers.decode(numbers) if numbers else {},  # type: ignore[arg-type]
        _skeleton.decode(skeleton) if skeleton else None,  # type: ignore[arg-type]
        count,  # type: ignore[arg-type]
        oid,  # type: ignore[arg-type]
        version,  # type: ignore[arg-type]
        _attributes.decode(attributes) if attributes else [],  # type: ignore[arg-type]
    )


def by_index(db: Database, project: ProjectKey, index: int) -> TagRow:
    """The tag at a place. Raises :class:`NotFoundError`."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM tags WHERE project = ? AND idx = ?", (project.no, index)
    )
    if found is None:
        raise NotFoundError(
            f"There is no tag with index {index}.", hint="List them with project.tags.list()."
        )
    return _tag(found)


def by_name(db: Database, project: ProjectKey, name: str) -> TagRow | None:
    """The tag with a name, or None."""
    found = db.row(
        f"SELECT {_COLUMNS} FROM tags WHERE project = ? AND name = ?", (project.no, name)
    )
    return None if found is None else _tag(found)


def create(
    db: Database,
    project: ProjectKey,
    name: str,
    color: str | None = None,
    description: str | None = None,
    *,
    born: int = 0,
    no: int | None = None,
) -> int:
    """Add a tag at the end. Raises :class:`ConflictError` when the name is taken."""
    if not name.strip():
        raise ValidationError("A tag needs a name.", hint="Give it at least one visible character.")
    if by_name(db, project, name) is not None:
        raise ConflictError(f"The project has a tag {name!r} already.")
    (index,) = db.row("SELECT COALESCE(MAX(idx) + 1, 0) FROM tags WHERE project = ?", (project.no,))
    no = no or db.reserve("tags")
    db.execute(
        "INSERT INTO tags (no, project, idx, name, color, description, born)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (no, project.no, index, name, color, description, born),
    )
    return no


def update(db: Database, project: ProjectKey, tag: TagRow, changes: dict[str, str | None]) -> None:
    """Change name, color or description."""
    name = changes.get("name")
    if name is not None and name != tag.name and by_name(db, project, name) is not None:
        raise ConflictError(f"The project has a tag {name!r} already.", hint="Merge the two tags.")
    for column in ("name", "color", "description"):
        if column in changes:
            db.execute(f"UPDATE tags SET {column} = ? WHERE no = ?", (changes[column], tag.no))


def refuse_used(tag: TagRow) -> None:
    """Raise :class:`ConflictError` where annotations have a tag."""
    if tag.annotations:
        raise ConflictError(
            f"The tag {tag.name!r} has {tag.annotations} annotations and was not deleted.",
            hint="Merge it into another tag, or delete its annotations first.",
        )


def count(db: Database, changes: dict[int, int]) -> None:
    """Add to the tags' annotation counts."""
    db.many(
        "UPDATE tags SET annotations = annotations + ? WHERE no = ?",
        [(change, no) for no, change in changes.items() if change],
    )


def set_numbers(db: Database, no: int, numbers: dict[str, int]) -> None:
    """Keep the class numbers that the tag had in its source, by family of formats."""
    db.execute(
        "UPDATE tags SET numbers = ? WHERE no = ?", (msgspec.json.encode(numbers).decode(), no)
    )


def set_skeleton(db: Database, no: int, skeleton: Skeleton) -> None:
    """Keep the tag's keypoint names and edges."""
    db.execute(
        "UPDATE tags SET skeleton = ? WHERE no = ?", (msgspec.json.encode(skeleton).decode(), no)
    )


def ontology(project: ProjectKey, tag: TagRow) -> Ontology:
    """The tag's attribute schema as callers see it."""
    assert tag.ontology_id is not None
    return Ontology(
        id=ids.show("ontology", tag.ontology_id),
        project_id=project.text,
        index=tag.index,
        name=tag.name,
        version=tag.ontology_version,
        color=tag.color,
        description=tag.description,
        attributes=tag.attributes,
    )


def set_ontology(db: Database, tag: TagRow, attributes: Sequence[NewOntologyAttribute]) -> TagRow:
    """Set the tag's attributes; those that keep their name keep their id."""
    before = {attribute.name: attribute.id for attribute in tag.attributes}
    tag.attributes = [
        OntologyAttribute(
            id=before.get(new.name) or ids.show("attri", ids.new_id()),
            name=new.name,
            description=new.description,
            type=new.type,
            required=new.required,
            options=new.options,
            default=new.default,
        )
        for new in attributes
    ]
    tag.ontology_id = tag.ontology_id or ids.new_id()
    tag.ontology_version += 1
    db.execute(
        "UPDATE tags SET ontology_id = ?, ontology_version = ?, attributes = ? WHERE no = ?",
        (
            tag.ontology_id,
            tag.ontology_version,
            msgspec.json.encode(tag.attributes).decode(),
            tag.no,
        ),
    )
    return tag
