"""A difference as pictures: one SVG for each image that differs, and a page that shows them all.

Added is green, removed red, moved its old outline dashed and its new one solid, retagged blue.
Names and tags are hostile text: everything is escaped, nothing is script.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.batch import BITMASK, KEYPOINTS, POLYGON, RECTANGLE
from annotary.difference.difference import ADDED, KINDS, REMOVED, RETAGGED, UNCHANGED, Changes
from annotary.difference.objects import Objects
from annotary.geometry import rle

_COLOURS = {ADDED: "#1a9850", REMOVED: "#d73027", RETAGGED: "#2166ac"}
_MOVED = "#e08214"
_UNKNOWN = (1000, 1000)
_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:24px;background:#fff;color:#222}"
    "figure{display:inline-block;margin:8px;vertical-align:top}"
    "img{width:320px;border:1px solid #ccc;background:#f4f4f4}"
    "figcaption{max-width:320px;overflow-wrap:anywhere}"
)


class Pictures:
    """Writes into a folder that is made; :meth:`finish` writes ``index.html``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._made: list[tuple[str, str, str]] = []

    def add(self, changes: Changes, tags: Sequence[str]) -> None:
        """Draw every image that differs."""
        rows = np.flatnonzero(changes.kind != UNCHANGED)
        for image in np.unique(changes.image[rows]).tolist():
            of = rows[changes.image[rows] == image].tolist()
            name = f"{len(self._made) + 1:06d}.svg"
            (self._folder / name).write_text(_svg(changes, tags, image, of), "utf-8")
            kinds = [KINDS[int(changes.kind[row])] for row in of]
            said = ", ".join(f"{kinds.count(k)} {k}" for k in KINDS if k in kinds)
            self._made.append((name, changes.images[image], said))

    def finish(self) -> Path:
        """Write the page; returns its path."""
        figures = "\n".join(
            f'<figure><img loading="lazy" src="{name}" alt="{escape(said)}">'
            f"<figcaption>{escape(image)}<br>{escape(said)}</figcaption></figure>"
            for name, image, said in self._made
        )
        page = self._folder / "index.html"
        page.write_text(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>Difference</title><style>{_STYLE}</style></head><body>\n"
            f"<h1>{len(self._made):,} images differ</h1>\n"
            '<p>Added is <b style="color:#1a9850">green</b>, removed '
            '<b style="color:#d73027">red</b>, moved <b style="color:#e08214">orange</b> (dashed: '
            'as it was), retagged <b style="color:#2166ac">blue</b>.</p>\n'
            f"{figures}\n</body></html>\n",
            "utf-8",
        )
        return page


def _svg(changes: Changes, tags: Sequence[str], image: int, rows: Sequence[int]) -> str:
    size = changes.sides[image]
    width, height = (int(size[0]), int(size[1])) if size.all() else _UNKNOWN
    line = max(width, height) / 300
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="{line * 8:g}">',
        f'<rect width="{width}" height="{height}" fill="#f4f4f4"/>',
    ]
    for row in rows:
        kind = int(changes.kind[row])
        i, j = int(changes.left[row]), int(changes.right[row])
        colour = _COLOURS.get(kind, _MOVED)
        said = " → ".join(
            dict.fromkeys(
                tags[int(side.tag[number])]
                for side, number in ((changes.before, i), (changes.after, j))
                if number >= 0
            )
        )
        out.append(f"<g><title>{escape(f'{KINDS[kind]}: {said}')}</title>")
        if i >= 0:
            dashes = f' stroke-dasharray="{line * 3:g}"' if j >= 0 else ""
            out.append(_shape(changes.before, i, width, height, colour, line, dashes))
        if j >= 0:
            out.append(_shape(changes.after, j, width, height, colour, line, ""))
        out.append(_label(changes, i, j, width, height, colour, line, said))
        out.append("</g>")
    return "\n".join([*out, "</svg>\n"])


def _label(
    changes: Changes,
    i: int,
    j: int,
    width: int,
    height: int,
    colour: str,
    line: float,
    said: str,
) -> str:
    extent = changes.after.extent[j] if j >= 0 else changes.before.extent[i]
    x, y = (extent[0] * width, extent[1] * height) if np.isfinite(extent).all() else (0.0, 0.0)
    return (
        f'<text x="{x + line:g}" y="{max(y - line, line * 8):g}" fill="{colour}">'
        f"{escape(said)}</text>"
    )


def _shape(
    side: Objects, number: int, width: int, height: int, colour: str, line: float, dashes: str
) -> str:
    stroke = f'fill="none" stroke="{colour}" stroke-width="{line:g}"{dashes}'
    paths: list[str] = []
    dots: list[str] = []
    for row in side.rows(number):
        kind, values = int(side.batch.kind[row]), side.batch.values(row)
        if kind == RECTANGLE:
            x0, y0, x1, y1 = (values * (width, height, width, height)).tolist()
            paths.append(f"M{x0:g} {y0:g}H{x1:g}V{y1:g}H{x0:g}Z")
        elif kind == POLYGON:
            paths.append(_ring(values.reshape(-1, 2) * (width, height)))
        elif kind == KEYPOINTS:
            for x, y, seen in (values.reshape(-1, 3) * (width, height, 1)).tolist():
                if seen:
                    dots.append(f'<circle cx="{x:g}" cy="{y:g}" r="{line * 2:g}" {stroke}/>')
        elif kind == BITMASK:
            extra = side.batch.extras.get(row)
            if extra is not None and extra.mask is not None:
                scale = (width / extra.mask.width, height / extra.mask.height)
                for outer, holes in rle.contours(extra.mask):
                    paths += [_ring(ring * scale) for ring in (outer, *holes)]
    drawn = f'<path d="{"".join(paths)}" {stroke}/>' if paths else ""
    return drawn + "".join(dots)


def _ring(points: NDArray[np.floating[Any]]) -> str:
    return "M" + "L".join(f"{x:.6g} {y:.6g}" for x, y in points.tolist()) + "Z"
