"""Annotations drawn over a picture: lines with a dark casing, masks, points, labels.

All is drawn at twice the size and reduced, for smooth lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFont

from annotary.drawing.colours import CASING, INK, OTHER
from annotary.geometry import rle
from annotary.model import Annotation, MaskBound
from annotary.pictures import Picture

_FINE = 2
_LINE = 2
_POLYGON, _MASK = 0.20, 0.42
_DASH = 7
_MOST_LABELS = 160
_DIMMED = 0.22

Xy = list[tuple[float, float]]


def draw(
    picture: Picture,
    annotations: Iterable[Annotation],
    colours: Mapping[str, str],
    *,
    meant: Sequence[str] = (),
    labels: bool = True,
) -> Image.Image:
    """A picture of the same size in RGB, with annotations on it.

    ``colours``: ``#rrggbb`` by tag. ``meant``: the tags that are meant; others are drawn faintly.
    What is wrong with the picture stands on it.
    """
    every = list(annotations)
    wide = picture.image.width * _FINE, picture.image.height * _FINE
    canvas = picture.image.resize(wide, Image.Resampling.BICUBIC)
    if meant:
        others = [each for each in every if each.tag not in meant]
        faint = canvas.copy()
        _shapes(faint, others, colours)
        canvas = Image.blend(canvas, faint, _DIMMED)
        every = [each for each in every if each.tag in meant]
    _shapes(canvas, every, colours)
    image = canvas.resize(picture.image.size, Image.Resampling.BOX)
    if labels:
        _labels(image, every, colours)
    if picture.note and not picture.shown:
        _note(image, picture.note)
    return image


def crop(
    image: Image.Image, bound: Sequence[tuple[float, float]], margin: float = 0.12
) -> Image.Image:
    """The part of a picture around points (fractions of it), with a margin of the extent."""
    if not bound:
        return image
    xs = [x * image.width for x, _ in bound]
    ys = [y * image.height for _, y in bound]
    more = margin * max(max(xs) - min(xs), max(ys) - min(ys), 8.0)
    left, top = max(0, int(min(xs) - more)), max(0, int(min(ys) - more))
    right = min(image.width, int(max(xs) + more) + 1)
    bottom = min(image.height, int(max(ys) + more) + 1)
    if right <= left or bottom <= top:  # all of it is outside of the picture
        return image
    return image.crop((left, top, right, bottom))


def points_of(annotation: Annotation) -> list[tuple[float, float]]:
    """The points that an annotation reaches to, as fractions; none for a classification."""
    if isinstance(annotation.bound, MaskBound):
        height, width = annotation.bound.size
        box = rle.bbox(_rle(annotation.bound))
        if box is None:
            return []
        x0, y0, x1, y1 = box[0], box[1], box[0] + box[2], box[1] + box[3]
        return [(x0 / width, y0 / height), (x1 / width, y1 / height)]
    return [(point[0], point[1]) for point in annotation.bound if len(point) < 3 or point[2]]


# --- shapes ---------------------------------------------------------------------------------


def _shapes(
    canvas: Image.Image, annotations: Sequence[Annotation], colours: Mapping[str, str]
) -> None:
    rings: dict[str, list[Annotation]] = {}
    for each in annotations:
        if isinstance(each.bound, MaskBound):
            _mask(canvas, each.bound, colours.get(each.tag, OTHER))
        elif each.bound_type == "Polygon":
            rings.setdefault(each.group or each.id, []).append(each)
    for parts in rings.values():
        _fill(canvas, [_pixels(canvas, each) for each in parts], colours.get(parts[0].tag, OTHER))
    pen = ImageDraw.Draw(canvas, "RGBA")
    for each in annotations:
        colour = colours.get(each.tag, OTHER)
        if isinstance(each.bound, MaskBound) or not each.bound:
            continue
        if each.bound_type == "Keypoints":
            _points(pen, canvas, each.bound, colour)
            continue
        ring = _pixels(canvas, each)
        crowd = bool((each.properties or {}).get("iscrowd"))
        _line(pen, [*ring, ring[0]], colour, dashed=each.hole or crowd)


def _pixels(canvas: Image.Image, annotation: Annotation) -> Xy:
    assert not isinstance(annotation.bound, MaskBound)
    return [(p[0] * canvas.width, p[1] * canvas.height) for p in annotation.bound]


def _line(pen: ImageDraw.ImageDraw, line: Xy, colour: str, *, dashed: bool) -> None:
    width = _LINE * _FINE
    pen.line(line, fill=CASING, width=2 * width, joint="curve")
    if not dashed:
        pen.line(line, fill=colour, width=width, joint="curve")
        return
    for a, b in _dashes(line, _DASH * _FINE):
        pen.line([a, b], fill=colour, width=width)


def _dashes(line: Xy, length: float) -> Iterable[tuple[tuple[float, float], tuple[float, float]]]:
    """Every other stretch of a line's edges."""
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        reach = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
        count = min(int(reach / length) + 1, 1000)
        for at in range(0, count, 2):
            a, b = at / count, min((at + 1) / count, 1.0)
            yield (
                (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a),
                (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b),
            )


