"""Whether lungs are such that their shape tells the lobes: both there, whole, and each on its own side."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..i18n import tr as _
from .lobe_shape import CoarseLung

CUT_MM2 = 100.0
"""A lung that touches a face of the scan with more than this counts as cut off; a tip that just ends there does not."""

LEAST_ML, MOST_ML = 400.0, 5500.0
"""Of one lung. Those that the model has learned from have 0.5 to 5 L."""

LEAST_RATIO, LARGEST_RATIO = 0.5, 1.3
"""Left over right; outside one lung has collapsed, is displaced by fluid or was operated on."""

THICKEST_MM = 10.0
"""In thicker slices a lung has no shape: a lobe would be a few slices high."""

LEAST_APART_MM = 60.0
"""How far the centre of the left lung lies to the left of that of the right one, at least."""


def check_whole(lungs: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    """Raise InputError where a lung is cut off by the first or last plane of the array, or in slices too thick.

    ``lungs``: uint8 (z, y, x), upright: odd in the left lung, even in the right one, 0 outside; ``spacing_mm``: x,
    y, z.
    """
    if spacing_mm[2] > THICKEST_MM:
        raise InputError(_("The slices are too thick to tell lobes from the shape of the lungs."))
    sizes = np.array(spacing_mm[::-1])
    for axis in range(3):
        area = float(np.prod(np.delete(sizes, axis)))
        for face in (0, -1):
            plane = np.take(lungs, face, axis=axis)
            left = np.count_nonzero(plane & 1)
            if max(left, np.count_nonzero(plane) - left) * area > CUT_MM2:
                raise InputError(_("The scan does not show both lungs whole."))


def check_lungs(left: CoarseLung, right: CoarseLung) -> None:
    """Raise InputError, with the reason, for lungs that are missing, on the wrong sides, or of unusual volumes."""
    if not left.ml or not right.ml:
        raise InputError(_("There are not two lungs."))
    if _column(left) - _column(right) < LEAST_APART_MM:
        raise InputError(_("The lungs do not lie side by side, the left one on the left: are the sides right?"))
    if not all(LEAST_ML <= lung.ml <= MOST_ML for lung in (left, right)):
        raise InputError(_("A lung is smaller or larger than lungs from whose shape lobes are told."))
    if not LEAST_RATIO <= left.ml / right.ml <= LARGEST_RATIO:
        raise InputError(_("One lung is much smaller than the other (fluid, collapse or surgery?)."))


def _column(lung: CoarseLung) -> float:
    """Where the lung's centre lies from right to left, in mm."""
    counts = lung.lung.sum(axis=(0, 1))
    return float(np.average(np.arange(len(counts)), weights=counts) * lung.size_mm[2])
