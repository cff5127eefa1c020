"""The API as a table: what every door offers, and under which method and path.

A request struct holds the path's parameters by name, the JSON body as ``body``, and everything
else is the query. ``name`` is ``noun.verb``: the service has a method ``service.noun.verb``.
``role`` is the least that a secret key must be allowed. Paths and names are those of the public
client; what is ours alone is marked as an addition.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from annotary import model
from annotary.model import Wire


class InProject(Wire):
    """A request about one project."""

    project_id: str


class Nothing(Wire):
    """A request without parameters."""


class NewProject(Wire):
    """A project to create.

    ``on_existing``: what to do when its name is taken. Not given, an embedded store refuses and a
    server adds a second one, as its API always has.
    """

    name: str
    type: model.ProjectType = "ObjectDetection"
    on_existing: model.OnExistingProject | None = None


class CreateProject(Wire):
    body: NewProject


class ProjectChanges(Wire):
    """What of a project changes; ``keep`` is ``30d``, ``0d`` or ``forever``."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    keep: str | msgspec.UnsetType = msgspec.UNSET


class UpdateProject(InProject):
    body: ProjectChanges


class ListTags(InProject):
    at: str | None = None


class Paged(InProject):
    """A request for a page of a list; ``limit`` is at most 1,000."""

    limit: int = 100
    page: str | None = None


class ListAnnotations(Paged):
    at: str | None = None
    asset_id: list[str] = []
    include_attributes: bool = False
    where: str | None = None
    """A query; see docs/queries.md."""


class CreateAnnotation(InProject):
    body: model.NewAnnotation


class CreateAnnotations(InProject):
    body: list[model.NewAnnotation]


class AnnotationRef(InProject):
    annotation_id: str
    include_attributes: bool = False


class GetAnnotation(AnnotationRef):
    at: str | None = None


class UpdateAnnotation(InProject):
    annotation_id: str
    body: model.AnnotationChanges


class IdList(Wire):
    """Ids to act on."""

    ids: list[str]


class AnnotationChoice(Wire, forbid_unknown_fields=True):
    """The annotations to act on: by their ids, or those that a query means."""

    ids: list[str] = []
    where: str | None = None


class DeleteAnnotations(InProject):
    body: AnnotationChoice


class ManyChanges(AnnotationChoice, forbid_unknown_fields=True):
    """What to change of many annotations; fields that are not given stay as they are."""

    tag: str | msgspec.UnsetType = msgspec.UNSET
    attributes: list[model.AttributeInput] | msgspec.UnsetType = msgspec.UNSET
    properties: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class UpdateAnnotations(InProject):
    body: ManyChanges


class ListObjects(Paged):
    at: str | None = None
    asset_filter: str | None = None
    annotation_filter: str | None = None
    include_attributes: bool = msgspec.field(name="include_attributes", default=False)


class ListAssets(Paged):
    at: str | None = None
    group: list[str] = []
    filename: str | None = None
    metadata_query: str | None = None
    status: str | None = None
    filter: str | None = None
    where: str | None = None
    """A query about images; see docs/queries.md."""


class AssetRef(InProject):
    asset_id: str


class GetAsset(AssetRef):
    at: str | None = None


class UpdateAsset(InProject):
    asset_id: str
    body: model.AssetChanges


class RegisterAssets(InProject):
    body: list[model.NewAsset]


class ListGroups(InProject):
    group: list[str] = []


class NewUploadSession(Wire):
    """Asset files to be uploaded, and the groups they join.

    ``on_existing``: what becomes of files whose names are there already. ``refuse`` refuses all;
    ``same`` leaves out those of equal bytes and refuses others; ``skip`` leaves out both;
    ``rename`` leaves out equal ones and gives the others new names.
    """

    assets: list[model.AssetUploadFile]
    groups: list[str] = []
    on_existing: model.OnExisting = "refuse"


class CreateUploadSession(InProject):
    body: NewUploadSession


class UploadSessionRef(InProject):
    session_id: str


class PutMetadata(InProject):
    asset_id: str
    body: model.CustomMetadata


