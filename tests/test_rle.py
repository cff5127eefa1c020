"""Run-length masks against the COCO API, their own laws, and what other programs write."""

from __future__ import annotations

import io
import json
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from annotary.geometry import brush, rle
from annotary.geometry.rle import Rle

DATA = Path(__file__).parents[1] / "../shared/data"

needs_data = pytest.mark.skipif(not DATA.exists(), reason="the folder ../shared/data is absent")

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
run_lists = st.lists(st.integers(0, 2**33), max_size=40)


def square() -> np.ndarray:
    """The running example: 200 x 400 with an 80 x 80 square at 40, 20."""
    mask = np.zeros((200, 400), bool)
    mask[20:100, 40:120] = True
    return mask


# --- vectors ----------------------------------------------------------------------------

VECTORS = [
    (["0000", "0110", "0110"], [4, 2, 1, 2, 3], b"42102"),
    (["11", "11"], [0, 4], b"04"),
    (["00", "00"], [4], b"4"),
]


@pytest.mark.parametrize(("rows", "runs", "text"), VECTORS)
def test_vectors(rows: list[str], runs: list[int], text: bytes) -> None:
    mask = np.array([[c == "1" for c in row] for row in rows])
    assert rle.encode_counts(np.array(runs)) == text
    assert rle.decode_counts(text).tolist() == runs
    assert rle.from_dense(mask) == Rle(*mask.shape, text)
    assert rle.from_runs(runs, *mask.shape) == Rle(*mask.shape, text)
    assert (rle.to_dense(Rle(*mask.shape, text)) == mask).all()


def test_running_example() -> None:
    mask = rle.from_dense(square())
    runs = rle.decode_counts(mask.counts)
    assert runs.tolist() == [8020, *[80, 120] * 79, 80, 56100]
    assert len(mask.counts) == 168
    assert mask.counts.startswith(b"dj7`2h3000")
    assert mask.counts.endswith(b"00000000\\ef1")
    assert rle.area(mask) == 6400
    assert rle.bbox(mask) == (40, 20, 120, 100)
    assert rle.from_box((40, 20, 120, 100), 200, 400) == mask


# --- laws -------------------------------------------------------------------------------


@given(run_lists)
def test_counts_round_trip(runs: list[int]) -> None:
    assert rle.decode_counts(rle.encode_counts(np.array(runs, np.int64))).tolist() == runs


