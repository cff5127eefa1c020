"""Every struct that crosses a door: what calls take and what they answer.

The names are snake_case here and camelCase on the wire; the wire struct is the domain struct.
Optional fields that are not set are left out of the JSON (the public client refuses ``null``
for several of them). Dates are integers, milliseconds since 1970-01-01 UTC. Coordinates are
fractions of the image's width and height, 0..1, x first, origin top-left, y down.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")

BoundType = Literal["Rectangle", "Polygon", "Keypoints", "Classification", "Bitmask", "Bitmask3d"]
ProjectType = Literal["ObjectDetection", "Classification", "Keypoint", "RGBD"]
Overview = Literal["Queued", "Running", "Finished", "Cancelled", "Errored"]
AttributeType = Literal["Categorical", "Numeric", "String"]
OnError = Literal["reject_session", "reject_file", "skip"]
OnExistingProject = Literal["refuse", "add"]
OnLoss = Literal["warn", "refuse", "allow"]
ImportMode = Literal["add", "append", "update", "sync", "replace"]
"""What an import does with what is there already: see the SDK's ``create_import_session``."""
OnConflict = Literal["keep", "overwrite"]

Point = list[float | int]
"""[x, y], or [x, y, visibility] in keypoints."""


class Wire(msgspec.Struct, rename="camel", omit_defaults=True, repr_omit_defaults=True):
    """Base of all structs: camelCase on the wire, and a mapping with snake_case keys as well.

    ``it["id"]``, ``dict(it)``, ``list(it)`` and ``"id" in it`` work, and pandas makes columns of
    it; ``to_dict()`` is plain data all the way down, ready for ``json.dumps``.
    """

    def keys(self) -> tuple[str, ...]:
        """The names of the fields."""
        return self.__struct_fields__

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__struct_fields__)

    def __len__(self) -> int:
        return len(self.__struct_fields__)

    def __contains__(self, key: object) -> bool:
        return key in self.__struct_fields__

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data with snake_case keys; what is not set is left out."""
        return {name: _plain(value) for name, value in self.items() if value is not UNSET}

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the attribute ``key``, or ``default``."""
        return getattr(self, key, default)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Wire):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


# --- workspace and projects -----------------------------------------------------------------


class Workspace(Wire):
    """The store as a whole: whose it is and what it is called."""

    id: str
    name: str
    owner: str
    tier: str
    create_date: int


class TagCount(Wire):
    """How many annotations carry one tag."""

    name: str
    count: int


class ProjectStatistic(Wire):
    """Counts of a project, true at the moment of the call."""

    tags_count: list[TagCount]
    total_assets: int
    annotated_assets: int
    total_annotations: int


class Project(Wire):
    """A project: assets, their annotations, and the tags and ontologies these use."""

    id: str
    name: str
    workspace_id: str
    type: str
    create_date: int
    localization: str
    tags: list[str]
    groups: list[str]
    statistic: ProjectStatistic | None = None
    keep: str | None = None
    """How long what is deleted or replaced is kept: ``30d``, ``forever``; None: as the store does.
    An addition."""


class ProjectUser(Wire):
    """Somebody with access to a project."""

    id: str
    access_type: str
    email: str
    nickname: str
    picture: str


# --- annotations ----------------------------------------------------------------------------


class OntologyAttributeValue(Wire):
    """The value that an annotation has for one attribute of its tag's ontology."""

    id: str
    name: str
    value: str | float | list[str] | None = None


class VolumeDimensions(Wire):
    """Voxels along each axis."""

    height: int
    width: int
    depth: int


class AggregationWhole(Wire):
    """The whole volume that a chunk is part of."""

    id: str
    dimensions: VolumeDimensions
    chunk_count: int
    axis_labels: list[str] | None = None


class AggregationPart(Wire):
    """Which part of the volume a chunk holds."""

    chunk_number: int
    offset: VolumeDimensions
    size: VolumeDimensions


