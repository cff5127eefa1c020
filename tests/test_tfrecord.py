"""TFRecord framing, ``tf.train.Example`` and label maps: vectors, laws, damage, a real file."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from annotary.formats.tfrecord.label_map import LabelMapError, read_label_map, write_label_map
from annotary.syntax import tfrecord
from annotary.syntax.source import SourceFile
from annotary.syntax.tfrecord import TFRecordError

DATA = Path(__file__).parents[1] / "../shared/data"
REAL = DATA / "same100/gts/tfrecord_format"

needs_data = pytest.mark.skipif(not REAL.exists(), reason="the folder ../shared/data is absent")


def records(*payloads: bytes) -> bytes:
    out = io.BytesIO()
    for payload in payloads:
        tfrecord.write_record(out, payload)
    return out.getvalue()


def read(data: bytes, **options: int) -> list[tuple[int, bytes]]:
    return list(tfrecord.read_records(io.BytesIO(data), **options))


# --- records ----------------------------------------------------------------------------

VECTORS = [
    (b"", "0000000000000000 29039807 d8ea82a2"),
    (b"a", "0100000000000000 0175de41 61 786ee428"),
]


@pytest.mark.parametrize(("payload", "written"), VECTORS)
def test_vectors(payload: bytes, written: str) -> None:
    assert records(payload) == bytes.fromhex(written)
    assert read(bytes.fromhex(written)) == [(0, payload)]


@given(st.lists(st.binary(max_size=50)))
def test_records_round_trip(payloads: list[bytes]) -> None:
    found = read(records(*payloads))
    assert [payload for _, payload in found] == payloads
    assert [offset for offset, _ in found] == [
        sum(len(p) + 16 for p in payloads[:n]) for n in range(len(payloads))
    ]


def test_a_payload_of_several_pieces() -> None:
    payload = bytes(range(256)) * 10_000
    assert read(records(b"x", payload)) == [(0, b"x"), (17, payload)]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.data())
def test_every_flipped_bit_is_found(payloads: list[bytes], data: st.DataObject) -> None:
    written = bytearray(records(*payloads))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= 1 << data.draw(st.integers(0, 7))
    starts = [sum(len(p) + 16 for p in payloads[:n]) for n in range(len(payloads))]
    with pytest.raises(TFRecordError) as caught:
        read(bytes(written))
    assert caught.value.offset == max(start for start in starts if start <= at)


def test_every_cut_is_found() -> None:
    written = records(b"first", b"second")
    for cut in range(len(written)):
        if cut in (0, 21):
            assert len(read(written[:cut])) == cut // 21
            continue
        with pytest.raises(TFRecordError, match="the file ends inside a record") as caught:
            read(written[:cut])
        assert caught.value.offset == (0 if cut < 21 else 21)


def test_lengths_that_lie() -> None:
    head = struct.pack("<Q", 1 << 60)
    huge = head + struct.pack("<I", tfrecord._masked(head))
    with pytest.raises(TFRecordError, match="at most 2147483647 are read"):
        read(huge + b"x")
    with pytest.raises(TFRecordError, match=r"\(1 of 1152921504606846980 bytes\)"):
        read(huge + b"x", limit=1 << 62)
    with pytest.raises(TFRecordError, match="has 5 bytes; at most 4"):
        read(records(b"first"), limit=4)


def test_compressed_files() -> None:
    packed = gzip.compress(records(b"one", b"two"))
    with pytest.raises(TFRecordError, match="compressed with gzip"):
        read(packed)
    with gzip.open(io.BytesIO(packed)) as stream:
        assert [payload for _, payload in tfrecord.read_records(stream)] == [b"one", b"two"]
    with (
        gzip.open(io.BytesIO(packed[:-12])) as stream,
        pytest.raises(TFRecordError, match="compressed file is damaged"),
    ):
        list(tfrecord.read_records(stream))


def test_recognition() -> None:
    written = records(b"first", b"second")
    assert tfrecord.looks_like_tfrecord(written[:12], len(written))
    assert tfrecord.looks_like_tfrecord(written, 21)
    assert not tfrecord.looks_like_tfrecord(written, 20)
    assert not tfrecord.looks_like_tfrecord(written[:11], len(written))
    assert not tfrecord.looks_like_tfrecord(b'{"images": []}', 14)


# --- Example ----------------------------------------------------------------------------

FEATURES = st.one_of(
    st.lists(st.binary(max_size=6), max_size=4),
    hnp.arrays(np.float32, st.integers(0, 5), elements=st.floats(width=32)),
    hnp.arrays(np.int64, st.integers(0, 5), elements=st.integers(-(2**63), 2**63 - 1)),
)


def same(a: tfrecord.Feature, b: tfrecord.Feature) -> bool:
    if isinstance(a, list) or isinstance(b, list):
        return isinstance(a, list) and isinstance(b, list) and a == b
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), FEATURES, max_size=5))
def test_examples_round_trip(features: dict[str, tfrecord.Feature]) -> None:
    payload = tfrecord.encode_example(features)
    back = tfrecord.decode_example(payload)
    assert list(back) == sorted(features)
    assert all(same(back[name], features[name]) for name in features)
    assert tfrecord.encode_example(dict(reversed(features.items()))) == payload


def test_bytes_of_an_example() -> None:
    # By hand from the encoding's definition: 0x0a is field 1, 0x12 field 2, 0x1a field 3.
    entry_a = b"\x0a\x01a" + b"\x12\x07" + b"\x1a\x05" + b"\x0a\x03" + b"\x01\xac\x02"
    entry_b = b"\x0a\x01b" + b"\x12\x05" + b"\x0a\x03" + b"\x0a\x01x"
    entry_c = b"\x0a\x01c" + b"\x12\x08" + b"\x12\x06" + b"\x0a\x04" + b"\x00\x00\x80\x3f"
    body = b"".join(b"\x0a" + bytes([len(entry)]) + entry for entry in (entry_a, entry_b, entry_c))
    expected = b"\x0a" + bytes([len(body)]) + body
    features = {"c": np.array([1.0]), "b": [b"x"], "a": np.array([1, 300])}
    assert tfrecord.encode_example(features) == expected


def message(number: int, content: bytes) -> bytes:
    size = len(content)
    assert size < 1 << 14
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def with_feature(feature: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    entry = message(1, b"k") + message(2, feature)
    return before + message(1, before + message(1, before + entry + after) + after) + after


def test_unpacked_numbers_and_unknown_fields() -> None:
    junk = b"\x78\x96\x01" + b"\x79" + bytes(8) + b"\x7a\x02hi" + b"\x7d" + bytes(4)  # field 15
    unpacked = b"\x08\x05" + b"\x0a\x02\x06\x07" + b"\x08" + b"\xff" * 9 + b"\x01"
    ints = tfrecord.decode_example(with_feature(message(3, unpacked + junk), junk, junk))["k"]
    assert isinstance(ints, np.ndarray)
    assert ints.tolist() == [5, 6, 7, -1]
    halves = b"\x0d" + struct.pack("<f", 0.5) + message(1, struct.pack("<2f", 1.5, -2))
    floats = tfrecord.decode_example(with_feature(message(2, halves), junk, junk))["k"]
    assert isinstance(floats, np.ndarray)
    assert floats.tolist() == [0.5, 1.5, -2]


def test_the_last_alternative_counts_and_lists_grow() -> None:
    two = message(3, b"\x08\x05") + message(1, message(1, b"x")) + message(1, message(1, b"y"))
    assert tfrecord.decode_example(with_feature(two))["k"] == [b"x", b"y"]
    assert tfrecord.decode_example(with_feature(b""))["k"] == []
    assert tfrecord.decode_example(b"") == {}


@pytest.mark.parametrize(
    ("payload", "offset", "reason"),
    [
        (b"\x0a", 1, "ends inside a number"),
        (b"\x0a\x05ab", 0, "field 1 is longer than what holds it"),
        (b"\x08\x01", 1, "Example.features has wire type 0, not 2"),
        (b"\x00\x01", 0, "number 0"),
        (b"\x0b", 0, "unknown wire type 3"),
        (b"\x0a" + b"\xff" * 11, 11, "longer than ten bytes"),
        (with_feature(message(2, message(1, b"abc"))), 13, "3 bytes are no list of 32-bit floats"),
        (with_feature(message(3, message(1, b"\x01\x80"))), 15, "ends inside a number"),
        (with_feature(message(3, message(1, b"\x80" * 10 + b"\x01"))), 13, "more than 64 bits"),
        (message(1, message(1, message(1, b"\xff"))), 6, "name is not UTF-8"),
    ],
)
def test_broken_examples(payload: bytes, offset: int, reason: str) -> None:
    with pytest.raises(TFRecordError, match=reason) as caught:
        tfrecord.decode_example(payload)
    assert caught.value.offset == offset


@given(st.binary(max_size=60))
@example(b"\x0a\x02\x0a\x00")
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    try:
        features = tfrecord.decode_example(payload)
    except TFRecordError as error:
        assert 0 <= error.offset <= len(payload)
        return
    again = tfrecord.decode_example(tfrecord.encode_example(features))
    assert all(same(again[name], feature) for name, feature in features.items())


def test_what_cannot_be_encoded() -> None:
    for wrong in ("text", ["text"], [1, 2], np.zeros((2, 2)), np.array(["a"])):
        with pytest.raises(TypeError, match="list of bytes or a flat array"):
            tfrecord.encode_example({"k": wrong})
    with pytest.raises(OverflowError, match="do not fit int64"):
        tfrecord.encode_example({"k": np.array([2**63], np.uint64)})
    small = tfrecord.encode_example({"k": np.array([True, False])})
    assert small == tfrecord.encode_example({"k": np.array([1, 0], np.uint8)})


# --- label maps -------------------------------------------------------------------------


def test_label_map_as_people_write_it() -> None:
    text = """\ufeff# made by hand
