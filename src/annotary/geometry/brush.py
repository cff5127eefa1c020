"""The run-length code of Label Studio's brushes (``"format": "rle"``), which is not COCO's.

A bit stream, most significant bit first: 32 bits number of samples, 5 bits sample size less 1,
four times 4 bits a count size less 1; then blocks: 1 bit "repeat", 2 bits which count size,
the count less 1, and one sample to repeat or ``count`` samples as they are. It is the code of
the npm package ``@thi.ng/rle-pack``, which label-studio-converter reads; a list of byte values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint8]

_SAMPLE_BITS = 8
_COUNT_BITS = (3, 4, 8, 16)


def decode(codes: Sequence[int] | bytes, expected: int | None = None) -> Samples:
    """The samples, uint8 ``[n]``; for a brush RGBA along the rows, so n = height * width * 4.

    ``expected`` is the number there must be, checked before anything is unpacked. Raises
    ``ValueError`` where the stream is cut short or is not such a stream.
    """
    try:
        data = bytes(codes)
    except (ValueError, TypeError):
        raise ValueError("a brush must be a list of byte values, 0 to 255") from None
    if len(data) < 7:
        raise ValueError(f"a brush needs a header of 7 bytes; there are {len(data)}")
    head = int.from_bytes(data[:7], "big")  # 32 + 5 + 4 * 4 bits, 3 over
    total, sample_bits = head >> 24, (head >> 19 & 0x1F) + 1
    count_bits = [(head >> shift & 0xF) + 1 for shift in (15, 11, 7, 3)]
    if expected is not None and total != expected:
        raise ValueError(f"the brush holds {total} samples, expected {expected}")
    if sample_bits > _SAMPLE_BITS:
        raise ValueError(f"the brush has samples of {sample_bits} bits; at most 8 can be read")
    pieces: list[Samples] = []
    at, done, end = 53, 0, len(data) * 8
    while done < total:
        flags = _bits(data, at, 3)
        size = count_bits[flags & 3]
        count = _bits(data, at + 3, size) + 1
        at += 3 + size
        repeat = flags >= 4
        stop = at + sample_bits * (1 if repeat else count)
        if stop > end:
            raise ValueError(f"the brush ends after {done} of its {total} samples")
        if repeat:
            pieces.append(np.full(count, _bits(data, at, sample_bits), dtype=np.uint8))
        else:
            pieces.append(_literal(data, at, count, sample_bits))
        at, done = stop, done + count
    if done > total:
        raise ValueError(f"the brush's blocks hold {done} samples, its header says {total}")
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint8)


def encode(samples: Samples) -> list[int]:
    """Samples, uint8 ``[n]``, as the list of byte values that :func:`decode` reads.

    Every stretch of equal samples becomes repeat blocks; of each the shortest count that fits.
    """
    changes = np.flatnonzero(samples[1:] != samples[:-1]) + 1
    starts = np.concatenate(([0], changes)) if samples.size else np.empty(0, dtype=np.int64)
    lengths = np.diff(np.concatenate((starts, [samples.size]))).astype(np.int64)
    # Stretches beyond the largest count are cut into several blocks.
    limit = 1 << _COUNT_BITS[-1]
    blocks = -(-lengths // limit)
    values = np.repeat(samples[starts].astype(np.int64), blocks)
    counts = np.full(values.size, limit, dtype=np.int64)
    last = np.cumsum(blocks) - 1
    counts[last] = lengths - (blocks - 1) * limit
    choice = np.searchsorted([1 << bits for bits in _COUNT_BITS], counts)
    size = np.array(_COUNT_BITS)[choice]
    code = ((4 | choice) << size | (counts - 1)) << _SAMPLE_BITS | values
    length = 3 + size + _SAMPLE_BITS
    head = int(samples.size) << 5 | (_SAMPLE_BITS - 1)
    for bits in _COUNT_BITS:
        head = head << 4 | (bits - 1)
    if samples.size >> 32:
        raise ValueError("a brush cannot hold 2**32 samples or more")
    place = np.arange(3 + _COUNT_BITS[-1] + _SAMPLE_BITS)
    shift = length[:, None] - 1 - place
    body = ((code[:, None] >> np.maximum(shift, 0)) & 1)[shift >= 0].astype(np.uint8)
    header = np.frombuffer(f"{head:053b}".encode(), dtype=np.uint8) - ord("0")
    return np.packbits(np.concatenate((header, body))).tolist()


def _bits(data: bytes, at: int, count: int) -> int:
    """``count`` bits from bit ``at`` on; zeros beyond the end, which the caller checks."""
    stop = at + count
    last = (stop + 7) // 8
    word = int.from_bytes(data[at // 8 : last].ljust(last - at // 8, b"\0"), "big")
    return word >> (last * 8 - stop) & ((1 << count) - 1)


def _literal(data: bytes, at: int, count: int, bits: int) -> Samples:
    first, last = at // 8, (at + count * bits + 7) // 8
    stream = np.unpackbits(np.frombuffer(data[first:last], dtype=np.uint8))
    words = stream[at - first * 8 :][: count * bits].reshape(count, bits)
    padded = np.zeros((count, 8), dtype=np.uint8)
    padded[:, 8 - bits :] = words
    return np.packbits(padded, axis=1).reshape(-1)
