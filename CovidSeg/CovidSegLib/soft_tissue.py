"""How far the values of a chest CT are shifted, told by its fat and muscle.

Fat and muscle have nearly the same HU in everybody, contrast agent or not, and are the two peaks of every chest's
histogram above lung. Pictures that were taken from a lung window and written as another one have them elsewhere: five
of the seven radiopaedia scans of Zenodo 3757476 lie 75 to 105 HU too high in the window that their makers name.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy

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

LEAST_OF_BOTH = 0.08
"""Share of soft tissue in the smaller of the two peaks, weighted by its shape (0.16 and more on 28 real scans): a ball
of water has one peak."""

AERATED_HU = (-1100.0, -500.0)
"""Air and lung."""

FARTHEST_SHIFT = 2100.0
"""An intercept of -1024 that was forgotten or used twice, and as much again."""

SMALLEST_FAR_SHIFT = 150.0
"""Beyond the others by so much that the two are not taken for one another."""

SURE_LIKENESS = 0.75
LEAST_AIR, MOST_ABOVE = 0.02, 0.1
"""A shift beyond :data:`LARGEST_SHIFT` is believed where the peaks fit so well and, moved back, so much of the scan is
air or lung, and no more than so much lies above all soft tissue (bone and contrast: up to 0.06)."""

_STEP_HU = 5.0
_EDGES = np.arange(-500.0, 405.0, _STEP_HU)
_WIDE_EDGES = np.arange(-500.0 - FARTHEST_SHIFT - 600, 400.0 + FARTHEST_SHIFT + 600 + _STEP_HU, _STEP_HU)
_SMOOTHING_HU, _PEAK_WIDTH_HU, _MUSCLE_HEIGHT = 15.0, 28.0, 1.2
_BELOW_FAT_HU, _ABOVE_MUSCLE_HU = 125.0, 102.0
_CLIPPED_HU = 12.0


def soft_tissue_shift(parts: Iterable[np.ndarray]) -> float:
    """HU to take away from the values so that fat and muscle lie where they belong; 0 where that is not sure.

    ``parts``: values of the scan, arrays of any shape (a sample of some 10,000 is enough). A shift of more than
    :data:`LARGEST_SHIFT` is found where air and lung agree with it.
    """
    parts = list(parts)
    shifts, likeness = _compare(parts, _EDGES, LARGEST_SHIFT)
    best = int(np.argmax(likeness))
    shift = float(shifts[best])
    is_near = likeness[best] >= LIKENESS and abs(shift) < LARGEST_SHIFT - _STEP_HU
    in_place = float(likeness[shifts == 0.0][0])
    # Air and lung may lie where fat and muscle belong: then there is no air below them.
    if (not is_near and in_place <= LIKENESS_UNSHIFTED) or not _has_air(parts, shift if is_near else 0.0):
        far = _far_shift(parts)
        if abs(far) >= SMALLEST_FAR_SHIFT:
            return far
    sure = likeness[best] >= LIKENESS and in_place <= LIKENESS_UNSHIFTED
    return shift if sure and abs(shift) >= SMALLEST_SHIFT else 0.0


def is_of_no_body(parts: Iterable[np.ndarray]) -> bool:
    """Whether more than :data:`MOST_ABOVE` lies above all soft tissue, with no fat and muscle where they belong.

    Of 28 real scans, and of pieces cut out of them, at most 0.03 lies there.
    """
    parts = list(parts)
    above = sum(np.count_nonzero(part > _EDGES[-1]) for part in parts)
    if above <= MOST_ABOVE * sum(part.size for part in parts):
        return False
    shifts, likeness = _compare(parts, _EDGES, LARGEST_SHIFT)
    return float(likeness[shifts == 0.0][0]) <= LIKENESS_UNSHIFTED


def _compare(parts: list[np.ndarray], edges: np.ndarray, farthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Shifts up to ``farthest``, and how well the peaks fit each (see :func:`_likeness`)."""
    counts = np.zeros(len(edges) - 1)
    highest = -np.inf
    for part in parts:
        counts += np.histogram(part, edges)[0]
        highest = max(highest, float(part.max())) if part.size else highest
    counts = scipy.ndimage.gaussian_filter1d(counts, _SMOOTHING_HU / _STEP_HU)
    centres = (edges[:-1] + edges[1:]) / 2
    shifts = np.arange(-farthest, farthest + _STEP_HU, _STEP_HU)
    return shifts, np.array([_likeness(counts, centres, shift, highest - _CLIPPED_HU) for shift in shifts])


def _far_shift(parts: list[np.ndarray]) -> float:
    """The shift, however large, that fits best; 0 where the rest of the values speaks against it."""
    shifts, likeness = _compare(parts, _WIDE_EDGES, FARTHEST_SHIFT)
    best = int(np.argmax(likeness))
    shift = float(shifts[best])
    if likeness[best] < SURE_LIKENESS:
        return 0.0
    size, highest = sum(part.size for part in parts), max(part.max(initial=0) for part in parts)
    above = sum(np.count_nonzero(part > _EDGES[-1] + shift) for part in parts)
    is_cut = highest < MUSCLE_HU + shift + _ABOVE_MUSCLE_HU  # a peak may lie beyond the end of a window
    if is_cut or above > MOST_ABOVE * size or not _has_air(parts, shift):
        return 0.0
    return shift


def _has_air(parts: list[np.ndarray], shift: float) -> bool:
    """Whether air and lung lie where they belong when the values are moved back by ``shift``."""
    low, high = AERATED_HU[0] + shift, AERATED_HU[1] + shift
    aerated = sum(np.count_nonzero((part >= low) & (part <= high)) for part in parts)
    return bool(aerated >= LEAST_AIR * sum(part.size for part in parts))


def _likeness(counts: np.ndarray, all_centres: np.ndarray, shift: float, clipped_above: float) -> float:
    """Correlation (-1 to 1) of a histogram with fat and muscle ``shift`` HU from where they belong.

    Only what lies around soft tissue is compared.
    """
    lowest, highest = FAT_HU + shift - _BELOW_FAT_HU, min(MUSCLE_HU + shift + _ABOVE_MUSCLE_HU, clipped_above)
    seen = (lowest < all_centres) & (highest > all_centres)
    around = counts
    if len(counts) >= len(_WIDE_EDGES) - 1:
        around = counts[(all_centres > _EDGES[0] + shift) & (all_centres < _EDGES[-1] + shift)]
    if counts[seen].sum() <= SEEN_SHARE * around.sum():
        return 0.0
    return peaks_likeness(counts[seen], all_centres[seen] - shift)


def peaks_likeness(counts: np.ndarray, hu: np.ndarray) -> float:
    """Correlation (-1 to 1) of a histogram, ``counts`` at ``hu``, with the peaks of fat and muscle.

    Of roots of counts, so that the larger peak does not decide alone; 0 where one of the two is not there.
    """
    peaks = [np.exp(-0.5 * ((hu - peak) / _PEAK_WIDTH_HU) ** 2) for peak in (FAT_HU, MUSCLE_HU)]
    if min((counts * peak).sum() for peak in peaks) < LEAST_OF_BOTH * counts.sum():
        return 0.0
    expected, found = np.sqrt(peaks[0] + _MUSCLE_HEIGHT * peaks[1]), np.sqrt(counts)
    expected, found = expected - expected.mean(), found - found.mean()
    size = float(np.sqrt((expected**2).sum() * (found**2).sum()))
    return float((expected * found).sum()) / size if size > 0 else 0.0