class Aggregation(Wire):
    """Where a ``Bitmask3d`` chunk stands in its volume."""

    whole: AggregationWhole
    this_part: AggregationPart


class MaskBound(Wire):
    """A ``Bitmask``: COCO run lengths over the image's pixels, column-major.

    ``size`` is [height, width] in pixels, ``counts`` the compressed string of the COCO API.
    """

    size: tuple[int, int]
    counts: str


Bound = list[Point] | MaskBound


class Annotation(Wire, gc=False):
    """One annotation.

    ``bound`` by ``bound_type``: Rectangle: four corners (xmin,ymin) (xmin,ymax) (xmax,ymax)
    (xmax,ymin). Polygon: one ring, not closed. Keypoints: (x, y, visibility 0|1|2) each.
    Classification: empty. Bitmask: :class:`MaskBound`.

    Annotations that share a ``group`` are the parts of one object; ``hole`` marks a ring that is
    cut out of it. ``properties`` holds what else a format said of the object (crowd flags,
    scores, unknown fields); it stands on the object's first annotation, as do ``attributes``.
    """

    id: str
    project_id: str
    asset_id: str
    tag: str
    bound_type: str
    bound: Bound
    frame: int | None = None
    sequence: int | None = None
    create_date: int | None = None
    ontology_id: str | None = None
    attributes: list[OntologyAttributeValue] | None = None
    aggregation: Aggregation | None = None
    chunk_data: str | None = None
    group: str | None = None
    hole: bool = False
    properties: dict[str, Any] | None = None


class AttributeInput(Wire):
    """An attribute value as a caller gives it: by ``name`` or by ``id``."""

    name: str | None = None
    id: str | None = None
    value: str | float | list[str] | None = None


class NewAnnotation(Wire, forbid_unknown_fields=True):
    """An annotation to create; see :class:`Annotation` for the fields."""

    asset_id: str
    tag: str
    bound_type: BoundType
    bound: Bound = []
    frame: int | None = None
    sequence: int | None = None
    attributes: list[AttributeInput] | None = None
    aggregation: Aggregation | None = None
    chunk_data: str | None = None
    group: str | None = None
    hole: bool = False
    properties: dict[str, Any] | None = None


class AnnotationChanges(Wire, forbid_unknown_fields=True):
    """What to change of an annotation; fields that are not given stay as they are."""

    tag: str | UnsetType = UNSET
    bound: Bound | UnsetType = UNSET
    frame: int | UnsetType | None = UNSET
    attributes: list[AttributeInput] | UnsetType = UNSET
    group: str | UnsetType | None = UNSET
    hole: bool | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET


class DeleteResponse(Wire):
    """Whether a thing was deleted, and which."""

    deleted: bool
    id: str | None = None


class DeleteManyResponse(Wire):
    """How many of the given annotations were deleted, and which ids were not found."""

    deleted: int
    missing: list[str]


class UpdateManyResponse(Wire):
    """How many annotations were changed, and which of the given ids were not found."""

    updated: int
    missing: list[str]


class PaginationResponse(Wire, Generic[T], kw_only=True, dict=True):
    """One page of a list, with opaque cursors to its neighbours.

    Iterating goes over this page's items and then, fetching as it goes, over all later pages;
    ``len()`` and indexing by number speak of this page alone.
    """

    next_page: str | None = None
    prev_page: str | None = None
    data: list[T]

    def with_fetch(self, fetch: Callable[[str], PaginationResponse[T]]) -> PaginationResponse[T]:
        """This page, able to fetch the ones after it: ``fetch(cursor)`` answers a page."""
        self.__dict__["fetch"] = fetch
        return self

    def __iter__(self) -> Iterator[T]:
        fetch = self.__dict__.get("fetch")
        page: PaginationResponse[T] = self
        while True:
            yield from page.data
            if not page.next_page or fetch is None:
                return
            page = fetch(page.next_page)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: Any) -> Any:
        return self.data[key] if isinstance(key, int | slice) else super().__getitem__(key)


# --- assets ---------------------------------------------------------------------------------


