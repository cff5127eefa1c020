"""NIfTI-1 and NIfTI-2 single files, ``.nii`` and ``.nii.gz``, read and written slice by slice.

After the definitions ``nifti1.h`` and ``nifti2.h`` (https://nifti.nimh.nih.gov): a header of 348
or 540 bytes in either byte order, extensions, then the voxels with the first index fastest. A
volume of shape ``(x, y, z, ...)`` is a row of ``z * ...`` slices, each an array ``[y, x]``, and
only one of them is in memory. Scaling (``scl_slope``, ``scl_inter``) is reported, never
applied: labels are the stored numbers. Extensions are passed over and not written.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal, cast

import numpy as np
import numpy.typing as npt

Voxels = npt.NDArray[np.generic]
Matrix = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

_CHUNK = 1 << 20
_SIZE = {1: 348, 2: 540}
_MAGIC = {1: b"n+1\0", 2: b"n+2\0\r\n\x1a\n"}
_PAIR = {1: b"ni1\0", 2: b"ni2\0\r\n\x1a\n"}
_DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
_DTYPES |= {1024: "i8", 1280: "u8"}
_CODES = {np.dtype(name): code for code, name in _DTYPES.items()}
_UNSUPPORTED = {1: "single bits", 32: "complex64", 128: "RGB", 1536: "float128"}
_UNSUPPORTED |= {1792: "complex128", 2048: "complex256", 2304: "RGBA"}


def _layout(fields: str, size: int) -> np.dtype[np.void]:
    """A header's layout from ``name type offset`` triples; what is not named stays zero."""
    words = fields.split()
    parts = {"names": words[::3], "formats": words[1::3], "offsets": list(map(int, words[2::3]))}
    layout: np.dtype[np.void] = np.dtype(cast(Any, parts | {"itemsize": size}))
    return layout


_LAYOUT = {
    1: _layout(
        """sizeof_hdr i4 0  dim 8i2 40  intent_code i2 68  datatype i2 70  bitpix i2 72
        pixdim 8f4 76  vox_offset f4 108  scl_slope f4 112  scl_inter f4 116  xyzt_units u1 123
        descrip S80 148  qform_code i2 252  sform_code i2 254  quatern 3f4 256  qoffset 3f4 268
        srow (3,4)f4 280  intent_name S16 328  magic V4 344""",
        348,
    ),
    2: _layout(
        """sizeof_hdr i4 0  magic V8 4  datatype i2 12  bitpix i2 14  dim 8i8 16  pixdim 8f8 104
        vox_offset i8 168  scl_slope f8 176  scl_inter f8 184  descrip S80 240  qform_code i4 344
        sform_code i4 348  quatern 3f8 352  qoffset 3f8 376  srow (3,4)f8 400  xyzt_units i4 500
        intent_code i4 504  intent_name S16 508""",
        540,
    ),
}


class NiftiError(ValueError):
    """A broken or unsupported file: ``reason``, and the ``offset`` in the unpacked bytes."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header says; positions and affines as they are stored.

    To write a mask of a volume, take the volume's header and ``dataclasses.replace`` its dtype.
    """

    shape: tuple[int, ...]
    """Number of voxels along x, y, z, t, ...: 1 to 7 dimensions, none of them 0."""
    dtype: np.dtype[Any]
    """The voxels' type in native byte order: integers of 8 to 64 bits, float32 or float64."""
    version: Literal[1, 2] = 1
    byteorder: Literal["<", ">"] = "<"
    voxel_sizes: tuple[float, ...] = (1.0,) * 7
    """``pixdim[1..7]``: spacing along each dimension, in ``xyzt_units``."""
    qfac: float = 1.0
    """``pixdim[0]``: -1 when the third axis of the qform is turned round."""
    xyzt_units: int = 2
    """Bits 0-2 space (2 is millimetres), bits 3-5 time."""
    qform_code: int = 0
    quaternion: Triple = (0.0, 0.0, 0.0)
    """b, c and d of the qform's unit quaternion."""
    qoffset: Triple = (0.0, 0.0, 0.0)
    sform_code: int = 0
    srow: tuple[tuple[float, ...], ...] = ((0.0,) * 4,) * 3
    """The sform's three rows of four."""
    scl_slope: float = 1.0
    scl_inter: float = 0.0
    intent_code: int = 0
    """1002 says that the voxels are labels."""
    intent_name: bytes = b""
    descrip: bytes = b""
    vox_offset: int = 352
    """Where the voxels begin, in the file that was read; a written file has its own."""

    @property
    def slice_shape(self) -> tuple[int, int]:
        """The shape ``[y, x]`` of one slice."""
        return (self.shape[1] if len(self.shape) > 1 else 1, self.shape[0])

    @property
    def slice_count(self) -> int:
        """The number of slices: the product of all dimensions from the third on."""
        return math.prod(self.shape[2:])

    @property
    def is_scaled(self) -> bool:
        """Whether the file asks for scaling: then its numbers are no plain labels."""
        slope, inter = self.scl_slope, self.scl_inter
        usable = math.isfinite(slope) and math.isfinite(inter) and slope != 0
        return usable and (slope, inter) != (1.0, 0.0)

    @property
    def affine(self) -> Matrix:
        """Voxel indices to world, float64 ``[4, 4]``: sform before qform before voxel sizes."""
        matrix = np.eye(4)
        if self.sform_code > 0:
            matrix[:3] = self.srow
        elif self.qform_code > 0:
            matrix[:3, :3] = _rotation(self.quaternion) * self.voxel_sizes[:3]
            matrix[:3, 2] *= -1 if self.qfac < 0 else 1
            matrix[:3, 3] = self.qoffset
        else:
            matrix[:3, :3] = np.diag(self.voxel_sizes[:3])
        return matrix


