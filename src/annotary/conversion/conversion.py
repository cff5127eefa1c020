"""Conversion and validation without a project: files in, files out, nothing kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from annotary import formats, matching
from annotary.batch import AnnotationBatch
from annotary.contract.format import Format
from annotary.contract.output import Output
from annotary.conversion.sourceparts import image_sets, part_of, part_of_image
from annotary.conversion.spool import Spool
from annotary.errors import BadRequestError, ValidationError
from annotary.matching import Candidate, Match
from annotary.model import ExportManifest, ExportOptions, FileReport, ImageMatch, OnError, Skeleton
from annotary.problems import Problem
from annotary.query import language
from annotary.query.selection import Selected
from annotary.reading.file import FileReading
from annotary.reading.inputs import Inputs
from annotary.reading.log import ProblemLog
from annotary.reading.policy import FileOutcome, refuse, settle
from annotary.reading.session import Reading
from annotary.reading.wishes import Wishes
from annotary.syntax.source import SourceFile
from annotary.writing.exporting import ExportTag, Origin, export
from annotary.writing.output import FolderOutput, ZipOutput


class OpenImages:
    """Images as the files state them, or as they are found in a folder.

    With a folder, names are matched to its images and sizes are read from their headers; a name
    that is not there is refused. Without, every name is taken at the size that its file states.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.names: list[str] = []
        self.problems: list[Problem] = []
        """Images and folders that could not be read, and files of other kinds beside them."""
        self._sizes: list[tuple[int, int]] = []
        self._numbers: dict[str, int] = {}
        self._paths: list[Path] = []
        self._inputs = Inputs.of_images()
        self._folder = folder
        self._by_key: dict[str, list[Candidate]] = {}
        if folder is not None:
            self._read_folder(folder)

    def _read_folder(self, folder: Path) -> None:
        from annotary.syntax.image import read_header

        found = self._inputs.add(folder)
        self.problems += self._inputs.problems
        for each in found:
            try:
                header = read_header(each.path, each.name)
            except ValidationError as error:
                assert error.problem is not None
                self.problems.append(error.problem)
                continue
            number = self._add(each.name, (header.width, header.height))
            self._paths.append(each.path)
            candidate = Candidate(number, each.name, header.width, header.height)
            self._by_key.setdefault(matching.key(each.name), []).append(candidate)

    def close(self) -> None:
        """Let go of images that were unpacked."""
        self._inputs.close()

    def _add(self, name: str, size: tuple[int, int]) -> int:
        number = self._numbers[name] = len(self.names)
        self.names.append(name)
        self._sizes.append(size)
        return number

    @property
    def sizes(self) -> Any:
        """Width and height [n, 2] of every image; 0 where nothing states it."""
        return np.array(self._sizes, np.int64).reshape(-1, 2)

    def resolve(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Match]:
        """Match names; see ``annotary.reading.images.ImageBook``."""
        found = []
        for name, size in zip(names, sizes, strict=True):
            if self._folder is not None:
                pool = {c.asset: c for k in matching.keys(name) for c in self._by_key.get(k, ())}
                found.append(matching.match(name, pool.values()))
                continue
            number = self._numbers.get(name)
            if number is None:
                number = self._add(name, (max(size[0], 0), max(size[1], 0)))
            elif self._sizes[number] == (0, 0):
                self._sizes[number] = size
            found.append(Match(Candidate(number, name, *self._sizes[number]), "created"))
        return found

    def present(self, names: Sequence[str]) -> set[str]:
        """Those of the names that are exactly an image's of the folder."""
        return {name for name in names if name in self._numbers}

    def suggest(self, name: str) -> str:
        """Near names in the folder."""
        near = matching.nearest(name, self.names[:5000])
        return f"Did you mean {', '.join(near)}?" if near else "Put the image into the folder."

    def path(self, number: int) -> Path | None:
        """The file of an image of the folder."""
        return None if self._folder is None else self._paths[number]


class Conversion:
    """Files that were read and checked, ready to be written in another format.

    ``log`` has every problem, ``reports`` the counts of every file: records = committed +
    skipped + rejected.
    """

    def __init__(
        self,
        sources: Sequence[SourceFile],
        *,
        format_: Format | None = None,
        images: Path | None = None,
        on_error: OnError = "reject_session",
        keep: bool = True,
        progress: Callable[[int], None] | None = None,
        rejects: Output | None = None,
        remarks: Sequence[Problem] = (),
        wishes: Wishes | None = None,
    ) -> None:
        if wishes is not None:
            read_by = format_ and format_.read_by
            wishes.check(formats.get(read_by) if read_by else format_)
        self.images = OpenImages(images)
        self._receiver = _SpoolReceiver(on_error, keep, progress)
        reading = Reading(self.images, self._receiver, rejects=rejects, wishes=wishes)
        try:
            for each in (*remarks, *self.images.problems):
                reading.tell(each)
            reading.read(sources, format_)
        except BaseException:
            self._receiver.spool.close()
            self.images.close()
            reading.log.close()
            raise
        self.log: ProblemLog = reading.log
        self.reports: list[FileReport] = reading.reports
        self.nothing = reading.nothing()
        """What is to be said when none of the files holds annotations."""
        self.matches: list[ImageMatch] = reading.matches
        self.refused = on_error == "reject_session" and self.log.errors > 0
        if self.refused:
            refuse(self.reports)

    @property
    def problems(self) -> Iterator[Problem]:
        """Every problem, in the order of the files."""
        return iter(self.log)

    def write(
        self,
        format_: Format,
        options: ExportOptions,
        out: ZipOutput | FolderOutput,
        progress: Callable[[int], None] | None = None,
    ) -> ExportManifest:
        """Write everything in another format; see ``annotary.writing.exporting.export``."""
        origin = self.origin()
        if options.where is not None:
            origin = Selected(origin, language.parse(options.where))
        if origin.groups and not options.split and not options.split_ratio:
            # what came in as parts goes out as parts
            options = msgspec.structs.replace(options, split="source")
        return export(origin, format_, options, out, progress)

    def origin(self) -> Origin:
        """What was read, as exports and differences see it."""
        return _SpoolOrigin(self.images, self._receiver)

    def __enter__(self) -> Conversion:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._receiver.spool.close()
        self.images.close()
        self.log.close()


