"""The slices that a structure set is drawn on, and contours as voxels of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotary.formats.kit.json import RefusedError
from annotary.formats.kit.voxels import Shape
from annotary.geometry.arrays import Floats
from annotary.syntax.source import SourceError

_KINDS = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "OPEN_PLANAR", "POINT")


class Series:
    """Slices of one series, in order along their normal: where voxels are in millimetres."""

    def __init__(self, structures: Any, slices: list[Any]) -> None:
        wanted = _series_uids(structures)
        found = [
            each
            for each in slices
            if "ImagePositionPatient" in each
            and (not wanted or str(each.get("SeriesInstanceUID")) in wanted)
        ]
        if not found:
            raise SourceError("missing-series")
        try:
            self._lay(found)
        except (AttributeError, TypeError, ValueError) as error:
            raise SourceError(
                "broken-companion", companion="The series of slices", detail=str(error)
            ) from None

    def _lay(self, found: list[Any]) -> None:
        first = found[0]
        self.height, self.width = int(first.Rows), int(first.Columns)
        cosines = np.array([float(v) for v in first.ImageOrientationPatient])
        self._along_x, self._along_y = cosines[:3], cosines[3:]
        self._normal = np.cross(self._along_x, self._along_y)
        down, across = (float(v) for v in first.PixelSpacing)
        self._pixel = (across, down)
        if min(self.height, self.width, across, down) <= 0 or not np.isfinite(cosines).all():
            raise ValueError("a slice has no size, spacing or orientation")
        positions = np.array([[float(v) for v in each.ImagePositionPatient] for each in found])
        heights = positions @ self._normal
        order = np.argsort(heights, kind="stable")
        self._positions, self._heights = positions[order], heights[order]
        self._uids = {str(found[i].get("SOPInstanceUID")): n for n, i in enumerate(order.tolist())}
        steps = np.diff(self._heights)
        if (steps <= 1e-6).any():
            raise ValueError("two slices stand at the same place")
        thick = float(first.get("SliceThickness") or 1.0)
        self._step = float(np.median(steps)) if len(steps) else thick
        self.shape: Shape = (len(found), self.height, self.width)

    @property
    def properties(self) -> dict[str, Any]:
        """``affine`` and ``spacing``, as NIfTI has them: x to the right, y to the front."""
        across, down = self._pixel
        affine = np.eye(4)
        affine[:3, 0] = self._along_x * across
        affine[:3, 1] = self._along_y * down
        affine[:3, 2] = self._normal * self._step
        affine[:3, 3] = self._positions[0]
        affine[:2] *= -1  # DICOM's x and y go to the left and back
        return {"affine": (affine + 0.0).tolist(), "spacing": [across, down, self._step]}

    def place(self, points: Floats, contour: Any) -> tuple[int, Floats]:
        """The slice of a contour, and its points [n, 2] in voxels, edges continuous."""
        number = None
        for item in contour.get("ContourImageSequence") or []:
            number = self._uids.get(str(item.get("ReferencedSOPInstanceUID")), number)
        if number is None:
            height = float(np.median(points @ self._normal))
            number = int(np.argmin(np.abs(self._heights - height)))
            if abs(self._heights[number] - height) > self._step / 2 + 1e-3:
                raise RefusedError(
                    "wrong-type", key="A contour", expected="a contour on a slice of the series",
                    detail=f"it lies at {height:g} mm, where there is no slice",
                )  # fmt: skip
        offset = points - self._positions[number]
        x = offset @ self._along_x / self._pixel[0] + 0.5
        y = offset @ self._along_y / self._pixel[1] + 0.5
        flat = np.column_stack([x, y])
        if (flat < -0.5).any() or (flat > np.array([self.width, self.height]) + 0.5).any():
            worst = flat[np.argmax(np.abs(flat - (self.width / 2, self.height / 2)).max(1))]
            raise RefusedError(
                "out-of-bounds", x=round(float(worst[0]), 3), y=round(float(worst[1]), 3),
                width=self.width, height=self.height,
            )  # fmt: skip
        return number, flat


def _series_uids(structures: Any) -> set[str]:
    found = set()
    for frame in structures.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                found.add(str(series.get("SeriesInstanceUID")))
    return found


def contour_mask(points: Floats, kind: str, height: int, width: int) -> NDArray[np.bool_]:
    """The voxels [h, w] of a contour, whose points [n, 2] are in voxels."""
    if kind not in _KINDS:
        raise RefusedError(
            "wrong-type", key="ContourGeometricType", detail=f"it is {kind}",
            expected=", ".join(_KINDS),
        )  # fmt: skip
    mask = np.zeros((height, width), np.bool_)
    if kind in ("POINT", "OPEN_PLANAR"):
        if kind == "OPEN_PLANAR":
            points = _along(points)
        x = np.clip(np.floor(points[:, 0]).astype(int), 0, width - 1)
        y = np.clip(np.floor(points[:, 1]).astype(int), 0, height - 1)
        mask[y, x] = True
        return mask
    return _filled(points, mask)


def _along(points: Floats) -> Floats:
    """Points on a line, close enough to touch every voxel it passes."""
    pieces = [points[:1]]
    for a, b in pairwise(points):
        count = int(np.ceil(np.abs(b - a).max() * 4)) + 1
        pieces.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(pieces)


def _filled(ring: Floats, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels whose centres are inside, by the even-odd rule, row by row."""
    height, width = mask.shape
    x0, y0 = ring[:, 0], ring[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    for row in range(max(int(y0.min()) - 1, 0), min(int(y0.max()) + 2, height)):
        centre = row + 0.5
        crosses = (y0 <= centre) != (y1 <= centre)
        if not crosses.any():
            continue
        a, b = x0[crosses], x1[crosses]
        share = (centre - y0[crosses]) / (y1[crosses] - y0[crosses])
        at = np.sort(a + (b - a) * share)
        # column c has its centre at c + 0.5
        edges = np.clip(np.ceil(at - 0.5).astype(int), 0, width)
        toggles = np.bincount(edges, minlength=width + 1)[:width]
        mask[row] = np.cumsum(toggles) % 2 == 1
    return mask
