"""Density inside the masks, from exact histograms: one bin for each Hounsfield unit."""

from __future__ import annotations

import numpy as np

from .rules import Rules
from .sided import LEFT_CODES, RIGHT_CODES, Code
from .values import Density

_LOWEST = int(np.iinfo(np.int16).min)
_BINS = 1 << 16
_INFECTED = (Code.LEFT_INFECTED, Code.RIGHT_INFECTED)


def histograms(codes: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """How many voxels of each code have each HU: int64 (5 codes, 65536 from -32768 HU on).

    ``codes``: uint8 (z, y, x), ``voxels``: int16 of the same grid.
    """
    counts = np.zeros((len(Code), _BINS), np.int64)
    for plane, values in zip(codes, voxels, strict=True):
        lung = plane != Code.OUTSIDE
        if lung.any():
            hu = values[lung].astype(np.int32)
            low, bins = int(hu.min()), int(np.ptp(hu)) + 1  # few: all 65536 would take longer than the voxels
            found = np.bincount(plane[lung] * np.int32(bins) + (hu - low), minlength=len(Code) * bins)
            counts[:, low - _LOWEST : low - _LOWEST + bins] += found.reshape(len(Code), bins)
    return counts


def density(counts: np.ndarray, voxel_ml: float, rules: Rules) -> Density | None:
    """The densities of :func:`histograms`; None without lung. ``voxel_ml``: volume of one voxel in mL."""
    lung, infection = counts.sum(axis=0), counts[list(_INFECTED)].sum(axis=0)
    lung_mean = _mean(lung)
    if lung_mean is None:
        return None
    split = rules.split_hu - _LOWEST
    ground_glass, consolidation = (float(part.sum()) * voxel_ml for part in (infection[:split], infection[split:]))
    either = ground_glass + consolidation
    return Density(
        lung_mean,
        _mean(counts[list(LEFT_CODES)].sum(axis=0)),
        _mean(counts[list(RIGHT_CODES)].sum(axis=0)),
        _mean(infection),
        ground_glass,
        consolidation,
        100.0 * consolidation / either if either else None,
        {percent: _percentile(lung, percent) for percent in rules.percentiles},
    )


def _mean(histogram: np.ndarray) -> float | None:
    total = int(histogram.sum())
    return float(histogram @ np.arange(_LOWEST, _LOWEST + _BINS)) / total if total else None


def _percentile(histogram: np.ndarray, percent: float) -> float:
    """The lowest HU that at least ``percent`` of the voxels do not exceed."""
    reached = np.cumsum(histogram)
    return float(np.searchsorted(reached, max(percent / 100 * reached[-1], 1)) + _LOWEST)
