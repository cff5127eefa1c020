"""DICOM RT Structure Sets: 3D masks as contours on the slices of a series.

Source: DICOM PS3.3, C.8.8.5 and C.8.8.6 (https://dicom.nema.org). Read only; needs the package
pydicom: ``pip install annotary[medical]``.

One file refers to one series of slices. Its contours are points in millimetres; where the voxels
are is known to the slices alone: **add the ``.dcm`` files of the series to the same import** (only
their headers are read). The image is the structure set's own name, with the width (columns) and
height (rows) of the slices; z counts the slices along their normal.

**Read.** Each ROI with contours becomes one object; its name is the class. A voxel is in a contour
when its centre is (even-odd rule). By ContourGeometricType:

====================  =========================================================================
CLOSED_PLANAR         filled; several on a slice are united
CLOSEDPLANAR_XOR      filled; several on a slice are combined by exclusive or
OPEN_PLANAR           the voxels that the line passes
POINT                 the voxel of the point
====================  =========================================================================

A contour belongs to the slice that it names, else to the nearest within half a slice's distance.
The affine (to the right, front and top, as NIfTI has it) and the voxels' distances are kept as the
properties ``affine`` and ``spacing``; an ROI's number and description and what RT ROI Observations
say of its type are properties too. Not kept: colours, references to other sets. An ROI without
contours is a class that is declared.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from annotary.contract.format import Format
from annotary.contract.rows import RowSink
from annotary.formats.dicom_rtstruct.series import Series, contour_mask
from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.voxels import Chunk, extras, label_chunks
from annotary.problems import NOWHERE, Location
from annotary.syntax.source import FileSet, SourceError, SourceFile

SLICE = "dicom-slice"
_RTSTRUCT = b"1.2.840.10008.5.1.4.1.1.481.3\0"
_MISSING = {"format": "DICOM", "package": "pydicom", "extra": "medical"}


class DicomRtStruct(Format):
    """See the module."""

    name = "dicom_rtstruct"
    title = "DICOM RT Structure Set"
    extensions = (".dcm",)
    reads = True
    project_types = ("RGBD",)

    def companion(self, source: SourceFile) -> str | None:
        head = source.head
        return SLICE if head[128:132] == b"DICM" and _RTSTRUCT not in head[:2048] else None

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        head = source.head
        return head[128:132] == b"DICM" and _RTSTRUCT in head[:2048]

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        rows.normalized = True
        rows.locate = lambda at: Location(pointer=f"ROI {at}")
        structures = _parsed(source)
        try:
            self._read(source, structures, rows, files)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise _broken(error) from None

    def _read(self, source: SourceFile, structures: Any, rows: RowSink, files: FileSet) -> None:
        series = Series(
            structures, [_parsed(each, True) for each in files.companions.get(SLICE, [])]
        )
        image = rows.image(source.name, series.width, series.height)
        about = _observations(structures)
        contours = {
            int(item.ReferencedROINumber): item.get("ContourSequence") or []
            for item in structures.get("ROIContourSequence") or []
            if "ReferencedROINumber" in item
        }
        for index, roi in enumerate(structures.get("StructureSetROISequence") or [], 1):
            at = int(roi.get("ROINumber") or index)
            title = str(roi.get("ROIName") or f"ROI {at}").strip() or f"ROI {at}"
            tag = rows.tag(title)
            found = contours.get(at, [])
            if not found:
                continue
            try:
                chunks = _chunks(series, found)
                if not chunks:
                    raise RefusedError(
                        "zero-area", shape="ROI", detail="no voxel's centre is inside its contours"
                    )
            except RefusedError as refused:
                rows.reject(refused.code, at, **refused.values)
                continue
            first, *more = extras(chunks, series.shape, f"{source.name}\n{title}\n{at}")
            said = {"roi_number": at, "description": str(roi.get("ROIDescription") or "")}
            first.properties = series.properties | {
                name: value for name, value in (said | about.get(at, {})).items() if value
            }
            rows.volume(image, tag, first, at, more)


def _parsed(source: SourceFile, header: bool = False) -> Any:
    """The data set of a file, without its pixels."""
    try:
        import pydicom
    except ImportError:
        raise SourceError("missing-package", NOWHERE, **_MISSING) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(io.BytesIO(source.buffer), stop_before_pixels=True)
            for _ in data.iterall():  # values are decoded only when they are looked at
                pass
            return data
    except Exception as error:  # pydicom raises whatever broken data makes it run into
        if header:
            detail = f"{type(error).__name__}: {error}"
            raise SourceError("broken-companion", companion=source.name, detail=detail) from None
        raise _broken(error) from None


def _broken(error: Exception) -> SourceError:
    return SourceError(
        "syntax", kind="DICOM file", detail=str(error) or type(error).__name__,
        advice="Export the structure set again.",
    )  # fmt: skip


def _observations(structures: Any) -> dict[int, dict[str, str]]:
    return {
        int(item.ReferencedROINumber): {
            "interpreted_type": str(item.get("RTROIInterpretedType") or ""),
            "observation_label": str(item.get("ROIObservationLabel") or ""),
        }
        for item in structures.get("RTROIObservationsSequence") or []
        if "ReferencedROINumber" in item
    }


def _chunks(series: Series, contours: Any) -> list[Chunk]:
    """The masks of an ROI, one chunk for each slice that it touches."""
    masks: dict[int, Any] = {}
    for contour in contours:
        kind = str(contour.get("ContourGeometricType") or "CLOSED_PLANAR").strip().upper()
        try:
            points = np.array([float(v) for v in contour.get("ContourData") or []], np.float64)
        except (TypeError, ValueError) as error:
            raise RefusedError("not-a-number", value=str(error), key="ContourData") from None
        if not len(points) or len(points) % 3:
            raise RefusedError(
                "value-count", key="ContourData", count=len(points), expected="3 for each point",
                advice="A point is x, y and z in millimetres.",
            )  # fmt: skip
        if not np.isfinite(points).all():
            raise RefusedError("not-finite", value="A coordinate in ContourData")
        number, flat = series.place(points.reshape(-1, 3), contour)
        mask = contour_mask(flat, kind, series.height, series.width)
        before = masks.get(number)
        if before is not None:
            mask = before ^ mask if kind == "CLOSEDPLANAR_XOR" else before | mask
        masks[number] = mask
    size = (1, series.height, series.width)
    return [
        Chunk((number, 0, 0), size, text)
        for number in sorted(masks)
        for _, text in label_chunks(masks[number])
    ]


FORMAT = DicomRtStruct()