def _rotation(quaternion: Triple) -> Matrix:
    b, c, d = quaternion
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


# --- reading ----------------------------------------------------------------------------


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """The stream itself, or one that unpacks it where it is gzip; it must be seekable."""
    magic = stream.read(2)
    stream.seek(-len(magic), 1)
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if magic == b"\x1f\x8b" else stream


def looks_like_nifti(head: bytes) -> bool:
    """Whether an unpacked file that begins with ``head`` (348 bytes) is a NIfTI single file."""
    version, _ = _kind(head)
    return version > 0 and _magic(head, version) == _MAGIC[version]


def read_header(stream: IO[bytes]) -> Header:
    """The header of an unpacked file, and exactly its bytes are read.

    Raises :class:`NiftiError` where it is cut short, no NIfTI, half of a pair, or has voxels of
    a type that cannot be labels.
    """
    data = _read(stream, 348, 0)
    version, byteorder = _kind(data)
    if not version:
        raise NiftiError(0, "this is not NIfTI: it does not begin with a header size of 348 or 540")
    data += _read(stream, _SIZE[version] - len(data), len(data))
    if len(data) < _SIZE[version]:
        raise NiftiError(len(data), f"the file ends inside the header of {_SIZE[version]} bytes")
    magic, at = _magic(data, version), 344 if version == 1 else 4
    if magic == _PAIR[version]:
        raise NiftiError(
            at, "the header belongs to a pair of files (.hdr and .img); save it as one .nii file"
        )
    if magic != _MAGIC[version]:
        raise NiftiError(at, f"this is not NIfTI: its magic is {magic!r}, not {_MAGIC[version]!r}")
    layout = _LAYOUT[version].newbyteorder(byteorder)
    return _header(np.frombuffer(data, layout)[0], version, byteorder)


def slices(stream: IO[bytes], header: Header) -> Iterator[Voxels]:
    """Every slice in the order of the file, each an array ``[y, x]`` in native byte order.

    The stream must stand where :func:`read_header` left it. Raises :class:`NiftiError` where
    the file ends too early or its compression is damaged, to its last checksum.
    """
    at, end = _SIZE[header.version], header.vox_offset
    while at < end:  # extensions
        passed = len(_read(stream, min(end - at, _CHUNK), at))
        if not passed:
            raise NiftiError(at, f"the file ends before its voxels, which begin at byte {end}")
        at += passed
    rows, columns = header.slice_shape
    size = rows * columns * header.dtype.itemsize
    for index in range(header.slice_count):
        data = _read(stream, size, at)
        if len(data) < size:
            raise NiftiError(
                at + len(data), f"the file ends inside slice {index + 1} of {header.slice_count}"
            )
        stored = np.frombuffer(data, header.dtype.newbyteorder(header.byteorder))
        yield stored.astype(header.dtype).reshape(rows, columns)
        at += size
    _read(stream, 1, at)  # only at its end gzip compares the checksum


def _kind(head: bytes) -> tuple[Literal[0, 1, 2], Literal["<", ">"]]:
    """The version, 0 for none, and the byte order."""
    for order, name in (("<", "little"), (">", "big")):
        size = int.from_bytes(head[:4], cast(Any, name))
        if size in (348, 540):
            return 1 if size == 348 else 2, cast(Any, order)
    return 0, "<"


def _magic(head: bytes, version: int) -> bytes:
    return head[344:348] if version == 1 else head[4:12]


