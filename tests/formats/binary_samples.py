"""Make the binary fixtures anew, with programs that are not ours: nibabel, protobuf and pydicom.

``python -m tests.formats.binary_samples`` writes them into the folders beside this file.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
NASTY = "deep/er/臉書 ü's.jpg"

# --- TFRecord -----------------------------------------------------------------------------------


def example_class() -> Any:
    """``tf.train.Example``, described by hand for protobuf."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    for name, kind in (("BytesList", 12), ("FloatList", 2), ("Int64List", 3)):
        message = file.message_type.add(name=name)
        message.field.add(name="value", number=1, label=3, type=kind)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes", "float", "int64"), 1):
        feature.field.add(
            name=f"{name}_list", number=number, label=1, type=field.TYPE_MESSAGE, oneof_index=0,
            type_name=f".t.{name.capitalize()}List",
        )  # fmt: skip
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=9)
    entry.field.add(name="value", number=2, label=1, type=11, type_name=".t.Feature")
    features.field.add(
        name="feature", number=1, label=3, type=11, type_name=".t.Features.FeatureEntry"
    )
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, label=1, type=11, type_name=".t.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def example(**features: Any) -> bytes:
    """A serialised Example; ``__`` in a name stands for ``/``."""
    made = example_class()()
    for name, value in features.items():
        into = made.features.feature[name.replace("__", "/")]
        items = value if isinstance(value, list) else [value]
        if items and isinstance(items[0], float):
            into.float_list.value.extend(items)
        elif items and isinstance(items[0], int):
            into.int64_list.value.extend(items)
        else:
            encoded = [item.encode() if isinstance(item, str) else item for item in items]
            into.bytes_list.value.extend(encoded)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _crc(data: bytes) -> int:
    """CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(payload: bytes) -> bytes:
    """One TFRecord."""
    head = struct.pack("<Q", len(payload))
    sums = struct.pack("<I", _crc(head)), struct.pack("<I", _crc(payload))
    return head + sums[0] + payload + sums[1]


def boxed(name: str, boxes: list[tuple[float, float, float, float]], **more: Any) -> bytes:
    """An image's Example with boxes (xmin, ymin, xmax, ymax)."""
    sides = {
        f"image__object__bbox__{side}": [box[i] for box in boxes]
        for i, side in enumerate(("xmin", "ymin", "xmax", "ymax"))
    }
    named = {"image__filename": name, "image__source_id": name} if name else {}
    return example(**named, **sides, **more)


def png(mask: np.ndarray[Any, Any]) -> bytes:
    """A grey 8-bit PNG."""
    height, width = mask.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    lines = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in mask)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


DOG = (0.1, 0.1, 0.3, 0.5)
SIZE = {"image__width": 400, "image__height": 200}
LABEL_MAP = """# made by hand
item { id: 1 name: 'boat' }
item {
  name: "/m/0bt9lr"
  id: 2
  display_name: "dog"
}
item { id: 90 name: 'never \\'used\\'' }
"""


