"""What can be wrong with a file or a record: rules, and problems found by them.

A :class:`Problem` is data: rule code, file, place and the values that were seen. Its text is
made once, here, from the rule's templates, so that the SDK, the server and the CLI print the
same words. ``RULES`` is the table that the documentation is generated from.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

ERROR = "Error"
WARNING = "Warning"
KEPT = 1000
"""Problems of one rule in one file that are kept in full; of more, only the number is told."""
MORE = "more"
"""The rule of the line that tells this number."""


class Rule(Struct, frozen=True):
    """One thing that is checked: its code, how severe it is, and its two texts.

    ``message`` and ``hint`` are ``str.format`` templates over the problem's values.
    """

    code: str
    level: str
    message: str
    hint: str


class Location(Struct, frozen=True, omit_defaults=True):
    """A place in a file: 1-based line and column where text has lines, and a pointer.

    ``pointer`` is a JSON pointer (RFC 6901), or a path of element names for XML.
    """

    line: int | None = None
    column: int | None = None
    pointer: str | None = None


NOWHERE = Location()


class Problem(Struct, frozen=True, omit_defaults=True):
    """One fault: the rule that found it, where, and the values that the texts quote."""

    code: str
    file: str
    location: Location = NOWHERE
    values: dict[str, Any] = {}
    count: int = 1
    """How many records share this fault (an unknown image is told once, with its records)."""
    strict: bool = False
    """Whether the caller wants this warning to be an error."""

    @property
    def level(self) -> str:
        """``Error`` or ``Warning``."""
        return ERROR if self.strict else RULES[self.code].level

    @property
    def message(self) -> str:
        """What is wrong, as one sentence without the place."""
        return RULES[self.code].message.format_map(_Values(self.values))

    @property
    def hint(self) -> str:
        """How to mend it."""
        return RULES[self.code].hint.format_map(_Values(self.values))

    @property
    def text(self) -> str:
        """The whole log text: place, fault and, after a blank line, the hint."""
        place = self.file
        if self.location.line is not None:
            place = f"{place}:{self.location.line}"
        if self.location.pointer:
            place = f"{place} ({self.location.pointer})"
        several = self.count > 1 and self.code != MORE
        more = f" ({self.count} records.)" if several else ""
        hint = self.hint
        return f"At {place}: {self.message}{more}" + (f"\n\nHint: {hint}" if hint else "")


class _Values(dict[str, Any]):
    """Template values; one that a caller forgot shows as its name instead of raising."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def _table(*rules: Rule) -> dict[str, Rule]:
    table = {rule.code: rule for rule in rules}
    if len(table) != len(rules):
        raise ValueError("two rules share a code")
    return table


