"""What annotations were: their former contents, from the present ones backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from annotary.store.database import Database, among


class Content(NamedTuple):
    """What of an annotation can change; ``extra`` is encoded."""

    tag: int
    hole: int
    group: bytes | None
    geometry: bytes | None
    extra: bytes | None


def former(
    db: Database, present: dict[int, Content], wanted: Callable[[int], bool]
) -> dict[int, Content]:
    """What annotations were in their last version whose change (``born``) is wanted.

    ``present`` is by seq; an annotation without such a version is left out.
    """
    found: dict[int, Content] = {}
    current = dict(present)
    for marks, part in among(list(present)):
        for seq, born, slim, *rest in db.rows(
            "SELECT seq, born, slim, tag, hole, grp, geometry, extra FROM past"
            f" WHERE seq IN {marks} ORDER BY seq, no DESC",
            part,
        ):
            if seq in found:
                continue
            content = current[seq]
            content = content._replace(tag=rest[0]) if slim else Content(*rest)
            current[seq] = content
            if wanted(born):
                found[seq] = content
    return found


def contents(db: Database, seqs: Sequence[int]) -> dict[int, tuple[int, Content]]:
    """The present contents of annotations by seq, with the change that made them (``born``)."""
    found: dict[int, tuple[int, Content]] = {}
    for marks, part in among(seqs):
        for seq, born, *rest in db.rows(
            "SELECT seq, born, tag, hole, grp, geometry, extra FROM annotations"
            f" WHERE seq IN {marks}",
            part,
        ):
            found[seq] = (born, Content(*rest))
    return found


def keep(db: Database, seq: int, born: int, change: int, content: Content) -> None:
    """Keep what an annotation was before a change."""
    db.execute(
        "INSERT INTO past (seq, born, died, slim, tag, hole, grp, geometry, extra)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (seq, born, change, *content),
    )


def as_of(db: Database, rows: list[Any], state: Any, places: dict[str, int]) -> list[Any]:
    """Rows of ``annotations`` with what they were in a state.

    ``places`` says where in a row are seq, born and the fields of :class:`Content`.
    """
    seq, born = places["seq"], places["born"]
    late = {row[seq]: row for row in rows if not state.includes(row[born])}
    if not late:
        return rows
    fields = [places[name] for name in Content._fields]
    present = {no: Content(*[row[at] for at in fields]) for no, row in late.items()}
    found = former(db, present, state.includes)
    changed = []
    for row in rows:
        if row[seq] in late:
            was = found.get(row[seq])
            if was is None:
                continue
            new = list(row)
            for at, value in zip(fields, was, strict=True):
                new[at] = value
            row = tuple(new)
        changed.append(row)
    return changed