def tfrecords() -> dict[str, bytes]:
    """The sample of TFRecord: boxes, flags, masks, outlines, keypoints, classes, a volume."""
    mask = np.zeros((6, 8))
    mask[1:4, 2:5] = 1
    text, label = "image__object__class__text", "image__object__class__label"
    volume = np.zeros((2, 3, 4), np.uint8)
    volume[0, 1, 1:3] = 1
    volume[1, 2, 3] = 2
    shared = [
        boxed("image.png", [DOG, (0.0, 0.0, 1.0, 1.0)], **SIZE, **{text: ["dog", "boat"]},
              **{label: [2, 1]}, image__object__truncated=[0, 1], image__object__weight=[1.0, 0.5],
              image__object__view=["Unspecified", "Front"], image__class__text=["boat"],
              image__class__label=[1], image__encoded=b"", image__format="png"),
        boxed(NASTY, [DOG], **{label: [2]}),
        boxed("empty.png", [], image__width=64, image__height=48),
        boxed("mask.png", [(0.25, 1 / 6, 0.625, 2 / 3)], image__width=8, image__height=6,
              **{text: ["dog"]}, image__object__mask=[png(mask)]),
        boxed("numbers.png", [(0.25, 1 / 6, 0.625, 2 / 3)], image__width=8, image__height=6,
              **{text: ["dog"]}, image__object__mask=mask.ravel().tolist()),
        boxed("points.png", [DOG, (0.0, 0.0, 0.5, 0.5)], **SIZE, **{text: ["dog", "boat"]},
              image__object__keypoint__x=[0.15, 0.275, 0.0, 0.0],
              image__object__keypoint__y=[0.2, 0.45, 0.0, 0.0],
              image__object__keypoint__visibility=[2, 1, 0, 0],
              image__object__keypoint__text=["nose", "tail", "", ""]),
        boxed("outline.png", [DOG, DOG], **SIZE, **{text: ["dog", "boat"]},
              image__object__polygon__x=[0.1, 0.3, 0.3, 0.15, 0.2, 0.2, 0.1, 0.3, 0.1],
              image__object__polygon__y=[0.1, 0.1, 0.5, 0.15, 0.15, 0.2, 0.1, 0.1, 0.5],
              image__object__polygon__count=[3, 3, 3], image__object__polygon__rings=[2, 1],
              image__object__polygon__hole=[0, 1, 0],
              image__object__properties=[b'{"score": 0.5}', b""],
              image__object__attributes=[b"", b'{"age": 3.0}']),
        example(volume__filename="scan.nii.gz", volume__shape=[2, 3, 4],
                volume__spacing=[2.0, 1.0, 0.5], volume__class__text=["boat"],
                volume__mask__raw=volume.tobytes(), volume__mask__classes=["boat", "dog"]),
    ]  # fmt: skip
    return {
        "tfrecord/sample/some-00000-of-00001.tfrecord": b"".join(map(record, shared[:4])),
        "tfrecord/sample/packed.record.gz": gzip.compress(
            b"".join(map(record, shared[4:])), mtime=0
        ),
        "tfrecord/sample/label_map.pbtxt": LABEL_MAP.encode(),
    }


