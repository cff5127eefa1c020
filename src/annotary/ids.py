"""Ids and cursors.

An id is a documented prefix and a UUID of version 7 (RFC 9562): 48 bits of milliseconds, then
bits that only grow within a process, so that the order of ids is the order of creation and an
insert appends to its index. Inside the store an id is its 16 bytes.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
import uuid
from collections.abc import Sequence

from annotary.errors import BadRequestError, NotFoundError

_COUNTER_BITS = 42
_RANDOM_BITS = 32
_lock = threading.Lock()
_last_ms = 0
_counter = 0


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def new_ids(count: int) -> list[bytes]:
    """``count`` fresh ids, 16 bytes each, every one greater than all before it.

    Layout of the 74 bits below the time: 42 of a counter that starts anywhere in its lower half
    each millisecond, then 32 random ones.
    """
    global _last_ms, _counter  # noqa: PLW0603 - the clock of this process
    with _lock:
        ms = now_ms()
        if ms > _last_ms:
            _last_ms = ms
            _counter = int.from_bytes(os.urandom(6), "big") & ((1 << (_COUNTER_BITS - 1)) - 1)
        ms, first = _last_ms, _counter
        _counter += count
    head = ms << 16 | 0x7000
    if count == 1:
        # 12 bits beside the version, 30 below the variant
        high, low = head | (first >> 30), (2 << 30) | (first & 0x3FFFFFFF)
        return [high.to_bytes(8, "big") + low.to_bytes(4, "big") + os.urandom(4)]
    import numpy as np  # here: the package is loaded without it

    counter = np.arange(first, first + count, dtype=np.int64)
    parts = np.empty((count, 4), ">u4")
    parts[:, 0] = head >> 32
    parts[:, 1] = (head & 0xFFFFFFFF) | (counter >> 30)
    parts[:, 2] = (2 << 30) | (counter & 0x3FFFFFFF)
    parts[:, 3] = np.frombuffer(os.urandom(4 * count), ">u4")
    raw = parts.tobytes()
    return [raw[at : at + 16] for at in range(0, 16 * count, 16)]


def new_id() -> bytes:
    """One fresh id."""
    return new_ids(1)[0]


def show(prefix: str, raw: bytes) -> str:
    """The text of an id: ``annot_a9ff9b21-c0e2-...``; projects have no dashes."""
    if prefix in _PLAIN:
        return f"{prefix}_{raw.hex()}"
    h = raw.hex()
    return f"{prefix}_{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def show_many(prefix: str, raw: Sequence[bytes]) -> list[str]:
    """The texts of many ids of one kind, see :func:`show`; not for projects."""
    import numpy as np  # here: the package is loaded without it

    digits = b"".join(raw).hex().encode()
    hexadecimal = np.frombuffer(digits, np.uint8).reshape(len(raw), 32)
    begin = len(prefix) + 1
    text = np.full((len(raw), begin + 36), ord("-"), np.uint8)
    text[:, :begin] = np.frombuffer(f"{prefix}_".encode(), np.uint8)
    for dashes, (a, b) in enumerate(_GROUPS):
        text[:, begin + a + dashes : begin + b + dashes] = hexadecimal[:, a:b]
    joined, width = text.tobytes().decode(), begin + 36
    return [joined[at : at + width] for at in range(0, len(joined), width)]


_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
_PLAIN = frozenset({"proj", "ws", "user", "key"})


def parse(prefix: str, text: str) -> bytes:
    """The 16 bytes of an id's text; its prefix may be missing.

    Raises :class:`NotFoundError` for text that can be no id of that kind, so that a typo and an
    unknown id read the same.
    """
    body = text.removeprefix(f"{prefix}_")
    try:
        return uuid.UUID(body).bytes
    except (ValueError, AttributeError):
        raise NotFoundError(
            f"There is no {_WORDS.get(prefix, prefix)} {text!r}.",
            hint=f"An id of that kind looks like {prefix}_ followed by 32 hexadecimal digits.",
        ) from None


_WORDS = {
    "proj": "project",
    "asset": "asset",
    "annot": "annotation",
    "annotsess": "import session",
    "op": "operation",
    "up": "upload session",
    "ontology": "ontology",
    "attri": "attribute",
    "key": "secret key",
    "change": "change",
    "snapshot": "snapshot",
}


def write_cursor(direction: str, position: bytes, state: Sequence[int] = ()) -> str:
    """An opaque cursor: ``n``ext or ``p``rev of a position in a list's order.

    ``state`` are the whole numbers that say which state of the project is walked through.
    """
    numbers = b"".join(_varint(number) for number in state)
    raw = direction.encode() + position + numbers
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(raw: bytes) -> list[int]:
    found, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(number)
            number = shift = 0
    if shift or any(each >= 1 << 63 for each in found):
        raise ValueError("not whole numbers")
    return found


def read_cursor(text: str) -> tuple[str, bytes, list[int]]:
    """Direction, position and state of a cursor. Raises :class:`BadRequestError`."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    direction = raw[:1].decode("latin-1")
    state: list[int] | None
    try:
        state = _varints(raw[17:])
    except ValueError:
        state = None
    if direction not in {"n", "p"} or len(raw) < 17 or state is None:
        raise BadRequestError(
            f"{text!r} is not a page cursor.",
            hint="Use next_page or prev_page of an earlier answer, or leave it out.",
        )
    return direction, raw[1:17], state