class AssetMetadata(Wire):
    """Size and kind of an asset's file; height and width in pixels, as displayed."""

    file_size: int
    mime_type: str
    height: int
    width: int
    groups: list[str]
    custom_metadata: dict[str, str | float | bool] | None = None


class AssetStatistic(Wire):
    """Counts of one asset's annotations."""

    tags_count: list[TagCount]
    total_annotations: int


class Asset(Wire, dict=True):
    """An image (or video, or volume) that annotations belong to."""

    id: str
    project_id: str
    filename: str
    status: str
    create_date: int
    url: str
    metadata: AssetMetadata
    statistic: AssetStatistic | None = None

    def with_draw(self, draw: Callable[[int], Any]) -> Asset:
        """This asset, able to draw itself: ``draw(size)`` answers a ``PIL.Image``."""
        self.__dict__["drawn"] = draw
        return self

    def draw(self, size: int = 1280) -> Any:
        """It with its annotations, as a ``PIL.Image`` in RGB whose longer side has ``size`` pixels.

        For assets that ``project.assets.get`` and ``list`` answered.
        """
        if "drawn" not in self.__dict__:
            raise TypeError("This asset was not read from a project: project.assets.draw(asset).")
        return self.__dict__["drawn"](size)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """What notebooks show: the drawing as PNG, and a line of text."""
        shown: dict[str, Any] = {"text/plain": repr(self)}
        if "drawn" in self.__dict__:
            out = io.BytesIO()
            self.draw(640).save(out, "PNG")
            shown["image/png"] = out.getvalue()
        return shown


class NewAsset(Wire, forbid_unknown_fields=True):
    """An image to register where it is: its name and its size in pixels."""

    filename: str
    width: int
    height: int
    file_size: int = 0
    mime_type: str | None = None
    groups: list[str] = []
    path: str | None = None
    custom_metadata: dict[str, str | float | bool] | None = None


class AssetChanges(Wire, forbid_unknown_fields=True):
    """What to change of an asset; fields that are not given stay as they are."""

    status: str | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    custom_metadata: dict[str, str | float | bool] | UnsetType = UNSET


class Objects(Wire):
    """Assets, and their annotations: those of one object stand together."""

    annotations: list[list[Annotation]]
    assets: list[Asset]


class ObjectPage(Wire, kw_only=True):
    """One page of assets with all their annotations."""

    next_page: str | None = None
    prev_page: str | None = None
    data: Objects


class MetadataParent(Wire):
    """What custom metadata belongs to: an asset by ``asset_id`` or ``filename``."""

    asset_id: str | None = None
    filename: str | None = None
    frame: int | None = None
    kind: str | None = None


class CustomMetadata(Wire):
    """What a caller wants to be kept of an asset."""

    parent: MetadataParent
    custom_metadata: dict[str, str | float | bool]
    id: str | None = None


class CustomMetadatas(Wire):
    """The custom metadata of one asset."""

    custom_metadatas: list[CustomMetadata]


class MetadataFault(Wire):
    """Custom metadata that could not be kept, and why."""

    custom_metadata: CustomMetadata
    error: str


class MetadataBatch(Wire):
    """What was kept of several assets' custom metadata, and what was not."""

    errors: list[MetadataFault]
    custom_metadatas: list[CustomMetadata]


class MetadataDeleteFault(Wire):
    """Custom metadata that could not be removed, and why."""

    id: str
    error: str


class MetadataDeleteBatch(Wire, omit_defaults=False):
    """What could not be removed."""

    errors: list[MetadataDeleteFault]


class AssetLog(Wire):
    """Something that happened to an asset."""

    id: str
    project_id: str
    asset_id: str
    create_date: int
    level: str
    kind: str
    event: str
    resource: dict[str, Any]
    object: str = msgspec.field(default="asset_log")


class GroupStatistic(Wire):
    """Counts of the assets in a group, by review status."""

    total_assets: int
    annotated_assets: int
    reviewed_assets: int
    to_fixed_assets: int
    completed_assets: int


