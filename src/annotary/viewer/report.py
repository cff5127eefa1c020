"""A report of one file: counts, plots and samples as HTML, without script and without network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np

from annotary.client.drawing import Drawings
from annotary.viewer.facts import PROBLEMS, Facts, Query

_SAMPLE_SIDE = 320
_MOST_BARS = 60
_PLAIN = "#6f7da8"
_MOST_OBJECTS = 15
_STYLE = """
body { margin: 0 auto; max-width: 1080px; padding: 24px; font: 14px/1.5 system-ui, sans-serif;
  color: #262a36; background: #f7f8fb; }
h1 { font-size: 22px; } h2 { font-size: 16px; margin-top: 32px; }
section { background: #fff; border: 1px solid #e3e5ec; border-radius: 8px; padding: 4px 20px 20px; }
section + section { margin-top: 16px; }
figure { display: inline-block; width: 320px; margin: 8px 12px 8px 0; vertical-align: top; }
figure img { max-width: 100%; border-radius: 4px; } figcaption { color: #62687a; font-size: 12px;
  overflow-wrap: anywhere; }
td, th { padding: 2px 20px 2px 0; text-align: left; } td + td { text-align: right; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; } p { color: #62687a; }
@media (prefers-color-scheme: dark) { body { background: #0d0f15; color: #eceef4; }
  section { background: #14161e; border-color: #292c38; } p, figcaption { color: #a3aab8; } }
"""


def report(name: str, drawings: Drawings, records: str, *, sample: int, seed: int) -> str:
    """The report of a project as HTML; ``sample`` images are drawn, chosen by ``seed``."""
    colours = drawings.colours()
    assets = list(drawings.assets())
    facts = Facts(assets, drawings.annotations(), list(colours))
    facets = facts.view(Query()).facets
    per_image = np.bincount(facts.asset, minlength=len(assets))
    empty = int((per_image == 0).sum())
    tags = sorted(facets["tag"].items(), key=lambda each: -each[1])
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{escape(records)}</p>" if records else "",
        _section(
            "In numbers",
            _table(
                [
                    ("Images", len(assets)),
                    ("without annotations", empty),
                    ("Annotations", len(facts.asset)),
                    ("Tags", len(tags)),
                    *facets["kind"].items(),
                ]
            ),
        ),
        _section(
            "Class balance",
            bars([(tag, count, colours[tag]) for tag, count in tags[:_MOST_BARS]]),
            f"The {_MOST_BARS} most frequent of {len(tags):,} tags."
            if len(tags) > _MOST_BARS
            else "Annotations of each tag.",
        ),
        _section("Annotations per image", bars(_histogram(per_image))),
        _section(
            "Problems", _table([(PROBLEMS[code], n) for code, n in facets["problem"].items()])
        ),
        _section("Samples", _samples(drawings, sample, seed)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def bars(rows: Sequence[tuple[str, int, str]]) -> str:
    """An SVG of horizontal bars: a name, a count and a colour each."""
    most = max((count for _, count, _ in rows), default=0) or 1
    drawn = []
    for at, (name, count, colour) in enumerate(rows):
        y = at * 22
        short = name if len(name) <= 24 else f"{name[:23]}…"
        drawn.append(
            f'<text x="170" y="{y + 15}" text-anchor="end">{escape(short)}</text>'
            f'<rect x="180" y="{y + 3}" width="{max(1, round(700 * count / most))}" height="16"'
            f' rx="3" fill="{colour}"><title>{escape(name)}: {count:,}</title></rect>'
            f'<text x="{190 + round(700 * count / most)}" y="{y + 15}">{count:,}</text>'
        )
    height = max(1, len(rows) * 22)
    return f'<svg viewBox="0 0 1000 {height}" role="img">{"".join(drawn)}</svg>'


def _histogram(per_image: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[tuple[str, int, str]]:
    counts = np.bincount(np.minimum(per_image, _MOST_OBJECTS), minlength=_MOST_OBJECTS + 1)
    names = [*map(str, range(_MOST_OBJECTS)), f"{_MOST_OBJECTS} and more"]
    return [(name, int(count), _PLAIN) for name, count in zip(names, counts, strict=True)]


def _samples(drawings: Drawings, sample: int, seed: int) -> str:
    figures = []
    for asset in drawings.chosen(sample, seed):
        out = io.BytesIO()
        drawings.asset(asset, longest=_SAMPLE_SIDE).save(out, "JPEG", quality=80)
        coded = base64.b64encode(out.getvalue()).decode()
        figures.append(
            f'<figure><img alt="" src="data:image/jpeg;base64,{coded}">'
            f"<figcaption>{escape(asset.filename)}</figcaption></figure>"
        )
    return "".join(figures) or "<p>There are no images.</p>"


def _table(rows: Sequence[tuple[str, int]]) -> str:
    lines = (f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>" for name, count in rows)
    return f"<table>{''.join(lines)}</table>"


def _section(title: str, body: str, note: str = "") -> str:
    said = f"<p>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"
