"""NIfTI files against nibabel, their own laws, damage, and a real volume."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from annotary.syntax import nifti
from annotary.syntax.nifti import Header, NiftiError

REAL = Path(__file__).parents[1] / "../shared/data/nifti/data/fernando/t1_seg_gif.nii.gz"

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def nibabel() -> ModuleType:
    return pytest.importorskip("nibabel")


def planes(volume: np.ndarray) -> np.ndarray:
    """A volume ``[x, y, z, ...]`` as its slices in the order of the file, ``[n, y, x]``."""
    whole = volume.reshape(*volume.shape, *(1,) * (3 - volume.ndim))
    x, y = whole.shape[:2]
    return whole.reshape(x, y, -1, order="F").transpose(2, 1, 0)


def written(header: Header, volume: np.ndarray) -> bytes:
    out = io.BytesIO()
    nifti.write(out, header, planes(volume))
    return out.getvalue()


def read(data: bytes) -> tuple[Header, list[np.ndarray]]:
    stream = nifti.unpacked(io.BytesIO(data))
    header = nifti.read_header(stream)
    return header, list(nifti.slices(stream, header))


volumes = st.sampled_from(DTYPES).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=1, max_dims=5, min_side=1, max_side=4))
)
# Exact in 32 bits, so that both versions keep it.
number = st.integers(-2000, 2000).map(lambda eighth: eighth / 8)
headers = st.builds(
    Header,
    shape=st.just((1,)),
    dtype=st.just(np.dtype("u1")),
    version=st.sampled_from([1, 2]),
    byteorder=st.sampled_from(["<", ">"]),
    voxel_sizes=st.tuples(*[st.integers(1, 80).map(lambda eighth: eighth / 8)] * 7),
    qfac=st.sampled_from([1.0, -1.0]),
    xyzt_units=st.integers(0, 63),
    qform_code=st.integers(0, 4),
    quaternion=st.sampled_from(
        [(0.0, 0.0, 0.0), (-0.5, 0.5, -0.5), (0.25, 0.5, 0.125), (1.0, 0.0, 0.0)]
    ),
    qoffset=st.tuples(number, number, number),
    sform_code=st.integers(0, 4),
    srow=st.tuples(*[st.tuples(number, number, number, number)] * 3),
    scl_slope=st.sampled_from([0.0, 1.0, 2.5]),
    scl_inter=st.sampled_from([0.0, 1.0]),
    intent_code=st.sampled_from([0, 1002]),
    intent_name=st.sampled_from([b"", b"labels"]),
    descrip=st.sampled_from([b"", b"made for a test"]),
)


@given(headers, volumes)
def test_round_trip(header: Header, volume: np.ndarray) -> None:
    header = replace(
        header,
        shape=volume.shape,
        dtype=volume.dtype,
        vox_offset=352 if header.version == 1 else 544,
    )
    data = written(header, volume)
    assert nifti.looks_like_nifti(data[:348])
    back, found = read(data)
    assert back == header
    assert len(found) == header.slice_count
    assert all(plane.dtype == volume.dtype for plane in found)
    assert np.array_equal(np.stack(found), planes(volume), equal_nan=volume.dtype.kind == "f")


@given(headers, volumes)
def test_nibabel_reads_what_is_written(header: Header, volume: np.ndarray) -> None:
    nib = nibabel()
    header = replace(header, shape=volume.shape, dtype=volume.dtype)
    kind = nib.Nifti1Image if header.version == 1 else nib.Nifti2Image
    image = kind.from_bytes(written(header, volume))
    stored = image.dataobj.get_unscaled()
    assert image.get_data_dtype().newbyteorder("=") == volume.dtype
    assert np.array_equal(stored, volume, equal_nan=volume.dtype.kind == "f")
    assert image.header.get_zooms() == header.voxel_sizes[: volume.ndim]
    if header.sform_code or header.qform_code:
        assert np.allclose(image.affine, header.affine, atol=1e-6)
    assert image.header["descrip"].item() == header.descrip
    assert image.header["intent_code"].item() == header.intent_code


@given(volumes, st.sampled_from([1, 2]), st.sampled_from("<>"), st.booleans())
def test_what_nibabel_writes_is_read(
    volume: np.ndarray, version: int, order: str, packed: bool
) -> None:
    nib = nibabel()
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    affine = np.array([[0, -2, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 1], [0, 0, 0, 1.0]])
    empty = kind.header_class(endianness=order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about 64-bit integers
        image = kind(volume, affine, header=empty, dtype=volume.dtype)
    extension = nib.nifti1.Nifti1Extension(6, b"a comment of some length")
    image.header.extensions.append(extension)
    data = image.to_bytes()
    header, found = read(gzip.compress(data) if packed else data)
    assert (header.version, header.byteorder) == (version, order)
    assert header.vox_offset > (352 if version == 1 else 544)
    assert (header.shape, header.dtype) == (volume.shape, volume.dtype)
    assert np.allclose(header.affine, affine)
    assert np.allclose(replace(header, sform_code=0, qform_code=1).affine, image.get_qform())
    assert np.array_equal(np.stack(found), planes(volume), equal_nan=volume.dtype.kind == "f")
    assert not header.is_scaled


def test_order_of_voxels() -> None:
    # Voxel (x, y, z) of a volume of 2 x 3 x 4 has the value x + 10 y + 100 z.
    volume = np.fromfunction(lambda x, y, z: x + 10 * y + 100 * z, (2, 3, 4)).astype(np.uint16)
    data = written(Header(shape=(2, 3, 4), dtype=np.dtype("u2")), volume)
    assert np.frombuffer(data[352:], "<u2").tolist()[:7] == [0, 1, 10, 11, 20, 21, 100]
    header, found = read(data)
    assert header.slice_shape == (3, 2)
    assert found[3].tolist() == [[300, 301], [310, 311], [320, 321]]


def test_packing_is_the_same_every_time() -> None:
    header = Header(shape=(4, 4, 2), dtype=np.dtype("u1"))
    packs = []
    for _ in range(2):
        out = io.BytesIO()
        with nifti.packed(out) as stream:
            nifti.write(stream, header, np.eye(4, dtype=bool)[None].repeat(2, axis=0))
        packs.append(out.getvalue())
    assert packs[0] == packs[1]
    assert packs[0][4:8] == bytes(4)  # no time
    assert all((plane == np.eye(4)).all() for plane in read(packs[0])[1])


class Meter(io.BytesIO):
    """A file that knows the longest piece it was asked for, and how far it was read."""

    longest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.longest = max(self.longest, size)
        return super().read(size)


def test_slices_come_one_by_one() -> None:
    volume = np.zeros((8, 8, 50), np.uint8)
    stream = Meter(written(Header(shape=volume.shape, dtype=volume.dtype), volume))
    header = nifti.read_header(stream)
    assert stream.tell() == 348
    for count, _ in enumerate(nifti.slices(stream, header), 1):
        assert stream.tell() == 352 + 64 * count
    assert stream.longest == 348


def test_scaling_is_told() -> None:
    header = Header(shape=(1,), dtype=np.dtype("u1"))
    assert not header.is_scaled
    for slope, inter in ((0.0, 5.0), (float("nan"), 0.0), (1.0, float("nan"))):
        assert not replace(header, scl_slope=slope, scl_inter=inter).is_scaled
    for slope, inter in ((2.0, 0.0), (1.0, 5.0)):
        assert replace(header, scl_slope=slope, scl_inter=inter).is_scaled


# --- damage -----------------------------------------------------------------------------

HEADER = Header(shape=(3, 2, 2), dtype=np.dtype("u1"))
GOOD = written(HEADER, np.arange(12, dtype=np.uint8).reshape(3, 2, 2))


def with_bytes(at: int, data: bytes) -> bytes:
    return GOOD[:at] + data + GOOD[at + len(data) :]


# without the time of day: workers that share the tests must name them alike
ZIPPED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"", 0, "not NIfTI: it does not begin with a header size"),
        (b"PNG and so on", 0, "not NIfTI: it does not begin with a header size"),
        (GOOD[:200], 200, "ends inside the header of 348 bytes"),
        (b"\x1c\x02\0\0" + bytes(400), 404, "ends inside the header of 540 bytes"),
        (with_bytes(344, b"ni1"), 344, "belongs to a pair of files"),
        (with_bytes(344, b"\0\0\0"), 344, "its magic is"),
        (with_bytes(40, b"\x08\0"), 40, "8 dimensions"),
        (with_bytes(42, b"\0\0"), 40, r"dimensions are \[0, 2, 2\]"),
        (with_bytes(70, b"\x80\0"), 70, r"the voxels are RGB \(datatype 128\)"),
        (with_bytes(70, b"\x63\0"), 70, r"the voxels are of an unknown type \(datatype 99\)"),
        (with_bytes(108, np.float32(348).tobytes()), 108, "begin at byte 348; at least 352"),
        (with_bytes(108, np.float32(np.nan).tobytes()), 108, "begin at byte nan"),
        (with_bytes(108, np.float32(1e6).tobytes()), 364, "ends before its voxels"),
        (GOOD[:350], 350, "ends before its voxels, which begin at byte 352"),
        (GOOD[:357], 357, "ends inside slice 1 of 2"),
        (GOOD[:363], 363, "ends inside slice 2 of 2"),
        (with_bytes(42, b"\xff\x7f\xff\x7f"), 364, "ends inside slice 1 of 2"),
        (ZIPPED[:-9], 364, "compressed file is damaged"),
        (ZIPPED[:-6] + b"\0" + ZIPPED[-5:], 364, "CRC check failed"),
    ],
)
def test_damage(data: bytes, offset: int, reason: str) -> None:
    with pytest.raises(NiftiError, match=reason) as caught:
        read(data)
    assert caught.value.offset == offset


def test_offset_zero_is_the_usual_place() -> None:
    header, found = read(with_bytes(108, bytes(4)))
    assert header.vox_offset == 352
    assert np.array_equal(found, read(GOOD)[1])


@given(st.binary(max_size=30), st.integers(0, 347))
def test_any_header_is_read_or_refused(junk: bytes, at: int) -> None:
    try:
        header, found = read(with_bytes(at, junk[: 348 - at]))
    except NiftiError:
        return
    assert len(found) == header.slice_count


# --- what cannot be written ---------------------------------------------------------------


def plane(value: float, dtype: str) -> np.ndarray:
    return np.full((2, 3), value, dtype)


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        ([plane(0, "u1")], "there are 1 slices, not the 2"),
        ([plane(0, "u1")] * 3, "more than the 2 slices"),
        ([plane(0, "u1").T], r"slice 1 of 2 has shape \(3, 2\), not \(2, 3\)"),
        ([plane(0, "u1"), plane(256, "i8")], "slice 2 of 2 holds numbers that uint8 cannot"),
        ([plane(-1, "i1")], "numbers that uint8 cannot"),
        ([plane(1.5, "f8")], "numbers that uint8 cannot"),
        ([plane(np.nan, "f8")], "numbers that uint8 cannot"),
    ],
)
def test_wrong_slices(volume: list[np.ndarray], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        nifti.write(io.BytesIO(), HEADER, volume)


def test_floats_that_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="numbers that float32 cannot"):
        nifti.write(io.BytesIO(), replace(HEADER, dtype=np.dtype("f4")), [plane(1e300, "f8")])


def test_numbers_that_fit_are_cast() -> None:
    def volume() -> Iterator[np.ndarray]:
        yield plane(255, "i8")
        yield plane(7, "f4")

    out = io.BytesIO()
    nifti.write(out, HEADER, volume())
    assert [found.tolist()[0][0] for found in read(out.getvalue())[1]] == [255, 7]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shape": ()}, "1 to 7 dimensions"),
        ({"shape": (1,) * 8}, "1 to 7 dimensions"),
        ({"shape": (0, 2)}, "1 to 7 dimensions of 1 to 32767"),
        ({"shape": (40000, 2)}, "NIfTI-1 cannot hold"),
        ({"dtype": np.dtype("c8")}, "voxels of type complex64"),
    ],
)
def test_wrong_headers(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        nifti.write(io.BytesIO(), replace(HEADER, **change), [])


# --- a real volume ------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.exists(), reason="the folder ../shared/data is absent")
def test_real_volume() -> None:
    labels: set[int] = set()
    out = io.BytesIO()
    with REAL.open("rb") as file:
        stream = nifti.unpacked(file)
        header = nifti.read_header(stream)
        assert (header.shape, header.dtype) == ((256, 256, 176), np.dtype("u1"))
        assert not header.is_scaled
        found = []
        for voxels in nifti.slices(stream, header):
            labels.update(np.unique(voxels).tolist())
            found.append(voxels)
    assert len(labels) == 159  # with the background
    with nifti.packed(out) as packed:
        nifti.write(packed, header, found)
    again, back = read(out.getvalue())
    assert again == header
    assert np.array_equal(back, found)
    theirs = nibabel().load(REAL)
    assert np.array_equal(np.stack(found), planes(np.asarray(theirs.dataobj)))
    assert np.allclose(theirs.affine, header.affine)
    assert np.allclose(theirs.get_qform(), replace(header, sform_code=0).affine, atol=1e-5)