class AssetGroup(Wire):
    """A named group of assets."""

    group: str
    statistic: GroupStatistic | None = None


class Upload(Wire):
    """Where and how to send one file's bytes."""

    method: str
    url: str
    headers: dict[str, str]
    expiry_date: int | None = None


OnExisting = Literal["same", "skip", "refuse", "rename"]
"""What becomes of files to be uploaded whose names are there already."""


class AssetUploadFile(Wire):
    """An asset file to be uploaded; ``crc32c`` is the sum as a signed 32-bit integer.

    ``path`` is for the embedded store only: the file is taken from there.
    """

    filename: str
    size: int
    crc32c: int
    mime: str
    frames: int | None = None
    encoder: dict[str, Any] | None = None
    path: str | None = None


class AssetUploadMetadata(Wire):
    """What the server knows of a file to be uploaded."""

    filename: str
    mime: str
    size: int
    crc32c: int


class AssetUploadTarget(Wire):
    """A file under the name that it gets, and where to send it.

    ``existing``: it is left out, for a file with ``same`` or ``different`` bytes has its name.
    """

    metadata: AssetUploadMetadata
    upload: Upload | None = None
    existing: Literal["same", "different"] | None = None


class AssetUploadSession(Wire):
    """An upload of asset files; ``op_id`` is the operation that ends when all have arrived."""

    id: str
    op_id: str
    assets: list[AssetUploadTarget]


class MultipartUpload(Wire):
    """A large file that is sent in ``part_count`` parts of equal size, the last one longer."""

    id: str
    part_count: int


class PartTarget(Wire, omit_defaults=False):
    """Where to send one part."""

    method: str
    url: str
    expiry: int
    response_headers: list[str]
    response_body: bool
    headers: dict[str, str]


class PartStatus(Wire):
    """Whether a part has arrived."""

    id: str
    part_number: int
    completed: bool


class MultipartCompleted(Wire):
    """Whether a file in parts is whole."""

    id: str
    completed: bool


class MultipartAborted(Wire):
    """Whether a file in parts was given up."""

    id: str
    aborted: bool


# --- tags and ontologies --------------------------------------------------------------------


class Tag(Wire):
    """A class that annotations can have; ``index`` is its place in the project's list."""

    index: int
    name: str
    color: str | None = None
    description: str | None = None


class AttributeOptions(Wire):
    """The values that a Categorical attribute may have."""

    categories: list[str] = []


class OntologyAttribute(Wire):
    """One typed attribute of a tag."""

    id: str
    name: str
    description: str
    type: str
    required: bool
    options: AttributeOptions | None = None
    default: str | float | list[str] | None = None


class NewOntologyAttribute(Wire, forbid_unknown_fields=True):
    """An attribute to define."""

    name: str
    type: AttributeType
    required: bool = False
    description: str = ""
    options: AttributeOptions | None = None
    default: str | float | list[str] | None = None


class Skeleton(Wire):
    """The keypoints of a tag, in order, and the 0-based pairs of them that are joined."""

    keypoints: list[str]
    edges: list[tuple[int, int]] = []


class Ontology(Wire):
    """The attribute schema of one tag."""

    id: str
    project_id: str
    index: int
    name: str
    version: int
    color: str | None = None
    description: str | None = None
    attributes: list[OntologyAttribute] = []


# --- operations -----------------------------------------------------------------------------


class OperationProgressWithStatus(Wire, rename=None, omit_defaults=False):
    """How much of an operation is in each state."""

    Queued: int = 0
    Running: int = 0
    Finished: int = 0
    Cancelled: int = 0
    Errored: int = 0


class OperationProgress(Wire, omit_defaults=False):
    """Progress in ``unit``; ``records`` counts what was handled, ``total`` all, when known."""

    unit: str
    with_status: OperationProgressWithStatus
    records: int | UnsetType = UNSET
    total: int | UnsetType = UNSET


