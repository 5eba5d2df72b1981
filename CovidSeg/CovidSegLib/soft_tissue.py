"""How far the values of a chest CT are shifted, told by its fat and muscle.

Fat and muscle have nearly the same HU in everybody, contrast agent or not, and are the two peaks of every chest's
histogram above lung. Pictures that were taken from a lung window and written as another one have them elsewhere: five
of the seven radiopaedia scans of Zenodo 3757476 lie 75 to 105 HU too high in the window that their makers name.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

FAT_HU, MUSCLE_HU = -105.0, 48.0
"""Where the peaks lie (measured on nine scans with a known scale, to 5 HU; textbooks: -120 to -90 and 35 to 55)."""

SMALLEST_SHIFT, LARGEST_SHIFT = 30.0, 130.0
"""Less is the spread of true scans (10 HU on 15 of them) and what a network takes in its stride; more would take
muscle for fat."""

LIKENESS, LIKENESS_UNSHIFTED = 0.7, 0.5
"""A shift is believed where the shifted peaks fit at least so well (correlation; 0.75 to 0.92 on whole scans) and the
peaks at their proper place no better than so (shifted scans: at most 0.2)."""

SEEN_SHARE = 0.6
"""Of all that is no lung and no air, so much must lie around the shifted peaks (0.85 to 0.94 on whole scans)."""

_STEP_HU = 5.0
_EDGES = np.arange(-500.0, 405.0, _STEP_HU)
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2
_SMOOTHING_HU, _PEAK_WIDTH_HU, _MUSCLE_HEIGHT = 15.0, 28.0, 1.2
_BELOW_FAT_HU, _ABOVE_MUSCLE_HU = 125.0, 102.0
_CLIPPED_HU = 12.0


def soft_tissue_shift(parts: Iterable[np.ndarray]) -> float:
    """HU to take away from the values so that fat and muscle lie where they belong; 0 where that is not sure.

    ``parts``: values of the scan, arrays of any shape (a sample of some 10,000 is enough).
    """
    counts = np.zeros(len(_CENTRES))
    highest = -np.inf
    for part in parts:
        counts += np.histogram(part, _EDGES)[0]
        highest = max(highest, float(part.max()))
    counts = ndimage.gaussian_filter1d(counts, _SMOOTHING_HU / _STEP_HU)
    shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + _STEP_HU, _STEP_HU)
    likeness = np.array([_likeness(counts, shift, highest - _CLIPPED_HU) for shift in shifts])
    best = int(np.argmax(likeness))
    shift = float(shifts[best])
    sure = likeness[best] >= LIKENESS and likeness[shifts == 0.0][0] <= LIKENESS_UNSHIFTED
    return shift if sure and abs(shift) >= SMALLEST_SHIFT else 0.0


def _likeness(counts: np.ndarray, shift: float, clipped_above: float) -> float:
    """Correlation (-1 to 1) of a histogram with fat and muscle ``shift`` HU from where they belong.

    Of roots of counts, so that the larger peak does not decide alone.
    """
    lowest, highest = FAT_HU + shift - _BELOW_FAT_HU, min(MUSCLE_HU + shift + _ABOVE_MUSCLE_HU, clipped_above)
    seen = (lowest < _CENTRES) & (highest > _CENTRES)
    if counts[seen].sum() <= SEEN_SHARE * counts.sum():
        return 0.0
    centres = _CENTRES[seen] - shift
    peaks = [np.exp(-0.5 * ((centres - peak) / _PEAK_WIDTH_HU) ** 2) for peak in (FAT_HU, MUSCLE_HU)]
    expected = np.sqrt(peaks[0] + _MUSCLE_HEIGHT * peaks[1])
    found = np.sqrt(counts[seen])
    expected, found = expected - expected.mean(), found - found.mean()
    size = float(np.sqrt((expected**2).sum() * (found**2).sum()))
    return float((expected * found).sum()) / size if size > 0 else 0.0