def _fill(canvas: Image.Image, rings: Sequence[Xy], colour: str) -> None:
    """Fill the rings of one object by even-odd: a ring in another one is a hole."""
    xs = [x for ring in rings for x, _ in ring]
    ys = [y for ring in rings for _, y in ring]
    left, top = max(0, int(min(xs))), max(0, int(min(ys)))
    right, bottom = min(canvas.width, int(max(xs)) + 1), min(canvas.height, int(max(ys)) + 1)
    if right <= left or bottom <= top:
        return
    filled = Image.new("1", (right - left, bottom - top))
    for ring in rings:
        one = Image.new("1", filled.size)
        if len(ring) > 2:
            ImageDraw.Draw(one).polygon([(x - left, y - top) for x, y in ring], fill=1)
        filled = ImageChops.logical_xor(filled, one)
    _tint(canvas, filled, (left, top), colour, _POLYGON)


def _mask(canvas: Image.Image, bound: MaskBound, colour: str) -> None:
    import numpy as np

    height, width = bound.size
    patch, x, y = rle.crop(_rle(bound))
    if not patch.size:
        return
    kx, ky = canvas.width / width, canvas.height / height
    shape = (max(1, round(patch.shape[1] * kx)), max(1, round(patch.shape[0] * ky)))
    small = Image.fromarray(np.asarray(patch, dtype=np.uint8) * 255)
    _tint(canvas, small.resize(shape), (round(x * kx), round(y * ky)), colour, _MASK)


def _tint(
    canvas: Image.Image, where: Image.Image, at: tuple[int, int], colour: str, share: float
) -> None:
    layer = where.convert("L").point([round(value * share) for value in range(256)])
    canvas.paste(Image.new("RGB", where.size, colour), at, layer)


def _rle(bound: MaskBound) -> rle.Rle:
    return rle.Rle(bound.size[0], bound.size[1], bound.counts.encode())


def _points(
    pen: ImageDraw.ImageDraw, canvas: Image.Image, points: Sequence[Sequence[float]], colour: str
) -> None:
    """Visible points are filled, hidden ones are rings; those that are not labelled are not."""
    size = 3.5 * _FINE
    for point in points:
        seen = point[2] if len(point) > 2 else 2
        if not seen:
            continue
        x, y = point[0] * canvas.width, point[1] * canvas.height
        pen.ellipse((x - size - 2, y - size - 2, x + size + 2, y + size + 2), fill=CASING)
        box = (x - size, y - size, x + size, y + size)
        if seen > 1:
            pen.ellipse(box, fill=colour)
        else:
            pen.ellipse(box, outline=colour, width=_FINE)


# --- texts ----------------------------------------------------------------------------------


def label_of(annotation: Annotation) -> str:
    """The tag, and the score when there is one."""
    score = (annotation.properties or {}).get("score")
    if isinstance(score, int | float) and not isinstance(score, bool):
        return f"{annotation.tag} {score:.2f}"
    return annotation.tag


def _labels(
    image: Image.Image, annotations: Sequence[Annotation], colours: Mapping[str, str]
) -> None:
    """One label for each object, where it covers no other; the tags of the image at its top."""
    pen = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(11)
    placed: list[tuple[float, float, float, float]] = []
    named: set[str] = set()
    for each in annotations:
        if each.hole or (each.group and each.group in named) or len(placed) >= _MOST_LABELS:
            continue
        named.add(each.group or each.id)
        text = label_of(each)
        wide = pen.textlength(text, font=font) + 8
        points = points_of(each)
        x = min((p[0] for p in points), default=0.0) * image.width - 1
        y = min((p[1] for p in points), default=0.0) * image.height
        below = max((p[1] for p in points), default=0.0) * image.height
        x = max(0.0, min(x, image.width - wide))
        for top in (y - 15, below, y) if points else range(0, image.height - 15, 17):
            box = (x, top, x + wide, top + 15)
            if top < 0 or box[3] > image.height or any(_meet(box, other) for other in placed):
                continue
            pen.rounded_rectangle(box, 2, fill=colours.get(each.tag, OTHER))
            pen.text((x + 4, top + 1), text, fill=INK, font=font)
            placed.append(box)
            break


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _note(image: Image.Image, text: str) -> None:
    pen = ImageDraw.Draw(image, "RGBA")
    size = max(6, min(14, int(image.width / max(len(text), 1) * 1.7)))
    font = ImageFont.load_default(size)
    middle = (image.width / 2, image.height / 2)
    pen.text(middle, text, fill="#aab0bf", font=font, anchor="mm")
