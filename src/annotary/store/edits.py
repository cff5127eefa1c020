"""The one place through which annotations change: rows, the index by asset, counts, history.

A row stays where it is when it is deleted, and so does its place in the index: ``dead`` names
it. What is edited leaves its former content in ``past``. All functions are given the
:class:`~annotary.store.changes.Change` that they are part of.
"""

from __future__ import annotations

from collections.abc import Sequence

from annotary.batch import AnnotationBatch, Extra
from annotary.errors import ConflictError
from annotary.store import past
from annotary.store.annotations import AnnotationRow, Inserter, encode_extra
from annotary.store.changes import Change
from annotary.store.database import among
from annotary.store.past import Content


def insert(
    change: Change, batch: AnnotationBatch, groups: Sequence[bytes | None] | None = None
) -> list[bytes]:
    """Insert rows whose ``image`` and ``tag`` are numbers of the store; answers their ids."""
    inserter = Inserter(change.db, change.project, change.no, change.ran)
    made = inserter.add(batch, groups)
    change.by_tag.update(inserter.finish())
    change.count("annotations", "added", len(made))
    return made


def update(
    change: Change,
    at: AnnotationRow,
    *,
    tag: int,
    geometry: bytes | None,
    hole: int,
    group: bytes | None,
    extra: Extra | None,
) -> None:
    """Write an annotation's new values."""
    ((born, before),) = past.contents(change.db, [at.seq]).values()
    write(change, at.seq, born, before, Content(tag, hole, group, geometry, encode_extra(extra)))
    change.count("annotations", "changed")


def write(change: Change, seq: int, born: int, before: Content, new: Content) -> None:
    """Give an annotation another content; the one before is kept."""
    if born != change.no:
        past.keep(change.db, seq, born, change.no, before)
    change.db.execute(
        "UPDATE annotations SET tag = ?, hole = ?, grp = ?, geometry = ?, extra = ?, born = ?"
        " WHERE seq = ?",
        (*new, change.no, seq),
    )
    if new.tag != before.tag:
        change.by_tag.update({before.tag: -1, new.tag: 1})


def rewrite(change: Change, new: Sequence[tuple[int, int, Content]]) -> None:
    """Write the new contents of many annotations: number, the change that made the version that
    is replaced, content (the group stays).

    Raises :class:`ConflictError` where somebody has edited or deleted one meanwhile.
    """
    for begin in range(0, len(new), 500):
        part = new[begin : begin + 500]
        seqs = [seq for seq, _, _ in part]
        present = past.contents(change.db, seqs)
        marks, values = next(iter(among(seqs)))
        dead = change.db.rows(f"SELECT seq FROM dead WHERE seq IN {marks}", values)
        late = len(dead) + sum(present[seq][0] != born for seq, born, _ in part)
        if late:
            raise ConflictError(
                f"{late} annotations were edited meanwhile.", hint="Import the file again."
            )
        for seq, born, content in part:
            before = present[seq][1]
            write(change, seq, born, before, content._replace(group=before.group))
    change.count("annotations", "changed", len(new))


def join_group(change: Change, group: bytes, asset: int) -> bytes | None:
    """The group that a new part of an object joins, or None when the asset has no such object.

    A group is named after the first annotation of an object, which becomes a member with the
    second one, and is a name still when that first one is gone.
    """
    db, project = change.db, change.project
    first = db.row(
        "SELECT n.seq, n.asset, n.grp FROM annotations n WHERE n.project = ? AND n.id = ?"
        f" AND {project.state.alive('n')}",
        (project.no, group),
    )
    if first is None:
        others = db.row(
            "SELECT 1 FROM asset_annotations x JOIN annotations n ON n.seq = x.seq"
            f" WHERE x.asset = ? AND n.grp = ? AND {project.state.alive('n')} LIMIT 1",
            (asset, group),
        )
        return None if others is None else group
    seq, of, joined = first
    if of != asset:
        return None
    if joined is None:
        ((born, before),) = past.contents(db, [seq]).values()
        write(change, seq, born, before, before._replace(group=group))
    return joined or group


def delete(change: Change, id_: Sequence[bytes]) -> tuple[int, list[bytes]]:
    """Delete annotations; answers how many, and which ids were not found."""
    missing: list[bytes] = []
    removed = 0
    db, project = change.db, change.project
    for marks, part in among(list(dict.fromkeys(id_))):
        found = db.rows(
            f"SELECT n.id, n.seq, n.tag FROM annotations n WHERE n.project = ? AND n.id IN {marks}"
            f" AND {project.state.alive('n')}",
            (project.no, *part),
        )
        known = {each[0] for each in found}
        missing += [each for each in part if each not in known]
        db.many(f"INSERT INTO dead (seq, died) VALUES (?, {change.no})", [(r[1],) for r in found])
        for _, _, tag in found:
            change.by_tag[tag] -= 1
        removed += len(found)
    change.count("annotations", "removed", removed)
    return removed, missing


def delete_of_asset(change: Change, asset: int) -> int:
    """Delete all annotations of an asset; answers how many."""
    return kill(
        change,
        "asset_annotations x CROSS JOIN annotations n ON n.seq = x.seq",
        "x.asset = ?",
        (asset,),
    )


def kill(change: Change, source: str, which: str, values: Sequence[object] = ()) -> int:
    """Delete the living rows ``n`` that a condition names; answers how many.

    ``source`` and the condition are SQL of this package: ``annotations n`` and what it is joined
    with.
    """
    where = f"{which} AND {change.project.state.alive('n')}"
    removed = 0
    for tag, count in change.db.rows(
        f"SELECT n.tag, COUNT(*) FROM {source} WHERE {where} GROUP BY n.tag", values
    ):
        change.by_tag[tag] -= count
        removed += count
    change.db.execute(
        f"INSERT INTO dead (seq, died) SELECT n.seq, {change.no} FROM {source} WHERE {where}",
        values,
    )
    change.count("annotations", "removed", removed)
    return removed


def retag(change: Change, source: int, target: int) -> int:
    """Give all living annotations of a tag another one; answers how many."""
    db = change.db
    # of rows that only get another tag no more than the tag is kept
    where = f"n.tag = ? AND n.project = ? AND {change.project.state.alive('n')}"
    values = (source, change.project.no)
    kept = db.execute(
        "INSERT INTO past (seq, born, died, slim, tag)"
        f" SELECT n.seq, n.born, {change.no}, 1, n.tag FROM annotations n"
        f" WHERE {where} AND n.born != {change.no}",
        values,
    ).rowcount
    db.execute(
        "UPDATE annotations SET tag = ?, born = ? WHERE seq IN"
        f" (SELECT n.seq FROM annotations n WHERE {where})",
        (target, change.no, *values),
    )
    change.by_tag.update({source: -kept, target: kept})
    change.count("annotations", "changed", kept)
    return kept
