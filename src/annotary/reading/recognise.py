"""What kind of file each file of an import is: decided from its content, its name last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from annotary import formats
from annotary.contract.format import Format
from annotary.syntax.source import FileSet, SourceError, SourceFile

_LFS = b"version https://git-lfs.github.com/spec/"
_LOCK_BYTES = 4096
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_APPLEDOUBLE = b"\x00\x05\x16\x07"


ADVICE = "Name the format (format=... or --format); `annotary formats` lists them."


class Recognised(NamedTuple):
    """A file and what it was taken for: a format's file, a companion, or a problem."""

    source: SourceFile
    format: Format | None = None
    companion: str = ""
    error: SourceError | None = None


def recognise(
    sources: Sequence[SourceFile], files: FileSet, chosen: Format | None = None
) -> list[Recognised]:
    """Sort files into companions, annotation files and faults; companions go into ``files``.

    With ``chosen``, every file that is no companion is read by that format.
    """
    found: list[Recognised | None] = [None] * len(sources)
    for i, source in enumerate(sources):
        try:
            _refuse_impostors(source)
            if _is_manifest(source):
                found[i] = Recognised(source, companion="manifest")
                continue
            for candidate in formats.readers():
                kind = candidate.companion(source)
                if kind:
                    files.add(kind, source)
                    found[i] = Recognised(source, companion=kind)
                    break
        except SourceError as error:
            found[i] = Recognised(source, error=error)
        if len(sources) > _KEEP_OPEN:
            source.close()
    for i, source in enumerate(sources):
        if found[i] is None:
            try:
                found[i] = _claimed(source, files, chosen)
            except SourceError as error:
                found[i] = Recognised(source, error=error)
            if len(sources) > _KEEP_OPEN:
                source.close()
    return [r for r in found if r is not None]


_KEEP_OPEN = 256


def _refuse_impostors(source: SourceFile) -> None:
    head = source.head
    if head.startswith(_LFS):
        raise SourceError("lfs-pointer")
    if head.startswith(_APPLEDOUBLE):
        raise SourceError("appledouble")
    if source.basename.startswith("~$") and source.raw_size <= _LOCK_BYTES:
        raise SourceError("lock-file")
    if source.first == b"<" and _HTML.match(head):
        raise SourceError("web-page")


def _is_manifest(source: SourceFile) -> bool:
    """Whether this is what an export of ours says about itself."""
    return source.basename == "manifest.json" and source.json_keys >= _MANIFEST_KEYS


_MANIFEST_KEYS = {"projectId", "format", "annotationsInProject", "losses"}


def _claimed(source: SourceFile, files: FileSet, chosen: Format | None) -> Recognised:
    if chosen is not None:
        return Recognised(source, formats.get(chosen.read_by) if chosen.read_by else chosen)
    claims = [f for f in formats.readers() if f.sniff(source, files)]
    if len(claims) == 1:
        return Recognised(source, claims[0])
    if claims:
        raise SourceError("ambiguous-format", candidates=", ".join(f.name for f in claims))
    if not source.head.strip():
        raise SourceError("empty-file")
    detail = _looks(source)
    raise SourceError("unknown-format", detail=detail, advice=ADVICE)


def _looks(source: SourceFile) -> str:
    if source.is_binary:
        return "binary data"
    if source.json is not None:
        if source.json.error is not None and not source.json_keys:
            return f"broken JSON: {source.json.error}"
        keys = sorted(source.json_keys)[:8]
        return f"JSON with the keys {', '.join(keys)}" if keys else "a JSON list"
    if source.first == b"<":
        return "XML"
    first = source.head.lstrip().split(b"\n", 1)[0][:60].decode("utf-8", "replace").strip()
    return f"text that begins with {first!r}"
