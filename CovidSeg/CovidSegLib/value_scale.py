"""How many times too far apart the values of a chest CT lie, told by its air, fat and muscle.

Hounsfield units are fixed by physics: air is -1000, fat about -100 and muscle about 50 in everybody. So the three peaks
of a histogram lie at fixed ratios whatever the values were multiplied by or moved by, and their distances say how much.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy

from .geometry.volume import AIR_HU
from .soft_tissue import AERATED_HU, FAT_HU, MUSCLE_HU, peaks_likeness

SCALES = np.exp(np.arange(np.log(0.3), np.log(20.0), 0.02))
"""What is tried, in steps of 2 %."""

TRUE_SCALES = (0.84, 1.08)
"""What counts as right: on 28 real scans 0.94 to 1.04 is found, on pieces of them without air around the body 0.85."""

LEAST_WITH_AIR = 0.9
"""And where there is air around the body, so that lung is not taken for it."""

LIKENESS = 0.7
"""A scale is believed where the peaks fit so well (correlation; 0.72 to 0.92 on 28 real scans)."""

BETTER = 0.03
"""And by so much better than at a scale that is right."""

_NEGATIVE_BETTER = 0.3
"""By so much a negative fits better than the values do: 0.36 and more in 28 scans and pieces of them. What lies in a
stretched window fits as a negative, too, by at most 0.26 better."""

_CUT_TISSUE, _BONE_BELOW_AIR_HU, _LEAST_BONE = 0.05, 1250.0, 0.003
"""So many voxels have the very highest value where a window cut off tissue. Air of a negative may be cut off, too: then
bone lies so far below it, in so many voxels."""

UNKNOWN, INVERTED, UNEVEN, SWAPPED = 0.0, -1.0, -2.0, -3.0
"""No scale: values that are no HU of any known kind, those of a negative, slices that have not one scale, numbers whose
bytes are in the wrong order."""

_FAR_HU = 3000.0
"""Air lies below it, whatever intercept was forgotten."""

_IMPOSSIBLE_HU, _CONSTANT = -1300.0, 0.1
"""Noise of low dose ends above it; a number that so much of what is lower has was filled in."""

_NOISE_HU = (60.0, 100.0)
"""So far below air noise reaches: usually, and in scans of low dose."""

_LEAST_BONE_HU = -200.0
"""A negative reaches below it: there is bone in every chest."""

_MOST_BONE = 0.05
"""Share of all values that would be dense bone, in a negative; more than that is air or lung."""

_SEEN_PLACES = 0.7
_TISSUE_HU = np.arange(FAT_HU - 125.0, MUSCLE_HU + 102.0, 5.0)
_SMOOTHING_HU, _CLIPPED_HU = 15.0, 12.0
_MOST_VALUES, _BINS = 60_000, 800
_LEAST_PEAK, _LEAST_AIR = 0.005, 0.02
"""Shares of all values: in a peak; in air and lung."""

_MOST_BELOW, _LEAST_BELOW = 0.02, 0.003
"""Shares of all values that noise makes darker than air. Where air would be brighter than -1000, fewer: it may be lung,
and the true air hardly in view."""

_SOFT_HU, _WINDOW_SCALE = 300.0, 1.5
_LEAST_ABOVE, _TISSUE_ABOVE_HU = 0.01, -200.0
"""Where hardly anything of all tissue is above it, a window was cut, and the lowest value may be its lower end rather
than air. Of 28 real scans 0.014 and more is above it, also scaled; metal and noise in a window are less."""

_CUT_SHARE = 0.01
"""So many voxels have the very lowest value where dark values were cut off."""

_FAT_TO_MUSCLE_HU = (128.0, 156.0)
"""How far the two peaks lie apart in true scans (20 of them)."""

_TISSUE_STEP_HU = 4.0
_NEAR_HU, _LUNG_ABOVE_HU = 40.0, (60.0, 160.0)
"""Peaks are found to a step. Just above a cut, and where lung lies above air, at scales of 0.8 to 1."""

_FAT_RANGE, _MUSCLE_RANGE = (-150.0, -40.0), (0.0, 110.0)
_SEEN_SHARE, _MOST_ABOVE = 0.6, 0.1
"""As in :mod:`soft_tissue`."""


class _Histogram:
    """Counts of values in even bins."""

    def __init__(self, values: np.ndarray) -> None:
        lowest, self.highest = float(values.min()), float(values.max())
        most = float(np.percentile(values, 99.5))  # metal would make it long
        self.step = max(2.0, (most - lowest) / _BINS)
        edges = np.arange(lowest - 20 * self.step, most + 20 * self.step, self.step)
        self.counts = np.histogram(values, edges)[0].astype(float)
        self.centres = (edges[:-1] + edges[1:]) / 2
        self._up_to = np.cumsum(self.counts) / values.size

    def smooth(self, scale: float) -> np.ndarray:
        """Counts without noise."""
        return scipy.ndimage.gaussian_filter1d(self.counts, max(1.0, _SMOOTHING_HU * scale / self.step), truncate=3)

    def share(self, low: float, high: float) -> float:
        """The share of values from ``low`` to ``high``."""
        below, up_to = self.share_up_to(np.array([low, high]))
        return float(up_to - below)

    def share_up_to(self, values: np.ndarray) -> np.ndarray:
        """The share of what is darker than each of ``values``, in their shape."""
        return np.interp(values, self.centres, self._up_to, left=0.0)

    def lowest_peaks(self) -> list[float]:
        """Values that many voxels have, and below which there is hardly anything."""
        smooth = scipy.ndimage.gaussian_filter1d(self.counts, 2.0)
        around = scipy.ndimage.uniform_filter1d(self.counts, 9) * 9 / self.counts.sum()
        is_peak = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & (around[1:-1] >= _LEAST_PEAK)
        is_low = np.concatenate([[0.0], self._up_to])[:-1] <= 0.5
        return self.centres[1:-1][is_peak & is_low[1:-1]].tolist()


def value_scale(parts: Iterable[np.ndarray], *, air_around: bool = False) -> float:
    """How many times too far apart the values lie; 1 where they are right or it is not sure.

    :data:`UNKNOWN` where they lie beyond all HU.
    ``parts``: values of the scan, arrays of any shape, without what the scanner did not measure. Any shift goes.
    ``air_around``: the darkest of it is air around the body, not lung.
    """
    values = _sampled(parts)
    if not values.size or values.min() == values.max():
        return 1.0
    if values.min() > _FAR_HU:
        return UNKNOWN
    true = LEAST_WITH_AIR if air_around else TRUE_SCALES[0], TRUE_SCALES[1]
    found = _best(values, true)
    if found is None:
        return 1.0
    if true[0] <= found <= true[1] or (found < 1 and _is_cut(values, found)):
        return 1.0
    is_window = 1 / _WINDOW_SCALE < found < _WINDOW_SCALE and _is_window(values, found)
    return 1.0 if is_window else found


def _sampled(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Some of all values, evenly."""
    flat = [np.ravel(part) for part in parts]
    values = np.concatenate(flat).astype(np.float32) if flat else np.empty(0, np.float32)
    return values[:: max(1, -(-values.size // _MOST_VALUES))]


def _is_window(values: np.ndarray, scale: float) -> bool:
    """Whether bone is missing, also where the values were multiplied by ``scale``."""
    tissue = np.count_nonzero(values > _TISSUE_ABOVE_HU)
    return bool(np.count_nonzero(values > _SOFT_HU * max(1.0, scale)) <= _LEAST_ABOVE * tissue)


def _is_cut(values: np.ndarray, scale: float) -> bool:
    """Whether the lowest value is where HU were cut off, not air brought nearer by ``scale``.

    Then fat and muscle lie as far apart as in true scans.
    """
    lowest = values.min()
    if lowest <= AIR_HU or np.count_nonzero(values == lowest) < _CUT_SHARE * values.size:
        return False
    counts, edges = np.histogram(values, np.arange(_FAT_RANGE[0], _MUSCLE_RANGE[1] + 4, _TISSUE_STEP_HU))
    smooth, centres = scipy.ndimage.gaussian_filter1d(counts.astype(float), 4.0), (edges[:-1] + edges[1:]) / 2
    in_fat, in_muscle = centres < _FAT_RANGE[1], centres > _MUSCLE_RANGE[0]
    apart = centres[in_muscle][np.argmax(smooth[in_muscle])] - centres[in_fat][np.argmax(smooth[in_fat])]
    needed = (_FAT_TO_MUSCLE_HU[0] + scale * _FAT_TO_MUSCLE_HU[1]) / 2
    return bool(apart > needed or (apart > needed - _TISSUE_STEP_HU and _falls_from(values, lowest)))


def _falls_from(values: np.ndarray, lowest: float) -> bool:
    """Whether values become fewer from the ``lowest`` on, as where lung was cut off. Above air are few, then lung."""
    near = np.count_nonzero((values > lowest) & (values <= lowest + _NEAR_HU))
    lung = np.count_nonzero((values > lowest + _LUNG_ABOVE_HU[0]) & (values <= lowest + _LUNG_ABOVE_HU[1]))
    return bool(near / _NEAR_HU > lung / (_LUNG_ABOVE_HU[1] - _LUNG_ABOVE_HU[0]))


def is_inverted(parts: Iterable[np.ndarray]) -> bool:
    """Whether the negative of the values has air, fat and muscle where they belong, at any scale."""
    values = np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)
    aerated = np.count_nonzero((values >= AERATED_HU[0]) & (values <= AERATED_HU[1]))
    if not values.size or values.min() > _LEAST_BONE_HU or aerated > _MOST_BONE * values.size:
        return False
    return _best(-values[:: max(1, -(-values.size // _MOST_VALUES))]) is not None


def is_negative(parts: Iterable[np.ndarray]) -> bool:
    """Whether air, fat and muscle are found in the negative, however far it was moved, and not in the values."""
    values = _sampled(parts)
    if not values.size or values.min() == values.max():
        return False
    if _is_cut_tissue(values):
        return False
    is_true = (TRUE_SCALES[0] <= SCALES) & (TRUE_SCALES[1] >= SCALES)
    fits = [np.max([_fits(sign * values, margin) for margin in _NOISE_HU], axis=0) for sign in (1, -1)]
    negative = float(fits[1][is_true].max())
    return negative >= LIKENESS and negative >= float(fits[0].max()) + _NEGATIVE_BETTER


def _is_cut_tissue(values: np.ndarray) -> bool:
    """Whether the brightest of ``values`` is tissue that a window cut off, not the air of a negative."""
    highest = values.max()
    bone = np.count_nonzero(values < highest - _BONE_BELOW_AIR_HU)
    return bool(np.count_nonzero(values == highest) > _CUT_TISSUE * values.size and bone < _LEAST_BONE * values.size)


def reaches_below_air(parts: Iterable[np.ndarray], shift: float) -> bool:
    """Whether much lies far below air without being one number: nothing of a body does. ``shift``: HU too high."""
    values = np.concatenate([np.ravel(part) for part in parts])
    low = values[values < _IMPOSSIBLE_HU + shift]
    if low.size <= _MOST_BELOW * values.size:
        return False
    _values, counts = np.unique(low, return_counts=True)
    return bool(counts[counts < _CONSTANT * low.size].sum() > _MOST_BELOW * values.size)


def _best(values: np.ndarray, true: tuple[float, float] = TRUE_SCALES) -> float | None:
    """The scale at which air, fat and muscle fit best; None where none fits. ``true``: what counts as 1."""
    is_true = (true[0] <= SCALES) & (true[1] >= SCALES)
    for margin in _NOISE_HU:
        found = _fits(values, margin)
        best = int(np.argmax(found))
        if found[best] >= LIKENESS:
            return float(SCALES[best]) if found[best] >= found[is_true].max() + BETTER else 1.0
    return None


def _fits(values: np.ndarray, margin: float) -> np.ndarray:
    """How well air, fat and muscle fit each of the scales (:func:`_likeness`).

    ``margin``: HU below air that noise reaches.
    """
    histogram = _Histogram(values)
    airs = np.array(histogram.lowest_peaks())
    most = np.where(SCALES < 1, _LEAST_BELOW, _MOST_BELOW)
    # Noise has hundreds of peaks: what is no air is left out of them all at once.
    is_air = histogram.share_up_to(airs - SCALES[:, None] * margin) <= most[:, None]
    found = np.zeros((len(SCALES), max(1, airs.size)))
    for row, column in np.argwhere(is_air):
        found[row, column] = _likeness(histogram, airs[column], SCALES[row])
    return found.max(axis=1)


def _likeness(histogram: _Histogram, air: float, scale: float) -> float:
    """Correlation (-1 to 1) with the peaks of fat and muscle that belong to this ``air`` at this ``scale``.

    0 where the rest of the values speaks against it.
    """

    def at(hu: float) -> float:
        return air + scale * (hu - AIR_HU)

    places = air + scale * (_TISSUE_HU - AIR_HU)
    seen = places < histogram.highest - _CLIPPED_HU * scale
    if places[seen].size < _SEEN_PLACES * len(places):
        return 0.0
    around = histogram.share(at(-500), at(400))
    in_tissue = histogram.share(places[0], places[seen][-1])
    if in_tissue <= _SEEN_SHARE * around or histogram.share(at(400), np.inf) > _MOST_ABOVE:
        return 0.0
    if histogram.share(at(AIR_HU - 100), at(-500)) < _LEAST_AIR:
        return 0.0
    found = np.interp(places[seen], histogram.centres, histogram.smooth(scale))
    return peaks_likeness(found, _TISSUE_HU[seen])