class OperationStatus(Wire):
    """Where an operation stands, in one word and in a sentence."""

    overview: Overview
    message: str
    progress: OperationProgress


class Operation(Wire):
    """A piece of work that may run in the background: an export, an import or an upload."""

    id: str
    kind: str
    status: OperationStatus
    create_date: int
    update_date: int


# --- import sessions ------------------------------------------------------------------------


class ImportFile(Wire):
    """An annotation file to import.

    ``crc32c``: base64 of the CRC-32C's four bytes, big-endian. ``path`` is for the embedded
    store only: the file is read where it is and no bytes are sent.
    """

    filename: str
    size: int
    crc32c: str = ""
    path: str | None = None
    found: bool = False
    """A folder or an archive had the file, nobody named it: it costs nothing if it holds no
    annotations."""
    prefix: str = ""
    """What stands in front of the names of its images, to keep them from others'."""


class ImportRemark(Wire):
    """What stood in the way while files were looked for: a rule's code, a place, its values."""

    code: Literal[
        "unreadable-folder",
        "unreadable-file",
        "unreadable-image",
        "unreadable-member",
        "broken-archive",
        "left-archive",
        "left-alone",
        "linked-twice",
        "not-a-file",
        "too-large",
    ]
    file: str
    values: dict[str, str] = {}


class ImportFileTarget(Wire):
    """A file and where to send it."""

    filename: str
    upload: Upload | None = None


class ImportFiles(Wire):
    """The answer to adding files: where to send each."""

    id: str
    project_id: str
    files: list[ImportFileTarget]


class AnnotationCounts(Wire, rename=None, omit_defaults=False):
    """Annotations of a session: read and checked, and committed."""

    Processed: int = 0
    Committed: int = 0


class FileCounts(Wire, rename=None, omit_defaults=False):
    """Files of a session, by state."""

    Processing: int = 0
    Processed: int = 0
    FailedProcess: int = 0


class ImportSessionAnnotations(Wire):
    """Annotation counts of a session."""

    with_status: AnnotationCounts


class ImportSessionFiles(Wire):
    """File counts of a session."""

    total_size_bytes: int
    page_count: int
    with_status: FileCounts


class ImportSessionStatus(Wire):
    """Where an import session stands."""

    overview: Overview
    message: str
    update_date: int
    annotations: ImportSessionAnnotations
    files: ImportSessionFiles


Lint = Literal["off", "warn", "error"]
"""Whether rules of good practice are looked at, and what they cost."""


class FileReport(Wire, omit_defaults=False):
    """What became of one file: its format and its records.

    ``records`` = ``committed`` + ``updated`` + ``unchanged`` + ``skipped`` + ``rejected``, always.
    ``matched`` counts the images by the rule that found them (exact, folder-suffix, ...).
    """

    file: str
    format: str
    role: Literal["annotations", "companion", "ignored", "failed"] = "annotations"
    records: int = 0
    committed: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    annotations: int = 0
    images: int = 0
    matched: dict[str, int] = {}
    moved: int = 0
    """Shapes of which a coordinate was moved to the edge of its image, by up to half a pixel."""
    clipped: int = 0
    """Objects that were cut off at the edge of their image, as the caller asked."""


class ImageMatch(Wire):
    """How one image name of a file was matched, when it was not simply equal."""

    file: str
    name: str
    asset: str
    rule: str


class ImportReport(Wire, omit_defaults=False):
    """What became of an import, file by file and in total.

    ``records`` (objects in the files) = ``committed`` + ``updated`` + ``unchanged`` + ``skipped`` +
    ``rejected``. ``removed`` counts objects of the project that the files lack and that the mode
    took away, ``conflicts`` those of the unchanged that were edited by hand and kept.
    ``annotations`` counts what was stored: an object of several rings is several annotations.
    """

    records: int = 0
    committed: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    conflicts: int = 0
    skipped: int = 0
    rejected: int = 0
    faulty: int = 0
    annotations: int = 0
    images: int = 0
    dry_run: bool = False
    tags_created: list[str] = []
    assets_created: int = 0
    unread: int = 0
    """Files that could not be read, or not to their end."""
    moved: int = 0
    """Shapes that were moved to the edge of their image, by up to half a pixel."""
    clipped: int = 0
    """Objects that were cut off at the edge of their image, as the caller asked."""
    errors: int = 0
    warnings: int = 0
    files: list[FileReport] = []
    matches: list[ImageMatch] = []


