"""What a caller can say of a table: which columns hold what, and the class where none does."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.problems import NOWHERE
from annotary.syntax.csv import Table
from annotary.syntax.source import SourceError, SourceFile

BOX = ("bbox", "box", "bounding_box")
_APART = re.compile(r"[\s,;]+")


class BoxColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of columns as the header has them; ``tag``: the class of rows that name none."""

    tag: str = ""
    file: str = ""
    label: str = ""
    xmin: str = ""
    ymin: str = ""
    xmax: str = ""
    ymax: str = ""
    width: str = ""
    height: str = ""
    box: str = ""


def chosen(options: object, role: str, names: Sequence[str]) -> Sequence[str]:
    """The names to look for: the caller's, or those that are usual."""
    given = getattr(options, role, "")
    return (tables.key_of(given),) if given else names


def label_column(columns: tables.Columns, rows: RowSink) -> int | None:
    """The column of the class; None where the caller gives a tag. Raises :class:`SourceError`."""
    found = columns.find(chosen(rows.options, "label", tables.LABEL))
    if found is None and not getattr(rows.options, "tag", ""):
        header = ", ".join(cell.strip() for cell in columns.header)[:200]
        raise SourceError(
            "no-class", NOWHERE, what="column", names=", ".join(tables.LABEL),
            record="header", found=header, option="label",
        )  # fmt: skip
    return found


def read_box_cells(source: SourceFile, rows: RowSink) -> None:
    """Read a table with a whole box, ``[x, y, width, height]``, in one cell of each row.

    Columns ``width`` and ``height`` are the image's size.
    """
    table = Table(source)
    columns = tables.Columns(table.header)
    (name_at,) = columns.need(chosen(rows.options, "file", tables.FILE))
    (box_at,) = columns.need(chosen(rows.options, "box", BOX))
    label_at = label_column(columns, rows)
    found = [columns.find(names) for names in (tables.WIDTH, tables.HEIGHT)]
    size_at = [column for column in found if column is not None]
    others = columns.others()
    rows.normalized = _fractions(table, box_at)
    tag = getattr(rows.options, "tag", "")
    for cells in table.records(rows):
        name = cells[name_at]
        label = (cells[label_at] if label_at is not None else "") or tag
        if not name:
            key = table.header[name_at].strip()
            rows.reject("missing-key", table.place(name_at), key=key, record="row")
            continue
        size = tables.image_size(table, cells, size_at) if len(size_at) == 2 else (0, 0)
        image = rows.image(name, *size, at=table.line)
        if not _numbers(cells[box_at]):
            continue
        if not label:
            assert label_at is not None
            key = table.header[label_at].strip()
            rows.reject("missing-key", table.place(label_at), key=key, record="row")
            continue
        parts = _numbers(cells[box_at])
        try:
            x, y, width, height = map(float, parts)
        except ValueError:
            rows.reject(
                "wrong-type", table.place(box_at), key=table.header[box_at].strip(),
                detail=f"it is {cells[box_at][:40]!r}",
                expected="four numbers: [x, y, width, height]",
            )  # fmt: skip
            continue
        extra = tables.extra_of(table, cells, others) if others else None
        rows.rectangle(image, rows.tag(label), x, y, x + width, y + height, table.line, extra)


def _numbers(cell: str) -> list[str]:
    inside = cell.strip().strip("[](){}").strip()
    return _APART.split(inside) if inside else []


def _fractions(table: Table, column: int) -> bool:
    decimals = False
    for cells in table.records():
        for text in _numbers(cells[column]):
            try:
                if float(text) > tables.ABOVE_FRACTIONS:
                    return False
            except ValueError:
                continue
            decimals = decimals or not text.lstrip("+-").isdigit()
    return decimals
