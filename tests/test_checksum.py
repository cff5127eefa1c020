"""CRC-32C against published vectors, and its two encodings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary import checksum

# Sum, base64 of the big-endian bytes, signed 32-bit. The last three are from RFC 3720, B.4.
VECTORS = [
    (b"", 0x00000000, "AAAAAA==", 0),
    (b"a", 0xC1D04330, "wdBDMA==", -1043315920),
    (b"123456789", 0xE3069283, "4waSgw==", -486108541),
    (bytes(32), 0x8A9136AA, "ipE2qg==", -1970194774),
    (b"\xff" * 32, 0x62A8AB43, "YqirQw==", 1655221059),
    (bytes(range(32)), 0x46DD794E, "Rt15Tg==", 1188919630),
]


def bitwise(data: bytes) -> int:
    """The definition, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(("data", "value", "text", "number"), VECTORS)
def test_vectors(data: bytes, value: int, text: str, number: int) -> None:
    assert checksum.crc32c(data) == value
    assert checksum.to_base64(value) == text
    assert checksum.from_base64(text) == value
    assert checksum.to_int32(value) == number
    assert checksum.from_int32(number) == value


def test_storage_header_and_asset_upload_are_the_same_bytes() -> None:
    assert checksum.from_base64("6RM1hg==") == checksum.from_int32(-384617082)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_pieces_equal_the_whole(data: bytes, cut: int) -> None:
    whole = checksum.crc32c(data)
    assert whole == bitwise(data)
    assert checksum.crc32c(memoryview(data)[cut:], checksum.crc32c(bytearray(data[:cut]))) == whole


@given(st.integers(0, 2**32 - 1))
def test_encodings_round_trip(value: int) -> None:
    assert checksum.from_base64(checksum.to_base64(value)) == value
    assert checksum.from_int32(checksum.to_int32(value)) == value


def test_file_and_stream(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than two pieces
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    assert checksum.crc32c_file(path) == checksum.crc32c(data)
    stream = io.BytesIO(data)
    stream.seek(100)
    assert checksum.crc32c_file(stream) == checksum.crc32c(data[100:])


@pytest.mark.parametrize("text", ["", "4waSgw", "4waS", "4waS gw==", "é", "AAAAAAA="])
def test_bad_base64(text: str) -> None:
    with pytest.raises(ValueError, match="is not a CRC-32C in base64"):
        checksum.from_base64(text)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_bad_int32(number: int) -> None:
    with pytest.raises(ValueError, match="signed 32-bit"):
        checksum.from_int32(number)
