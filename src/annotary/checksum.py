"""CRC-32C (Castagnoli) of bytes and files, and the two ways the wire writes it.

Import sessions write the sum as base64 of its four big-endian bytes, the text of the
``x-goog-hash`` header; asset uploads write the same four bytes as a signed 32-bit integer.
The polynomial is 0x1EDC6F41 with reflected input and output (RFC 3720, appendix B.4).
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import IO

import google_crc32c

_CHUNK = 1 << 20


def crc32c(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """The CRC-32C of ``data`` as an unsigned 32-bit number.

    ``value`` is the sum of what came before, so that a long text can be summed in pieces.
    """
    # The extension takes bytes alone.
    piece = data if isinstance(data, bytes) else bytes(data)
    return int(google_crc32c.extend(value, piece))


def crc32c_file(source: Path | IO[bytes]) -> int:
    """The CRC-32C of a file, or of a binary stream from where it stands to its end.

    Reads in pieces of one mebibyte. Raises ``OSError`` where the file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return crc32c_file(stream)
    value = 0
    while piece := source.read(_CHUNK):
        value = crc32c(piece, value)
    return value


def to_base64(value: int) -> str:
    """The sum as base64 of its big-endian bytes: eight characters."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def from_base64(text: str) -> int:
    """The sum written by :func:`to_base64`; ``ValueError`` where the text is no such sum."""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text!r} is not a CRC-32C in base64: {error}") from None
    if len(digest) != 4:
        raise ValueError(
            f"{text!r} is not a CRC-32C in base64: it holds {len(digest)} bytes, not 4"
        )
    return int.from_bytes(digest, "big")


def to_int32(value: int) -> int:
    """The sum as a signed 32-bit integer, -2147483648..2147483647."""
    return value - (1 << 32) if value >= 1 << 31 else value


def from_int32(number: int) -> int:
    """The sum written by :func:`to_int32`; ``ValueError`` where the number is out of range."""
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"{number} is not a CRC-32C: it does not fit a signed 32-bit integer")
    return number % (1 << 32)
