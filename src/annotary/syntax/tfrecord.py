"""TFRecord files and ``tf.train.Example``, without TensorFlow.

A file is a row of records: 8 bytes little-endian length, 4 bytes masked CRC-32C of those, the
payload, 4 bytes masked CRC-32C of the payload (TensorFlow's *TFRecords format details*). The
payload is a protobuf ``Example``, a map from names to lists of bytes, float32 or int64
(``tensorflow/core/example/{example,feature}.proto``; protobuf's *Encoding* page).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from annotary.checksum import crc32c

Feature = list[bytes] | npt.NDArray[np.float32] | npt.NDArray[np.int64]
Example = dict[str, Feature]

MAX_RECORD = (1 << 31) - 1
"""The longest payload that is read, in bytes: protobuf's own limit for a message."""

_CHUNK = 1 << 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # the fields of Feature


class TFRecordError(ValueError):
    """A broken file or payload: ``reason``, and the byte ``offset`` where it was seen.

    Offsets count from where the stream was handed over, or from the payload's begin.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


# --- records ----------------------------------------------------------------------------


def read_records(file: IO[bytes], limit: int = MAX_RECORD) -> Iterator[tuple[int, bytes]]:
    """Each record's offset and payload; one payload is in memory at a time.

    Raises :class:`TFRecordError` with the record's offset at a wrong checksum, at an end
    inside a record, at a payload longer than ``limit`` and at damaged compression.
    """
    offset = 0
    while True:
        head = _read(file, 12, offset)
        if not head:
            return
        if offset == 0 and head[:2] == b"\x1f\x8b":
            raise TFRecordError(0, "the file is compressed with gzip; unpack it first")
        if len(head) < 12:
            raise TFRecordError(offset, f"the file ends inside a record's head ({len(head)} of 12)")
        length, length_sum = struct.unpack("<QI", head)
        if _masked(head[:8]) != length_sum:
            raise TFRecordError(
                offset,
                "the checksum of the record's length is wrong; this is not a TFRecord file, "
                "or it is damaged",
            )
        if length > limit:
            raise TFRecordError(offset, f"the record has {length} bytes; at most {limit} are read")
        body = _read(file, length + 4, offset)
        if len(body) < length + 4:
            raise TFRecordError(
                offset, f"the file ends inside a record ({len(body)} of {length + 4} bytes)"
            )
        payload = body[:length]
        if _masked(payload) != int.from_bytes(body[length:], "little"):
            raise TFRecordError(offset, f"the checksum of the record's {length} bytes is wrong")
        yield offset, payload
        offset += length + 16


def write_record(out: IO[bytes], payload: bytes) -> None:
    """Append one record."""
    head = struct.pack("<Q", len(payload))
    out.write(head + struct.pack("<I", _masked(head)))
    out.write(payload)
    out.write(struct.pack("<I", _masked(payload)))


def looks_like_tfrecord(head: bytes, size: int) -> bool:
    """Whether a file of ``size`` bytes that begins with ``head`` (12 bytes or more) is one.

    True when the first record fits the file and the checksum of its length is right: by
    chance that happens once in 2**32.
    """
    if len(head) < 12:
        return False
    length, length_sum = struct.unpack_from("<QI", head)
    return bool(length + 16 <= size and _masked(head[:8]) == length_sum)


def _masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _read(file: IO[bytes], count: int, offset: int) -> bytes:
    """Up to ``count`` bytes, in pieces: a length that lies costs no more than the file has."""
    pieces: list[bytes] = []
    try:
        while count and (piece := file.read(min(count, _CHUNK))):
            pieces.append(piece)
            count -= len(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TFRecordError(offset, f"the compressed file is damaged: {error}") from None
    return b"".join(pieces)


# --- Example ----------------------------------------------------------------------------


def decode_example(payload: bytes) -> Example:
    """The features of an ``Example`` by name: list of bytes, float32 ``[n]`` or int64 ``[n]``.

    Numbers may be packed or not; a feature without a list is an empty list of bytes; unknown
    fields are skipped. Raises :class:`TFRecordError` where the payload is no such message.
    """
    example: Example = {}
    for number, wire, start, stop in _fields(payload, 0, len(payload)):
        if number == 1:
            _expect(wire, start, "Example.features")
            for inner, inner_wire, a, b in _fields(payload, start, stop):
                if inner == 1:
                    _expect(inner_wire, a, "Features.feature")
                    name, feature = _entry(payload, a, b)
                    example[name] = feature
    return example


def encode_example(features: Mapping[str, Any]) -> bytes:
    """An ``Example``, its features sorted by name, numbers packed: same features, same bytes.

    A value is a list of bytes, or a flat array: floats become float32, integers and booleans
    int64. Raises ``TypeError`` for anything else, ``OverflowError`` for unsigned numbers from
    2**63 up.
    """
    entries = bytearray()
    for name in sorted(features):
        entry = _field(1, name.encode()) + _field(2, _feature(name, features[name]))
        entries += _field(1, entry)
    return _field(1, bytes(entries))


def _entry(data: bytes, start: int, stop: int) -> tuple[str, Feature]:
    """One entry of the map: its key is field 1, its value field 2."""
    name = ""
    feature: Feature = []
    for number, wire, a, b in _fields(data, start, stop):
        if number == 1:
            _expect(wire, a, "the name of a feature")
            try:
                name = data[a:b].decode()
            except UnicodeDecodeError:
                raise TFRecordError(a, f"a feature's name is not UTF-8: {data[a:b]!r}") from None
        elif number == 2:
            _expect(wire, a, "the value of a feature")
            feature = _decode_feature(data, a, b)
    return name, feature


def _decode_feature(data: bytes, start: int, stop: int) -> Feature:
    kind, texts = _BYTES_LIST, list[bytes]()
    numbers: list[npt.NDArray[Any]] = []
    for number, wire, a, b in _fields(data, start, stop):
        if number not in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            continue
        _expect(wire, a, "a feature's list")
        if number != kind:  # of the alternatives the last one counts
            kind, texts, numbers = number, [], []
        for item, item_wire, c, d in _fields(data, a, b):
            if item != 1:
                continue
            if kind == _BYTES_LIST:
                _expect(item_wire, c, "a text")
                texts.append(data[c:d])
            elif kind == _FLOAT_LIST:
                numbers.append(_floats(data, item_wire, c, d))
            else:
                numbers.append(_int64s(data, item_wire, c, d))
    if kind == _BYTES_LIST:
        return texts
    dtype = np.float32 if kind == _FLOAT_LIST else np.int64
    return np.concatenate([np.empty(0, dtype), *numbers])


def _floats(data: bytes, wire: int, start: int, stop: int) -> npt.NDArray[np.float32]:
    if wire not in (_BYTES, _FIXED32) or (stop - start) % 4:
        raise TFRecordError(start, f"{stop - start} bytes are no list of 32-bit floats")
    return np.frombuffer(data, "<f4", (stop - start) // 4, start).astype(np.float32)


def _int64s(data: bytes, wire: int, start: int, stop: int) -> npt.NDArray[np.int64]:
    """Varints: seven bits to a byte, low bits first, bit 0x80 for "more follows"."""
    if wire not in (_BYTES, _VARINT):
        raise TFRecordError(start, "a number in an int64 list has the wrong wire type")
    code = np.frombuffer(data, np.uint8, stop - start, start)
    stops = np.flatnonzero(code < 0x80) + 1
    if not code.size:
        return np.empty(0, np.int64)
    if not stops.size or int(stops[-1]) != code.size:
        raise TFRecordError(stop, "a list of integers ends inside a number")
    starts = np.concatenate(([0], stops[:-1]))
    length = stops - starts
    if int(length.max()) > 10:
        raise TFRecordError(start, "an integer has more than 64 bits")
    place = (np.arange(code.size) - np.repeat(starts, length)).astype(np.uint64)
    bits = (code & 0x7F).astype(np.uint64) << (np.uint64(7) * place)
    return np.add.reduceat(bits, starts).view(np.int64)


def _feature(name: str, value: Any) -> bytes:
    if isinstance(value, list) and all(isinstance(item, bytes) for item in value):
        return _field(_BYTES_LIST, b"".join(_field(1, item) for item in value))
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "fiub":
        raise TypeError(f"the feature {name!r} must be a list of bytes or a flat array of numbers")
    if value.dtype.kind == "f":
        kind, packed = _FLOAT_LIST, value.astype("<f4").tobytes()
    else:
        if value.dtype == np.uint64 and int(value.max(initial=0)) >> 63:
            raise OverflowError(f"the feature {name!r} has numbers that do not fit int64")
        kind, packed = _INT64_LIST, _varints(value.astype(np.int64))
    return _field(kind, _field(1, packed) if packed else b"")


def _varints(values: npt.NDArray[np.int64]) -> bytes:
    unsigned = values.view(np.uint64)
    limits = np.uint64(1) << np.arange(7, 64, 7, dtype=np.uint64)
    length = np.searchsorted(limits, unsigned, side="right") + 1
    place = np.arange(int(length.max(initial=1)))
    chunks = (unsigned[:, None] >> (7 * place).astype(np.uint64)).astype(np.uint8) & 0x7F
    chunks |= np.where(place < length[:, None] - 1, 0x80, 0).astype(np.uint8)
    return chunks[place < length[:, None]].tobytes()


# --- protobuf ---------------------------------------------------------------------------


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    size = len(content)
    head = bytearray([number << 3 | _BYTES])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + content


def _fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field of the message at ``start..stop``: number, wire type, its value's range."""
    at = start
    while at < stop:
        begin = at
        key, at = _varint(data, at, stop)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise TFRecordError(begin, "a field has number 0; this is not an Example")
        if wire == _VARINT:
            _, end = _varint(data, at, stop)
        elif wire == _BYTES:
            length, at = _varint(data, at, stop)
            end = at + length
        elif wire in (_FIXED64, _FIXED32):
            end = at + (8 if wire == _FIXED64 else 4)
        else:
            raise TFRecordError(begin, f"field {number} has the unknown wire type {wire}")
        if end > stop:
            raise TFRecordError(begin, f"field {number} is longer than what holds it")
        yield number, wire, at, end
        at = end


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= stop:
            raise TFRecordError(at, "the message ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at
    raise TFRecordError(at, "a number is longer than ten bytes")


def _expect(wire: int, at: int, what: str) -> None:
    if wire != _BYTES:
        raise TFRecordError(at, f"{what} has wire type {wire}, not 2")
