"""How far two masks of one scan agree: Dice, surface Dice, 95 % Hausdorff distance, volume.

Empty masks, where libraries disagree: when both are empty there is nothing to measure and every score is NaN, which
means leave out (the number of scans that count is told with every mean). When one is empty, Dice and surface Dice are 0
and the distance is the diagonal of the grid: a missed or invented lesion is never left out, nor perfect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

LESION_TOLERANCE = 3.0
LUNG_TOLERANCE = 1.0
"""mm that two outlines may be apart, from the variation between radiologists (Ma et al. 2021, doi:10.1002/mp.14676);
the same number of pixels where spacing is nominal."""

PERCENTILE = 95.0
BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True)
class SurfaceScores:
    """``dice``: normalised surface Dice at the tolerance, 0 to 1; ``hausdorff``: 95 % Hausdorff distance.

    In the unit of the spacing that they were measured with.
    """

    dice: float
    hausdorff: float


def surface_scores(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float], tolerance: float
) -> SurfaceScores:
    """Compare the borders of two bool masks (z, y, x) with voxel edges ``spacing`` (x, y, z).

    The border is every voxel of a mask with a neighbour (6 of them) outside it. Surface Dice is the share of both
    borders within ``tolerance`` of the other one; the Hausdorff distance is the larger of the two directed 95th
    percentiles, as in DeepMind's surface-distance and MONAI.

    References
    ----------
    Surface Dice: Nikolov et al. 2018, arXiv:1809.04430.
    """
    return _from_distances(*_distances(predicted, truth, spacing), _diagonal(predicted.shape, spacing), tolerance)


def slice_surface_scores(predicted: np.ndarray, truth: np.ndarray, tolerance: float) -> SurfaceScores:
    """The same slice by slice, in pixels, over all slices of the two masks (z, y, x) together.

    Outlines are compared within their slice alone; where a slice has none to compare with, its border lies a whole
    diagonal of the slice away.
    """
    diagonal = float(np.hypot(*predicted.shape[1:]))
    parts = [_distances(mine[None], true[None], (1.0, 1.0, 1.0)) for mine, true in zip(predicted, truth, strict=True)]
    to_truth, to_predicted = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return _from_distances(np.minimum(to_truth, diagonal), np.minimum(to_predicted, diagonal), diagonal, tolerance)


def _from_distances(to_truth: np.ndarray, to_predicted: np.ndarray, diagonal: float, tolerance: float) -> SurfaceScores:
    if not to_truth.size and not to_predicted.size:
        return SurfaceScores(float("nan"), float("nan"))
    if not to_truth.size or not to_predicted.size:
        return SurfaceScores(0.0, diagonal)
    near = np.count_nonzero(to_truth <= tolerance) + np.count_nonzero(to_predicted <= tolerance)
    furthest = max(np.percentile(to_truth, PERCENTILE), np.percentile(to_predicted, PERCENTILE))
    return SurfaceScores(near / (to_truth.size + to_predicted.size), float(furthest))


def _distances(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """For every border voxel of one mask how far the other's border is, both ways; infinite where there is none."""
    borders = [border_points(mask, spacing) for mask in (predicted, truth)]
    found = []
    for mine, other in (borders, borders[::-1]):
        if not len(mine) or not len(other):
            found.append(np.full(len(mine), np.inf))
        else:
            found.append(cKDTree(other).query(mine)[0])
    return found[0], found[1]


def border_points(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Border voxels of a bool mask (z, y, x) as points (n, 3), in the unit of ``spacing`` (x, y, z)."""
    boxes = ndimage.find_objects(mask.astype(np.uint8, copy=False))
    if not boxes:
        return np.empty((0, 3))
    # A single slice has no neighbours above and below: only its outline is border.
    flat = mask.shape[0] == 1
    structure = ndimage.generate_binary_structure(3, 1)
    if flat:
        structure[[0, 2]] = False
    part = np.pad(mask[boxes[0]], ((0, 0) if flat else (1, 1), (1, 1), (1, 1)))
    border = part & ~ndimage.binary_erosion(part, structure)
    start = np.array([box.start for box in boxes[0]]) - (0 if flat else 1, 1, 1)
    return (np.argwhere(border) + start) * np.array(spacing[::-1])


def _diagonal(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> float:
    return float(np.linalg.norm(np.array(shape) * np.array(spacing[::-1])))


def mean_with_interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Mean of the values that are numbers, and its 95 % bootstrap interval over scans (percentile method)."""
    known = np.array([value for value in values if np.isfinite(value)])
    if known.size == 0:
        return (float("nan"),) * 3
    draws = np.random.default_rng(0).choice(known, (BOOTSTRAP_DRAWS, known.size)).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(known.mean()), float(low), float(high)
