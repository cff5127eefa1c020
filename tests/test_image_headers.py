"""Image headers are read by many threads at once, and change nothing that others rely on."""

from __future__ import annotations

import io
import threading
import warnings

import pytest
from PIL import Image

from annotary.formats import voc_masks
from annotary.geometry import rle
from annotary.geometry.imagefile import MASK_PIXELS
from annotary.syntax.image import read_header
from annotary.syntax.source import SourceError, SourceFile


def picture(width: int, height: int, kind: str = "PNG", mode: str = "1") -> bytes:
    """An image file, all black."""
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """24 kB that unpack to 200 million pixels."""
    return picture(20_000, 10_000)


def test_threads_leave_the_limits_of_others_alone(bomb: bytes) -> None:
    small = picture(400, 300, "JPEG", "RGB")
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)

    def work() -> None:
        for _ in range(100):
            assert read_header(small, "a")[:2] == (400, 300)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters
    with pytest.raises(ValueError, match="more than"):
        rle.from_png(bomb)


def test_a_huge_image_has_a_header(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_header(bomb, "a") == (20_000, 10_000, "image/png")


def test_masks_have_a_limit_of_their_own(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert MASK_PIXELS < 20_000 * 10_000
    with pytest.raises(ValueError, match="20000 x 10000"):
        rle.from_png(bomb)
    with pytest.raises(ValueError, match="20000 x 10000"):
        rle.from_png_patch(bomb, 0, 0, 10_000, 20_000)
    with pytest.raises(SourceError) as caught:
        voc_masks.pixels(SourceFile("a.png", data=bomb))
    assert caught.value.code == "too-large"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert rle.area(rle.from_png(picture(50, 40))) == 0