item {
  name: "/m/01g317"   # a key
  id: 1
  display_name: "person"
}
item: { id: 7, name: 'it\\'s "a" \\\\ \\303\\251\\xe8\\xaa\\x9e\\t\\u00e9 \\?'; }
item < name: 'two '
             "parts" id: 3
  keypoints { id: 1 label: "}" } frequency: FREQUENT
  ancestor_ids: [ "a", 'b' ] instance_count: 12 >
name: 'the map' ' itself'
item{name:'臉'id:4}
item { id: 0 name: '' }
"""
    names = {1: "person", 7: 'it\'s "a" \\ é語\té ?', 3: "two parts", 4: "臉", 0: ""}
    assert read_label_map(text) == names
    assert list(read_label_map(text)) == list(names)


@given(st.dictionaries(st.integers(0, 2**40), st.text(st.characters(codec="utf-8"))))
def test_label_maps_round_trip(names: dict[int, str]) -> None:
    assert read_label_map(write_label_map(names)) == names


def test_written_label_map() -> None:
    written = write_label_map({2: "it's\n", 1: "dog"})
    assert written == (
        "item {\n  id: 1\n  name: 'dog'\n}\n\nitem {\n  id: 2\n  name: 'it\\'s\\012'\n}\n"
    )
    assert write_label_map({}) == ""


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("item {\n id: 1\n}", 1, "has no name"),
        ("\nitem {\n name: 'x'\n}", 2, "has no id"),
        ("item { id: 1 name: 'x' }\nitem { id: 1 name: 'y' }", 2, "the id 1 stands twice"),
        ("item {\n id: -1 name: 'x' }", 2, "-1 is not a whole number from 0 up"),
        ("item {\n id: 1.5 name: 'x' }", 2, "1.5 is not a whole number"),
        ("item { id: 1\n name: dog }", 2, "expected a text in quotes, not dog"),
        ("item { id: 1\n name: 'dog }\n", 2, "a text in quotes does not end"),
        ("item { id: 1 name: 'dog'\n", 2, "ends inside an item"),
        ("item { id: 1 name: '\\xff' }", 1, "not Unicode"),
        ("item { id: 1 name: '\\ud800' }", 1, "not Unicode"),
        ("item { other { ] } id: 1 name: 'x' }", 1, "unexpected ]"),
        ("item { id: 1 name: 'x' }\n}", 2, "ends inside an item|unexpected }"),
        ("\n\nitem = 1", 3, "unexpected '='"),
    ],
)
def test_broken_label_maps(text: str, line: int, reason: str) -> None:
    with pytest.raises(LabelMapError, match=reason) as caught:
        read_label_map(text)
    assert caught.value.line == line


@given(st.text(st.sampled_from("item{}<>[]:,;'\"\\#\n id1name/x"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        names = read_label_map(text)
    except LabelMapError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    assert read_label_map(write_label_map(names)) == names


# --- a real file ------------------------------------------------------------------------


@needs_data
def test_real_file() -> None:
    path = REAL / "default.tfrecord"
    names = read_label_map((REAL / "label_map.pbtxt").read_text())
    boxes = images = 0
    rewritten = io.BytesIO()
    with path.open("rb") as stream:
        assert tfrecord.looks_like_tfrecord(stream.read(64), path.stat().st_size)
        stream.seek(0)
        for _, payload in tfrecord.read_records(stream):
            images += 1
            features = tfrecord.decode_example(payload)
            left, right = (features[f"image/object/bbox/{key}"] for key in ("xmin", "xmax"))
            texts, labels = (features[f"image/object/class/{key}"] for key in ("text", "label"))
            assert isinstance(left, np.ndarray)
            assert isinstance(right, np.ndarray)
            assert isinstance(labels, np.ndarray)
            assert isinstance(texts, list)
            assert (left < right).all()
            assert [names[label].encode() for label in labels.tolist()] == texts
            boxes += len(texts)
            again = tfrecord.encode_example(features)
            assert len(again) == len(payload)  # the same features in another order
            assert all(
                same(value, features[name])
                for name, value in tfrecord.decode_example(again).items()
            )
            tfrecord.write_record(rewritten, payload)
    assert (images, boxes, len(names)) == (100, 273, 20)
    assert rewritten.getvalue() == path.read_bytes()


@pytest.mark.parametrize("length", [0xFEFF, 0xFFFE, 0x8B1F])
def test_a_length_that_looks_like_another_kind_of_file(length: int) -> None:
    stream = io.BytesIO()
    tfrecord.write_record(stream, bytes(length))
    assert SourceFile("a.tfrecord", data=stream.getvalue()).buffer == stream.getvalue()