@given(masks)
def test_pixels_round_trip_and_measures(mask: np.ndarray) -> None:
    packed = rle.from_dense(mask)
    assert rle.check(packed) is None
    assert (rle.to_dense(packed) == mask).all()
    assert rle.area(packed) == mask.sum()
    y, x = np.nonzero(mask)
    box = (x.min(), y.min(), x.max() + 1, y.max() + 1) if x.size else None
    assert rle.bbox(packed) == box
    patch, left, top = rle.crop(packed)
    placed = np.zeros_like(mask)
    placed[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    assert (placed == mask).all()
    assert box is None or (patch.any(axis=0)[[0, -1]].all() and patch.any(axis=1)[[0, -1]].all())


@given(st.data(), hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
def test_merge_is_or_and_and(data: st.DataObject, shape: tuple[int, int]) -> None:
    dense = data.draw(st.lists(hnp.arrays(bool, shape), min_size=1, max_size=5))
    packed = [rle.from_dense(mask) for mask in dense]
    assert rle.merge(packed) == rle.from_dense(np.logical_or.reduce(dense))
    assert rle.merge(packed, intersect=True) == rle.from_dense(np.logical_and.reduce(dense))
    a, b = dense[0], dense[-1]
    union = (a | b).sum()
    assert rle.iou(packed[0], packed[-1]) == ((a & b).sum() / union if union else 0.0)


@given(run_lists, st.integers(0, 6))
def test_empty_runs_do_not_matter(runs: list[int], at: int) -> None:
    # A run of 0 in the middle joins its neighbours; no function may see the seam.
    runs = [count % 5 for count in runs]
    height, width = sum(runs), 1
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask = rle.from_runs(np.array(runs, np.int64), height, width)
    assert rle.merge([mask]) == rle.from_dense(flat[:, None])
    assert rle.area(mask) == flat.sum()


def test_no_pixels_at_all() -> None:
    empty = rle.from_dense(np.zeros((0, 3), bool))
    assert rle.check(empty) is None
    assert rle.to_dense(empty).shape == (0, 3)
    assert rle.bbox(empty) is None
    assert rle.contours(empty) == []


# --- faults -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"42 02", "character 3 of the counts, ' ', is not '0'..'o'"),
        (b"4p", "character 2 of the counts, 'p'"),
        ("4é".encode(), "character 2"),
        (b"42P", "end in the middle of a number"),
        (b"4" + b"P" * 30 + b"0", "number at character 2 of the counts is too long"),
        (b"O", "run 1 of the counts is negative"),
        (b"421I", "run 4 of the counts is negative"),
    ],
)
def test_malformed_counts(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        rle.decode_counts(text)
    assert reason in (rle.check(Rle(3, 4, text)) or "")


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        runs = rle.decode_counts(text)
    except ValueError:
        return
    # What was read means the same again, though the text may have been longer than needed.
    assert rle.decode_counts(rle.encode_counts(runs)).tolist() == runs.tolist()


def test_check_says_what_is_covered() -> None:
    assert rle.check(Rle(4, 3, b"42102")) is None
    assert rle.check(Rle(4, 4, b"42102")) == "the run lengths cover 12 pixels, but 4 x 4 has 16"
    assert rle.check(Rle(1, 0, b"")) is None
    assert rle.check(Rle(-1, -4, b"4")) == "a mask cannot be -1 x -4 pixels"
    for function in (rle.to_dense, rle.area, rle.bbox, rle.contours, rle.to_png):
        with pytest.raises(ValueError, match="cover 12 pixels"):
            function(Rle(4, 4, b"42102"))


def test_from_runs_refuses() -> None:
    with pytest.raises(ValueError, match="cover 12 pixels"):
        rle.from_runs([4, 2, 1, 2, 3], 4, 4)
    with pytest.raises(ValueError, match="flat list of whole numbers"):
        rle.from_runs([4.5, 7.5], 3, 4)
    with pytest.raises(ValueError, match="from 0 up"):
        rle.from_runs([-4, 16], 3, 4)
    with pytest.raises(ValueError, match="cover 36893488147419103232 pixels"):
        rle.from_runs(np.full(4, 2**63, np.uint64), 0, 0)  # wraps to 0 in 64 bits


def test_merge_refuses() -> None:
    with pytest.raises(ValueError, match="no mask"):
        rle.merge([])
    with pytest.raises(ValueError, match="different sizes"):
        rle.merge([Rle(2, 2, b"4"), Rle(1, 4, b"4")])


def pixels(theirs: dict[str, object]) -> np.ndarray:
    """What the COCO API's own decoder makes of a mask (it warns under numpy 2)."""
    api = pytest.importorskip("pycocotools.mask")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return api.decode(theirs)


# --- the COCO API -----------------------------------------------------------------------


@given(masks)
def test_same_bytes_as_the_coco_api(mask: np.ndarray) -> None:
    api = pytest.importorskip("pycocotools.mask")
    theirs = api.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert rle.from_dense(mask).counts == theirs["counts"]


coordinates = st.one_of(
    st.floats(-30, 60, allow_nan=False),
    st.integers(-5, 30).map(float),
    st.integers(-60, 300).map(lambda fifth: fifth / 10),
)
rings = st.lists(
    st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8), min_size=1, max_size=3
)


@settings(max_examples=500)
@given(rings, st.integers(1, 25), st.integers(1, 25))
def test_polygons_as_the_coco_api(
    polygon: list[list[tuple[float, float]]], height: int, width: int
) -> None:
    api = pytest.importorskip("pycocotools.mask")
    flat = [np.array(ring).reshape(-1).tolist() for ring in polygon]
    theirs = pixels(api.merge(api.frPyObjects(flat, height, width)))
    ours = rle.from_polygon([np.array(ring) for ring in polygon], height, width)
    assert (rle.to_dense(ours) == theirs).all()


@settings(max_examples=300)
@given(st.tuples(coordinates, coordinates, coordinates, coordinates), st.integers(1, 25))
def test_boxes_as_the_coco_api(box: tuple[float, float, float, float], side: int) -> None:
    api = pytest.importorskip("pycocotools.mask")
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    # The API takes a width and adds it up again, so hand both the sum.
    width, height = x1 - x0, y1 - y0
    theirs = pixels(api.frPyObjects(np.array([[x0, y0, width, height]]), side, side)[0])
    assert (
        rle.to_dense(rle.from_box((x0, y0, x0 + width, y0 + height), side, side)) == theirs
    ).all()