def broken_tfrecords() -> dict[str, bytes]:
    text = "image__object__class__text"
    label = "image__object__class__label"
    good = record(boxed("image.png", [DOG], **SIZE, **{text: ["dog"]}))
    wrong = bytearray(good)
    wrong[40] ^= 1
    records = [
        boxed("image.png", [DOG, (0.5, 0.5, 1.2, 0.9)], **SIZE, **{text: ["dog", "dog"]}),
        boxed("", [DOG], **{text: ["dog"]}),
        boxed("image.png", [DOG], **SIZE, **{label: [7]}),
        boxed("image.png", [DOG], **SIZE, **{text: ["dog", "boat"]}),
        boxed("image.png", [DOG], **SIZE, **{text: [b"\xff\xfe"]}),
        b"\x0a\xff no example",
        boxed("lost.png", [DOG], **SIZE, **{text: ["dog"]}),
        boxed("image.png", [(0.5, 0.5, 0.5, 0.9)], **SIZE, **{text: ["dog"]}),
        boxed("image.png", [DOG], **SIZE, **{text: ["dog"]}, image__object__mask=[b"no png"]),
        boxed("image.png", [DOG], image__width=401, image__height=200, **{text: ["dog"]}),
    ]
    return {
        "tfrecord/broken/cut/a.tfrecord": good + good[: len(good) // 2],
        "tfrecord/broken/checksum/a.tfrecord": good + bytes(wrong) + good,
        "tfrecord/broken/records/a.tfrecord": b"".join(map(record, records)),
        "tfrecord/broken/numbers/a.tfrecord": record(
            boxed("image.png", [DOG], **SIZE, **{label: [7]})
        ),
        "tfrecord/broken/numbers/label_map.pbtxt": LABEL_MAP.encode(),
        "tfrecord/broken/label_map/a.tfrecord": good,
        "tfrecord/broken/label_map/label_map.pbtxt": b"item { id: 1 name: 'boat' }\n"
        b"item { id: 2 }\n",
    }


# --- NIfTI ----------------------------------------------------------------------------------


def nifti(values: np.ndarray[Any, Any], affine: Any = None, packed: bool = True) -> bytes:
    """A NIfTI file of an array ``[x, y, z]``, as nibabel writes it."""
    import nibabel

    if affine is None:
        affine = np.array([[-1.5, 0, 0, 10], [0, 0, 2, -20.25], [0, 0.5, 0, 30], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(values, affine)
    image.set_qform(affine, 1)
    data: bytes = image.to_bytes()
    return gzip.compress(data, mtime=0) if packed else data


def labels() -> np.ndarray[Any, Any]:
    """5 x 4 x 3 voxels of the classes 1, 2 and 7."""
    volume = np.zeros((5, 4, 3), np.uint8)
    volume[1:4, 1:3, 0:2] = 2
    volume[4, 3, 2] = 7
    volume[0, 0, :] = 1
    return volume


NAMES = '[{"id": 7, "name": "spleen ü"}, {"id": 1, "name": "liver"}, {"id": 2, "name": "a/b"}, {"id": 9, "name": "unused"}]\n'  # noqa: E501


def niftis() -> dict[str, bytes]:
    volume = labels()
    hot = np.stack([(volume == k).astype(np.uint8) for k in (1, 2, 7)])
    hot[0, 2, 2, 1] = 1  # two classes claim a voxel
    index, one_hot = "nifti_class_index_segmentation", "nifti_one_hot_segmentation"
    float_ = volume.astype(np.float32)
    shifted = nifti(volume)
    names = '[{"id": 1, "name": "liver"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}]'
    negative = volume.astype(np.int16)
    negative[3, 2, 1] = -5
    half = float_.copy()
    half[0, 1, 2] = 0.5
    return {
        f"{index}/sample/a/scan.nii.gz": nifti(volume),
        f"{index}/sample/plain.nii": nifti(float_[..., None], packed=False),
        f"{index}/sample/labels.json": NAMES.encode(),
        f"{index}/broken/cut/a.nii.gz": shifted[: len(shifted) - 10],
        f"{index}/broken/short/a.nii": nifti(volume, packed=False)[:380],
        f"{index}/broken/head/a.nii": nifti(volume, packed=False)[:300],
        f"{index}/broken/unknown_label/a.nii.gz": shifted,
        f"{index}/broken/unknown_label/labels.json": b'[{"id": 2, "name": "b"}]',
        f"{index}/broken/negative/a.nii": nifti(negative, packed=False),
        f"{index}/broken/fraction/a.nii": nifti(half, packed=False),
        f"{index}/broken/labels/a.nii.gz": shifted,
        f"{index}/broken/labels/labels.json": b'[{"id": 2, "name": "b"}, {"id": 2, "name": "c"}]',
        f"{index}/broken/size/scan.nii.gz": nifti(volume[:, :3]),
        f"{one_hot}/sample/first.nii.gz": nifti(hot, np.diag([2.0, 2, 2, 1])),
        f"{one_hot}/sample/last.nii": nifti(
            np.moveaxis(hot, 0, 3).astype(np.float64), np.eye(4), packed=False
        ),
        f"{one_hot}/sample/labels.json": names.encode(),
        f"{one_hot}/broken/values/first.nii.gz": nifti(hot * np.uint8(2)),
        f"{one_hot}/broken/dimensions/first.nii.gz": nifti(np.zeros((2, 3, 4, 2, 2), np.uint8)),
    }


# --- DICOM ----------------------------------------------------------------------------------

_SLICE, _SET = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"


def _saved(data: Any, kind: str, uid: str) -> bytes:
    import pydicom

    data.SOPClassUID, data.SOPInstanceUID = kind, uid
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, uid
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = "1.2.3.4"
    data.file_meta = meta
    out = io.BytesIO()
    pydicom.dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def slice_(number: int) -> bytes:
    """A slice of 10 rows and 20 columns, 2 x 3 mm, 5 mm apart."""
    import pydicom

    data = pydicom.Dataset()
    data.SeriesInstanceUID, data.Modality = "1.2.9", "CT"
    data.Rows, data.Columns = 10, 20
    data.PixelSpacing, data.SliceThickness = [2, 3], 5
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.ImagePositionPatient = [-30, 100, 50 + 5 * number]
    return _saved(data, _SLICE, f"1.2.9.{number}")


def structures(rois: list[tuple[str, list[tuple[str, list[list[float]], str]]]]) -> bytes:
    """A structure set; contours are (type, points in mm, uid of the slice or nothing)."""
    import pydicom

    data = pydicom.Dataset()
    data.Modality = "RTSTRUCT"
    series = pydicom.Dataset()
    series.SeriesInstanceUID = "1.2.9"
    study, frame = pydicom.Dataset(), pydicom.Dataset()
    study.RTReferencedSeriesSequence = [series]
    frame.RTReferencedStudySequence = [study]
    data.ReferencedFrameOfReferenceSequence = [frame]
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois, 1):
        roi, item = pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ROIName = number, name
        item.ReferencedROINumber = number
        item.ContourSequence = []
        for kind, points, uid in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [v for point in points for v in point]
            if uid:
                of = pydicom.Dataset()
                of.ReferencedSOPInstanceUID = uid
                contour.ContourImageSequence = [of]
            item.ContourSequence.append(contour)
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(item)
    return _saved(data, _SET, "1.2.8")


def square(x: float, y: float, w: float, h: float, z: float) -> list[list[float]]:
    """The outline of w x h voxels from column x, row y on, in millimetres."""
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return [[-30 + 3 * (a - 0.5), 100 + 2 * (b - 0.5), z] for a, b in corners]


def dicoms() -> dict[str, bytes]:
    slices = {f"dicom_rtstruct/sample/ct/{n}.dcm": slice_(n) for n in (2, 0, 1)}
    rois: list[Any] = [
        ("liver", [
            ("CLOSED_PLANAR", square(2, 1, 4, 3, 50), "1.2.9.0"),
            ("CLOSED_PLANAR", square(2, 1, 4, 3, 56), ""),
        ]),
        ("ring", [
            ("CLOSEDPLANAR_XOR", square(0, 0, 6, 6, 60), ""),
            ("CLOSEDPLANAR_XOR", square(2, 2, 2, 2, 60), ""),
        ]),
        ("marks", [
            ("POINT", [[-30.0, 100.0, 50.0]], ""),
            ("OPEN_PLANAR", [[-30.0, 110.0, 55.0], [-21.0, 110.0, 55.0]], ""),
        ]),
        ("empty", []),
    ]  # fmt: skip
    far = [
        ("outside", [("CLOSED_PLANAR", square(15, 1, 9, 3, 50), "")]),
        ("between", [("CLOSED_PLANAR", square(2, 1, 4, 3, 80), "")]),
        ("odd", [("FREEHAND", square(2, 1, 4, 3, 50), "")]),
        ("thin", [("CLOSED_PLANAR", square(2, 1.6, 4, 0.2, 50), "")]),
        ("good", [("CLOSED_PLANAR", square(2, 1, 4, 3, 50), "")]),
    ]
    base = "dicom_rtstruct/broken"
    return slices | {
        "dicom_rtstruct/sample/case.dcm": structures(rois),
        f"{base}/alone/case.dcm": structures(rois),
        f"{base}/contours/case.dcm": structures(far),
        f"{base}/contours/0.dcm": slice_(0),
        f"{base}/contours/1.dcm": slice_(1),
    }


if __name__ == "__main__":
    made = tfrecords() | broken_tfrecords() | niftis() | dicoms()
    for name, data in made.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