class MetadataRef(InProject):
    asset_id: str
    metadata_id: str


class PutManyMetadata(InProject):
    body: model.CustomMetadatas


class DeleteManyMetadata(InProject):
    body: IdList


class ListAssetLogs(InProject):
    asset_id: str
    limit: int = 200
    page: str | None = None


class AssetLogRef(InProject):
    asset_id: str
    log_id: str


class LargeFile(Wire):
    """A file of an upload session that is to be sent in parts."""

    filename: str
    mime: str
    size: int


class CreateMultipart(InProject):
    session_id: str
    body: LargeFile


class MultipartRef(InProject):
    upload_id: str


class PartRef(MultipartRef):
    part: int


class SentPart(Wire):
    """What the address of a part has answered; nothing of it is needed here."""

    response_headers: dict[str, str] = {}


class CompletePart(PartRef):
    body: SentPart


class Cancelled(Wire):
    """Whether a thing was cancelled, and which."""

    cancelled: bool
    id: str | None = None


class NewTag(Wire):
    """A tag to create."""

    name: str
    color: str | None = None
    description: str | None = None


class CreateTag(InProject):
    body: NewTag


class TagChanges(Wire):
    """What to change of a tag."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    color: str | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET


class UpdateTag(InProject):
    index: int
    body: TagChanges


class TagRef(InProject):
    index: int


class MergeTags(InProject):
    index: int
    into: int


class NewOntology(Wire):
    """The attributes of a tag."""

    attributes: list[model.NewOntologyAttribute]


class SetOntology(InProject):
    index: int
    body: NewOntology


class OperationRef(InProject):
    operation_id: str


class ImportOptions(Wire, forbid_unknown_fields=True):
    """How an import treats what it finds; see the SDK's ``create_import_session``."""

    format: str | None = None
    on_error: model.OnError = "reject_session"
    create_assets: bool = False
    dry_run: bool = False
    rejects: bool = False
    """Write the records that are not kept again, as files of their own format."""
    mode: model.ImportMode = "add"
    source: str | None = None
    """Whose annotations these are; else each file is its own source, by its name."""
    on_conflict: model.OnConflict = "keep"
    options: dict[str, Any] = {}
    """Options of the files' formats, by name."""
    repair: list[str] = []
    on_fault: dict[str, str] = {}
    """A fault's code -> ``clip``, ``skip`` or ``refuse``."""
    lint: model.Lint = "off"


class CreateImportSession(InProject):
    body: ImportOptions | None = None


class ImportSessionRef(InProject):
    session_id: str


class NewImportFiles(Wire):
    """At most 1,000 files to add to an import session, and remarks on what is not among them."""

    files: list[model.ImportFile]
    remarks: list[model.ImportRemark] = []


class AddImportFiles(InProject):
    session_id: str
    body: NewImportFiles


class SessionPatch(Wire):
    """A step that the caller has reached. ``background``: do not wait for the work."""

    status: model.ConditionsPatch
    background: bool | None = None


class UpdateImportSession(InProject):
    session_id: str
    body: SessionPatch


class NewExport(model.ExportRequest):
    """An export to make. ``background``: do not wait for the work."""

    background: bool | None = None


class CreateExport(InProject):
    body: NewExport


class ExportPlan(Wire):
    """What an export would lose."""

    losses: list[model.Loss]


class ListChanges(Paged):
    after: int | None = None
    author: str | None = None
    kind: str | None = None
    asset: str | None = None


class ChangeRef(InProject):
    change_id: str


class Undoing(Wire):
    """How a change is undone."""

    conflicts: Literal["refuse", "keep", "force"] = "refuse"
    dry_run: bool = False
    rename: bool = False


class UndoChange(ChangeRef):
    body: Undoing | None = None


class Erasing(Wire):
    """What is erased: assets by id or file name, annotations by id."""

    assets: list[str] = []
    annotations: list[str] = []


class EraseThings(InProject):
    body: Erasing


class NewSnapshot(Wire):
    """A snapshot to make."""

    name: str
    message: str = ""


class CreateSnapshot(InProject):
    body: NewSnapshot