def test_large_random_polygons_as_the_coco_api() -> None:
    api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(7)
    for _ in range(150):
        height, width = rng.integers(1, 900, 2).tolist()
        ring = rng.uniform(-0.3, 1.3, (rng.integers(3, 40), 2)) * (width, height)
        theirs = api.frPyObjects([ring.reshape(-1).tolist()], height, width)[0]
        assert rle.from_polygon([ring], height, width).counts == theirs["counts"]


@needs_data
def test_real_polygons_as_the_coco_api() -> None:
    api = pytest.importorskip("pycocotools.mask")
    content = json.loads((DATA / "taco/annotations.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    seen = 0
    for annotation in content["annotations"][::10]:
        size = images[annotation["image_id"]]
        polygons = [part for part in annotation["segmentation"] if len(part) >= 6]
        if not polygons:
            continue
        theirs = api.merge(api.frPyObjects(polygons, size["height"], size["width"]))
        parts = [np.array(part).reshape(-1, 2) for part in polygons]
        ours = rle.from_polygon(parts, size["height"], size["width"])
        assert ours.counts == theirs["counts"]
        box = rle.bbox(ours)
        x, y, w, h = api.toBbox(theirs).tolist()
        assert box is None or box == (x, y, x + w, y + h)
        assert rle.area(ours) == api.area(theirs)
        seen += 1
    assert seen > 400


@needs_data
def test_real_counts_survive() -> None:
    content = json.loads((DATA / "same4/coco1.0/annotations/instances_default.json").read_text())
    shapes = [annotation["segmentation"] for annotation in content["annotations"]]
    packed = [shape for shape in shapes if isinstance(shape, dict)]
    assert packed
    for shape in packed:
        mask = rle.from_runs(shape["counts"], *shape["size"])
        assert rle.decode_counts(mask.counts).tolist() == shape["counts"]
        assert rle.from_dense(rle.to_dense(mask)) == rle.merge([mask])


def test_degenerate_polygons() -> None:
    assert rle.area(rle.from_polygon([], 4, 5)) == 0
    assert rle.area(rle.from_polygon([[(1, 1), (1, 1), (1, 1)]], 4, 5)) == 0
    with pytest.raises(ValueError, match="at least 3 points"):
        rle.from_polygon([[(1, 1), (2, 2)]], 4, 5)
    for wrong in (np.nan, np.inf, 1e12):
        with pytest.raises(ValueError, match="not finite, or beyond"):
            rle.from_polygon([[(1, 1), (2, 2), (wrong, 3)]], 4, 5)


def test_far_away_points_cost_nothing() -> None:
    far = 2.0**28
    everything = [(-far, -far), (far, -far), (far, far), (-far, far)]
    assert rle.area(rle.from_polygon([everything], 6, 7)) == 42


# --- outlines ---------------------------------------------------------------------------


def fill(ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Even-odd by pixel centres: every upright side flips all pixels to its right."""
    mask = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if x0 == x1:
            mask[min(y0, y1) : max(y0, y1), x0:] ^= True
    return mask


def twice_area(ring: np.ndarray) -> int:
    x, y = ring.T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def regions(mask: np.ndarray) -> list[np.ndarray]:
    """The 4-connected regions, by flooding."""
    left, found = mask.copy(), []
    for y, x in zip(*np.nonzero(mask), strict=True):
        if not left[y, x]:
            continue
        region, todo = np.zeros_like(mask), [(y, x)]
        while todo:
            row, column = todo.pop()
            if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and left[row, column]:
                left[row, column], region[row, column] = False, True
                todo += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        found.append(region)
    return found


@settings(max_examples=400)
@given(masks)
def test_contours_are_exact(mask: np.ndarray) -> None:
    expected = regions(mask)
    outlines = rle.contours(rle.from_dense(mask))
    assert len(outlines) == len(expected)
    for (outer, holes), region in zip(outlines, expected, strict=True):
        filled = fill(outer, mask.shape)
        for hole in holes:
            inside = fill(hole, mask.shape)
            assert not (inside & ~filled).any()
            filled &= ~inside
            assert twice_area(hole) < 0
        assert (filled == region).all()
        assert twice_area(outer) > 0  # clockwise where y points down
        for ring in (outer, *holes):
            turns = np.roll(ring, -1, axis=0) - ring
            assert (np.count_nonzero(turns, axis=1) == 1).all()
            assert ((turns != 0) != (np.roll(turns, -1, axis=0) != 0)).all()  # none collinear


@given(masks)
def test_contours_fill_back_with_the_coco_rule(mask: np.ndarray) -> None:
    height, width = mask.shape
    back = np.zeros_like(mask)
    for outer, holes in rle.contours(rle.from_dense(mask)):
        back |= rle.to_dense(rle.from_polygon([outer], height, width))
        if holes:
            back &= ~rle.to_dense(rle.from_polygon(holes, height, width))
    # An island inside a hole comes after the hole was cut out, so the order is enough.
    assert (back == mask).all()


def test_ring_with_an_island() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    (outer, holes), (island, none) = rle.contours(rle.from_dense(mask))
    assert outer.tolist() == [[1, 1], [8, 1], [8, 8], [1, 8]]
    assert [sorted(hole.tolist()) for hole in holes] == [[[2, 2], [2, 7], [7, 2], [7, 7]]]
    assert island.tolist() == [[4, 4], [5, 4], [5, 5], [4, 5]]
    assert none == []


# --- other programs ---------------------------------------------------------------------


@given(masks, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_rowmajor_boxes(mask: np.ndarray, left: int, top: int, right: int, bottom: int) -> None:
    whole = np.pad(mask, ((top, bottom), (left, right)))
    flat = mask.reshape(-1)
    toggles = np.flatnonzero(np.diff(flat, prepend=False))
    runs = np.diff(np.concatenate(([0], toggles, [flat.size])))
    box_height, box_width = mask.shape
    packed = rle.from_rowmajor_runs(runs, (left, top, box_width, box_height), *whole.shape)
    assert (rle.to_dense(packed) == whole).all()
    assert rle.from_rowmajor_runs(*rle.to_rowmajor_runs(packed), *whole.shape) == packed


def test_rowmajor_refuses() -> None:
    with pytest.raises(ValueError, match="cover 5 pixels, but 2 x 2 has 4"):
        rle.from_rowmajor_runs([1, 4], (0, 0, 2, 2), 9, 9)
    with pytest.raises(ValueError, match="2 x 2 pixels at 8, 0 leaves the image of 9 x 5 pixels"):
        rle.from_rowmajor_runs([0, 4], (8, 0, 2, 2), 5, 9)
    with pytest.raises(ValueError, match="leaves the image of 9 x 5"):
        rle.from_rowmajor_runs([10**18], (0, 0, 10**9, 10**9), 5, 9)


@given(masks)
def test_png_round_trip(mask: np.ndarray) -> None:
    png = rle.to_png(rle.from_dense(mask))
    assert rle.from_png(png) == rle.from_dense(mask)
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", mask.shape[::-1])
        assert (np.asarray(image) == mask).all()


def png(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


PATCH = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)


def patches() -> dict[str, bytes]:
    palette = Image.fromarray(PATCH)
    palette.putpalette([9, 9, 9, 255, 255, 255])
    # Colour below full transparency must not count; nor must black that is opaque be missed.
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, PATCH * 255
    black = np.zeros((2, 3, 4), np.uint8)
    black[..., 3] = PATCH
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[..., 2] = PATCH
    return {
        "bits": png(Image.fromarray(PATCH.astype(bool))),
        "grey": png(Image.fromarray(PATCH * 7)),
        "sixteen": png(Image.fromarray(PATCH.astype(np.uint16) * 256)),
        "palette": png(palette),
        "palette, transparent": png(palette, transparency=0),
        "rgba": png(Image.fromarray(rgba)),
        "rgba, black": png(Image.fromarray(black)),
        "grey and alpha": png(Image.fromarray(rgba).convert("LA")),
        "opaque throughout": png(Image.fromarray(np.dstack((rgb, np.full((2, 3), 255, np.uint8))))),
        "rgb": png(Image.fromarray(rgb)),
    }


@pytest.mark.parametrize("kind", list(patches()))
def test_png_patches(kind: str) -> None:
    packed = rle.from_png_patch(patches()[kind], 4, 1, 5, 8)
    expected = np.zeros((5, 8), bool)
    expected[1:3, 4:7] = PATCH != 0
    assert (rle.to_dense(packed) == expected).all()


def test_bad_pngs() -> None:
    good = patches()["grey"]
    with pytest.raises(ValueError, match="leaves the image of 3 x 2"):
        rle.from_png_patch(good, 1, 0, 2, 3)
    with pytest.raises(ValueError, match="not a readable image"):
        rle.from_png(b"GIF89a but not really")
    for side in (20_000, 100_000):
        head = b"IHDR" + side.to_bytes(4, "big") * 2 + good[24:29]
        huge = good[:12] + head + zlib.crc32(head).to_bytes(4, "big") + good[33:]
        with pytest.raises(ValueError, match="more than 178,956,970"):
            rle.from_png(huge)
    for cut in range(len(good) - 28):  # the end of the pixels' chunk, and the end chunk
        with pytest.raises(ValueError, match="not a readable image"):
            rle.from_png(good[:cut])


@needs_data
def test_real_png_masks() -> None:
    folder = DATA / "masks/shapes/train/annotations"
    for path in sorted(folder.glob("*.png")):
        packed = rle.from_png(path.read_bytes())
        with Image.open(path) as image:
            mask = np.asarray(image.convert("L")) > 0  # colour in an opaque image
        assert mask.any()
        assert not mask.all()
        assert (rle.to_dense(packed) == mask).all()
        outlines = rle.contours(packed)
        assert sum(map(len, (outer for outer, _ in outlines))) >= 4
        total = np.zeros_like(mask)
        for outer, holes in outlines:
            total ^= fill(outer, mask.shape)
            for hole in holes:
                total ^= fill(hole, mask.shape)
        assert (total == mask).all()


# From Label Studio's converter: what it writes for these eighteen samples.
BRUSH = [0, 0, 0, 18, 57, 27, 252, 96, 32, 1, 0, 6, 0, 40, 0, 192, 3, 128, 17, 56, 32]
SAMPLES = [1, 1, 1, 1, 2, 3, 5, 6, 7, 8, 4, 4, 4, 4, 4, 4, 4, 4]


def reference_decode(codes: list[int]) -> list[int]:
    """The format as it is described, bit by bit."""
    bits = iter("".join(f"{code:08b}" for code in codes))

    def read(count: int) -> int:
        return int("".join(next(bits) for _ in range(count)), 2)

    total, size = read(32), read(5) + 1
    counts = [read(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < total:
        repeat, count = read(1), read(counts[read(2)]) + 1
        out += [read(size)] * count if repeat else [read(size) for _ in range(count)]
    return out


def test_brush_vector() -> None:
    assert reference_decode(BRUSH) == SAMPLES
    assert brush.decode(BRUSH).tolist() == SAMPLES
    assert brush.decode(BRUSH, expected=18).tolist() == SAMPLES


@given(
    st.lists(st.tuples(st.integers(0, 255), st.sampled_from([1, 4, 8, 9, 300, 70000])), max_size=6)
)
def test_brush_round_trip(stretches: list[tuple[int, int]]) -> None:
    samples = np.repeat([v for v, _ in stretches], [n for _, n in stretches]).astype(np.uint8)
    codes = brush.encode(samples)
    assert reference_decode(codes) == samples.tolist()
    assert (brush.decode(codes) == samples).all()


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(1, 8), st.integers(1, 6))
def test_brush_literals_of_any_width(samples: list[int], width: int, block: int) -> None:
    samples = [sample >> (8 - width) for sample in samples]
    bits = f"{len(samples):032b}{width - 1:05b}" + "0000001101111111"
    for at in range(0, len(samples), block):
        part = samples[at : at + block]
        bits += f"010{len(part) - 1:08b}" + "".join(f"{sample:0{width}b}" for sample in part)
    bits += "0" * (-len(bits) % 8)
    codes = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    assert brush.decode(codes).tolist() == samples


@given(masks)
def test_brush_masks(mask: np.ndarray) -> None:
    packed = rle.from_dense(mask)
    assert rle.from_brush(rle.to_brush(packed), *mask.shape) == packed


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ([0, 0, 0], "header of 7 bytes"),
        ([0, 0, 0, 300, 0, 0, 0], "byte values, 0 to 255"),
        ([0, 0, 0, "1", 0, 0, 0], "byte values, 0 to 255"),
        (BRUSH[:12], "ends after 6 of its 18 samples"),
        ([255, 255, 255, 255, *BRUSH[4:]], "of its 4294967295 samples"),
        ([0, 0, 0, 3, *BRUSH[4:]], "blocks hold 4 samples, its header says 3"),
        ([0, 0, 0, 18, 255, *BRUSH[5:]], "samples of 32 bits"),
    ],
)
def test_bad_brushes(codes: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        brush.decode(codes)


def test_brush_of_another_size() -> None:
    with pytest.raises(ValueError, match="holds 18 samples, expected 24"):
        rle.from_brush(BRUSH, 2, 3)