class ImportSession(Wire):
    """An import of annotation files, from its creation to its end.

    ``op_id`` is the operation that reads and commits them, once it was started.
    """

    id: str
    project_id: str
    status: ImportSessionStatus
    expiry_date: int
    create_date: int
    update_date: int
    report: ImportReport | None = None
    op_id: str | None = None


class ImportSessionLogLogItem(Wire):
    """One fault of an import. The optional fields repeat the message's parts as data."""

    timestamp: float
    level: str
    message: str
    code: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    hint: str | None = None


class ImportSessionLog(Wire):
    """Warnings and errors of an import; empty when nothing was wrong."""

    id: str
    project_id: str
    logs: list[ImportSessionLogLogItem]


class Condition(Wire):
    """A step that an import session has reached, or has failed to reach."""

    condition: Literal["FilesInserted", "FilesProcessed", "AnnotationsCommitted"]
    status: Literal["Reached", "FailedReach"]


class ConditionsPatch(Wire):
    """The conditions that a client reports."""

    conditions: list[Condition]


# --- exports --------------------------------------------------------------------------------


class SplitOptions(Wire, forbid_unknown_fields=True):
    """How images are divided into parts.

    ``parts``: their names and weights, in order; or ``folds``: so many parts of one size, named
    ``fold1`` and on. ``by``: ``tag`` keeps the share of every tag in every part, ``none`` goes by
    seed and file name alone, ``group`` keeps the parts that the source has given (asset groups
    called train, valid, test and the like; without such, every group is a part). ``group``: what
    stays together: ``folder``, ``asset_group``, ``metadata:KEY``, ``regex:PATTERN`` or
    ``frames``. ``keep``: images that the source has given a part stay in it.
    """

    parts: dict[str, float] = {}
    folds: int = 0
    by: Literal["tag", "none", "group"] = "tag"
    group: str = ""
    keep: bool = False


ImagesMode = Literal["none", "copy", "link"]
"""What becomes of the images in an export."""


class ExportOptions(Wire, forbid_unknown_fields=True):
    """How to export.

    ``split_ratio`` is the share (0..1) that goes to the validation part, chosen by ``seed`` and
    file names alone. ``normalized``: coordinates as fractions (True) or pixels (False); not
    given, the format's own unit. ``on_loss``: what to do when the format cannot carry all.
    ``extra`` holds options of the format itself.

    ``images``: write the images, too, as copies or as hard links (copies where a link cannot be
    made); else only labels are written. ``layout``: the layout of a trainer by its name; see
    ``annotary formats``.
    """

    split_ratio: float = 0.0
    seed: int = 1337
    normalized: bool | None = None
    shuffle: bool = True
    on_loss: OnLoss = "warn"
    extra: dict[str, Any] = {}
    images: ImagesMode = "none"
    layout: str = ""
    where: str | None = None
    """Only what a query means; see docs/queries.md."""
    split: dict[str, Any] | str | None = None
    """A :class:`SplitOptions`, weights by part, or text: ``train=0.7,val=0.2,test=0.1``,
    ``folds=5``, ``source``."""
    tags: list[str] = []
    """Only these tags, by the names they get, and the images that have one of them."""
    drop: list[str] = []
    """Tags to leave out; their images stay."""
    map: dict[str, str] = {}
    """New names of tags; several of one name become one tag."""
    limit: int = 0
    """At most so many images, the first by name; 0: all."""
    sample: int = 0
    """So many images, chosen by ``seed``; 0: all."""
    shards: int = 0
    """So many files for every part, ``train-00000-of-00004``: for TFRecord and Parquet."""


