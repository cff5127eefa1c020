"""What a format is: one class in one file of ``annotary.formats``.

The module's docstring is the format's specification and its page in the documentation. To add a
format, add a file there that ends with ``FORMAT = YourFormat()``; nothing else needs editing.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from annotary.contract.dataset import Dataset
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.syntax.source import FileSet, SourceFile

Written = Literal["Rectangle", "Polygon", "Keypoints", "Classification", "Bitmask", "Bitmask3d"]


class Carries(msgspec.Struct, frozen=True, kw_only=True):
    """A format's row in the capability matrix: what survives being written in it.

    For each kind of annotation, the kind that it is written as; None: it is left out, counted
    and said. What is written as another kind is counted and said too.
    """

    rectangle: Written | None = None
    polygon: Written | None = None
    keypoints: Written | None = None
    classification: Written | None = None
    bitmask: Written | None = None
    bitmask3d: Written | None = None
    parts: bool = False
    """Several rings stay one object."""
    holes: bool = False
    objects: bool = False
    """Rows of any kinds stay one object, each with its own attributes and properties."""
    with_keypoints: frozenset[Written] = frozenset()
    """Otherwise: what may be in one object with keypoints, as it is written."""
    companions: Literal["one", "all"] = "one"
    """Whether that is one kind at a time (an outline or a box), or all of them."""
    attributes: bool = False
    properties: bool | frozenset[str] = False
    """Flags and unknown fields: all, none, or those named."""
    bare: frozenset[Written] = frozenset()
    """Kinds that have neither attributes nor properties, whatever the others have."""
    merges: frozenset[Written] = frozenset()
    """Kinds of which an image has one object of each class: masks are united."""
    attribute_types: bool = True
    """A number, a text that looks like one and a list of one value are told apart."""
    empty_images: bool = True
    """Images without annotations are listed."""
    image_sizes: bool = False
    tags: Literal["any", "none"] = "any"
    """Whether class names are written; with ``none`` they are lost, counted and said."""
    classes: bool = True
    """Classes that no annotation uses are listed."""
    class_numbers: Literal["none", "dense", "source"] = "none"
    """No numbers; dense ones from ``class_base``; or the source's own, gaps and all."""
    class_base: int = 0
    frames: bool = False
    edges: bool = False
    """The edges of a class's skeleton are written with its keypoints."""
    unit: Literal["follows", "normalized", "pixels", "none"] = "follows"
    """What decides between fractions and pixels: the caller (``follows``) or the format."""
    natural: Literal["normalized", "pixels"] = "pixels"
    """The unit when the caller does not say."""
    fractions: Literal["usual", "unusual"] = "usual"
    """Whether readers of the format expect fractions, where the caller may ask for them."""
    decimals: str = "exact"
    """How exact coordinates are: ``exact``, or in words what they are rounded to."""


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For formats that have no options of their own."""


class Format:
    """A way to write annotations down.

    ``read`` and ``write`` may each be missing (``reads``/``writes`` False). ``family`` names the
    space of class numbers that related formats share; ``read_by`` names the format that reads
    what this one writes, when that is another one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str] = ""
    extensions: ClassVar[tuple[str, ...]] = ()
    """Endings, in lower case with their dot, that files of this format have."""
    reads: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    read_by: ClassVar[str] = ""
    project_types: ClassVar[tuple[str, ...]] = ()
    carries: ClassVar[Carries] = Carries()
    header_lines: ClassVar[int | None] = None
    """For text with one record a line: how many lines stand before the first record."""
    record_paths: ClassVar[tuple[str, ...]] = ()
    """For JSON and XML: where records stand, as pointers with ``*`` for any child."""
    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    """What can be chosen when it is written."""
    ReadOptions: ClassVar[type[msgspec.Struct]] = NoOptions
    """What can be chosen when it is read; ``rows.options`` is one of these."""

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        """Whether the file is of this format, judged by its content first and name last.

        Exactly one format may claim a file; ``files`` already holds the session's companions.
        """
        raise NotImplementedError

    def companion(self, source: SourceFile) -> str | None:
        """The kind of companion that the file is to this format's files, or None."""
        return None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        """Write every object of the file into ``rows``, and every fault.

        A fault never stops the reading: the next record is read. Raises ``SourceError`` only
        for what makes the rest of the file unreadable.
        """
        raise NotImplementedError

    def write(self, data: Dataset, out: Output) -> None:
        """Write the dataset's files."""
        raise NotImplementedError
