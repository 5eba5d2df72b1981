"""Whether all slices of a scan have one scale, told by how the values of neighbours lie to each other.

From one slice to the next the body hardly changes: what is air stays air, what is tissue stays tissue. So the usual
change of either is about 0 HU, and where it is not a part of the scan was shifted or scaled by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .geometry.volume import AIR_HU
from .soft_tissue import MUSCLE_HU

JUMPS = ((0.9, 60.0), (0.8, 150.0))
"""A usual change of so many HU of what lies in one place to such a share is none of a body. Of 25 real scans: at most
12 HU; cropped to the lungs or to one lung, with every fourth or eighth slice alone, at most 30 and 94."""

_OPPOSITE = -0.5
"""The correlation (-1 to 1) of neighbours is lower where one of them is inverted."""

_DARK, _BRIGHT = 5, 90
"""Percentiles of air or lung, and of muscle; bone and metal are brighter."""

_SAMPLE, _LEAST = 20_000, 150
"""So many voxels of a slice are enough to know a median to 2 HU; so few of them say nothing."""


@dataclass(frozen=True)
class _Slice:
    """Some voxels of a slice (float32), and which of them are bright.

    ``contrast``: how much brighter they are than the others; 1 from air to muscle. ``around``: the values without their
    mean, and of length 1: the product of two slices is their correlation.
    """

    values: np.ndarray
    bright: np.ndarray
    contrast: float
    around: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> _Slice:
        values = numbers.astype(np.float32)
        ordered = np.sort(numbers)  # of whole numbers a fifth of what np.percentile takes
        dark, bright = (float(ordered[round(percent / 100 * (len(ordered) - 1))]) for percent in (_DARK, _BRIGHT))
        around = values - values.mean()
        return cls(
            values,
            values > (dark + bright) / 2,
            (bright - dark) / (MUSCLE_HU - AIR_HU),
            around / np.linalg.norm(around),
        )


def is_uneven(slices: Iterable[np.ndarray]) -> bool:
    """Whether a part of the ``slices`` (arrays of one shape, neighbours one after the other) has another scale.

    Slices of one value alone are passed over: nothing was measured there.
    """
    looked = (np.ravel(one)[:: max(1, one.size // _SAMPLE)] for one in slices)
    measured = (_Slice.of(one) for one in looked if one.size >= _LEAST and one.min() < one.max())
    return any(_jumps(below, above) for below, above in pairwise(measured))


def _jumps(below: _Slice, above: _Slice) -> bool:
    """Whether what is dark, or bright, in both slices has moved, or one of them is inverted."""
    if below.around @ above.around < _OPPOSITE:
        return True
    # Where a whole scan was scaled its usual changes were, too.
    change = (above.values - below.values) / max(1.0, min(below.contrast, above.contrast))
    for pair in ((below.bright, above.bright), (~below.bright, ~above.bright)):
        both = pair[0] & pair[1]
        count = int(np.count_nonzero(both))
        if count < _LEAST:
            continue
        share = count / np.count_nonzero(pair[0] | pair[1])
        if any(share > needed and _half_changed(change, both, count, hu) for needed, hu in JUMPS):
            return True
    return False


def _half_changed(change: np.ndarray, both: np.ndarray, count: int, hu: float) -> bool:
    """Whether the median of ``change`` where ``both`` are, in ``count`` places, is more than ``hu`` up or down."""
    return any(2 * np.count_nonzero(both & there) > count for there in (change > hu, change < -hu))
