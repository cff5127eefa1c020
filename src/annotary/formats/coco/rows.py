"""COCO's annotation records on their way to the sink, chunk by chunk, with a word on each fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from annotary.contract.rows import RowSink
from annotary.formats.coco.ahead import Ahead, is_ahead
from annotary.formats.coco.dialect import LenientRecords
from annotary.formats.coco.ids_seen import IdSet
from annotary.formats.coco.lists import Categories, Images
from annotary.formats.coco.parts import Parts, RefusedError
from annotary.formats.coco.records import BODY_NAMES, BODY_PARTS, Annotation, CocoText
from annotary.formats.kit import json as doc
from annotary.problems import Location
from annotary.processes.without_gc import no_collection
from annotary.syntax.json.text import Chunk, Fault, Member


class Rows:
    """Makes rows of chunks of records, and hands them to the sink."""

    def __init__(
        self,
        text: CocoText,
        member: Member,
        rows: RowSink,
        images: Images,
        categories: Categories,
        struct: LenientRecords[Annotation],
    ) -> None:
        self._text = text
        self._member = member
        self._rows = rows
        self._images = images
        self._categories = categories
        self._struct = struct
        self._seen = IdSet()
        self._seen_words: set[str] = set()

    def read(self, decoded: list[Chunk[Annotation]], ahead: Ahead | None) -> None:
        """Read all chunks: ``decoded`` is the first one, if that was done already."""
        if not decoded:
            self._struct.mended.clear()  # they will be met again
        for number in range(len(self._member.firsts)):
            found = ahead.take() if ahead and is_ahead(number) else None
            again = None
            # where feet, face and hands have come, records without them are filled up as well
            body = self._struct.extra_fields and BODY_PARTS.keys() <= set(
                self._struct.extra_fields.values()
            )
            if found is not None and not body and found.find_images(self._images):
                again = self._seen.add(found.ids)
                if not again.any():
                    self._rows.extend(found.batch)
                    continue
            with no_collection():
                if decoded:
                    chunk = decoded.pop()
                else:
                    chunk = self._text.json.chunk(self._member, number, self._struct)
                if chunk.items:
                    self.add(chunk.first_index, chunk.items, again)
                # before collection goes on: it would look at every record
                del chunk

    def add(
        self,
        first: int,
        items: Sequence[Annotation | Fault],
        again: NDArray[np.bool_] | None = None,
    ) -> None:
        """Read one chunk; ``again`` tells repeated ids, where they have been looked up."""
        told: dict[int, RefusedError] = {}
        records: list[Annotation] = []
        at: list[int] = []
        places: dict[int, Location] = {}
        for index, item in enumerate(items, first):
            if isinstance(item, Fault):
                if self._text.cut(item):
                    continue
                code, values = self._text.fault(item, "annotation")
                places[index] = self._text.fault_place(self._member, item)
                if item.counts:
                    told[index] = RefusedError(code, **values)
                else:
                    self._rows.problem(code, places[index], **values)
            else:
                records.append(item)
                at.append(index)
        parts = Parts(self._rows, records)
        parts.find_images(self._images)
        parts.find_tags(self._categories)
        self._tell_unknown(parts, records, self._repeated(records) if again is None else again)
        if self._struct.extra_fields:
            self._body_parts(records, parts)
        parts.gather(self._categories)
        for i, refused in parts.refused.items():
            told[at[i]] = refused
        self._rows.extend(parts.batch(np.array(at, np.int64), self._struct))
        for index in sorted(told):
            refused = told[index]
            tell = self._rows.skip if refused.skip else self._rows.reject
            tell(refused.code, places.get(index, index), **refused.values)

    def _tell_unknown(
        self, parts: Parts, records: Sequence[Annotation], again: NDArray[np.bool_]
    ) -> None:
        """Repeated ids, and images and categories that are not there."""
        for i in np.flatnonzero(again).tolist():
            parts.refused[i] = RefusedError("duplicate-annotation-id", id=records[i].id)
        for i in np.flatnonzero(parts.tags < 0).tolist():
            words = self._categories.words
            declared = ", ".join(words[:20]) + (", ..." if len(words) > 20 else "")
            parts.refused[i] = RefusedError(
                "unknown-category",
                word="category id",
                id=records[i].category_id,
                where=" in categories",
                advice=f"Declare it, or mend the id. Declared: {declared or 'none'}.",
            )
        for i in np.flatnonzero(parts.images < 0).tolist():
            parts.refused[i] = RefusedError("unknown-image-id", id=records[i].image_id)

    def _repeated(self, records: Sequence[Annotation]) -> Any:
        try:
            ids = np.array([record.id for record in records])
        except ValueError:
            ids = np.zeros(0)
        if ids.dtype == np.int64:
            return self._seen.add(ids)
        # ids that are text, or missing here and there
        again = np.zeros(len(records), np.bool_)
        for i, record in enumerate(records):
            if record.id is None or record.id is UNSET:
                continue
            try:
                again[i] = self._seen.add(np.array([int(record.id)], np.int64))[0]
            except (ValueError, OverflowError):
                again[i] = str(record.id) in self._seen_words
                self._seen_words.add(str(record.id))
        return again

    def _body_parts(self, records: Sequence[Annotation], parts: Parts) -> None:
        """COCO-WholeBody keeps feet, face and hands apart: join them to the body's keypoints."""
        by_name = {json_name: name for name, json_name in self._struct.extra_fields.items()}
        fields = [by_name.get(name) for name in BODY_PARTS]
        if None in fields:
            return
        parts.consumed = frozenset(BODY_PARTS)
        for i, record in enumerate(records):
            body = record.keypoints
            if not body or len(body) != 51:
                continue
            whole = list(body)
            for field, (name, count) in zip(fields, BODY_PARTS.items(), strict=True):
                points = getattr(record, field or "")
                if points is UNSET or not isinstance(points, list) or len(points) != 3 * count:
                    points = [0.0] * (3 * count)
                try:
                    whole += [doc.number(value, name) for value in points]
                except doc.RefusedError as refused:
                    parts.refused[i] = RefusedError(refused.code, **refused.values)
                    break
            record.keypoints = whole
            tag = int(parts.tags[i])
            names = self._categories.skeletons.get(tag)
            if names is not None and len(names) == 17:
                title = self._rows.tag_names[tag]
                edges = self._rows.skeletons[title][1]
                self._categories.skeletons[tag] = [*names, *BODY_NAMES]
                self._rows.skeletons[title] = ([*names, *BODY_NAMES], edges)