class SnapshotRef(InProject):
    name: str


class Route(msgspec.Struct, frozen=True):
    """One thing that can be asked for."""

    name: str
    method: str
    path: str
    request: Any
    response: Any
    role: str = "viewer"
    addition: bool = False
    """Ours, beyond what the public client knows."""
    runs: Literal["", "read", "write", "alone", "wait"] = ""
    """How a server runs it: ``read`` beside others; ``write`` in one transaction with others;
    ``alone`` in a transaction of its own (it removes files, which must wait until the rows are
    gone for good); ``wait`` starts or waits for work, or must not wait for another's write.
    Empty: GET reads, POST writes, others write alone."""
    converges: bool = False
    """A repeat finds the step done and says how it stands: no answer is kept, which would wait
    for the work that the step began."""

    @property
    def way(self) -> str:
        """How a server runs it, see ``runs``."""
        return self.runs or {"GET": "read", "POST": "write"}.get(self.method, "alone")

    @property
    def noun(self) -> str:
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]


_P = "/projects/{project_id}"
_SESSION = _P + "/annotationimportsessions/{session_id}"
_MULTIPART = _P + "/multipartassetuploads/{upload_id}"
_PART = _MULTIPART + "/parts/{part}"

ROUTES: dict[str, Route] = {
    route.name: route
    for route in (
        Route("workspace.get", "GET", "/workspace", Nothing, model.Workspace),
        Route("projects.list", "GET", "/workspace/projects", Nothing, list[model.Project]),
        Route(
            "projects.create",
            "POST",
            "/workspace/projects",
            CreateProject,
            model.Project,
            "owner",
            True,
        ),
        Route("projects.get", "GET", _P, InProject, model.Project),
        Route("projects.update", "PATCH", _P, UpdateProject, model.Project, "owner"),
        Route("projects.delete", "DELETE", _P, InProject, model.DeleteResponse, "owner", True),
        Route("projects.users", "GET", _P + "/users", InProject, list[model.ProjectUser]),
        # annotations
        Route(
            "annotations.list",
            "GET",
            _P + "/annotations",
            ListAnnotations,
            model.PaginationResponse[model.Annotation],
        ),
        Route(
            "annotations.create",
            "POST",
            _P + "/annotations",
            CreateAnnotation,
            model.Annotation,
            "editor",
        ),
        Route(
            "annotations.create_many",
            "POST",
            _P + "/annotations:batch",
            CreateAnnotations,
            list[model.Annotation],
            "editor",
            True,
        ),
        Route(
            "annotations.update_many",
            "POST",
            _P + "/annotations:update",
            UpdateAnnotations,
            model.UpdateManyResponse,
            "editor",
            True,
        ),
        Route(
            "annotations.delete_many",
            "POST",
            _P + "/annotations:delete",
            DeleteAnnotations,
            model.DeleteManyResponse,
            "editor",
            True,
        ),
        Route(
            "annotations.get",
            "GET",
            _P + "/annotations/{annotation_id}",
            GetAnnotation,
            model.Annotation,
        ),
        Route(
            "annotations.update",
            "PATCH",
            _P + "/annotations/{annotation_id}",
            UpdateAnnotation,
            model.Annotation,
            "editor",
            True,
        ),
        Route(
            "annotations.delete",
            "DELETE",
            _P + "/annotations/{annotation_id}",
            AnnotationRef,
            model.DeleteResponse,
            "editor",
        ),
        Route("objects.list", "GET", _P + "/objects", ListObjects, model.ObjectPage),
        # exports
        Route(
            "exports.create",
            "POST",
            _P + "/annotationexports",
            CreateExport,
            model.Operation,
            "viewer",
            runs="wait",
        ),
        Route(
            "exports.plan",
            "POST",
            _P + "/annotationexports:plan",
            CreateExport,
            ExportPlan,
            "viewer",
            True,
            runs="read",
        ),
        Route(
            "exports.get",
            "GET",
            _P + "/annotationexports/{operation_id}",
            OperationRef,
            model.ExportResult,
        ),
        Route(
            "exports.delete",
            "DELETE",
            _P + "/annotationexports/{operation_id}",
            OperationRef,
            model.DeleteResponse,
            "viewer",
            True,
        ),
        # imports
        Route(
            "imports.create",
            "POST",
            _P + "/annotationimportsessions",
            CreateImportSession,
            model.ImportSession,
            "editor",
        ),
        Route(
            "imports.list",
            "GET",
            _P + "/annotationimportsessions",
            InProject,
            list[model.ImportSession],
        ),
        Route("imports.get", "GET", _SESSION, ImportSessionRef, model.ImportSession),
        Route(
            "imports.update",
            "PATCH",
            _SESSION,
            UpdateImportSession,
            model.ImportSession,
            "editor",
            runs="wait",
            converges=True,
        ),
        Route(
            "imports.add_files",
            "POST",
            _SESSION + "/files",
            AddImportFiles,
            model.ImportFiles,
            "editor",
        ),
        Route(
            "imports.rejects",
            "GET",
            _SESSION + "/rejects",
            ImportSessionRef,
            model.DownloadSignedUrl,
            "viewer",
            True,
        ),
        Route("imports.logs", "GET", _SESSION + "/logs", ImportSessionRef, model.ImportSessionLog),
        # operations
        Route(
            "operations.list",
            "GET",
            _P + "/operations",
            InProject,
            list[model.Operation],
            "viewer",
            True,
        ),
        Route(
            "operations.get",
            "GET",
            _P + "/operations/{operation_id}",
            OperationRef,
            model.Operation,
        ),
        Route(
            "operations.cancel",
            "POST",
            _P + "/operations/{operation_id}:cancel",
            OperationRef,
            model.Operation,
            "editor",
            True,
            runs="wait",
        ),
        # assets
        Route(
            "assets.list",
            "GET",
            _P + "/assets",
            ListAssets,
            model.PaginationResponse[model.Asset],
        ),
        Route(
            "assets.register",
            "POST",
            _P + "/assets:register",
            RegisterAssets,
            list[model.Asset],
            "editor",
            True,
        ),
        Route("assets.get", "GET", _P + "/assets/{asset_id}", GetAsset, model.Asset),
        Route(
            "assets.update", "PATCH", _P + "/assets/{asset_id}", UpdateAsset, model.Asset, "editor"
        ),
        Route(
            "assets.delete",
            "DELETE",
            _P + "/assets/{asset_id}",
            AssetRef,
            model.DeleteResponse,
            "editor",
        ),
        Route("assets.groups", "GET", _P + "/assetgroups", ListGroups, list[model.AssetGroup]),
        Route(
            "uploads.create",
            "POST",
            _P + "/assetuploadsessions",
            CreateUploadSession,
            model.AssetUploadSession,
            "editor",
        ),
        Route(
            "uploads.cancel",
            "POST",
            _P + "/assetuploadsessions/{session_id}:cancel",
            UploadSessionRef,
            Cancelled,
            "editor",
            runs="alone",
        ),
        Route(
            "multipart.create",
            "POST",
            _P + "/assetuploadsessions/{session_id}/multipart",
            CreateMultipart,
            model.MultipartUpload,
            "editor",
        ),
        Route("multipart.part", "PUT", _PART, PartRef, model.PartTarget, "editor"),
        Route(
            "multipart.complete_part",
            "POST",
            _PART + "/complete",
            CompletePart,
            model.PartStatus,
            "editor",
            runs="read",
        ),
        Route(
            "multipart.complete",
            "POST",
            _MULTIPART + "/complete",
            MultipartRef,
            model.MultipartCompleted,
            "editor",
            runs="wait",
        ),
        Route(
            "multipart.abort",
            "DELETE",
            _MULTIPART,
            MultipartRef,
            model.MultipartAborted,
            "editor",
        ),
        # custom metadata and logs of assets
        Route(
            "metadata.get",
            "GET",
            _P + "/assets/{asset_id}/customMetadatas",
            AssetRef,
            model.CustomMetadatas,
        ),
        Route(
            "metadata.put",
            "PUT",
            _P + "/assets/{asset_id}/customMetadatas",
            PutMetadata,
            model.CustomMetadata,
            "editor",
        ),
        Route(
            "metadata.delete",
            "DELETE",
            _P + "/assets/{asset_id}/customMetadatas/{metadata_id}",
            MetadataRef,
            model.DeleteResponse,
            "editor",
        ),
        Route(
            "metadata.put_many",
            "POST",
            _P + "/customMetadataBulkUpdates",
            PutManyMetadata,
            model.MetadataBatch,
            "editor",
        ),
        Route(
            "metadata.delete_many",
            "POST",
            _P + "/customMetadataBulkUpdates/delete",
            DeleteManyMetadata,
            model.MetadataDeleteBatch,
            "editor",
        ),
        Route(
            "logs.list",
            "GET",
            _P + "/assets/{asset_id}/logs",
            ListAssetLogs,
            model.PaginationResponse[model.AssetLog],
        ),
        Route(
            "logs.get",
            "GET",
            _P + "/assets/{asset_id}/logs/{log_id}",
            AssetLogRef,
            model.AssetLog,
        ),
        # history: additions
        Route(
            "changes.list",
            "GET",
            _P + "/changes",
            ListChanges,
            model.PaginationResponse[model.Change],
            addition=True,
        ),
        Route(
            "changes.get",
            "GET",
            _P + "/changes/{change_id}",
            ChangeRef,
            model.Change,
            addition=True,
        ),
        Route("changes.create", "POST", _P + "/changes", InProject, model.Change, "editor", True),
        Route(
            "changes.undo",
            "POST",
            _P + "/changes/{change_id}:undo",
            UndoChange,
            model.UndoResult,
            "editor",
            True,
            runs="wait",
        ),
        Route(
            "snapshots.list",
            "GET",
            _P + "/snapshots",
            InProject,
            list[model.Snapshot],
            addition=True,
        ),
        Route(
            "snapshots.create",
            "POST",
            _P + "/snapshots",
            CreateSnapshot,
            model.Snapshot,
            "editor",
            True,
        ),
        Route(
            "snapshots.get",
            "GET",
            _P + "/snapshots/{name}",
            SnapshotRef,
            model.Snapshot,
            addition=True,
        ),
        Route(
            "snapshots.delete",
            "DELETE",
            _P + "/snapshots/{name}",
            SnapshotRef,
            model.DeleteResponse,
            "editor",
            True,
        ),
        Route(
            "snapshots.restore",
            "POST",
            _P + "/snapshots/{name}:restore",
            SnapshotRef,
            model.Change,
            "editor",
            True,
            runs="wait",
        ),
        Route(
            "projects.erase",
            "POST",
            _P + ":erase",
            EraseThings,
            model.Erased,
            "owner",
            True,
            runs="wait",
        ),
        Route("trash.list", "GET", "/trash", Nothing, list[model.TrashedProject], "owner", True),
        Route(
            "trash.restore",
            "POST",
            "/trash/{project_id}:restore",
            InProject,
            model.Project,
            "owner",
            True,
        ),
        Route(
            "trash.delete",
            "DELETE",
            "/trash/{project_id}",
            InProject,
            model.DeleteResponse,
            "owner",
            True,
        ),
        # tags and ontologies
        Route("tags.list", "GET", _P + "/tags", ListTags, list[model.Tag]),
        Route("tags.create", "POST", _P + "/tags", CreateTag, list[model.Tag], "editor"),
        Route("tags.update", "PATCH", _P + "/tags/{index}", UpdateTag, list[model.Tag], "editor"),
        Route(
            "tags.delete", "DELETE", _P + "/tags/{index}", TagRef, model.DeleteResponse, "editor"
        ),
        Route(
            "tags.merge",
            "POST",
            _P + "/tags/{index}-{into}:merge",
            MergeTags,
            list[model.Tag],
            "editor",
        ),
        Route("ontologies.list", "GET", _P + "/ontologies", InProject, list[model.Ontology]),
        Route(
            "ontologies.set",
            "PUT",
            _P + "/ontologies/{index}",
            SetOntology,
            model.Ontology,
            "editor",
        ),
    )
}
