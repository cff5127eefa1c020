"""Undo: a new change that takes an earlier one back.

It brings back what the earlier one has deleted, restores what it has edited, and deletes what
it has created, in this order. Where the present version of a thing is not the one that the
earlier change has left behind, that is a conflict: the later work stays (``keep``), or is undone
as well (``force``). An undo is a change like others, so what redoes is the undo of the undo; an
undone change itself stays undone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from annotary.errors import ConflictError, GoneError
from annotary.ids import show
from annotary.store import changes, edits, past, versions
from annotary.store.changes import Change, ChangeRow
from annotary.store.database import Database, among, in_parts
from annotary.store.names import NAMES, Names, free_name
from annotary.store.past import Content
from annotary.store.projects import ProjectKey

Policy = Literal["refuse", "keep", "force"]
_TOLD = 1000
"""So many conflicts are told one by one."""
_Thing = tuple[str, int]
_ORDER = {"project": 0, "tag": 1, "asset": 2}


class Conflict(NamedTuple):
    """A thing that was changed again, or whose place is taken."""

    noun: str
    id: str
    name: str
    why: str
    later: int | None
    """The number of the later change, where one is known."""


def carrier(db: Database, row: ChangeRow) -> ChangeRow:
    """The change that carries now what a change did: itself, or what redid it.

    Raises :class:`ConflictError` when it is undone, :class:`GoneError` when it is purged.
    """
    while row.undone_by is not None:
        by = changes.by_number(db, row.undone_by)
        if by.undone_by is None:
            raise ConflictError(
                f"The change #{row.no} is undone already, by #{by.no}.",
                hint=f"To redo it, undo #{by.no}.",
            )
        row = changes.by_number(db, by.undone_by)
    if row.purged is not None:
        raise GoneError(
            f"The change #{row.no} cannot be undone any more: what was before it is purged.",
            hint="How long that is kept is a setting of the project.",
        )
    return row


class Undone(NamedTuple):
    """What an undo did."""

    no: int
    """The number of the change that it is."""
    conflicts: list[Conflict]
    """The first ones of them."""
    conflicted: int
    """How many there are."""


def undo(
    db: Database, project: ProjectKey, row: ChangeRow, policy: Policy, *, rename: bool = False
) -> Undone:
    """Take a change back.

    With ``refuse`` nothing may be kept where there are conflicts: the caller undoes the
    transaction. With ``rename``, what comes back under a name that is taken gets another one.
    """
    whole = carrier(db, row)
    conflicts: list[Conflict] = []
    count = 0
    with changes.change(db, project, "undo", undoes=whole.no) as change:
        # of a change in several steps, the last one first
        for step in [*changes.parts(db, whole.no), whole]:
            each = _Undo(change, step, policy, rename)
            count += each.run()
            conflicts += each.conflicts[: _TOLD - len(conflicts)]
    db.execute("UPDATE changes SET undone_by = ? WHERE no = ?", (change.no, whole.no))
    return Undone(change.no, conflicts, count)


class _Undo:
    """The undo of one step."""

    def __init__(self, change: Change, step: ChangeRow, policy: Policy, rename: bool) -> None:
        self._change = change
        self._db = change.db
        self._step = step
        self._no = step.no
        self._force = policy == "force"
        self._rename = rename
        self._names = Names(change.db)
        self.conflicts: list[Conflict] = []
        """The first ones."""
        self._told = 0

    def run(self) -> int:
        """Undo it all; answers how many conflicts there were."""
        ended = {(noun, v.no): v.row for noun, v in versions.ended_by(self._db, self._no)}
        plain = set(self._plain_assets())
        made = [
            thing
            for thing in versions.made(self._db, self._no)
            if thing not in ended and not (thing[0] == "asset" and thing[1] in plain)
        ]
        self._bring_back(ended, {*made, *(("asset", no) for no in plain)})
        self._revive()
        self._restore()
        self._take_away()
        self._change.settle()
        for thing in sorted(made, key=lambda thing: -_ORDER[thing[0]]):
            self._remove(*thing)
        for no in plain & {no for noun, no in self._names.moved if noun == "asset"}:
            self._remove("asset", no)
            plain.discard(no)
        self._remove_plain(sorted(plain))
        return self._told

    def _plain_assets(self) -> list[int]:
        """The assets that the step has made and nobody has edited: an import may make many."""
        found = self._db.rows(
            "SELECT no FROM assets WHERE born = ? AND born > 0 AND NOT EXISTS"
            " (SELECT 1 FROM versions v WHERE v.noun = 'asset' AND v.no = assets.no)",
            (self._no,),
        )
        return [no for (no,) in found]

    def _remove_plain(self, numbers: list[int]) -> None:
        """Take those away that nothing uses."""
        used = self._change.project.state.annotated("a.no")
        gone: list[int] = []
        for marks, part in among(numbers):
            sql = f"SELECT a.no FROM assets a WHERE a.no IN {marks} AND NOT {used}"
            gone += [no for (no,) in self._db.rows(sql, part)]
        versions.end_many(self._db, "asset", gone, self._change.no)
        self._change.count("assets", "removed", len(gone))
        self._change.count("assets", "kept", len(numbers) - len(gone))

    # --- assets, tags, the project --------------------------------------------------------------

    def _bring_back(self, ended: dict[_Thing, dict[str, Any]], made: set[_Thing]) -> None:
        """Restore what was edited, bring back what was taken away."""
        wanted: dict[_Thing, dict[str, Any]] = {}
        for (noun, no), before in ended.items():
            present = versions.live(self._db, noun, no)
            after = versions.made_by(self._db, noun, no, self._no)
            if not _same(present, after):
                self._conflict(noun, before, "it was changed again", _born(present))
                if not self._force:
                    continue
            wanted[noun, no] = before
        # names may go round: all let go of theirs before the first one takes its former one
        for noun, no in wanted:
            versions.keep(self._db, noun, no, self._change.no)
            self._names.let_go(noun, no)
        for (noun, _), before in wanted.items():
            holder = self._names.holder(noun, before)
            if holder is not None and (noun, holder) in made:
                self._names.let_go(noun, holder)
        for (noun, no), before in sorted(wanted.items(), key=lambda each: _ORDER[each[0][0]]):
            present = self._names.moved.pop((noun, no), None) or versions.live(self._db, noun, no)
            taken = self._names.taken(noun, before)
            if taken is not None:
                if not self._rename:
                    self._conflict(noun, before, "its name is taken", taken)
                    self._names.take(noun, no, present)
                    continue
                before = before | free_name(self._db, noun, before)
            if noun == "tag":
                before = before | self._free_index(before)
            versions.put(self._db, noun, before, self._change.no)
            self._change.count(f"{noun}s", "added" if present is None else "changed")
        for noun, no in list(self._names.moved):
            # what stays in the end keeps its name, where nothing that came back has it
            if self._names.taken(noun, self._names.moved[noun, no]) is None:
                self._names.take(noun, no, self._names.moved.pop((noun, no)))

    def _free_index(self, row: dict[str, Any]) -> dict[str, int]:
        taken = self._db.value(
            "SELECT 1 FROM tags WHERE project = ? AND idx = ? AND no != ?",
            (row["project"], row["idx"], row["no"]),
        )
        if taken is None:
            return {}
        last = self._db.value("SELECT MAX(idx) FROM tags WHERE project = ?", (row["project"],))
        return {"idx": last + 1}

    def _remove(self, noun: str, no: int) -> None:
        """Take away what was created, unless something else uses it."""
        moved = self._names.moved.pop((noun, no), None)
        present = moved or versions.live(self._db, noun, no)
        after = versions.made_by(self._db, noun, no, self._no)
        if after is not None and moved is not None and noun in NAMES:
            after = after | {NAMES[noun]: after[NAMES[noun]].replace(f"\0{no}", _name(moved))}
        if present is None and after is None:
            return
        stays = False
        if not _same(present, after):
            self._conflict(noun, present or after or {}, "it was changed again", _born(present))
            stays = not self._force
        if present is None:
            return
        if noun == "project":
            stays = True
        elif not stays and (self._counted(no) if noun == "tag" else self._annotated(no)):
            self._change.count(f"{noun}s", "kept")
            stays = True
        if stays:
            self._names.take(noun, no, moved)
        else:
            self._change.end(noun, no, moved)

    def _counted(self, tag: int) -> bool:
        return bool(self._db.value("SELECT annotations FROM tags WHERE no = ?", (tag,)))

    def _annotated(self, asset: int) -> bool:
        alive = self._change.project.state.alive("n")
        sql = "asset_annotations x JOIN annotations n ON n.seq = x.seq WHERE x.asset = ?"
        return self._db.row(f"SELECT 1 FROM {sql} AND {alive} LIMIT 1", (asset,)) is not None

    # --- annotations ----------------------------------------------------------------------------

    def _revive(self) -> None:
        """Bring back what was deleted, unless its asset or its tag is gone."""
        db, no, new = self._db, self._no, self._change.no
        lost = " OR ".join(
            f"n.{noun} IN (SELECT v.no FROM versions v WHERE v.noun = '{noun}'"
            f" AND v.project = {self._change.project.no}"
            f" AND NOT EXISTS (SELECT 1 FROM {versions.TABLES[noun]} t WHERE t.no = v.no))"
            for noun in ("asset", "tag")
        )
        dead = "FROM dead d CROSS JOIN annotations n ON n.seq = d.seq WHERE d.died = ?"
        counts = db.rows(
            f"SELECT n.tag, {lost} AS lost, COUNT(*) {dead} GROUP BY n.tag, lost", (no,)
        )
        for tag, is_lost, count in counts:
            if is_lost:
                self._told += count
            else:
                self._change.by_tag[tag] += count
                self._change.count("annotations", "added", count)
        which, values = "died = ?", [no]
        if any(is_lost for _, is_lost, _ in counts):
            for (id_,) in db.rows(f"SELECT n.id {dead} AND ({lost}) LIMIT {_TOLD}", (no,)):
                self._told -= 1
                self._conflict_of(id_, "its image or its tag is gone", None)
            which += f" AND seq NOT IN (SELECT d.seq {dead} AND ({lost}))"
            values.append(no)
        db.execute(
            f"INSERT INTO gaps (died, until, first, last) SELECT {no}, {new}, MIN(seq), MAX(seq)"
            " FROM (SELECT seq, seq - ROW_NUMBER() OVER (ORDER BY seq) AS run FROM dead"
            f" WHERE {which}) AS runs GROUP BY run",
            values,
        )
        db.execute(f"DELETE FROM dead WHERE {which}", values)

    def _restore(self) -> None:
        """Restore what was edited, unless it was edited again."""
        db, no, new = self._db, self._no, self._change.no
        # rows that only got another tag, and are as they were left, in a few statements
        plain = (
            "p.slim = 1 AND n.born = p.died AND EXISTS (SELECT 1 FROM tags t WHERE t.no = p.tag)"
            " AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.seq = p.seq)"
        )
        edited = "FROM past p CROSS JOIN annotations n ON n.seq = p.seq WHERE p.died = ?"
        others = db.rows(
            "SELECT p.seq, p.slim, p.tag, p.hole, p.grp, p.geometry, p.extra"
            f" {edited} AND NOT ({plain})",
            (no,),
        )
        for tag, was, count in db.rows(
            f"SELECT n.tag, p.tag, COUNT(*) {edited} AND {plain} GROUP BY n.tag, p.tag", (no,)
        ):
            self._change.by_tag.update({was: count})
            self._change.by_tag.subtract({tag: count})
            self._change.count("annotations", "changed", count)
        db.execute(
            "INSERT INTO past (seq, born, died, slim, tag)"
            f" SELECT n.seq, n.born, {new}, 1, n.tag {edited} AND {plain}",
            (no,),
        )
        db.execute(
            "UPDATE annotations SET born = ?, tag = (SELECT p.tag FROM past p"
            " WHERE p.seq = annotations.seq AND p.died = ?) WHERE seq IN"
            f" (SELECT p.seq {edited} AND {plain})",
            (new, no, no),
        )
        for part in in_parts(others, 5_000):
            self._restore_each(part)

    def _restore_each(self, versions_ended: list[Any]) -> None:
        db, no = self._db, self._no
        seqs = [seq for seq, *_ in versions_ended]
        present = past.contents(db, seqs)
        left = self._left(present, no.__eq__)
        dead = self._dead(seqs)
        for seq, slim, *rest in versions_ended:
            born, content = present[seq]
            if content != left.get(seq) or seq in dead:
                self._conflict_at(seq, "it was changed again", dead.get(seq, born))
                if not self._force or seq in dead or seq not in left:
                    continue
            was = left[seq]._replace(tag=rest[0]) if slim else Content(*rest)
            if db.row("SELECT 1 FROM tags WHERE no = ?", (was.tag,)) is None:
                self._conflict_at(seq, "its tag is gone", None)
                continue
            edits.write(self._change, seq, born, content, was)
            self._change.count("annotations", "changed")

    def _take_away(self) -> None:
        """Delete what was created or brought back, unless it was changed again."""
        for ranges, column in (("runs", "change"), ("gaps", "until")):
            source = f"{ranges} r CROSS JOIN annotations n ON n.seq BETWEEN r.first AND r.last"
            where = f"r.{column} = {self._no}"
            kept = self._changed_again(ranges, where)
            listed = json.dumps(kept)
            stays = "n.seq NOT IN (SELECT value FROM json_each(?))"
            edits.kill(self._change, source, f"{where} AND {stays}", (listed,))

    def _changed_again(self, ranges: str, where: str) -> list[int]:
        """The rows in ranges that were changed after this step; these stay, unless forced."""
        db, no = self._db, self._no
        kept: list[int] = []
        for seq, died in db.rows(
            f"SELECT d.seq, d.died FROM {ranges} r CROSS JOIN dead d"
            f" ON d.seq BETWEEN r.first AND r.last WHERE {where} AND d.died != {self._change.no}"
        ):
            self._conflict_at(seq, "it was deleted again", died)
        edited = db.rows(
            f"SELECT DISTINCT p.seq FROM {ranges} r CROSS JOIN past p"
            f" ON p.seq BETWEEN r.first AND r.last WHERE {where} AND p.died > {no}"
            f" AND p.died != {self._change.no}"
        )
        for part in in_parts([seq for (seq,) in edited], 5_000):
            present = past.contents(db, part)
            left = self._left(present, no.__ge__)
            for seq in part:
                born, content = present[seq]
                if content != left.get(seq):
                    self._conflict_at(seq, "it was changed again", born)
                    if not self._force:
                        kept.append(seq)
        return kept

    def _left(
        self, present: dict[int, tuple[int, Content]], wanted: Callable[[int], bool]
    ) -> dict[int, Content]:
        """What this step has left of annotations: their last version that is ``wanted``."""
        late = {seq: content for seq, (born, content) in present.items() if not wanted(born)}
        found = {seq: content for seq, (born, content) in present.items() if wanted(born)}
        return found | past.former(self._db, late, wanted)

    def _dead(self, seqs: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for marks, part in among(seqs):
            found.update(self._db.rows(f"SELECT seq, died FROM dead WHERE seq IN {marks}", part))
        return found

    # --- conflicts ------------------------------------------------------------------------------

    def _conflict(self, noun: str, row: dict[str, Any], why: str, later: int | None) -> None:
        name = _name(row)
        id_ = show("asset", row["id"]) if noun == "asset" else name
        self._add(Conflict(noun, id_, name, why, later or None))

    def _conflict_at(self, seq: int, why: str, later: int | None) -> None:
        if len(self.conflicts) < _TOLD:
            (id_,) = self._db.row("SELECT id FROM annotations WHERE seq = ?", (seq,))
            self._conflict_of(id_, why, later)
        else:
            self._told += 1

    def _conflict_of(self, id_: bytes, why: str, later: int | None) -> None:
        name = self._db.value(
            "SELECT a.filename FROM annotations n JOIN assets a ON a.no = n.asset"
            " WHERE n.project = ? AND n.id = ?",
            (self._change.project.no, id_),
        )
        self._add(Conflict("annotation", show("annot", id_), name or "", why, later))

    def _add(self, conflict: Conflict) -> None:
        self._told += 1
        if len(self.conflicts) < _TOLD:
            self.conflicts.append(conflict)


def _same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return versions.content(one) == versions.content(other)


def _born(row: dict[str, Any] | None) -> int | None:
    return None if row is None else row["born"]


def _name(row: dict[str, Any]) -> str:
    return str(row.get("filename") or row.get("name") or "")