class ExportRequest(Wire, forbid_unknown_fields=True):
    """A format's name and how to write it."""

    format: str
    options: ExportOptions = msgspec.field(default_factory=ExportOptions)
    snapshot: str | None = None
    """Of which state: a snapshot's name, or ``#`` and a change's number. An addition."""


class Loss(Wire, omit_defaults=False):
    """One thing that a format could not carry, and how often."""

    code: str
    count: int
    text: str


class ExportPart(Wire, omit_defaults=False):
    """One part of an export: its images and what was written for them."""

    name: str
    images: int
    annotations: int
    objects: int


class ExportManifest(Wire, omit_defaults=False):
    """What an export holds, and what it could not carry."""

    project_id: str
    format: str
    normalized: bool | None
    split_ratio: float
    seed: int
    classes: dict[str, int]
    annotations_in_project: int
    parts: list[ExportPart]
    losses: list[Loss]
    files: dict[str, str] = {}
    """sha256 of every member."""
    layout: str = ""
    """The layout that was asked for."""
    image_mode: ImagesMode = "none"
    image_folders: list[str] = []
    """Where the trainer looks for images, below the export's folder."""
    images: list[str] = []
    """The images that were written."""
    notes: list[str] = []
    """What else is to be known of the parts."""
    snapshot: str | None = None
    """The snapshot of which it is; None: of the state at the time."""


class Change(Wire):
    """Everything that one write did to a project; an addition.

    ``number`` grows with each change of the store. ``counts`` is by noun: added, removed,
    changed. ``undoes`` and ``undone_by`` are numbers of changes.
    """

    id: str
    number: int
    project_id: str
    kind: str
    author: str
    message: str
    create_date: int
    counts: dict[str, dict[str, int]] = {}
    steps: int = 0
    undoes: int | None = None
    undone_by: int | None = None
    purge_date: int | None = None
    """When what was before it was forgotten: it cannot be undone any more."""


class ChangeConflict(Wire):
    """A thing that keeps a change from being undone; an addition."""

    noun: str
    id: str
    name: str
    detail: str
    later_change: int | None = None
    author: str | None = None


class UndoResult(Wire, omit_defaults=False):
    """What an undo did, or with ``dry_run`` would do; an addition.

    ``conflicts`` has the first 1,000 of ``conflicted``.
    """

    change: Change
    conflicts: list[ChangeConflict]
    conflicted: int
    dry_run: bool


class Snapshot(Wire):
    """A named state of a project that never changes; an addition.

    ``number`` is that of the last change in it.
    """

    id: str
    project_id: str
    name: str
    message: str
    author: str
    create_date: int
    number: int
    statistic: ProjectStatistic


class Erased(Wire):
    """What was erased; an addition. ``missing`` are ids and names that were not found."""

    annotations: int
    assets: int
    missing: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        """How many annotations and assets."""
        return {"annotations": self.annotations, "assets": self.assets}


class TrashedProject(Wire):
    """A project that was deleted, and can come back; an addition."""

    id: str
    name: str
    delete_date: int


class DownloadSignedUrl(Wire):
    """Where an export can be fetched."""

    method: str
    expiry_date: int
    url: str


class ExportResult(Wire):
    """An export: its state and, once finished, where to fetch it."""

    op_id: str
    status: str
    download: DownloadSignedUrl | None = None
    manifest: ExportManifest | None = None
    images: DownloadSignedUrl | None = None
    """On the caller's own machine: which files are the images, line by line."""


class LocalAnnotations(Wire):
    """Where a downloaded export was unpacked, and the files it holds."""

    download_path: str
    file_names: list[str]


_PAGES = (Wire, PaginationResponse)
"""No mappings: a page is a sequence of its items, and whatever Wire is, a page is."""

for _struct in [each for each in vars().values() if isinstance(each, type)]:
    if issubclass(_struct, Wire) and _struct not in _PAGES:
        Mapping.register(_struct)