RULES = _table(
    # --- the file as a whole -------------------------------------------------------------
    Rule("empty-file", ERROR, "The file is empty.", "Export it again, or leave it out."),
    Rule(
        "lfs-pointer",
        ERROR,
        "This is a Git LFS pointer, not the file itself.",
        "Run `git lfs pull` in the repository it came from, then import again.",
    ),
    Rule(
        "appledouble",
        ERROR,
        "This is a macOS resource file (AppleDouble), not annotations.",
        "Delete the files whose names start with '._', or leave them out.",
    ),
    Rule(
        "encoding",
        ERROR,
        "The text is not valid UTF-8: byte {byte} cannot be read.",
        "Save the file as UTF-8. It looks like {guess}.",
    ),
    Rule("syntax", ERROR, "The {kind} is broken: {detail}.", "{advice}"),
    Rule(
        "unknown-format",
        ERROR,
        "No known format recognises this file ({detail}).",
        "{advice}",
    ),
    Rule(
        "ambiguous-format",
        ERROR,
        "More than one format recognises this file: {candidates}.",
        "Choose one of them with format=... or --format.",
    ),
    Rule(
        "wrong-format",
        ERROR,
        "The file is not {format}: {detail}.",
        "Leave the format out to have it recognised, or name the right one.",
    ),
    Rule(
        "export-only",
        ERROR,
        "{format} cannot be imported: {detail}.",
        "{advice}",
    ),
    Rule(
        "results-file",
        ERROR,
        "This is a COCO results file: it has image ids but no image names or sizes.",
        "Import the annotation file that these results belong to, or merge the results into "
        "it (pycocotools: COCO.loadRes) and import that.",
    ),
    Rule(
        "lock-file",
        ERROR,
        "This is a lock file that an office program left, not annotations.",
        "Close the document, or delete the files whose names start with '~$'.",
    ),
    Rule(
        "web-page",
        ERROR,
        "This is a web page (HTML), not the data: it was probably saved instead of them.",
        "Download the file again, signed in where that is asked for.",
    ),
    Rule("duplicate-file", ERROR, "The file {name} was added twice.", "Add each file once."),
    Rule(
        "unreadable-file",
        ERROR,
        "The file cannot be read: {detail}.",
        "Check that the file exists and that you may read it.",
    ),
    Rule(
        "unreadable-folder",
        ERROR,
        "The folder cannot be read: {detail}. What is in it was not looked at.",
        "Check that you may read it, or leave it out.",
    ),
    Rule(
        "unreadable-image",
        ERROR,
        "The image cannot be read: {detail}.",
        "Replace the file, take it out of the folder, or register the image with its size. "
        "on_error='skip' (--on-error skip) takes the others.",
    ),
    Rule(
        "unreadable-member",
        ERROR,
        "{what} in the archive cannot be read: {detail}.",
        "{advice}",
    ),
    Rule("broken-archive", ERROR, "The archive cannot be read: {detail}.", "{advice}"),
    Rule(
        "changed-file",
        ERROR,
        "The file changed while it was read: {detail}.",
        "Wait until whatever writes it is done, then import again.",
    ),
    Rule(
        "nothing-to-read",
        ERROR,
        "None of the files holds annotations ({files}).",
        "{advice}",
    ),
    Rule(
        "too-large",
        ERROR,
        "{what} is larger than allowed: {value}, at most {limit}.",
        "{advice}",
    ),
    # --- the shape of a record -----------------------------------------------------------
    Rule("missing-key", ERROR, "{key} is missing.", "Every {record} needs {key}."),
    Rule(
        "wrong-type",
        ERROR,
        "{key} is wrong: {detail}.",
        "{key} must be {expected}.",
    ),
    Rule(
        "not-a-number",
        ERROR,
        "{value!r} in {key} is not a number.",
        "Write numbers with a decimal point, without quotes, units or thousands separators.",
    ),
    Rule(
        "value-count",
        ERROR,
        "{key} has {count} values, expected {expected}.",
        "{advice}",
    ),
    Rule(
        "missing-column",
        ERROR,
        "The column {column} is missing; the header has {header}.",
        "Add the column, or rename the one that holds it.",
    ),
    Rule(
        "duplicate-annotation-id",
        ERROR,
        "The annotation id {id} was used before in this file.",
        "Give every annotation its own id.",
    ),
    Rule(
        "duplicate-image-id",
        ERROR,
        "The image id {id} was used before in this file, for {first}.",
        "Give every image its own id; annotations of this id are ambiguous.",
    ),
    Rule(
        "duplicate-category-id",
        ERROR,
        "The category id {id} was used before in this file; here it is {name}.",
        "Give every category its own id; annotations of this id are ambiguous.",
    ),
    Rule(
        "duplicate-category-name",
        WARNING,
        "The category {name} is declared twice, with the ids {first} and {id}; both are one tag.",
        "Rename one of them if they are different classes.",
    ),
    Rule(
        "unknown-category",
        ERROR,
        "The {word} {id} is not declared{where}.",
        "{advice}",
    ),
    Rule(
        "unknown-image-id",
        ERROR,
        "The image id {id} is not in the file's list of images.",
        "Add the image to the list, or mend the id.",
    ),
    Rule(
        "nameless-class",
        ERROR,
        "The class of this annotation has no name.",
        "Give it at least one visible character where the classes are declared.",
    ),
    Rule(
        "no-class-list",
        ERROR,
        "The class number {id} has no name: no class list was found.",
        "Add the class list ({names}) to the same import, or give the project its tags first.",
    ),
    Rule(
        "foreign-class-list",
        ERROR,
        "The class number {id} has no name: no class list stands beside or above this file, and "
        "of those elsewhere any could be meant ({candidates}).",
        "Put the list that belongs to the labels into their folder or one above it, or import each "
        "data set by itself.",
    ),
    Rule(
        "broken-companion",
        ERROR,
        "{companion} cannot be read, and this file needs it: {detail}.",
        "Mend {companion}.",
    ),
    Rule(
        "missing-series",
        ERROR,
        "The slices that the contours are drawn on are not in this import.",
        "Add the .dcm files of the series: only they say where the voxels are.",
    ),
    Rule(
        "mask-size",
        ERROR,
        "The mask is {height} x {width} pixels but its run lengths cover {pixels} pixels.",
        "The counts must add up to height times width; check the size's order: [height, width].",
    ),
    Rule(
        "keypoint-count",
        ERROR,
        "{count} keypoints where the skeleton of {tag} has {expected}.",
        "Write every keypoint of the skeleton, with visibility 0 for those not labelled.",
    ),
    Rule(
        "attribute",
        ERROR,
        "The attribute {name} of {tag} is wrong: {detail}.",
        "{advice}",
    ),
    Rule(
        "missing-package",
        ERROR,
        "{format} needs the package {package}, which is not installed.",
        "Run `pip install annotary[{extra}]` where Annotary is installed, then try again.",
    ),
    # --- images ----------------------------------------------------------------------------
    Rule(
        "unknown-image",
        ERROR,
        "The image {name} is not in the project.",
        "{advice}",
    ),
    Rule(
        "ambiguous-image",
        ERROR,
        "The image {name} could be any of {candidates}.",
        "Write the folder in front of the name, or rename one of the images.",
    ),
    Rule(
        "size-mismatch",
        ERROR,
        "The file says that {name} is {width} x {height} pixels, but the image is "
        "{asset_width} x {asset_height}.",
        "{advice}",
    ),
    Rule(
        "unknown-size",
        ERROR,
        "The size of {name} is needed to place pixel coordinates, and nothing states it.",
        "Upload the image, or register it with its width and height.",
    ),
    # --- geometry --------------------------------------------------------------------------
    Rule(
        "out-of-bounds",
        ERROR,
        "Point {x}, {y} is out of bounds.",
        "The asset for this annotation has dimensions {width} x {height} pixels.",
    ),
    Rule(
        "not-finite",
        ERROR,
        "{value} is not a finite number.",
        "Coordinates must be finite; remove the annotation or draw it again.",
    ),
    Rule(
        "zero-area",
        ERROR,
        "The {shape} has no area ({detail}).",
        "Remove the annotation or draw it again.",
    ),
    Rule(
        "negative-size",
        ERROR,
        "The box has a negative size ({detail}).",
        "Width and height count from the top-left corner and must be positive.",
    ),
    Rule(
        "too-few-points",
        ERROR,
        "The polygon has {count} points; it needs at least 3.",
        "Draw it as a box, or remove it.",
    ),
    # --- told, but nothing is wrong with the rest ---------------------------------------------
    Rule(
        "unsupported-shape",
        WARNING,
        "A {shape} cannot be stored and was skipped{detail}.",
        "Draw it as a rectangle, polygon, keypoints or mask.",
    ),
    Rule(
        "skipped-record",
        WARNING,
        "{what} was skipped: {why}.",
        "{advice}",
    ),
    Rule(
        "ignored",
        WARNING,
        "{what} was not kept: {why}.",
        "{advice}",
    ),
    Rule(
        "fields-not-kept",
        WARNING,
        "Not kept: {fields}.",
        "No export will have them. Keep this file if they matter.",
    ),
    Rule(
        "mixed-units",
        WARNING,
        "{count} boxes have no value above 1, as fractions have, but the file was read as "
        "pixels because of {value} in line {line}.",
        "Write all coordinates as fractions or all as pixels; if they are fractions, mend that "
        "value.",
    ),
    Rule(
        "class-order",
        WARNING,
        "No class list was found: class numbers were taken for the project's tags in their order "
        "({tags}).",
        "If the numbers mean something else, add the class list ({names}) to the same import.",
    ),
    Rule(
        "class-list",
        WARNING,
        "No class list stands beside or above this file; {list}, the only one there is, was taken.",
        "If it is another data set's, import this one by itself or add its own list.",
    ),
    Rule(
        "other-reading",
        WARNING,
        "Read as {expected}, {count} of {total} lines leave the image; none would as {likely}.",
        "{advice}",
    ),
    Rule(
        "repeated-image",
        WARNING,
        "The image {name} is declared twice; what both say is on one image.",
        "If these are two images, give each its own name.",
    ),
    Rule(
        "same-name",
        WARNING,
        "{count} images are called as one in another folder is ({name}, in {first} and in "
        "{second}); they were taken for images of their own.",
        "If they are the same images, put the files into one folder; a prefix for each path names "
        "them (--prefix).",
    ),
    Rule(
        "several-annotations",
        WARNING,
        "Images with more than one set of annotations: {count}. All sets were read.",
        "Objects may be there twice. Keep one set of each image, or delete what is too much.",
    ),
    Rule(
        "not-an-annotation-file",
        WARNING,
        "{files} no annotations and {were} left alone: {names} ({detail}).",
        "If {they} annotations after all, name the file itself, or its format.",
    ),
    Rule(
        "left-archive",
        WARNING,
        "The archive cannot be read and was left alone: {detail}.",
        "{advice}",
    ),
    Rule("left-alone", WARNING, "{files} left alone: {kinds}.", ""),
    Rule(
        "not-a-file",
        WARNING,
        "This is {kind}, not a file; it was left alone.",
        "",
    ),
    Rule(
        "linked-twice",
        WARNING,
        "The folder is linked twice, here and at {first}; it was read once.",
        "",
    ),
    Rule(
        "no-class",
        ERROR,
        "No {what} is called {names}; the {record} has {found}.",
        "Say which one is the class ({option}=NAME), or give all one tag (tag=NAME): --option on "
        "the command line, options={{...}} in the SDK.",
    ),
    Rule(
        "duplicate-shape",
        WARNING,
        "The same shape of {tag} is there twice.",
        "Delete one of the two.",
    ),
    Rule(
        "clashing-classes",
        WARNING,
        "The same shape is there as {other} and as {tag}.",
        "Keep the class that is meant.",
    ),
    Rule(
        "tiny-shape",
        WARNING,
        "The shape is {width} x {height} pixels.",
        "Was it clicked by mistake? Draw it again, or delete it.",
    ),
    Rule(
        "whole-image",
        WARNING,
        "The shape covers the whole image.",
        "A class of the image is better kept as a classification.",
    ),
    Rule("self-crossing", WARNING, "The outline crosses itself.", "Draw it again."),
    Rule(
        "similar-classes",
        WARNING,
        "The classes {first!r} and {second!r} differ only in case, blanks or dashes.",
        "Merge them if they are one.",
    ),
    Rule(
        "unfinished",
        WARNING,
        "Images that {why}: {images}. They are not images without objects.",
        "A conversion leaves them out. Finish them, or submit them empty.",
    ),
    Rule(
        "moved",
        WARNING,
        "{shapes} moved to the edge of the image, by up to half a pixel.",
        "",
    ),
    Rule(
        "clipped",
        WARNING,
        "{shapes} cut off at the edge of the image, as you asked.",
        "",
    ),
    Rule(
        "left-out",
        WARNING,
        "{shapes} left out for the fault {code}, as you asked.",
        "",
    ),
    Rule(
        MORE,
        WARNING,
        "And {problems:,} more of the rule {rule}.",
        "Of each rule, the first of a file are listed, and all are counted. Mend those that are "
        "listed, then check the file again; rejects have every faulty record.",
    ),
    Rule(
        "doubtful-value",
        WARNING,
        "{what}: {why}.",
        "{advice}",
    ),
    Rule(
        "dialect",
        WARNING,
        "{what}: that can be read in one way only, and was.",
        "{advice}",
    ),
)
