"""What a scan's values mean: how far they are shifted, and where the scanner measured nothing.

A scanner sees a circle; the corners of the picture hold a number that was never measured: often -1024 or -2000, also 0
or 3071. Air is what lies there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .geometry.volume import AIR_HU
from .soft_tissue import LARGEST_SHIFT, soft_tissue_shift

COARSE_PIXELS = 128
"""A slice is looked at on about so many pixels."""

AIR_LIKE_HU = (-1300.0, -900.0)
"""Padding in here is air already, or looks so in a picture that was cut to a window."""

_SURE_HU = 2000.0
"""Padding of more than this is no tissue, whatever its outline."""

_DARKER_HU = 300.0
"""By so much there is something darker than bright padding: else it is the darkest, the air of a grey picture."""

_LOOK_SLICES = 48
_LEAST_SHARE = 0.01
_ROUND_PIXELS = 1.5
_LEAST_EDGE = 20


@dataclass(frozen=True)
class ScanValues:
    """What is wrong with a scan's values.

    ``shift_hu``: how far they lie above HU; ``padded``: where, in every slice, it was padded (bool; rows, columns) with
    something else than air; None: nowhere.
    """

    shift_hu: float = 0.0
    padded: np.ndarray | None = None

    @classmethod
    def of_planes(cls, planes: Sequence[np.ndarray], pixel_mm: tuple[float, float]) -> ScanValues:
        """Look at some axial slices of a scan (:func:`find_padding`, :func:`.soft_tissue.soft_tissue_shift`)."""
        padded = find_padding(planes, pixel_mm)
        measured = None if padded is None else ~coarse(padded)[0]
        samples = [coarse(plane)[0] for plane in planes]
        shift = soft_tissue_shift(samples if measured is None else [sample[measured] for sample in samples])
        if abs(shift) > LARGEST_SHIFT:
            padded = find_padding(planes, pixel_mm, shift)
        return cls(shift, padded)

    def roughly_hu(self, plane: np.ndarray) -> np.ndarray:
        """A slice with air where it was padded, and moved back where it was shifted so far that air looks like tissue.

        A view of the slice itself where nothing is to be done.
        """
        moved = plane - np.float32(self.shift_hu) if abs(self.shift_hu) > LARGEST_SHIFT else plane
        return moved if self.padded is None else np.where(self.padded, moved.dtype.type(AIR_HU), moved)


def looked_at(count: int) -> list[int]:
    """The slices that a scan of ``count`` is judged by."""
    return np.unique(np.linspace(0, count - 1, min(count, _LOOK_SLICES)).round().astype(int)).tolist()


def coarse(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """A slice on a coarser grid (about 128 pixels; a view), and how many pixels are one."""
    stride = max(1, max(plane.shape) // COARSE_PIXELS)
    return plane[::stride, ::stride], stride


def find_padding(
    planes: Sequence[np.ndarray], pixel_mm: tuple[float, float], shift_hu: float = 0.0
) -> np.ndarray | None:
    """Where the scan was padded with a value that is not air: bool (rows, columns), or None where it was not.

    ``planes``: axial slices of HU, all of one shape; ``pixel_mm``: distance of rows and of columns; ``shift_hu``: how
    far the scan's values lie above HU. What is padded has one value in two corners or more and in all slices, and a
    round edge (or a value that no tissue has).
    """
    corners = np.array([[plane[0, 0], plane[0, -1], plane[-1, 0], plane[-1, -1]] for plane in planes])
    values, counts = np.unique(corners[0], return_counts=True)
    value = values[np.argmax(counts)]
    is_padded = (corners == value).all(axis=0)
    hu = float(value) - shift_hu
    if np.count_nonzero(is_padded) < 2 or AIR_LIKE_HU[0] <= hu <= AIR_LIKE_HU[1]:
        return None
    if hu > AIR_LIKE_HU[1] and min(float(plane.min()) for plane in planes) > float(value) - _DARKER_HU:
        return None
    same = np.logical_and.reduce([plane == value for plane in planes])
    pieces, _count = ndimage.label(same)
    at_corners = {int(pieces[row, column]) for row in (0, -1) for column in (0, -1)} - {0}
    padded = np.isin(pieces, list(at_corners))
    if padded.mean() < _LEAST_SHARE or padded.all():
        return None
    sure = hu < AIR_LIKE_HU[0] or hu > _SURE_HU
    return padded if sure or _has_round_edge(padded, pixel_mm) else None


def _has_round_edge(padded: np.ndarray, pixel_mm: tuple[float, float]) -> bool:
    """Whether what is not ``padded`` ends in a circle."""
    edge = padded & ndimage.binary_dilation(~padded)
    rows, columns = np.nonzero(edge)
    if len(rows) < _LEAST_EDGE:
        return False
    y, x = rows * pixel_mm[0], columns * pixel_mm[1]
    # x² + y² = 2ax + 2by + c: linear in what is sought.
    terms = np.column_stack([2 * x, 2 * y, np.ones(len(x))])
    (a, b, _c), *_rest = np.linalg.lstsq(terms, x**2 + y**2, rcond=None)
    radii = np.hypot(x - a, y - b)
    return float(radii.std()) < _ROUND_PIXELS * max(pixel_mm) and float(radii.mean()) < 2 * max(y.max(), x.max())