def _header(raw: Any, version: Literal[0, 1, 2], byteorder: Literal["<", ">"]) -> Header:
    offsets = {name: place[1] for name, place in (raw.dtype.fields or {}).items()}
    rank, *sizes = raw["dim"].tolist()
    if not 1 <= rank <= 7:
        raise NiftiError(offsets["dim"], f"the volume has {rank} dimensions; it must have 1 to 7")
    if min(sizes[:rank]) < 1:
        raise NiftiError(offsets["dim"], f"the volume's dimensions are {sizes[:rank]}")
    code = int(raw["datatype"])
    if code not in _DTYPES:
        what = _UNSUPPORTED.get(code, "of an unknown type")
        raise NiftiError(
            offsets["datatype"], f"the voxels are {what} (datatype {code}); labels are integers"
        )
    begin, least = float(raw["vox_offset"]), _SIZE[version] + 4
    if begin == 0:
        begin = float(least)  # as some programs leave it
    if not begin.is_integer() or begin < least:
        raise NiftiError(
            offsets["vox_offset"], f"the voxels begin at byte {begin:g}; at least {least} is needed"
        )
    qfac, *voxel_sizes = raw["pixdim"].tolist()
    return Header(
        shape=tuple(sizes[:rank]),
        dtype=np.dtype(_DTYPES[code]),
        version=cast(Literal[1, 2], version),
        byteorder=byteorder,
        voxel_sizes=tuple(voxel_sizes),
        qfac=qfac,
        xyzt_units=int(raw["xyzt_units"]),
        qform_code=int(raw["qform_code"]),
        quaternion=tuple(raw["quatern"].tolist()),
        qoffset=tuple(raw["qoffset"].tolist()),
        sform_code=int(raw["sform_code"]),
        srow=tuple(map(tuple, raw["srow"].tolist())),
        scl_slope=float(raw["scl_slope"]),
        scl_inter=float(raw["scl_inter"]),
        intent_code=int(raw["intent_code"]),
        intent_name=bytes(raw["intent_name"]),
        descrip=bytes(raw["descrip"]),
        vox_offset=int(begin),
    )


def _read(stream: IO[bytes], count: int, at: int) -> bytes:
    """Up to ``count`` bytes, in pieces: a size that lies costs no more than the file has."""
    pieces: list[bytes] = []
    try:
        while count and (piece := stream.read(min(count, _CHUNK))):
            pieces.append(piece)
            count -= len(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        done = at + sum(map(len, pieces))
        raise NiftiError(done, f"the compressed file is damaged: {error}") from None
    return b"".join(pieces)


# --- writing ----------------------------------------------------------------------------


def packed(stream: IO[bytes]) -> gzip.GzipFile:
    """A stream that packs with gzip into ``stream``: same bytes in, same bytes out.

    It must be closed before ``stream`` is, for that is when its end is written.
    """
    return gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)


def write(stream: IO[bytes], header: Header, volume: Iterable[npt.NDArray[Any]]) -> None:
    """A whole file: the header, then the slices as they come, each an array ``[y, x]``.

    Raises ``ValueError`` where the header cannot be stored, a slice has another shape, holds
    numbers that the header's dtype cannot, or there are too few or too many of them.
    """
    stream.write(_head(header))
    kind = header.dtype.newbyteorder(header.byteorder)
    count = 0
    for count, voxels in enumerate(volume, 1):
        place = f"slice {count} of {header.slice_count}"
        if count > header.slice_count:
            raise ValueError(f"there are more than the {header.slice_count} slices of the header")
        if voxels.shape != header.slice_shape:
            raise ValueError(f"{place} has shape {voxels.shape}, not {header.slice_shape}")
        stored = _cast(voxels, kind)
        if stored is None:
            raise ValueError(f"{place} holds numbers that {header.dtype} cannot")
        stream.write(stored.tobytes())
    if count < header.slice_count:
        raise ValueError(f"there are {count} slices, not the {header.slice_count} of the header")


def _cast(voxels: npt.NDArray[Any], kind: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """The same numbers as another type, or None where they would change."""
    if np.can_cast(voxels.dtype, kind):
        return voxels.astype(kind)
    if voxels.size and kind.kind in "iu":
        limits = np.iinfo(kind)
        least, most = voxels.min().item(), voxels.max().item()
        if not limits.min <= least <= most <= limits.max:  # also where they are not numbers
            return None
    with np.errstate(over="ignore"):  # what became infinite is not equal
        stored = voxels.astype(kind)
    return stored if np.array_equal(stored, voxels, equal_nan=kind.kind == "f") else None


def _head(header: Header) -> bytes:
    """The header's bytes and four more that say there are no extensions."""
    layout = _LAYOUT[header.version].newbyteorder(header.byteorder)
    raw = np.zeros((), layout)
    rank, largest = len(header.shape), np.iinfo(layout["dim"].base).max
    if not 1 <= rank <= 7 or not 1 <= min(header.shape) <= max(header.shape) <= largest:
        raise ValueError(
            f"NIfTI-{header.version} cannot hold a volume of shape {header.shape}: 1 to 7 "
            f"dimensions of 1 to {largest}"
        )
    if header.dtype not in _CODES:
        raise ValueError(f"NIfTI cannot hold voxels of type {header.dtype}")
    raw["sizeof_hdr"] = _SIZE[header.version]
    raw["magic"] = np.void(_MAGIC[header.version])
    raw["dim"] = (rank, *header.shape, *(1,) * (7 - rank))
    raw["datatype"] = _CODES[header.dtype]
    raw["bitpix"] = header.dtype.itemsize * 8
    raw["pixdim"] = (header.qfac, *header.voxel_sizes)
    raw["vox_offset"] = _SIZE[header.version] + 4
    raw["quatern"] = header.quaternion
    for name in ("xyzt_units", "qform_code", "qoffset", "sform_code", "srow", "scl_slope"):
        raw[name] = getattr(header, name)
    for name in ("scl_inter", "intent_code", "intent_name", "descrip"):
        raw[name] = getattr(header, name)
    return raw.tobytes() + bytes(4)
