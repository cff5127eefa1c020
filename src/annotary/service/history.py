"""History: the changes of a project, undoing them, its snapshots, and the trash."""

from __future__ import annotations

import msgspec

from annotary import ids, routes
from annotary.errors import BadRequestError, ConflictError, NotFoundError
from annotary.model import (
    Change,
    ChangeConflict,
    DeleteResponse,
    PaginationResponse,
    Project,
    ProjectStatistic,
    Snapshot,
    TrashedProject,
    UndoResult,
)
from annotary.service.noun import ServicePart, clamp_limit
from annotary.store import changes, lostassets, projects, purging, snapshots, undo
from annotary.store.changes import ChangeRow
from annotary.store.database import Database
from annotary.store.projects import ProjectKey
from annotary.store.undo import Undone


class ChangeService(ServicePart):
    """Changes."""

    def list(self, request: routes.ListChanges) -> PaginationResponse[Change]:
        """A page of changes, the last one first; with ``after``, those since, the first first."""
        limit = clamp_limit(request.limit)
        before = None
        if request.page:
            try:
                before = int(request.page)
            except ValueError:
                raise BadRequestError(f"{request.page!r} is not a page cursor.") from None
        after = request.after
        if after is not None and before is not None:
            after, before = before, None
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            asset = None
            if request.asset is not None:
                asset = self._asset_number(db, project, request.asset)
            found = changes.page(
                db,
                project,
                limit=limit + 1,
                before=before,
                after=after,
                author=request.author,
                kind=request.kind,
                asset=asset,
            )
            shown = found[:limit]
            data = [_public(db, project, each) for each in shown]
        more = str(shown[-1].no) if len(found) > limit else None
        return PaginationResponse(next_page=more, data=data)

    def get(self, request: routes.ChangeRef) -> Change:
        """One change, by its id or its number."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return _public(db, project, find(db, project, request.change_id))

    def create(self, request: routes.InProject) -> Change:
        """Begin a change of several steps: what is written with its id belongs to it."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            with self.change(db, project, "steps") as change:
                pass
            found = changes.by_number(db, change.no)
            return _public(db, project, found)

    def undo(self, request: routes.UndoChange) -> UndoResult:
        """Take a change back by a new one.

        Raises :class:`ConflictError` where something was changed again, unless ``conflicts`` says
        what is done then.
        """
        body = request.body or routes.Undoing()
        answer: UndoResult | None = None
        try:
            with self.store.write() as db:
                project = self.project(db, request.project_id)
                row = find(db, project, request.change_id)
                done = undo.undo(db, project, row, body.conflicts, rename=body.rename)
                made = changes.by_number(db, done.no)
                answer = UndoResult(
                    change=_public(db, project, made),
                    conflicts=[_conflict(db, each) for each in done.conflicts],
                    conflicted=done.conflicted,
                    dry_run=body.dry_run,
                )
                if body.dry_run:
                    raise _DryRunError
                if done.conflicted and body.conflicts == "refuse":
                    raise _refused(row, done, answer)
        except _DryRunError:
            pass
        assert answer is not None
        return answer

    def _asset_number(self, db: Database, project: ProjectKey, asset: str) -> int:
        try:
            return self.asset(db, project, asset).no
        except NotFoundError:
            found = lostassets.deleted(db, project, asset)
            if found is None:
                raise
            return found


class _DryRunError(Exception):
    """The transaction is undone on purpose."""


def find(db: Database, project: ProjectKey, text: str) -> ChangeRow:
    """The change with an id or a number. Raises :class:`NotFoundError`."""
    number = text.removeprefix("#")
    if number.isdecimal():
        found = changes.numbered(db, project, int(number[:18]))
        if found is None:
            raise NotFoundError(
                f"There is no change #{number} in the project.",
                hint="List them with project.changes.list().",
            )
        return found
    return changes.find(db, project, ids.parse("change", text))


def _public(db: Database, project: ProjectKey, row: ChangeRow) -> Change:
    steps = changes.parts(db, row.no) if row.kind == "steps" else []
    return Change(
        id=ids.show("change", row.id),
        number=row.no,
        project_id=project.text,
        kind=row.kind,
        author=row.author,
        message=row.message,
        create_date=row.published or row.created,
        counts=changes.sum_of([row, *steps]),
        steps=len(steps),
        undoes=row.undoes,
        undone_by=row.undone_by,
        purge_date=row.purged,
    )