class _SpoolReceiver:
    def __init__(
        self, on_error: OnError, keep: bool, progress: Callable[[int], None] | None
    ) -> None:
        self.spool = Spool()
        self.tags: dict[str, ExportTag] = {}
        self._order: dict[str, int] = {}
        self._on_error = on_error
        self._keep = keep
        self._progress = progress
        self._held: list[AnnotationBatch] = []
        self._good = self._rows = 0
        self.parts: dict[int, str] = {}
        """The part that the source gives an image, by the image's number."""
        self.unfinished: set[int] = set()
        """Images that the source says nobody has annotated to the end."""
        self.sets: dict[str, str] | None = None

    def begin_file(self, file: FileReading) -> None:
        self._good = self._rows = 0
        self._held = []
        self._map = np.zeros(0, np.int32)

    def receive(self, file: FileReading, batch: AnnotationBatch) -> None:
        objects = len(batch.objects()) - 1
        self._good += objects
        self._rows += len(batch)
        if self._keep:
            self._number(file)
            batch.tag = self._map[batch.tag]
            # a file that is refused as a whole must not have been spooled yet
            if self._on_error == "reject_file":
                self._held.append(batch)
            else:
                self.spool.add(batch)
        if self._progress:
            self._progress(objects)

    def end_file(self, file: FileReading) -> None:
        outcome = FileOutcome.of(file, self._good)
        kept = settle(file.report, outcome, self._on_error, self._rows)
        if kept:
            for batch in self._held:
                self.spool.add(batch)
        self._held = []
        if self._keep:
            self._number(file)
            self._keep_numbers(file)
            self._keep_parts(file)
            self.unfinished |= {int(file.assets[image]) for image in file.rows.states}

    def _keep_parts(self, file: FileReading) -> None:
        if self.sets is None:
            self.sets = image_sets(file.session.files.companions.get("voc-image-set", ()))
        own = part_of(file.source.name)
        said = file.rows.parts
        pairs = zip(file.rows.image_names, file.assets.tolist(), strict=False)
        for number, (name, image) in enumerate(pairs):
            if image >= 0:
                stem = name.rpartition("/")[2].rpartition(".")[0] or name
                part = said.get(number) or self.sets.get(stem) or own or part_of_image(name)
                if part:
                    self.parts.setdefault(image, part)

    def _number(self, file: FileReading) -> None:
        names = file.rows.tag_names
        known = len(self._map)
        if known < len(names):
            more = []
            for name in names[known:]:
                if not name.strip():  # its objects are faults; none of them comes here
                    more.append(0)
                    continue
                if name not in self._order:
                    self._order[name] = len(self._order)
                    self.tags[name] = ExportTag(name)
                more.append(self._order[name])
            self._map = np.concatenate([self._map, np.array(more, np.int32)])

    def _keep_numbers(self, file: FileReading) -> None:
        rows = file.rows
        for name, number in zip(rows.tag_names, rows.tag_ids, strict=True):
            if rows.id_space and number is not None and name in self.tags:
                self.tags[name].numbers.setdefault(rows.id_space, number)
        for name, (keypoints, edges) in rows.skeletons.items():
            if name in self.tags and self.tags[name].skeleton is None:
                self.tags[name].skeleton = Skeleton(keypoints=keypoints, edges=edges)


class _SpoolOrigin:
    """What was read, as exports see it."""

    project = ""

    def __init__(self, images: OpenImages, receiver: _SpoolReceiver) -> None:
        self._images = images
        self._spool = receiver.spool
        left = receiver.unfinished.difference(receiver.spool.images.tolist())
        numbers = (n for n in range(len(images.names)) if n not in left)
        order = sorted(numbers, key=images.names.__getitem__)
        self._order = np.array(order, np.int64)
        self.names = [images.names[i] for i in order]
        sizes = images.sizes[self._order] if order else images.sizes
        self.widths, self.heights = sizes[:, 0], sizes[:, 1]
        self.ids: Sequence[str] = ()
        parts = [receiver.parts.get(i, "") for i in order]
        # one word alone says how a file is called, not how a dataset is divided
        told = len(set(parts) - {""}) > 1
        self.groups: Sequence[Sequence[str]] = [[part] if part else [] for part in parts]
        if not told:
            self.groups = ()
        self.tags = [msgspec.structs.replace(tag) for tag in receiver.tags.values()]
        self.count = receiver.spool.count

    def scan(self, images: Sequence[int]) -> Iterator[AnnotationBatch]:
        return self._spool.scan(self._order[np.asarray(images, np.int64)].tolist())

    def read_image(self, image: int) -> bytes | None:
        path = self._images.path(int(self._order[image]))
        return None if path is None else path.read_bytes()

    def metadata(self, key: str) -> Sequence[str]:
        raise BadRequestError(
            "Files have no metadata of images that they could be grouped by.",
            hint="Import them into a project whose assets have it, and export that.",
        )

    def picture(self, image: int) -> AbstractContextManager[Path | None]:
        return nullcontext(self._images.path(int(self._order[image])))