def _conflict(db: Database, found: undo.Conflict) -> ChangeConflict:
    author = changes.author_of(db, found.later) if found.later else None
    return ChangeConflict(
        noun=found.noun,
        id=found.id,
        name=found.name,
        detail=found.why,
        later_change=found.later if author is not None else None,
        author=author,
    )


def _refused(row: ChangeRow, done: Undone, answer: UndoResult) -> ConflictError:
    lines = []
    for each in answer.conflicts[:5]:
        by = f" by {each.author} in #{each.later_change}" if each.author else ""
        where = f" on {each.name}" if each.noun == "annotation" else ""
        lines.append(f"{each.noun} {each.id}{where}: {each.detail}{by}")
    if done.conflicted > len(lines):
        lines.append(f"and {done.conflicted - len(lines)} more")
    count = done.conflicted
    again = "1 thing was" if count == 1 else f"{count:,} things were"
    return ConflictError(
        f"The change #{row.no} was not undone: {again} changed again. " + "; ".join(lines) + ".",
        hint="conflicts='keep' (--keep-later) leaves them as they are and undoes the rest, "
        "'force' (--force) undoes the later work as well.",
    )


class SnapshotService(ServicePart):
    """Snapshots."""

    def list(self, request: routes.InProject) -> list[Snapshot]:
        """The project's snapshots, the oldest first."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return [_snapshot(project, each) for each in snapshots.all_of(db, project)]

    def create(self, request: routes.CreateSnapshot) -> Snapshot:
        """Name the present state. Raises :class:`ConflictError` when the name is taken."""
        name = request.body.name.strip()
        if not name or "/" in name or len(name) > 200 or name == "now":
            raise BadRequestError(
                f"{request.body.name!r} cannot be a snapshot's name.",
                hint="Use up to 200 characters without '/'; 'now' is the present state.",
            )
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            counts = projects.describe(db, [project])[0].statistic
            made = snapshots.create(
                db, project, name, request.body.message, msgspec.json.encode(counts)
            )
            return _snapshot(project, made)

    def get(self, request: routes.SnapshotRef) -> Snapshot:
        """One snapshot."""
        with self.store.read() as db:
            project = self.project(db, request.project_id)
            return _snapshot(project, snapshots.find(db, project, request.name))

    def delete(self, request: routes.SnapshotRef) -> DeleteResponse:
        """Forget a snapshot; what only it needs is purged with time."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            snapshots.delete(db, snapshots.find(db, project, request.name), project)
        return DeleteResponse(deleted=True, id=request.name)

    def restore(self, request: routes.SnapshotRef) -> Change:
        """Make the project what it was, as a change that can be undone."""
        with self.store.write() as db:
            project = self.project(db, request.project_id)
            found = snapshots.find(db, project, request.name)
            past = snapshots.as_of(project, found.upto, found.state.open)
            with self.change(db, project, "restore") as change:
                snapshots.restore(change, past)
            return _public(db, project, changes.by_number(db, change.no))


def _snapshot(project: ProjectKey, row: snapshots.SnapshotRow) -> Snapshot:
    return Snapshot(
        id=ids.show("snapshot", row.id),
        project_id=project.text,
        name=row.name,
        message=row.message,
        author=row.author,
        create_date=row.created,
        number=row.upto,
        statistic=msgspec.json.decode(row.counts, type=ProjectStatistic),
    )


class TrashService(ServicePart):
    """Projects that were deleted, and can come back."""

    def list(self, request: routes.Nothing) -> list[TrashedProject]:
        """What is in the trash, the last one first."""
        with self.store.read() as db:
            return [
                TrashedProject(id=key.text, name=name, delete_date=died)
                for key, name, died in projects.trash(db)
            ]

    def restore(self, request: routes.InProject) -> Project:
        """Bring a deleted project back with all that belongs to it."""
        with self.store.write() as db:
            project = projects.find_deleted(db, request.project_id)
            with self.change(db, project, "restore_project"):
                projects.restore(db, project)
            return projects.describe(db, [project])[0]

    def delete(self, request: routes.InProject) -> DeleteResponse:
        """Remove a deleted project for good."""
        with self.store.read() as db:
            project = projects.find_deleted(db, request.project_id)
        if project.state.open:
            raise ConflictError("Work of the project is still being stopped.", hint="Try again.")
        for _ in purging.remove_project(self.store, project.no):
            pass
        return DeleteResponse(deleted=True, id=project.text)
